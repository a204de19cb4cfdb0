"""The receipt of a channel order: what shows who worked on it, what they attested and what it cost.

Canonical JSON, as the direct lane's receipts. Most of it can be checked without any chain; what cannot is
said by mlbridge.sdk.lane_verify.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from contracts.network import Address
from mlbridge.protocol.answers import Settlement
from mlbridge.protocol.batch import Header
from mlbridge.protocol.evidence import Evidence, Outcome, SeatProof
from mlbridge.protocol.leaves import TaskLeaf
from mlbridge.protocol.orders712 import ChannelTerms, Domain, TaskOrder
from mlbridge.protocol.types import Policy
from mlbridge.sdk.receipt_file import Part, ReceiptFile
from mlbridge.sdk.receipt_model import Amount, BasisPoints, Bytes32, Count, Data

VERSION = 1


class TermsPart(Part):
    """What the channel was opened under."""

    requester: Address
    coordinator: Address
    opened_in: Count
    coordinator_share: BasisPoints
    protocol_share: BasisPoints
    salt: Bytes32


class OrderPart(Part):
    """What the requester signed. deadline: unix seconds."""

    channel: Bytes32
    sequence: Count
    epoch: Count
    model_id: Bytes32
    input_digest: Bytes32
    params_digest: Bytes32
    seats: Annotated[int, Field(ge=3, le=15)]
    policy: Literal["exact"]
    max_fee: Amount
    deadline: Count
    signature: Data


class WeightPart(Part):
    """One account's weight for the model in the order's epoch."""

    account: Count
    weight: Count


class SnapshotPart(Part):
    """Seed and weights that the committee follows from. price: wei for the model's provider."""

    seed: Bytes32
    price: Amount
    provider: Address
    weights: tuple[WeightPart, ...]


class AttestationPart(Part):
    """One seat. word: salt of its attestation, or its commitment alone; node: whose key signed; both null for
    a seat that did not attest the result.
    """

    account: Count
    word: Bytes32
    signature: Data | None
    node: Address | None


class CostPart(Part):
    """What the order pays by these attestations, in wei; slow seats may still add theirs, up to max_fee."""

    model_fee: Amount
    coordinator_fee: Amount
    protocol_fee: Amount
    seat_fee: Amount
    debit: Amount
    winners: tuple[Count, ...]


class AnswerPart(Part):
    """The output. root: keccak256 of the payload; payload: null where it lies under the CID alone."""

    root: Bytes32
    payload: Data | None
    cid: str | None


class HeaderPart(Part):
    """A batch as it was posted."""

    coordinator: Address
    epoch: Count
    posted_at: Count
    tasks: Count
    entries: Count
    pot: Amount
    task_root: Bytes32
    ledger_root: Bytes32
    data: Bytes32
    debits: Bytes32


class LeafPart(Part):
    """The order's line in its batch."""

    index: Count
    channel: Bytes32
    sequence: Count
    rank: Count
    debit: Amount
    total: Amount
    last: bool
    outcome: Bytes32
    evidence: Bytes32


class BatchPart(Part):
    """Where the order stands in a batch, and what that pays.

    final_at: from when the batch cannot be challenged, unix seconds, as the chain said when this was read; a
    demand for data moves it on.
    """

    header: HeaderPart
    leaf: LeafPart
    path: tuple[Bytes32, ...]
    cost: CostPart
    final_at: Count


