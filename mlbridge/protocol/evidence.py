"""What shows that an order was given and done, and what follows from it: the twin of PaymentChannels.check.

Amounts in wei. `prove` refuses exactly what the contract refuses, with the contract's word for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.hashing import keccak, word, words
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, Domain, TaskOrder, members
from mlbridge.protocol.signatures import recover
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.tally import MIN_SEATS, tally_results
from mlbridge.protocol.types import Policy, Seat

MAX_SEATS: Final = 15
BASIS: Final = 10_000

_TERMS: Final = ("address", "address", "uint32", "uint16", "uint16", "bytes32")
_WORD: Final = 32
# Words of Evidence's head: the terms, the order, and three more.
_HEAD: Final = (6 + 10 + 3) * _WORD


@dataclass(frozen=True, slots=True)
class SeatProof:
    """One seat: the salt and signature of its attestation, or its commitment alone and no signature."""

    account: int
    word: bytes
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that settles one order. seats: all of its committee, in the order of their accounts."""

    terms: ChannelTerms
    order: TaskOrder
    order_signature: bytes
    result: bytes
    seats: tuple[SeatProof, ...]

    def hash(self) -> bytes:
        """keccak256 of its abi.encode, as a task leaf names it."""
        head = words(_TERMS, self.terms.as_tuple())
        head += words([kind for _, _, kind in members(TaskOrder)], self.order.as_tuple())
        signature = _tail(self.order_signature)
        head += _number(_HEAD) + word("bytes32", self.result) + _number(_HEAD + len(signature))
        return keccak(_number(_WORD) + head + signature + _seats(self.seats))

    def as_tuple(self) -> tuple[object, ...]:
        """In the order of the Solidity struct."""
        seats = [(seat.account, seat.word, seat.signature) for seat in self.seats]
        return self.terms.as_tuple(), self.order.as_tuple(), self.order_signature, self.result, seats


@dataclass(frozen=True, slots=True)
class Outcome:
    """What valid evidence pays. winners: accounts that attested the result; seat_fee: to each of them."""

    order: bytes
    model_provider: str
    model_fee: int
    coordinator_fee: int
    protocol_fee: int
    seat_fee: int
    debit: int
    winners: tuple[int, ...]

    def hash(self) -> bytes:
        """keccak256 of its abi.encode, as a task leaf names it."""
        fees = (self.model_fee, self.coordinator_fee, self.protocol_fee, self.seat_fee, self.debit)
        head = word("bytes32", self.order) + word("address", self.model_provider)
        head += words(["uint96"] * len(fees), fees) + _number(8 * _WORD)
        winners = words(["uint32"] * len(self.winners), self.winners)
        return keccak(_number(_WORD) + head + _number(len(self.winners)) + winners)

    def as_tuple(self) -> tuple[object, ...]:
        """In the order of the Solidity struct."""
        fees = self.model_fee, self.coordinator_fee, self.protocol_fee, self.seat_fee, self.debit
        return self.order, self.model_provider, *fees, list(self.winners)


@dataclass(frozen=True, slots=True)
class Facts:
    """What evidence is held to.

    domain: of PaymentChannels; operators: node key's checksummed address -> id of the operator that it was
    ever bound to.
    """

    domain: Domain
    snapshots: Snapshots
    operators: Mapping[str, int]


def prove(evidence: Evidence, facts: Facts) -> Outcome:
    """What the evidence pays.

    Raises MLBridgeError `evidence.invalid`, whose context names the contract's error (`reason`).
    """
    order = evidence.order
    if evidence.terms.channel() != order.channel:
        raise _invalid("WrongChannel", "its terms are not those of its channel")
    if order.policy is not Policy.EXACT:
        raise _invalid("PolicyNotSettled", "the lane settles exact policies alone")
    if order.epoch <= evidence.terms.opened_in:
        raise _invalid("ChannelTooYoung", "its channel is not older than the seed that drew its committee")
    digest = order.digest(facts.domain)
    if _signer(digest, evidence.order_signature) != evidence.terms.requester:
        raise _invalid("BadOrderSignature", "the requester did not sign the order")
    count = len(evidence.seats)
    if count != order.seats or not MIN_SEATS <= count <= MAX_SEATS:
        raise _invalid("BadCommittee", "it does not show a committee of the order's size")
    _require_attested(evidence, digest, facts)
    weights, price, provider = _terms(evidence, facts)
    if not passes(evidence.seats, weights):
        raise _invalid("NoVerdict", "too few of its seats attested the result")
    winners = tuple(seat.account for seat in evidence.seats if seat.signature)
    return split(order, evidence.terms, digest, winners, price, provider)


