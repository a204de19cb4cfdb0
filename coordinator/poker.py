"""Moves stalled tasks on: each one's due step, when nobody has taken it and the tip is worth the gas."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from contracts import reads
from contracts.chain import Chain
from contracts.errors import ContractError, from_exception
from contracts.events import BlockRef, as_hex, as_int
from contracts.rpc import RpcError
from contracts.sender import Sender
from coordinator.config import PokeConfig
from coordinator.loops import drain
from coordinator.metrics import Metrics
from coordinator.outbox import Outbox, PokeRow
from coordinator.store import Store
from coordinator.task import TaskState

log = structlog.get_logger(__name__)

TIPS_SET_ASIDE = 4
BLOCKHASHES_KEPT = 256
TIP_READ_S = 300.0
LONGEST_RETRY_S = 600.0
BATCH = 64


@dataclass(frozen=True, slots=True)
class Worth:
    """What a poke would bring and cost, both in wei."""

    tip: int
    cost: int


class Poker:
    """Sends due pokes.

    The store's row for a step holds it back after a try, so that a crash repeats it at most once, and the
    contract refuses the repetition. Steps of tasks that this key paid for are taken at once, those of others
    after a delay that differs from coordinator to coordinator.
    """

    def __init__(
        self,
        chain: Chain,
        sender: Sender,
        store: Store,
        metrics: Metrics,
        config: PokeConfig,
        *,
        head: Callable[[], BlockRef | None],
    ) -> None:
        self._chain, self._sender, self._store = chain, sender, store
        self._metrics, self._config, self._head = metrics, config, head
        self._outbox = Outbox(store)
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tip: tuple[float, int] | None = None

    async def step(self) -> bool:
        """Start the pokes that are due now; whether any was started."""
        head = self._head()
        room = self._config.max_in_flight - len(self._under_way)
        if head is None or room <= 0:
            return False
        now = time.time()
        # The step is taken in the block after the head, at the earliest now.
        due = await self._outbox.pokes_due(
            block=head.number + 1, timestamp=max(head.timestamp, int(now)), now=now, limit=BATCH
        )
        fresh = [row for row in due if row.key not in self._under_way][:room]
        for row in fresh:
            self._under_way.add(row.key)
            task = asyncio.create_task(self._try(row, head))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return False

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way, at most `timeout_s` seconds; the store knows how to go on."""
        await drain(self._tasks, timeout_s)

    async def _try(self, row: PokeRow, head: BlockRef) -> None:
        try:
            outcome, tx_hash = await self._poke(row, head)
        except Exception as error:
            log.warning("poke_failed", task=row.task_id, step=row.key, reason=str(error), exc_info=True)
            outcome, tx_hash = "failed", None
        finally:
            self._under_way.discard(row.key)
        if outcome == "held":
            return
        self._metrics.pokes.labels(outcome).inc()
        # "skipped" is mostly a matter of one block: look again soon.
        first = self._chain.network.block_time if outcome == "skipped" else self._config.retry_s
        pause = min(LONGEST_RETRY_S, first * 2.0 ** min(row.attempts, 6))
        await self._outbox.poked(
            row,
            attempts=row.attempts + 1,
            outcome=outcome,
            tx_hash=tx_hash or row.tx_hash,
            not_before=time.time() + pause,
        )

    async def _poke(self, row: PokeRow, head: BlockRef) -> tuple[str, str | None]:
        state = await self._store.task(row.task_id)
        if state is None:
            return "skipped", None
        own = state.requester == self._sender.address and self._config.own_always
        if row.outcome is None and not own and self._config.jitter_s > 0:
            await self._outbox.poked(row, outcome="held", not_before=time.time() + self._wait_of(row.key))
            return "held", None
        task_id = bytes.fromhex(row.task_id[2:])
        if not await reads.pokeable(self._chain, task_id):
            return "skipped", None
        call = self._chain.tasks.functions.poke(task_id)
        try:
            if self._config.require_profit and not own:
                worth = await self._worth(state, call, head)
                if worth.tip < worth.cost:
                    log.info("poke_unprofitable", task=row.task_id, tip=worth.tip, cost=worth.cost)
                    return "unprofitable", None
            receipt = await self._sender.send(call)
        except ContractError as error:
            log.info("poke_lost", task=row.task_id, step=row.key, reason=error.name)
            return "lost", None
        self._metrics.gas.labels("poke").inc(receipt["gasUsed"])
        log.info("poked", task=row.task_id, step=row.key, gas=receipt["gasUsed"])
        return "sent", as_hex(receipt["transactionHash"])

    def _wait_of(self, key: str) -> float:
        """Seconds that this coordinator lets others go first; the same for the same key and step."""
        seed = hashlib.sha256(f"{self._sender.address}/{key}".encode()).digest()
        return self._config.jitter_s * int.from_bytes(seed[:4], "big") / 2**32

    async def _worth(self, state: TaskState, call: Any, head: BlockRef) -> Worth:
        tip = 0 if state.review else await self._current_tip()
        left = max(0, TIPS_SET_ASIDE * tip - state.tips)
        expired = (
            state.randomness_block is not None and head.number + 1 > state.randomness_block + BLOCKHASHES_KEPT
        )
        request = {
            "from": self._sender.address,
            "to": call.address,
            "data": call._encode_transaction_data(),
        }
        try:
            gas, price = await asyncio.gather(
                self._chain.provider.request("eth_estimateGas", [request, "pending"]),
                self._chain.provider.request("eth_gasPrice"),
            )
        except RpcError as error:
            raise from_exception(error) or error from error
        return Worth(tip=0 if expired else min(tip, left), cost=as_int(gas) * as_int(price))

    async def _current_tip(self) -> int:
        """Tip for a step, wei, as governed now; tasks submitted under older rules may pay another."""
        if self._tip is None or time.monotonic() - self._tip[0] > TIP_READ_S:
            self._tip = time.monotonic(), (await reads.get_parameters(self._chain)).tip
        return self._tip[1]
