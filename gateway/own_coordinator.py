"""The gateway's own coordinator, as a library in this replica: channel orders take one hop less."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from coordinator.http import STATUS_BY_CODE
from coordinator.lane.beside import LaneBeside
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Settlement, Told
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.streams import Kind
from mlbridge.sdk.coordinators import CoordinatorTerms


class OwnDoor:
    """What the SDK asks instead of HTTP. url: where others reach the same coordinator."""

    def __init__(self, own: LaneBeside, url: str) -> None:
        self.url, self._own = url, own

    async def terms(self) -> CoordinatorTerms:
        """Who it is."""
        room = await self._own.room()
        domain = room.runner.view.lane.domain
        return CoordinatorTerms(
            room.address, room.config.share, domain.chain_id, domain.contract, room.config.members
        )

    async def order(self, offer: bytes, wait_s: float) -> Told:
        """Hand over an order, or ask again for the same one."""
        room = await self._own.room()
        try:
            return await room.order(parse_offer(offer), wait_s)
        except MLBridgeError as error:
            raise _as_over_http(error) from error

    async def stream(self, offer: bytes) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Hand over an order as `order` does, and listen."""
        room = await self._own.room()
        try:
            async with aclosing(await room.stream(parse_offer(offer))) as frames:
                async for found in frames:
                    yield found
        except MLBridgeError as error:
            raise _as_over_http(error) from error

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch."""
        return await (await self._own.room()).settlement(digest)

    async def close(self) -> None:
        """Nothing: the room outlives every channel."""


def _as_over_http(error: MLBridgeError) -> MLBridgeError:
    """With the seconds after which to try again, where HTTP would say 503."""
    if STATUS_BY_CODE.get(error.code) == 503:
        error.context.setdefault("retry_after_s", error.context.get("retry_after", 1))
    return error
