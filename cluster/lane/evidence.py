"""What settles an order without its coordinator: our attestation, and those that the other seats gave.

They gave them off chain, or to a summons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cluster.lane.peers import Peers
from contracts.summons import Shown, seat_proofs
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, orders712, wire
from mlbridge.protocol.evidence import Evidence, SeatProof, passes, split
from mlbridge.protocol.exchange import ClosedSet, Offer
from mlbridge.protocol.orders712 import Attestation, Domain
from serve.lane.store import Held, LaneStore
from serve.lane.view import View

_NEVER_STALE_S: Final = float("inf")


class Collector:
    """Puts evidence together, and keeps what it hears from others once it was found to be right."""

    def __init__(self, store: LaneStore, view: Path, peers: Peers, domain: Domain) -> None:
        self._store = store
        self._view_path = view
        self._peers = peers
        self._domain = domain
        self._views: dict[bytes, View] = {}

    async def of(self, held: Held) -> Evidence | None:
        """What settles an order, with whatever attestations the other seats tell; None: too few."""
        offer, closed = exchange.parse_offer(held.offer), exchange.parse_closed_set(held.closed or b"")
        view = self.view(held)
        known = {held.account: wire.parse(held.attestation or b"", Attestation)}
        for account, told in self._store.others(held.digest).items():
            known[account] = wire.parse(told, Attestation)
        evidence = _assemble(offer, closed, held, known)
        if not settles(evidence, view):
            model = offer.order.message.model_id
            heard = await self._peers.attestations(model, held.digest)
            right = [signed for signed in heard if self._is_right(signed, held, closed, view)]
            rows = [(signed.message.account, signed.to_bytes()) for signed in right]
            await self._store.keep_others(held.digest, rows)
            known |= {signed.message.account: signed for signed in right}
            evidence = _assemble(offer, closed, held, known)
        return evidence if settles(evidence, view) else None

    def _is_right(self, signed: wire.Signed[Attestation], held: Held, closed: ClosedSet, view: View) -> bool:
        """Whether an attestation counts together with ours."""
        told = signed.message
        word = next((seat.word for seat in closed.seats if seat.account == told.account), None)
        if (told.order, told.result, told.commitments) != (held.digest, held.result, closed.root):
            return False
        if orders712.commitment(told.order, told.account, told.result, told.salt) != word:
            return False
        try:
            return view.operator(signed.signer(self._domain)) == told.account // 2
        except MLBridgeError:
            return False  # not a signature at all

    def view(self, held: Held) -> View:
        """What is known of the chain about its model."""
        return self.view_of(exchange.parse_offer(held.offer).order.message.model_id)

    def view_of(self, model: bytes) -> View:
        """What is known of the chain about a model (id, 32 bytes)."""
        if model not in self._views:
            self._views[model] = View(self._view_path, model, stale_s=_NEVER_STALE_S)
        return self._views[model]


def _assemble(
    offer: Offer, closed: ClosedSet, held: Held, known: dict[int, wire.Signed[Attestation]]
) -> Evidence:
    seats = []
    for seat in closed.seats:
        signed = known.get(seat.account)
        if signed is None:
            seats.append(SeatProof(seat.account, seat.word))
        else:
            seats.append(SeatProof(seat.account, signed.message.salt, signed.signature))
    order = offer.order
    return Evidence(offer.terms, order.message, order.signature, held.result, tuple(seats))


def settles(evidence: Evidence, view: View) -> bool:
    """Whether the seats that attested are a verdict."""
    order = evidence.order
    weights = [view.snapshots().weight(order.model_id, order.epoch, seat.account) for seat in evidence.seats]
    return passes(evidence.seats, weights)


def seat_fee(evidence: Evidence, view: View) -> int:
    """What each seat that attested gets of an order, in wei."""
    order = evidence.order
    terms = view.snapshots().terms(order.model_id, order.epoch)
    if terms is None:
        return 0
    return split(order, evidence.terms, bytes(32), (), terms.price, terms.provider).seat_fee


def of_summons(
    shown: Shown, words: Sequence[bytes], told: Mapping[int, wire.Signed[Attestation]], result: bytes
) -> Evidence:
    """What settles a summoned order. words: commitments by seat; told: what seats opened, by account."""
    seats = seat_proofs(shown.seats, words, told, result)
    return Evidence(shown.terms, shown.order.message, shown.order.signature, result, seats)
