"""What became of an order, as its requester is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from coordinator.lane.rows import OrderRow, Status
from mlbridge.protocol import coordinator_side as desk_of
from mlbridge.protocol import coordinator_steps as steps
from mlbridge.protocol.course import Commission
from mlbridge.protocol.disagreement import Attested, differing
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.exchange import Pledge, parse_closed_set
from mlbridge.protocol.orders712 import Attestation, Commitment
from mlbridge.protocol.wire import Signed, parse


@dataclass(frozen=True, slots=True)
class Outcome:
    """evidence: None when no verdict came; then `reason` says why, and nothing is charged.

    confidence: basis points; output: the payload, or the CID under which it lies; attested: what the seats
    attested of which no two sides made a verdict.
    """

    digest: bytes
    evidence: Evidence | None
    confidence: int
    output: bytes | str | None
    reason: str | None
    attested: Attested = ()

    @classmethod
    def failed(cls, digest: bytes, reason: str, attested: Iterable[Signed[Attestation]] = ()) -> Self:
        """attested: whatever counted; kept where it differs."""
        return cls(digest, None, 0, None, reason, differing(attested))

    @classmethod
    def of(cls, row: OrderRow, commission: Commission) -> Self:
        """From a row that is not open any more."""
        if row.status is Status.FAILED or row.result is None:
            counted = (parse(item, Attestation) for item in row.attested)
            return cls.failed(row.digest, row.reason or "no verdict came", counted)
        desk = desk_of.Desk(commission, close_at=0.0, linger=0.0)
        evidence = desk_of.evidence_of(desk, state_of(row))
        output = row.output if row.output is not None else row.output_cid
        return cls(row.digest, evidence, row.confidence or 0, output, None)


def closed_of(digest: bytes, pledges: Sequence[Pledge]) -> steps.Closed:
    """A closed set as the core keeps it. pledges: of the whole committee, in the order of its accounts."""
    bound = tuple(
        Signed(Commitment(digest, seat.account, seat.word), seat.signature)
        for seat in pledges
        if not seat.silent
    )
    return steps.Closed(tuple(seat.word for seat in pledges), bound)


def state_of(row: OrderRow) -> desk_of.Order:
    """Where an order stood when its row was last written."""
    closed = None
    if row.closed is not None:
        closed = closed_of(row.digest, parse_closed_set(row.closed).seats)
    counted = {
        signed.message.account: signed for signed in (parse(item, Attestation) for item in row.attested)
    }
    decided = None
    if row.result is not None:
        decided = steps.Decided(row.result, row.confidence or 0, row.decided_at or 0.0)
    return desk_of.Order(begun=True, closed=closed, heard=counted, counted=counted, decided=decided)
