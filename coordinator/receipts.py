"""Receipts of ended tasks: built once the end is settled, by whoever the coordinator gives the work to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from contracts.chain import Chain
from contracts.network import Network
from coordinator.shelf import Shelf
from coordinator.store import Store
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import receipt

log = structlog.get_logger(__name__)

# Given a network, a task id (0x hex) and the block of its submission: the receipt as JSON text. May run
# elsewhere, and more than once.
BuildReceipt = Callable[[Network, str, int], Awaitable[str]]
AT_ONCE = 4
RETRY_S = 2.0
LONGEST_RETRY_S = 600.0


async def build_receipt(network: Network, task_id: str, first_block: int) -> str:
    """The receipt of an ended task as canonical JSON, read from the chain and checked against it.

    first_block: of its submission. Raises MLBridgeError, also when the chain does not bear it out.
    """
    async with await Chain.connect(network) as chain:
        made = await receipt.build(chain, bytes.fromhex(task_id[2:]), first_block=first_block)
        report = await receipt.verify(made, chain)
    if not report.ok:
        raise MLBridgeError(
            "receipt.unproven",
            f"The receipt of task {task_id} does not hold: {'; '.join(report.failures)}",
            hint="The chain moved while it was built, or the node lacks old blocks; it is tried again.",
        )
    return made.to_bytes().decode()


class Receipts:
    """Builds the receipts that are missing, oldest task first."""

    def __init__(self, network: Network, store: Store, build: BuildReceipt) -> None:
        self._network, self._store, self._build = network, store, build
        self._shelf = Shelf(store)

    async def step(self) -> bool:
        """Build some; whether there may be more."""
        owed = await self._shelf.owed(now=time.time(), limit=AT_ONCE + 1)
        await asyncio.gather(*(self._keep(task_id, tries) for task_id, tries in owed[:AT_ONCE]))
        return len(owed) > AT_ONCE

    async def _keep(self, task_id: str, tries: int) -> None:
        state = await self._store.task(task_id)
        events = await self._store.events(task_id)
        if state is None or not events:
            return
        try:
            made = await self._build(self._network, task_id, events[0].block)
        except Exception as error:
            if isinstance(error, MLBridgeError) and error.code == receipt.REVIEW:
                # Stores of an earlier release do not know it of their tasks.
                await self._shelf.none(task_id)
                return
            pause = min(LONGEST_RETRY_S, RETRY_S * 2.0 ** min(tries + 1, 8))
            await self._shelf.failed(task_id, tries=tries + 1, after=time.time() + pause)
            unforeseen = not isinstance(error, MLBridgeError)
            log.warning("receipt_failed", task=task_id, reason=str(error), retry_s=pause, exc_info=unforeseen)
            return
        kept = await self._shelf.keep(task_id, made, position=state.position)
        log.info("receipt_kept" if kept else "receipt_outdated", task=task_id)
