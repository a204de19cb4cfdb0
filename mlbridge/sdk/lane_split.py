"""An order whose seats disagreed: what they attested, so that a panel can find who lied.

Its coordinator tells it with the failure, the seats tell it to the order's requester, and a summons shows it
on chain. Any of them may say nothing or lie; what holds is kept (mlbridge/protocol/disagreement.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog

from contracts import summons
from contracts.laneview import LaneView
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import disagreement
from mlbridge.protocol.committee import seated
from mlbridge.protocol.disagreement import Attested
from mlbridge.protocol.exchange import Offer, parse_offer
from mlbridge.protocol.orders712 import Attestation, commitments_root
from mlbridge.protocol.wire import Signed
from mlbridge.sdk.channel_book import Kept
from mlbridge.sdk.coordinators import Coordinator
from mlbridge.sdk.lane_fetch import SeatDoors
from mlbridge.sdk.lane_receipt import text

log = structlog.get_logger(__name__)

ASK_S = 3.0
"""Seconds for a coordinator that is asked once more."""


async def held(offer: Offer, view: LaneView, told: Iterable[Signed[Attestation]]) -> Attested:
    """Of what was told the attestations that hold; none where they do not differ, or nobody was drawn."""
    order, facts = offer.order.message, view.facts
    seed = await view.seed(order.epoch)
    if seed is None:
        return ()
    committee = seated(order, seed, facts.snapshots)
    return disagreement.disagreement(
        order.digest(facts.domain), committee, told, facts.operators, facts.domain
    )


async def find_split(kept: Kept, view: LaneView, door: Coordinator, seats: SeatDoors) -> Attested:
    """What the seats of an order attested that differs, from whoever says so: each may know another liar.

    Raises MLBridgeError `dissent.no_split` where nobody shows two seats that disagree.
    """
    offer = parse_offer(kept.offer)
    known = list(disagreement.from_bytes(kept.attested)) if kept.attested is not None else []
    sources: tuple[Callable[[], Awaitable[Iterable[Signed[Attestation]]]], ...] = (
        lambda: _coordinator(door, kept),
        lambda: _seats(seats, offer),
        lambda: _summons(view, offer),
    )
    for source in sources:
        try:
            known += await source()
        except MLBridgeError as error:
            log.info("split_not_told", sequence=kept.sequence, reason=error.message)
    if found := await held(offer, view, known):
        return found
    digest = text(offer.order.message.digest(view.facts.domain))
    raise MLBridgeError(
        "dissent.no_split",
        f"Nobody shows that seats of order {digest} disagreed: no machine that was asked.",
        hint=f"Summon its seats, which then say on chain what they found: mlbridge channel summon {digest}",
        exit_code=5,
    )


async def _coordinator(door: Coordinator, kept: Kept) -> Iterable[Signed[Attestation]]:
    return (await door.order(kept.offer, ASK_S)).attested


async def _seats(seats: SeatDoors, offer: Offer) -> Iterable[Signed[Attestation]]:
    look = await seats.look(offer, thorough=True)
    return [handed.attestation for handed in look.handed.values()]


async def _summons(view: LaneView, offer: Offer) -> Iterable[Signed[Attestation]]:
    lane = view.lane
    digest = offer.order.message.digest(lane.domain)
    if not (await summons.summoned(lane, digest)).opened:
        return ()
    root = commitments_root(await summons.commitments(lane, digest))
    return [signed for signed, _ in await summons.answers(lane, digest, root)]
