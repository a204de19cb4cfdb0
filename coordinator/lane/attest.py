"""Attesting batches: a verifier looks at one before it is posted, and signs it only if nothing is wrong.

What an attester signs it has recomputed from the stored bytes and its own view of the chain; what the
coordinator says about it is believed in nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.channels import ChannelState
from contracts.lane import Lane
from contracts.laneview import LaneView
from coordinator.lane.bodies import read_body
from coordinator.lane.schemes import Scheme, scheme_of
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import Batch, BatchStatement, Header, debits_hash
from mlbridge.protocol.batch_wire import read_debits, read_statement, write_debits, write_statement
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.leaves import ChannelDebit
from mlbridge.protocol.watch import Rules, examine
from mlbridge.protocol.wire import Signed
from mlbridge.storage import ContentStore
from mlbridge.storage.batches import fetch_batch

log = structlog.get_logger(__name__)

PATH: Final = "/v1/lane/batches"
MAX_REQUEST: Final = 128 << 10
MAX_ANSWER: Final = 4_096
LONGEST_SIGNATURE: Final = 128
PATIENCE_S: Final = 60.0


class Attester:
    """A Verifier account's word on batches.

    key: 32 bytes; of a node of its operator, or its BLS secret where the chain counts aggregates.
    """

    def __init__(self, view: LaneView, content: ContentStore, account: int, key: bytes) -> None:
        self.account = account
        self._view, self._content, self._key = view, content, key
        self._scheme: Scheme | None = None

    async def look(self, statement: BatchStatement, debits: Sequence[ChannelDebit]) -> Signed[BatchStatement]:
        """Its signature under a batch that could be posted now.

        Raises MLBridgeError `batch.faulty` (context: the first fault), `batch.hidden`, `batch.unreadable`,
        `batch.floor`, `batch.unchecked` or `content.*`.
        """
        view = self._view
        await view.refresh()
        batch = await fetch_batch(self._content, statement.data)
        if debits_hash(debits) != statement.debits:
            raise MLBridgeError("batch.hidden", "The debits are not those of the statement.", exit_code=3)
        header = Header(
            coordinator=statement.coordinator,
            epoch=view.epoch(),
            posted_at=int(view.now()),
            tasks=statement.tasks,
            entries=statement.entries,
            pot=sum(debit.debit for debit in debits),
            task_root=statement.task_root,
            ledger_root=statement.ledger_root,
            data=statement.data,
            debits=statement.debits,
        )
        states: dict[bytes, ChannelState] = {}
        for debit in debits:
            channel = debit.channel(statement.coordinator)
            state = states[channel] = await view.channel(channel)
            if state.floor != debit.start or state.balance < debit.debit:
                raise MLBridgeError(
                    "batch.floor",
                    f"Channel 0x{channel.hex()} does not stand where the batch takes its debit.",
                    exit_code=3,
                )
        report = examine(header, debits, batch, await self._rules(batch, states))
        if report.faults:
            raise MLBridgeError(
                "batch.faulty",
                f"The batch has {len(report.faults)} faults; the first is for {report.faults[0].challenge}.",
                exit_code=3,
                challenge=report.faults[0].challenge.value,
            )
        if report.unchecked:
            raise MLBridgeError("batch.unchecked", "The seed of an order's epoch is unknown.", retry_after=5)
        if self._scheme is None:
            self._scheme = await scheme_of(view.lane)
        return self._scheme.sign(statement, view.epoch(), self._key)

    async def _rules(self, batch: Batch, states: Mapping[bytes, ChannelState]) -> Rules:
        """What the chain says beside a batch that is not posted: all of it is in the view."""
        view = self._view
        epochs = {item.evidence.order.epoch for item in batch.items}
        seeds = {epoch: seed for epoch in sorted(epochs) if (seed := await view.seed(epoch)) is not None}
        settled = frozenset(
            item.leaf.key
            for item in batch.items
            if (state := states.get(item.leaf.channel)) is not None and state.settled(item.leaf.sequence)
        )
        return Rules(view.facts, view.times.settle_window, view.times.order_epochs, seeds, settled)


def attester_app(attester: Attester) -> Starlette:
    """Its HTTP face: POST /v1/lane/batches."""

    async def looked(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_REQUEST:
                return JSONResponse({"code": "http.too_large"}, 413)
        try:
            statement, debits = _read_request(body)
            signed = await attester.look(statement, debits)
        except MLBridgeError as error:
            log.warning("batch_not_attested", code=error.code, reason=error.message)
            return JSONResponse({"code": error.code, "detail": error.message}, 422)
        answer = encode({"account": attester.account, "signature": signed.signature})
        return Response(answer, media_type="application/cbor")

    return Starlette(routes=[Route(PATH, looked, methods=["POST"])])


class Attesters:
    """The verifiers that a coordinator asks. urls: of their HTTP faces."""

    def __init__(self, urls: Sequence[str], session: aiohttp.ClientSession, lane: Lane) -> None:
        self._urls, self._session, self._lane = tuple(urls), session, lane
        self._found: Scheme | None = None

    async def sign(
        self, statement: BatchStatement, debits: Sequence[ChannelDebit]
    ) -> list[tuple[int, Signed[BatchStatement]]]:
        """Signatures of all that gave one, by account.

        Only such as the contract counts now: it takes none of a batch's if it does not take all. Raises
        MLBridgeError `attesters.unknown` and `lane.epoch_ends`.
        """
        body = encode(
            {"statement": write_statement(statement), "debits": write_debits(debits)}, max_bytes=MAX_REQUEST
        )
        answers = await asyncio.gather(*(self._ask(url, body) for url in self._urls))
        given = [(one[0], Signed(statement, one[1])) for one in answers if one is not None]
        found = await (await self._scheme()).counted(statement, given)
        return sorted(found.items(), key=lambda one: one[0])

    async def evidence(self, signed: Sequence[tuple[int, Signed[BatchStatement]]]) -> bytes:
        """What the chain takes with the batch, of what `sign` gave."""
        return await (await self._scheme()).evidence(dict(signed))

    async def _scheme(self) -> Scheme:
        if self._found is None:
            self._found = await scheme_of(self._lane)
        return self._found

    async def _ask(self, url: str, body: bytes) -> tuple[int, bytes] | None:
        try:
            async with self._session.post(
                url + PATH,
                data=body,
                timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
                allow_redirects=False,
            ) as response:
                read = await read_body(response, MAX_ANSWER)
                if response.status != 200:
                    raise ValueError(f"HTTP status {response.status}: {read[:200].decode(errors='replace')}")
            return _read_answer(read)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, MLBridgeError) as error:
            log.warning("attester_failed", url=url, reason=str(error) or type(error).__name__)
            return None


def _read_request(body: bytes) -> tuple[BatchStatement, tuple[ChannelDebit, ...]]:
    fields = decode(body, max_bytes=MAX_REQUEST, max_depth=1)
    if not isinstance(fields, dict) or fields.keys() != {"statement", "debits"}:
        raise MLBridgeError("message.malformed", "The request must hold a statement and its debits.")
    statement, debits = fields["statement"], fields["debits"]
    if not isinstance(statement, bytes) or not isinstance(debits, bytes):
        raise MLBridgeError("message.malformed", "Statement and debits must be bytes.")
    return read_statement(statement), read_debits(debits)


def _read_answer(body: bytes) -> tuple[int, bytes]:
    fields = decode(body, max_bytes=MAX_ANSWER, max_depth=1)
    if not isinstance(fields, dict) or fields.keys() != {"account", "signature"}:
        raise ValueError("the answer holds no signature")
    account, signature = fields["account"], fields["signature"]
    right = type(account) is int and 0 <= account < 1 << 32 and isinstance(signature, bytes)
    if not right or len(signature) > LONGEST_SIGNATURE:
        raise ValueError("the answer holds no signature")
    return account, signature