def passes(seats: Sequence[SeatProof], weights: Sequence[int]) -> bool:
    """Whether the seats that attested are a verdict over all seats."""
    ballot = [
        Seat(seat.account, weight, True, bool(seat.signature), False, b"")
        for seat, weight in zip(seats, weights, strict=True)
    ]
    return tally_results(ballot).passed


def split(
    order: TaskOrder, terms: ChannelTerms, digest: bytes, winners: tuple[int, ...], price: int, provider: str
) -> Outcome:
    """How an order's price is shared; every share is rounded down. price: wei for the model's provider.

    Raises MLBridgeError `evidence.invalid` (FeeTooLow).
    """
    coordinator_fee = order.max_fee * terms.coordinator_share // BASIS
    protocol_fee = order.max_fee * terms.protocol_share // BASIS
    fixed = coordinator_fee + protocol_fee + price
    if order.max_fee < fixed:
        raise _invalid("FeeTooLow", "its price does not cover the shares and the model's price")
    seat_fee = (order.max_fee - fixed) // order.seats
    debit = fixed + seat_fee * len(winners)
    return Outcome(digest, provider, price, coordinator_fee, protocol_fee, seat_fee, debit, winners)


def is_fit(order: TaskOrder, time: int, epoch: int, settle_window: int, order_epochs: int) -> bool:
    """Whether an order could be settled at a time (unix seconds) in an epoch."""
    in_time = time <= order.deadline + settle_window
    return in_time and order.epoch <= epoch < order.epoch + order_epochs


def closed_set(evidence: Evidence, digest: bytes) -> list[bytes]:
    """The commitments of all seats, as the evidence opens or shows them."""
    return [
        orders712.commitment(digest, seat.account, evidence.result, seat.word)
        if seat.signature
        else seat.word
        for seat in evidence.seats
    ]


def _require_attested(evidence: Evidence, digest: bytes, facts: Facts) -> None:
    accounts = [seat.account for seat in evidence.seats]
    if any(account % 2 for account in accounts) or accounts != sorted(set(accounts)):
        raise _invalid("BadCommittee", "its seats are not compute accounts in ascending order")
    root = orders712.commitments_root(closed_set(evidence, digest))
    for seat in evidence.seats:
        if not seat.signature:
            continue
        attestation = Attestation(digest, seat.account, evidence.result, seat.word, root)
        node = _signer(attestation.digest(facts.domain), seat.signature)
        operator = facts.operators.get(node, 0)
        if operator == 0 or operator != seat.account // 2:
            raise _invalid("BadSeatSignature", f"no key of seat {seat.account} signed its attestation")


def _terms(evidence: Evidence, facts: Facts) -> tuple[list[int], int, str]:
    order = evidence.order
    terms = facts.snapshots.terms(order.model_id, order.epoch)
    if terms is None:
        raise _invalid("ModelNotRecorded", "its model was not recorded for its epoch")
    weights = [facts.snapshots.weight(order.model_id, order.epoch, seat.account) for seat in evidence.seats]
    if not all(weights):
        raise _invalid("NotEligible", "a seat had no weight in its epoch")
    return weights, terms.price, terms.provider


def _signer(digest: bytes, signature: bytes) -> str:
    try:
        return recover(digest, signature)
    except MLBridgeError:
        # Not a key's signature at all, which is nobody's.
        return ""


def _seats(seats: Sequence[SeatProof]) -> bytes:
    offsets, bodies, at = b"", b"", len(seats) * _WORD
    for seat in seats:
        body = word("uint32", seat.account) + word("bytes32", seat.word) + _number(3 * _WORD)
        body += _tail(seat.signature)
        offsets += _number(at)
        bodies += body
        at += len(body)
    return _number(len(seats)) + offsets + bodies


def _tail(data: bytes) -> bytes:
    return _number(len(data)) + data + bytes(-len(data) % _WORD)


def _number(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


def _invalid(reason: str, why: str) -> MLBridgeError:
    return MLBridgeError(
        "evidence.invalid", f"The evidence does not settle its order: {why}.", exit_code=3, reason=reason
    )
