"""Whether a coordinator's answer to an order is accepted, and the receipt of one that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from contracts.laneview import LaneView
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Told
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import Evidence, closed_set, prove
from mlbridge.protocol.exchange import Offer, result_of
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import Attestation, Domain, TaskOrder, commitments_root
from mlbridge.protocol.signatures import recover
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.tally import tally_results
from mlbridge.protocol.types import Seat
from mlbridge.sdk.lane_receipt import (
    AnswerPart,
    AttestationPart,
    LaneReceipt,
    OrderPart,
    SnapshotPart,
    TermsPart,
    WeightPart,
    cost_part,
    text,
)


async def accept_answer(
    offer: Offer, told: Told, view: LaneView, fetch: Callable[[str], Awaitable[bytes]]
) -> tuple[LaneReceipt, bytes]:
    """Receipt and payload of an answer in which everything is right: the committee is the one that the seed
    draws, its keys signed, they are a verdict, the price holds, the payload is what they attested.

    fetch: content by CID. Raises MLBridgeError `channel.lie`.
    """
    order, domain = offer.order.message, view.lane.domain
    digest = order.digest(domain)
    evidence = Evidence(offer.terms, order, offer.order.signature, told.result, told.seats)
    facts, seed = view.facts, await view.seed(order.epoch)
    if seed is None:
        raise lie("it answers an order whose seed is not known")
    if [seat.account for seat in told.seats] != seated(order, seed, facts.snapshots):
        raise lie("it names a committee that was not drawn")
    try:
        outcome = prove(evidence, facts)
    except MLBridgeError as error:
        raise lie(error.message) from error
    payload = told.output if isinstance(told.output, bytes) else await fetch(told.output)
    if result_of(domain, digest, payload) != told.result:
        raise lie("its answer is not the one that the seats attested")
    by_cid = isinstance(told.output, str)
    terms = offer.terms
    receipt = LaneReceipt(
        chain_id=domain.chain_id,
        channels=domain.contract,
        terms=TermsPart(
            requester=terms.requester,
            coordinator=terms.coordinator,
            opened_in=terms.opened_in,
            coordinator_share=terms.coordinator_share,
            protocol_share=terms.protocol_share,
            salt=text(terms.salt),
        ),
        order=_order_part(order, offer.order.signature),
        snapshot=_snapshot_part(order, seed, facts.snapshots),
        seats=_seats(evidence, digest, domain),
        result=text(told.result),
        confidence=confidence_of(evidence, facts.snapshots),
        answer=AnswerPart(
            root=text(payload_root(payload)),
            payload=None if by_cid else text(payload),
            cid=told.output if isinstance(told.output, str) else None,
        ),
        cost=cost_part(outcome),
    )
    return receipt, payload


def lie(why: str) -> MLBridgeError:
    """What is said of an answer that is not accepted."""
    return MLBridgeError(
        "channel.lie",
        f"The coordinator's answer is not accepted: {why}.",
        hint="Ask again, or close the channel; what is not proved on chain is not paid.",
    )


def _order_part(order: TaskOrder, signature: bytes) -> OrderPart:
    return OrderPart(
        channel=text(order.channel),
        sequence=order.sequence,
        epoch=order.epoch,
        model_id=text(order.model_id),
        input_digest=text(order.input_digest),
        params_digest=text(order.params_digest),
        seats=order.seats,
        policy="exact",
        max_fee=order.max_fee,
        deadline=order.deadline,
        signature=text(signature),
    )


def _snapshot_part(order: TaskOrder, seed: bytes, snapshots: Snapshots) -> SnapshotPart:
    terms = snapshots.terms(order.model_id, order.epoch)
    if terms is None:
        raise lie("its model was not recorded for its epoch")
    weights = snapshots.weights(order.model_id, order.epoch)
    return SnapshotPart(
        seed=text(seed),
        price=terms.price,
        provider=terms.provider,
        weights=tuple(
            WeightPart(account=account, weight=weight) for account, weight in sorted(weights.items())
        ),
    )


def _seats(evidence: Evidence, digest: bytes, domain: Domain) -> tuple[AttestationPart, ...]:
    root = commitments_root(closed_set(evidence, digest))
    parts = []
    for seat in evidence.seats:
        node = signature = None
        if seat.signature:
            said = Attestation(digest, seat.account, evidence.result, seat.word, root)
            node, signature = recover(said.digest(domain), seat.signature), text(seat.signature)
        parts.append(
            AttestationPart(account=seat.account, word=text(seat.word), signature=signature, node=node)
        )
    return tuple(parts)


def confidence_of(evidence: Evidence, snapshots: Snapshots) -> int:
    """Share of the clipped weight behind the result, basis points. All seats must have weight."""
    order = evidence.order
    weights = snapshots.weights(order.model_id, order.epoch)
    ballot = [
        Seat(seat.account, weights[seat.account], True, bool(seat.signature), False, evidence.result)
        for seat in evidence.seats
    ]
    return tally_results(ballot).confidence
