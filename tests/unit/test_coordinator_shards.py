"""Which shard carries whose channel orders, and what a room does when one is gone."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account

from coordinator.config import parse_config
from coordinator.engine import without_shards
from coordinator.lane.room import LaneRoom, ShardLostError
from coordinator.shards import shard_of
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Told

BASIS = {
    "network": "devnet",
    "home": "/nowhere",
    "key": {"keystore": "key.json", "password_file": "password"},
}
OFFER: Any = SimpleNamespace(terms=SimpleNamespace(requester="0x" + "ab" * 20), to_bytes=lambda: b"offer")
HERE, THERE = Told("failed", reason="here"), Told("failed", reason="there")


def test_a_requester_has_one_shard_and_they_are_shared_out() -> None:
    addresses = [Account.from_key(number.to_bytes(32, "big")).address for number in range(1, 200)]
    shares = Counter(shard_of(address, 4) for address in addresses)
    assert sorted(shares) == [0, 1, 2, 3]
    assert min(shares.values()) > 25
    assert {shard_of(address, 1) for address in addresses} == {0}
    assert all(shard_of(one.lower(), 4) == shard_of(one, 4) for one in addresses)


def test_a_coordinator_outside_of_ray_refuses_shards() -> None:
    without_shards(parse_config(BASIS | {"lane": {}}))
    without_shards(parse_config(BASIS))
    with pytest.raises(MLBridgeError) as caught:
        without_shards(parse_config(BASIS | {"lane": {"shards": 2}}))
    assert caught.value.code == "lane.shards_need_ray"


class Shards:
    """What a test has them say."""

    def __init__(self, said: bytes | MLBridgeError) -> None:
        self.said = said

    async def order(self, requester: str, offer: bytes, wait_s: float) -> bytes:
        assert (requester, offer) == (OFFER.terms.requester, b"offer")
        if isinstance(self.said, MLBridgeError):
            raise self.said
        return self.said

    async def look(self) -> list[dict[str, Any] | None]:
        return []


class Here(LaneRoom):
    """A room whose own process has one answer to everything."""

    def __init__(self, shards: Shards | None) -> None:
        self.shards = shards
        self.runner: Any = self

    async def accept(self, offer: object) -> bytes:
        return b"digest"

    async def wait(self, digest: bytes, wait_s: float) -> Any:
        return SimpleNamespace(evidence=None, reason="here", attested=())


@pytest.mark.parametrize(
    ("shards", "told"),
    [
        (None, HERE),
        (Shards(THERE.to_bytes()), THERE),
        (Shards(ShardLostError("lane.shard_lost", "It is gone.")), HERE),
    ],
    ids=["none", "there", "gone"],
)
async def test_an_order_goes_to_its_shard_and_is_carried_here_while_that_is_gone(
    shards: Shards | None, told: Told
) -> None:
    assert await Here(shards).order(OFFER, 1.0) == told


async def test_what_a_shard_refuses_is_refused() -> None:
    refusal = MLBridgeError("lane.full", "No more now.")
    with pytest.raises(MLBridgeError) as caught:
        await Here(Shards(refusal)).order(OFFER, 1.0)
    assert caught.value is refusal
