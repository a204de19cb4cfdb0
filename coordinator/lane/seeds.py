"""Posts seeds of epochs that nobody has posted: without one no committee of the channel lane is drawn."""

from __future__ import annotations

import structlog

from contracts import artifacts
from contracts.drand import DrandRelays
from contracts.errors import ContractError
from contracts.lane import Lane
from contracts.laneview import LaneView
from contracts.reads import call
from contracts.seeds import post_drand_seed, post_seed
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

# The beacon's source is named for later epochs, or this epoch's value cannot be proved yet.
_TOO_EARLY = frozenset({"NoSource", "EpochNotBegun", "SeedNotReady"})


class SeedPoster:
    """A seed is the same whoever posts it, so any number of these do each other no harm.

    A seed costs 154,366 gas from RANDAO and 183,461 from drand, so it is posted only while somebody could
    draw from it here: while a channel with money in it names this coordinator. relays: asked where an epoch's
    source is drand.
    """

    def __init__(self, view: LaneView, sender: Sender, relays: DrandRelays) -> None:
        self._view, self._sender, self._relays = view, sender, relays

    async def step(self) -> bool:
        """Post the present epoch's seed if it can be proved and is not there.

        Raises what a Sender and DrandRelays.signature raise, and MLBridgeError `seed.unknown_source`.
        """
        view = self._view
        await view.refresh()
        epoch = view.epoch()
        if epoch < 1 or await view.seed(epoch) is not None or not await self._is_wanted():
            return False
        try:
            seed = await self._post(view.lane, epoch)
        except ContractError as error:
            if error.name not in _TOO_EARLY:
                raise
            return False
        if seed is not None:
            log.info("lane_seed_posted", epoch=epoch)
        return False

    async def _post(self, lane: Lane, epoch: int) -> bytes | None:
        # Governance may name another source, so the epoch says which one counts.
        source = str(await call(lane.beacon.functions.sourceOf(epoch)))
        if not int(source, 16):
            return None
        if lane.prevrandao_source is not None and source == lane.prevrandao_source.address:
            return await post_seed(self._sender, lane.chain, lane.beacon, lane.prevrandao_source, epoch)
        if lane.drand_source is not None and source == lane.drand_source.address:
            return await post_drand_seed(
                self._sender, lane.beacon, lane.drand_source, self._relays, epoch, now=self._view.now()
            )
        raise MLBridgeError(
            "seed.unknown_source",
            f"The seed of epoch {epoch} is made by {source}, which the network's file does not name.",
            hint="Get the network's present file, which names it as prevrandao_source or drand_source.",
            exit_code=5,
        )

    async def _is_wanted(self) -> bool:
        ours = "0x" + self._sender.address[2:].lower().rjust(64, "0")
        opened = await self._view.lane.events(artifacts.CHANNELS, "ChannelOpened", None, None, ours)
        for event in reversed(opened):
            state = await self._view.channel(bytes(event.args["channel"]))
            if state.balance and not state.closes_at:
                return True
        return False
