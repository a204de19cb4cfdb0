"""What the rows of the lane's tables say, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row

from mlbridge.protocol.encoding import decode

MAX_LIST: Final = 64 << 10


class Status(StrEnum):
    """Where an order stands. DONE: its money is where it belongs for good."""

    OPEN = "open"
    DECIDED = "decided"
    FAILED = "failed"
    DONE = "done"


class BatchStage(StrEnum):
    """Where a batch stands. MADE: its leaves are stored, nothing is on chain yet."""

    MADE = "made"
    POSTED = "posted"
    FINAL = "final"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order. digest, channel, result: bytes; offer, closed: as they travel; attested: each as it travels.

    output: payload, None where it lies under output_cid; batch: root of its batch's task leaves, 0x hex.
    """

    digest: bytes
    channel: bytes
    sequence: int
    max_fee: int
    deadline: int
    offer: bytes
    status: Status
    ripe: bool
    accepted_at: float
    closed: bytes | None
    attested: tuple[bytes, ...]
    result: bytes | None
    confidence: int | None
    decided_at: float | None
    output: bytes | None
    output_cid: str | None
    reason: str | None
    batch: str | None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch. debits, header: as mlbridge/protocol/batch_wire.py writes them; header: None before it is on
    chain; block: none of its events lies below.
    """

    root: str
    status: BatchStage
    cid: str
    debits: bytes
    header: bytes | None
    block: int
    made_at: float
    tries: int
    note: str | None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that was checked. available: wei of its channel; floor, window: as the chain has them."""

    digest: bytes
    channel: bytes
    sequence: int
    requester: str
    model_id: bytes
    max_fee: int
    deadline: int
    offer: bytes
    accepted_at: float
    available: int
    floor: int
    window: int


def order_of(row: Row[Any]) -> OrderRow:
    """From a row of lane_orders."""
    attested: Any = [] if row.attested is None else decode(row.attested, max_bytes=MAX_LIST)
    return OrderRow(
        digest=to_raw(row.digest),
        channel=to_raw(row.channel),
        sequence=row.sequence,
        max_fee=int(row.max_fee),
        deadline=row.deadline,
        offer=row.offer,
        status=Status(row.status),
        ripe=bool(row.ripe),
        accepted_at=row.accepted_at,
        closed=row.closed,
        attested=tuple(attested),
        result=None if row.result is None else to_raw(row.result),
        confidence=row.confidence,
        decided_at=row.decided_at,
        output=row.output,
        output_cid=row.output_cid,
        reason=row.reason,
        batch=row.batch,
    )


def batch_of(row: Row[Any]) -> BatchRow:
    """From a row of lane_batches."""
    return BatchRow(
        row.root,
        BatchStage(row.status),
        row.cid,
        row.debits,
        row.header,
        row.block,
        row.made_at,
        row.tries,
        row.note,
    )


def to_hex(value: bytes) -> str:
    """As columns have hashes."""
    return "0x" + value.hex()


def to_raw(value: str) -> bytes:
    """Back."""
    return bytes.fromhex(value[2:])
