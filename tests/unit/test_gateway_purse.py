"""What the gateway does with its money, whatever became of an earlier process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from contracts.channels import ChannelState
from gateway.config import ChannelConfig
from gateway.metrics import Metrics
from gateway.purse import Purse
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import ChannelTerms

ONE, TWO = "0x" + "11" * 20, "0x" + "22" * 20
SALT = keccak(b"mlbridge-gateway:shop")
TERMS = ChannelTerms(ONE, TWO, 1, 300, 500, SALT)
DEPOSIT = 10**18


class Client:
    """An SDK client with one transaction on its way: the opening that a killed process sent."""

    def __init__(self, *, sent: bool) -> None:
        self.sent, self.mined = sent, False
        self.opened: list[int] = []

    async def lane_view(self) -> Any:
        async def refresh() -> None:
            pass

        return SimpleNamespace(refresh=refresh, channel=self._state)

    async def _state(self, _: bytes) -> ChannelState:
        return ChannelState(**{field: 0 for field in ChannelState.__match_args__} | self._sums())

    def _sums(self) -> dict[str, int]:
        return {"balance": DEPOSIT, "deposited": DEPOSIT}

    async def settle(self) -> None:
        self.mined = self.mined or self.sent

    async def channels(self) -> list[tuple[ChannelTerms, ChannelState, str | None]]:
        return [(TERMS, await self._state(b""), None)] if self.mined else []

    async def channel(self, identity: bytes, *, url: str) -> Any:
        return _channel(identity)

    async def open_channel(self, url: str, deposit: int, *, salt: bytes) -> Any:
        assert salt == SALT
        self.opened.append(deposit)
        return _channel(TERMS.channel())


def _channel(identity: bytes) -> Any:
    async def room() -> int:
        return 256

    return SimpleNamespace(id=identity, room=room)


async def kept(client: Client, tmp_path: Path) -> Purse:
    config = ChannelConfig(coordinator="http://one", deposit_wei=DEPOSIT, limit_wei=2 * DEPOSIT)
    purse = Purse(client, config, Metrics(), name="shop", lock=tmp_path / "lock")  # type: ignore[arg-type]
    await purse.keep()
    return purse


async def test_an_opening_that_is_on_its_way_is_not_sent_twice(tmp_path: Path) -> None:
    client = Client(sent=True)
    purse = await kept(client, tmp_path)
    assert client.opened == []
    assert purse._channel is not None
    assert purse._channel.id == TERMS.channel()


async def test_without_one_a_channel_is_opened_once(tmp_path: Path) -> None:
    client = Client(sent=False)
    await kept(client, tmp_path)
    assert client.opened == [DEPOSIT]