class LaneReceipt(ReceiptFile):
    """One verified answer of the channel lane. channels: the contract that all signatures are for;
    confidence: basis points; batch: null before one holds the order.
    """

    lane: Literal["channel"] = "channel"
    version: Literal[1] = 1
    chain_id: Annotated[int, Field(gt=0)]
    channels: Address
    terms: TermsPart
    order: OrderPart
    snapshot: SnapshotPart
    seats: tuple[AttestationPart, ...]
    result: Bytes32
    confidence: BasisPoints
    answer: AnswerPart
    cost: CostPart
    batch: BatchPart | None = None

    # ---- as the protocol's own types ----

    @property
    def domain(self) -> Domain:
        """What the signatures are for."""
        return Domain(self.chain_id, self.channels)

    def channel_terms(self) -> ChannelTerms:
        """The channel's terms."""
        t = self.terms
        shares = t.coordinator_share, t.protocol_share
        return ChannelTerms(t.requester, t.coordinator, t.opened_in, *shares, raw(t.salt))

    def task_order(self) -> TaskOrder:
        """The order."""
        o = self.order
        return TaskOrder(
            channel=raw(o.channel),
            sequence=o.sequence,
            epoch=o.epoch,
            model_id=raw(o.model_id),
            input_digest=raw(o.input_digest),
            params_digest=raw(o.params_digest),
            seats=o.seats,
            policy=Policy.EXACT,
            max_fee=o.max_fee,
            deadline=o.deadline,
        )

    def evidence(self) -> Evidence:
        """What settles the order, by itself too."""
        seats = tuple(
            SeatProof(seat.account, raw(seat.word), raw(seat.signature or "0x")) for seat in self.seats
        )
        return Evidence(
            self.channel_terms(), self.task_order(), raw(self.order.signature), raw(self.result), seats
        )

    @property
    def digest(self) -> bytes:
        """What names the order."""
        return self.task_order().digest(self.domain)

    def settled(self, found: Settlement, final_at: int) -> Self:
        """With its place in a batch. final_at: see BatchPart."""
        return self.model_copy(update={"batch": batch_part(found, final_at)})

    def in_batch_until(self, final_at: int) -> Self:
        """With another end of its batch's window."""
        if self.batch is None:
            raise ValueError("the receipt names no batch")
        return self.model_copy(update={"batch": self.batch.model_copy(update={"final_at": final_at})})


def is_lane_receipt(data: bytes) -> bool:
    """Whether a receipt's bytes are of this lane."""
    try:
        fields = json.loads(data)
    except ValueError:
        return False
    return isinstance(fields, dict) and fields.get("lane") == "channel"


def cost_part(outcome: Outcome) -> CostPart:
    """From what evidence pays."""
    return CostPart(
        model_fee=outcome.model_fee,
        coordinator_fee=outcome.coordinator_fee,
        protocol_fee=outcome.protocol_fee,
        seat_fee=outcome.seat_fee,
        debit=outcome.debit,
        winners=outcome.winners,
    )


def outcome_of(cost: CostPart, order: bytes, provider: str) -> Outcome:
    """Back. order: digest; provider: the model's."""
    fees = cost.model_fee, cost.coordinator_fee, cost.protocol_fee, cost.seat_fee, cost.debit
    return Outcome(order, provider, *fees, cost.winners)


def batch_part(found: Settlement, final_at: int) -> BatchPart:
    """From a place in a batch. final_at: see BatchPart."""
    return BatchPart(
        header=HeaderPart(**_named(found.header)),
        leaf=LeafPart(**_named(found.leaf)),
        path=tuple(text(item) for item in found.path),
        cost=cost_part(found.outcome),
        final_at=final_at,
    )


def header_of(part: HeaderPart) -> Header:
    """The header as the chain hashes it."""
    return Header(**_raws(part))


def leaf_of(part: LeafPart) -> TaskLeaf:
    """The leaf as the tree hashes it."""
    return TaskLeaf(**_raws(part))


def raw(value: str) -> bytes:
    """Bytes of 0x hex."""
    return bytes.fromhex(value[2:])


def text(value: bytes) -> str:
    """0x hex of bytes."""
    return "0x" + value.hex()


def _named(value: Any) -> dict[str, Any]:
    fields = {name: getattr(value, name) for name in value.__match_args__}
    return {name: text(item) if isinstance(item, bytes) else item for name, item in fields.items()}


def _raws(part: Part) -> dict[str, Any]:
    fields = {name: getattr(part, name) for name in type(part).model_fields}
    words = {"channel", "outcome", "evidence", "task_root", "ledger_root", "data", "debits"}
    return {name: raw(item) if name in words else item for name, item in fields.items()}
