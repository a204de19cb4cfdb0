"""Posts seeds of epochs that nobody has posted: without one no committee of the channel lane is drawn."""

from __future__ import annotations

import structlog

from contracts import artifacts
from contracts.errors import ContractError
from contracts.laneview import LaneView
from contracts.seeds import post_seed
from contracts.sender import Sender

log = structlog.get_logger(__name__)

# The beacon's source is named for later epochs, or this epoch's value cannot be proved yet.
_TOO_EARLY = frozenset({"NoSource", "EpochNotBegun", "SeedNotReady"})


class SeedPoster:
    """A seed is the same whoever posts it, so any number of these do each other no harm.

    A seed costs 154,366 gas, so it is posted only while somebody could draw from it here: while a channel
    with money in it names this coordinator.
    """

    def __init__(self, view: LaneView, sender: Sender) -> None:
        self._view, self._sender = view, sender

    async def step(self) -> bool:
        """Post the present epoch's seed if it can be proved and is not there. Raises what a Sender raises."""
        lane, view = self._view.lane, self._view
        source = lane.prevrandao_source
        if source is None:
            # drand's seeds are public signatures that its own posters carry.
            return False
        await view.refresh()
        epoch = view.epoch()
        if epoch < 1 or await view.seed(epoch) is not None or not await self._is_wanted():
            return False
        try:
            seed = await post_seed(self._sender, lane.chain, lane.beacon, source, epoch)
        except ContractError as error:
            if error.name not in _TOO_EARLY:
                raise
            return False
        if seed is not None:
            log.info("lane_seed_posted", epoch=epoch)
        return False

    async def _is_wanted(self) -> bool:
        ours = "0x" + self._sender.address[2:].lower().rjust(64, "0")
        opened = await self._view.lane.events(artifacts.CHANNELS, "ChannelOpened", None, None, ours)
        for event in reversed(opened):
            state = await self._view.channel(bytes(event.args["channel"]))
            if state.balance and not state.closes_at:
                return True
        return False
