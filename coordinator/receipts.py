"""Receipts of ended tasks: built once the end is settled, by whoever the coordinator gives the work to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from contracts.network import Network
from coordinator.store import Store

log = structlog.get_logger(__name__)

# Given a network and a task id (0x hex): the receipt as JSON text. May run elsewhere, more than once.
BuildReceipt = Callable[[Network, str], Awaitable[str]]
AT_ONCE = 4


async def build_receipt(network: Network, task_id: str) -> str:
    """The receipt of a finalized task as canonical JSON, read from the chain and checked against it.

    Raises MLBridgeError when the chain does not prove it.
    """
    from contracts.chain import Chain
    from mlbridge.sdk import receipt as receipts

    async with await Chain.connect(network) as chain:
        made = await receipts.build(chain, bytes.fromhex(task_id[2:]))
        return made.to_json()


class Receipts:
    """Builds the receipts that are missing, oldest task first."""

    def __init__(self, network: Network, store: Store, build: BuildReceipt) -> None:
        self._network, self._store, self._build = network, store, build

    async def step(self) -> bool:
        """Build some; whether there may be more."""
        wanted = await self._store.without_receipt(limit=AT_ONCE)
        for task_id in wanted:
            state = await self._store.task(task_id)
            if state is None:
                continue
            receipt = await self._build(self._network, task_id)
            kept = await self._store.keep_receipt(task_id, receipt, position=state.position)
            log.info("receipt_kept" if kept else "receipt_outdated", task=task_id)
        return len(wanted) == AT_ONCE
