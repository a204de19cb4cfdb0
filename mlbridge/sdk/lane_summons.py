"""An order that nobody answered, asked for again on chain: the requester's side of a summons.

The book keeps what was signed, so the order needs nothing of its coordinator any more: its seats follow from
the seed, and there silence costs them stake. See docs/design/channel-lane.md, "Summons".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import summons
from contracts.errors import ContractError
from contracts.laneview import LaneView
from contracts.sender import Sender
from contracts.summons import Summoned, SummonsStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.protocol.answers import Told
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import passes
from mlbridge.protocol.exchange import Offer, parse_offer
from mlbridge.protocol.orders712 import Domain, commitments_root
from mlbridge.sdk.channel_book import DONE, Kept

if TYPE_CHECKING:
    from mlbridge.sdk.channel import ChannelResult

Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True)
class SummonedOrder:
    """Where the summons of an order stands.

    order: 0x hex; state: as the chain has it; shown: it was ended by a verdict that was there already;
    result: the verified answer once its seats opened a verdict, None before.
    """

    order: str
    sequence: int
    idempotency_key: str
    state: Summoned
    shown: bool
    result: ChannelResult | None


def find_order(kept: Sequence[Kept], name: str, domain: Domain) -> Kept | None:
    """Of a channel's orders the newest with this idempotency key, or the one with this digest (0x hex)."""
    wanted = name.lower()
    for one in kept:
        if one.key == name or order_id(one, domain) == wanted:
            return one
    return None


def order_id(kept: Kept, domain: Domain) -> str:
    """What names a kept order: its digest, 0x hex."""
    return "0x" + parse_offer(kept.offer).order.message.digest(domain).hex()


async def summon_once(
    kept: Kept, view: LaneView, sender: Sender, fetch: Fetch, *, max_bond_wei: int | None = None
) -> None:
    """Summon the seats of a kept order; one that was summoned before is not paid for again.

    fetch: an input by CID. Raises MLBridgeError `summons.answered`, `summons.input_too_large`,
    `price.too_high`, `lane.*`, `committee.too_few`, ContractError where a seat could refuse.
    """
    offer, lane = parse_offer(kept.offer), view.lane
    order = offer.order.message
    digest = order.digest(lane.domain)
    if (await summons.summoned(lane, digest)).status is not SummonsStatus.NONE:
        return
    if kept.state == DONE:
        raise MLBridgeError(
            "summons.answered",
            f"Order 0x{digest.hex()} was answered, and nobody has to answer it twice.",
            hint=f"Its answer: mlbridge run with --lane channel --idempotency-key {kept.key}",
            exit_code=2,
        )
    payload = offer.content if isinstance(offer.content, bytes) else await fetch(offer.content)
    if len(payload) > content.MAX_INLINE_PAYLOAD:
        raise MLBridgeError(
            "summons.input_too_large",
            f"A summons shows the whole input on chain, and {len(payload)} bytes do not fit there "
            f"(at most {content.MAX_INLINE_PAYLOAD}).",
            hint="Send the input on the direct lane: mlbridge run without --lane channel.",
            exit_code=2,
        )
    seed = await view.seed(order.epoch)
    if seed is None:
        raise MLBridgeError(
            "lane.no_seed",
            f"Epoch {order.epoch} has no seed, so nobody was drawn for the order.",
            exit_code=6,
        )
    seats = seated(order, seed, view.facts.snapshots)
    bond = await bond_with_margin(view, len(seats))
    if max_bond_wei is not None and bond > max_bond_wei:
        raise MLBridgeError(
            "price.too_high",
            f"The bond is {bond} wei now, more than your limit of {max_bond_wei}.",
            hint="Raise the limit, or summon when gas is cheaper; what is not spent comes back.",
            exit_code=4,
            price_wei=bond,
        )
    try:
        await summons.summon(lane, sender, offer.terms, offer.order, payload, seats, bond=bond)
    except ContractError as error:
        # The other party of the channel was faster.
        if error.name != "AlreadySummoned":
            raise


async def bond_with_margin(view: LaneView, seats: int) -> int:
    """Wei to send along: the bond of now and a quarter, as the base fee may rise before it is mined."""
    bond = await summons.bond_for(view.lane, seats)
    return bond + bond // 4


async def told_by_summons(offer: Offer, state: Summoned, view: LaneView, fetch: Fetch) -> Told | None:
    """What the seats of a summons opened, as a coordinator would tell it; None while it is no verdict."""
    if not state.opened:
        return None
    lane, order = view.lane, offer.order.message
    digest = order.digest(lane.domain)
    words = await summons.commitments(lane, digest)
    found = await summons.answers(lane, digest, commitments_root(words))
    told = {signed.message.account: signed for signed, _ in found}
    weights = [view.facts.snapshots.weight(order.model_id, order.epoch, account) for account in state.seats]
    for result in {signed.message.result for signed, _ in found}:
        seats = summons.seat_proofs(state.seats, words, told, result)
        if passes(seats, weights):
            outputs = [shown for signed, shown in found if signed.message.result == result]
            return Told("decided", result, 0, seats, await _payload(outputs, fetch))
    return None


async def _payload(outputs: Sequence[bytes], fetch: Fetch) -> bytes:
    """The answer behind what the seats showed; it is the same one, wherever it lies."""
    parsed = [content.parse(output) for output in outputs]
    for one in parsed:
        if isinstance(one, content.Inline):
            return one.payload
    return await fetch(next(one.cid for one in parsed if isinstance(one, content.Reference)))


__all__ = ["SummonedOrder", "bond_with_margin", "find_order", "order_id", "summon_once", "told_by_summons"]
