"""How long a coordinator keeps what it knows of an order, and forgetting it afterwards.

An order goes once all of this holds:
- it has ended: it is done (final in a batch, settled by itself, or too late to settle) or failed;
- its deadline passed so long ago that the chain takes nothing about it any more, whatever becomes of the
  batches that passed it, and `lane.keep_s` ago at least;
- no batch that can still be challenged holds it;
- no evidence of it waits to be reported.
Evidence that was reported goes with its order, a batch with the last of its orders. Whoever needs the proof
of a payment after that finds it where it does not depend on this coordinator: on the chain and in storage
(mlbridge/sdk/lane_proof.py).
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from contracts.batches import longest_course
from contracts.laneview import LaneView
from coordinator.lane.settings import LaneConfig
from coordinator.lane.store import LaneStore

log = structlog.get_logger(__name__)

EVERY_S: Final = 600.0
MOST: Final = 2_000
"""Orders that go in one transaction: others wait for it."""


class Keeper:
    """Forgets what nobody can need any more."""

    def __init__(self, view: LaneView, store: LaneStore, config: LaneConfig) -> None:
        self._view, self._store, self._config = view, store, config

    async def step(self) -> bool:
        """Drop some of what may go; whether more may be left. Raises what a read of the chain raises."""
        await self._view.refresh()
        keep = max(self._config.keep_s, await longest_course(self._view.lane))
        gone = await self._store.prune(self._view.now() - keep, made_before=time.time() - keep, limit=MOST)
        if gone:
            log.info("lane_pruned", orders=gone)
        return gone == MOST
