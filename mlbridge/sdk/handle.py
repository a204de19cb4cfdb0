"""One task under way: watch it, move it on where it stalls, take its result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from web3.types import TxReceipt

from contracts import reads
from contracts.chain import Chain
from contracts.errors import ContractError
from contracts.reads import TaskInfo
from contracts.rpc import RpcError, RpcUnreachableError
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import TaskOutput
from mlbridge.protocol.types import RoundKind, TaskStatus
from mlbridge.sdk.inputs import from_content, task_kind, to_output
from mlbridge.sdk.receipt_build import TERMINAL, build
from mlbridge.sdk.receipt_model import Receipt, SeatPart
from mlbridge.sdk.receipt_openings import contents
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

_PATIENCE = 10  # failed looks at the chain in a row
_GRACE_S = 30.0


@dataclass(frozen=True)
class Progress:
    """Where a task stands.

    committee: account ids of the round's seats; phase_deadline: unix seconds, 0: none.
    """

    status: TaskStatus
    round: int
    kind: RoundKind
    committee: tuple[int, ...]
    committed: int
    revealed: int
    phase_deadline: int

    def __str__(self) -> str:
        name = self.status.name.lower()
        if self.status is TaskStatus.COMMITTING:
            return f"round {self.round}: committing, {self.committed} of {len(self.committee)}"
        if self.status is TaskStatus.REVEALING:
            return f"round {self.round}: revealing, {self.revealed} of {len(self.committee)}"
        return name


@dataclass(frozen=True)
class TaskResult:
    """A verified answer.

    task_id: 0x hex; output: decoded; payload: its bytes; confidence: share of the committee's clipped
    weight behind it, 0 to 1; committee: the first committee's seats (judges are in the receipt's rounds);
    cost_wei: payment less refund; gas_used, gas_wei: of this client's own transactions for the task.
    """

    task_id: str
    output: TaskOutput
    payload: bytes
    confidence: float
    committee: tuple[SeatPart, ...]
    cost_wei: int
    gas_used: int
    gas_wei: int
    receipt: Receipt


class TaskEndedError(MLBridgeError):
    """The task ended without a result: code `task.refunded` or `task.cancelled`.

    receipt: what happened to it.
    """

    def __init__(self, receipt: Receipt) -> None:
        reason = receipt.payment.reason
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"task.{receipt.status}",
            f"The task {receipt.task.id} was {receipt.status}{because}; "
            f"{receipt.payment.refund} wei can be claimed.",
            hint="`claim` pays them out. Submitting again draws another committee.",
            task_id=receipt.task.id,
        )
        self.receipt = receipt

    def __reduce__(self) -> tuple[object, ...]:
        return TaskEndedError, (self.receipt,)


@dataclass
class TaskHandle:
    """One task on one chain.

    id: 32 bytes; first_block: no event of it lies below; idempotency_key: with which it was submitted here.
    """

    id: bytes
    chain: Chain
    sender: Sender | None
    store: ContentStore | None
    first_block: int
    idempotency_key: str | None = None
    gas_used: int = 0
    gas_wei: int = 0
    _shown: Progress | None = field(default=None, repr=False)

    @property
    def task_id(self) -> str:
        """The id as 0x hex."""
        return "0x" + self.id.hex()

    async def status(self) -> TaskInfo:
        """What the chain says now. Raises MLBridgeError `task.unknown`."""
        task = await reads.get_task(self.chain, self.id)
        if task.status.terminal:
            submitted = await reads.submission_of(self.chain, self.id, first=self.first_block)
            return task if submitted is None else reads.as_submitted(task, submitted)
        return task

    async def receipt(self) -> Receipt:
        """Its receipt. Raises MLBridgeError `task.unfinished`."""
        return await build(self.chain, self.id, first_block=self.first_block)

    async def cancel(self) -> None:
        """Take it back before its committee can be known. Raises ContractError."""
        receipt = await self._signer().send(self.chain.bridge.functions.cancelTask(self.id))
        self.add_gas(receipt)

    async def wait(
        self,
        timeout: float | None = None,
        *,
        poke: bool = True,
        progress: Callable[[Progress], None] | None = None,
        confirmations: int | None = None,
    ) -> TaskResult:
        """Wait for the result.

        timeout: seconds; poke: move the task on where nobody else does (needs an account, earns the tip);
        progress: told every change; confirmations: blocks that must lie on top of the end, default the
        network's. Raises TaskEndedError without a result, MLBridgeError `task.timeout` (exit code 6; the
        task goes on, wait again), `task.dropped`, or what fetching the result raises.
        """
        try:
            async with asyncio.timeout(timeout):
                receipt = await self._until_end(poke, progress, confirmations)
        except TimeoutError as error:
            raise MLBridgeError(
                "task.timeout",
                f"The task {self.task_id} has not ended within {timeout:g} s.",
                hint="It goes on: wait again, or look at it later by its id.",
                exit_code=6,
                task_id=self.task_id,
            ) from error
        return await self._result(receipt)

    async def _until_end(
        self, poke: bool, progress: Callable[[Progress], None] | None, confirmations: int | None
    ) -> Receipt:
        network = self.chain.network
        depth = network.confirmations if confirmations is None else confirmations
        pause = min(5.0, max(0.05, network.block_time / 4))
        failures, unknown_since, due_since = 0, None, None
        while True:
            try:
                task = await self.status()
                failures, unknown_since = 0, None
                await self._tell(task, progress)
                if task.status.terminal:
                    receipt = await self._deep_receipt(depth)
                    if receipt is not None:
                        return receipt
                elif poke and self.sender is not None:
                    due_since = await self._poke_if_due(due_since)
            except (RpcError, RpcUnreachableError) as error:
                failures += 1
                if failures >= _PATIENCE:
                    raise
                log.warning("task_wait_retry", task=self.task_id, reason=str(error))
            except MLBridgeError as error:
                if error.code != "task.unknown":
                    raise
                # a reorganisation took the submission; the node may still mine it again
                unknown_since = unknown_since or time.monotonic()
                if time.monotonic() - unknown_since > _GRACE_S:
                    raise MLBridgeError(
                        "task.dropped",
                        f"The task {self.task_id} is not on this chain, or was reorganised away.",
                        hint="Submit it again with the same salt: that cannot pay twice.",
                        exit_code=5,
                    ) from error
            await asyncio.sleep(pause)

    async def _tell(self, task: TaskInfo, progress: Callable[[Progress], None] | None) -> None:
        if progress is None:
            return
        committee = self._shown.committee if self._shown else ()
        in_round = task.status in (TaskStatus.COMMITTING, TaskStatus.REVEALING)
        moved = self._shown is None or (self._shown.round, self._shown.status) != (task.round, task.status)
        if in_round and moved:
            seats = await reads.get_seats(self.chain, self.id, task.round)
            committee = tuple(seat.account for seat in seats)
        now = Progress(
            task.status, task.round, task.kind, committee, task.committed, task.revealed, task.phase_deadline
        )
        if now != self._shown:
            self._shown = now
            progress(now)

    async def _poke_if_due(self, due_since: float | None) -> float | None:
        """Poke what has been due for a block's time, so that a coordinator's poke usually comes first."""
        if self.sender is None or not await reads.pokeable(self.chain, self.id):
            return None
        now = time.monotonic()
        if due_since is None or now - due_since < min(2.0, self.chain.network.block_time):
            return due_since or now
        try:
            self.add_gas(await self.sender.send(self.chain.tasks.functions.poke(self.id)))
        except ContractError as error:
            log.debug("task_poke_late", task=self.task_id, reason=error.name)
        return None

    async def _deep_receipt(self, depth: int) -> Receipt | None:
        """The receipt once the end is deep enough and still there."""
        try:
            receipt = await self.receipt()
        except MLBridgeError as error:
            if error.code in ("task.unfinished", "task.unknown"):
                return None
            raise
        end = next(part for part in reversed(receipt.events) if part.event in TERMINAL)
        head = await self.chain.head()
        return receipt if head.number - end.block >= depth else None

    async def _result(self, receipt: Receipt) -> TaskResult:
        if receipt.result is None:
            raise TaskEndedError(receipt)
        payload = await self._payload(contents(receipt.rounds, receipt.result.digest))
        kind = await task_kind(bytes.fromhex(receipt.task.input_data[2:]), self.store)
        return TaskResult(
            task_id=self.task_id,
            output=to_output(payload, kind),
            payload=payload,
            confidence=receipt.result.confidence / 10_000,
            committee=receipt.rounds[0].seats,
            cost_wei=receipt.task.payment - receipt.payment.refund,
            gas_used=self.gas_used,
            gas_wei=self.gas_wei,
            receipt=receipt,
        )

    async def _payload(self, choices: list[bytes]) -> bytes:
        """The result by the first of these tagged bytes that leads to it. Raises what the first raised."""
        first: MLBridgeError | None = None
        for data in choices:
            try:
                return await from_content(data, self.store)
            except MLBridgeError as error:
                log.warning("result_out_of_reach", task=self.task_id, code=error.code, reason=error.message)
                first = first or error
        raise first or MLBridgeError("result.none", f"Nobody opened the result of task {self.task_id}.")

    def _signer(self) -> Sender:
        if self.sender is None:
            raise MLBridgeError(
                "wallet.none",
                "This needs an account to sign with.",
                hint="Give the client a key.",
                exit_code=3,
            )
        return self.sender

    def add_gas(self, receipt: TxReceipt) -> None:
        """Count a transaction of this client for the task."""
        self.gas_used += int(receipt["gasUsed"])
        self.gas_wei += int(receipt["gasUsed"]) * int(receipt["effectiveGasPrice"])
