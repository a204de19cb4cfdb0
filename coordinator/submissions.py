"""Tasks that clients submit and this coordinator pays: one idempotency key, one row, one task on chain.

The row fixes everything that the task id is made of before anything is sent. Whatever happens afterwards, the
same transaction is tried again until the chain knows the task, and the contract refuses a second one: a crash
between "row written" and "sent", or between "sent" and "seen", ends in exactly one task. A task that a
reorganisation takes back is sent again under the same id.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field

from contracts import reads
from contracts.chain import Chain
from contracts.errors import ContractError
from contracts.events import as_hex
from contracts.sender import Sender
from coordinator.catalogue import Catalogue, kind_of
from coordinator.config import SubmissionConfig
from coordinator.loops import drain
from coordinator.metrics import Metrics
from coordinator.outbox import Outbox, Submission
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, hashing, payload
from mlbridge.sdk.draft import FINAL_REFUSALS
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

MAX_SEATS = 15
RETRY_S = 2.0
LONGEST_RETRY_S = 60.0
BATCH = 64


class TaskRequest(BaseModel):
    """What a client asks for.

    model: id (0x hex) or name; input: fields of the model's kind; seats: committee size, the chain's default
    if left out; deadline_s: seconds from now; max_price_wei: most wei to pay for this task.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, max_length=200)
    input: dict[str, Any]
    seats: int | None = Field(default=None, ge=3, le=MAX_SEATS)
    deadline_s: int | None = Field(default=None, ge=1)
    max_price_wei: int | None = Field(default=None, ge=0)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=128)

    def fingerprint(self) -> str:
        """SHA-256 of what was asked for, the key left out."""
        asked = self.model_dump(mode="json", exclude={"idempotency_key"})
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class Submissions:
    """Accepts submissions and brings them on chain."""

    def __init__(
        self,
        chain: Chain,
        sender: Sender | None,
        outbox: Outbox,
        catalogue: Catalogue,
        storage: ContentStore | None,
        metrics: Metrics,
        config: SubmissionConfig,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._chain, self._sender, self._outbox = chain, sender, outbox
        self._catalogue, self._storage = catalogue, storage
        self._metrics, self._config, self._wake = metrics, config, wake
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        # A task in the row but not yet among the followed events is no cause for alarm before this time.
        network = chain.network
        self._grace_s = max(10.0, 4.0 * network.block_time * (network.confirmations + 1))

    # ---- accepting ----

    async def accept(self, request: TaskRequest) -> Submission:
        """Keep a submission, or find the one that this key made before.

        Raises MLBridgeError: `coordinator.no_submissions`, `coordinator.full`, `coordinator.budget`,
        `submission.key_reused`, `task.too_expensive`, `model.*`, `payload.*` or what the chain answers.
        """
        try:
            submission, new = await self._accept(request)
        except MLBridgeError:
            self._metrics.submissions.labels("refused").inc()
            raise
        self._metrics.submissions.labels("accepted" if new else "repeated").inc()
        if new:
            self._wake()
        return submission

    async def _accept(self, request: TaskRequest) -> tuple[Submission, bool]:
        if self._sender is None or not self._config.enabled:
            raise MLBridgeError(
                "coordinator.no_submissions",
                "This coordinator takes no submissions.",
                hint="It needs `key` and `submissions.enabled: true` in its file.",
            )
        key = request.idempotency_key or uuid.uuid4().hex
        fingerprint = request.fingerprint()
        known = await self._outbox.submission(key=key)
        if known is None:
            wanted = await self._prepare(request, key, fingerprint, self._sender.address)
        else:
            wanted = replace(known, fingerprint=fingerprint)  # lets the outbox compare
        return await self._outbox.add(
            wanted, queue_limit=self._config.queue_limit, daily_wei=self._config.daily_wei
        )

    async def _prepare(self, request: TaskRequest, key: str, fingerprint: str, requester: str) -> Submission:
        model = await self._catalogue.resolve(request.model)
        fields = dict(request.input)
        kind = kind_of(model, fields, request.model)
        input_data = await self._tagged(payload.encode_input(kind, fields))
        seats = request.seats or await self._default_seats()
        payment = await self._price(model.id, seats, request.max_price_wei)
        head = await self._chain.head()
        deadline = head.timestamp + (request.deadline_s or self._config.deadline_s)
        salt = hashing.keccak(f"mlbridge-coordinator/{key}".encode())
        task_id = hashing.task_id(
            self._chain.chain_id,
            self._chain.addresses.tasks,
            requester,
            model.id,
            hashing.input_hash(input_data),
            deadline,
            payment,
            seats,
            salt,
        )
        now = time.time()
        return Submission(
            key=key,
            fingerprint=fingerprint,
            task_id=as_hex(task_id),
            model_id=as_hex(model.id),
            kind=kind,
            input_data=as_hex(input_data),
            deadline=deadline,
            seats=seats,
            salt=as_hex(salt),
            payment=payment,
            status="queued",
            attempts=0,
            not_before=0.0,
            tx_hash=None,
            error_code=None,
            error=None,
            created_at=now,
            updated_at=now,
        )

    async def _tagged(self, data: bytes) -> bytes:
        if len(data) <= content.MAX_INLINE_PAYLOAD:
            return content.inline(data)
        if self._storage is None:
            raise MLBridgeError(
                "content.too_large",
                f"An input of {len(data)} bytes does not fit on chain, and this coordinator has no storage.",
                hint="Set storage_url in the network file or the coordinator file.",
            )
        return content.reference(data, await self._storage.put(data))

    async def _default_seats(self) -> int:
        return (await reads.get_parameters(self._chain)).default_seats

    async def _price(self, model_id: bytes, seats: int, limit: int | None) -> int:
        price = await reads.quote(self._chain, model_id, seats)
        limits = [most for most in (limit, self._config.max_task_wei) if most is not None]
        if limits and price > min(limits):
            raise MLBridgeError(
                "task.too_expensive",
                f"This task costs {price} wei now; at most {min(limits)} wei are allowed.",
                hint="Raise the request's max_price_wei or the coordinator's submissions.max_task_wei, or "
                "ask for fewer seats.",
                exit_code=4,
                price_wei=str(price),
            )
        return price

    # ---- bringing on chain ----

    async def step(self) -> bool:
        """Start what is due; whether anything was started."""
        if self._sender is None:
            return False
        now = time.time()
        for lost in await self._outbox.submissions_lost(older_than=now - self._grace_s, limit=BATCH):
            log.info("submission_taken_back", task=lost.task_id)
            await self._outbox.mark(lost.key, status="queued", not_before=0.0, updated_at=now)
        room = self._config.max_in_flight - len(self._under_way)
        due = await self._outbox.submissions_due(now, limit=BATCH) if room > 0 else []
        for row in [row for row in due if row.key not in self._under_way][:room]:
            self._under_way.add(row.key)
            task = asyncio.create_task(self._bring(row, self._sender))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return False

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way, at most `timeout_s` seconds; the store knows how to go on."""
        await drain(self._tasks, timeout_s)

    async def _bring(self, row: Submission, sender: Sender) -> None:
        try:
            changes = await self._send_once(row, sender)
        except Exception as error:
            code = error.code if isinstance(error, MLBridgeError) else type(error).__name__
            log.warning("submission_retry", task=row.task_id, code=code, reason=str(error), exc_info=True)
            pause = min(LONGEST_RETRY_S, RETRY_S * 2.0 ** min(row.attempts, 5))
            changes = {"not_before": time.time() + pause, "error_code": code, "error": str(error)}
        finally:
            self._under_way.discard(row.key)
        if changes.get("status") in ("done", "failed"):
            self._metrics.submissions.labels("sent" if changes["status"] == "done" else "failed").inc()
        await self._outbox.mark(row.key, **changes, updated_at=time.time())
        self._wake()

    async def _send_once(self, row: Submission, sender: Sender) -> dict[str, Any]:
        """One try; the changes to the row. Raises what is worth another try."""
        if await self.known(row.task_id):
            return {"status": "done", "error_code": None, "error": None}
        if (await self._chain.head()).timestamp > row.deadline:
            return {
                "status": "failed",
                "error_code": "submission.expired",
                "error": row.error or "Its deadline passed before it was on chain.",
            }
        await self._outbox.mark(row.key, status="sending", attempts=row.attempts + 1)
        call = self._chain.bridge.functions.submitTaskWith(
            bytes.fromhex(row.model_id[2:]),
            bytes.fromhex(row.input_data[2:]),
            row.deadline,
            row.seats,
            bytes.fromhex(row.salt[2:]),
        )
        try:
            receipt = await sender.send(call, value=row.payment)
        except ContractError as error:
            if error.name == "TaskExists":
                return {"status": "done", "error_code": None, "error": None}
            if error.name in FINAL_REFUSALS:
                log.info("submission_refused", task=row.task_id, reason=error.name)
                return {"status": "failed", "error_code": error.code, "error": str(error)}
            raise
        self._metrics.gas.labels("submit").inc(receipt["gasUsed"])
        tx_hash = as_hex(receipt["transactionHash"])
        log.info("submitted", task=row.task_id, tx=tx_hash, payment=row.payment, gas=receipt["gasUsed"])
        return {"status": "done", "tx_hash": tx_hash, "error_code": None, "error": None}

    async def known(self, task_id: str) -> bool:
        """Whether the chain knows the task now."""
        try:
            await reads.get_task(self._chain, bytes.fromhex(task_id[2:]))
        except MLBridgeError as error:
            if error.code == "task.unknown":
                return False
            raise
        return True
