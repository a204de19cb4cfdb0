"""Whether an order is worth working on: what a member and a coordinator check before they spend anything.

Everything is decided from what the chain says; nothing that the requester or the other side claims counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import WINDOW
from mlbridge.protocol.committee import seated
from mlbridge.protocol.course import Commission
from mlbridge.protocol.evidence import MAX_SEATS, is_fit, split
from mlbridge.protocol.orders712 import ChannelTerms, Domain, TaskOrder
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.tally import MIN_SEATS
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed


@dataclass(frozen=True)
class ChannelFacts:
    """A channel as the chain has it. balance: wei that may still be spent; floor, window: which sequences are
    done with (bit i: floor + i); closing: it takes no more work. As far as the asker knows: in_flight: wei of
    other orders that were admitted and are not settled yet; taken: their digests by sequence.
    """

    terms: ChannelTerms
    balance: int
    floor: int
    window: int
    closing: bool
    in_flight: int = 0
    taken: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class LaneFacts:
    """The lane as the chain has it. epoch: beacon's; seeds: by epoch; operators: node key -> operator's id;
    settle_window: seconds; order_epochs: as PaymentChannels has them; now: unix seconds.
    """

    domain: Domain
    snapshots: Snapshots
    seeds: Mapping[int, bytes]
    operators: Mapping[str, int]
    epoch: int
    now: float
    settle_window: int
    order_epochs: int


@dataclass(frozen=True)
class Wants:
    """What one side asks of an order. account: a member that must have a seat; None: the coordinator asks;
    seat_fee: least wei for a seat; seconds: least time to the deadline.
    """

    account: int | None = None
    seat_fee: int = 0
    seconds: float = 0.0


def admit(signed: Signed[TaskOrder], channel: ChannelFacts, lane: LaneFacts, wants: Wants) -> Commission:
    """The order with its committee, if it can be done, settled and paid.

    Raises MLBridgeError: `order.channel`, `order.policy`, `order.seats`, `order.epoch`, `order.deadline`,
    `order.sequence`, `order.closing`, `order.signature`, `order.price`, `order.funds`, `order.model`,
    `order.seed` or `order.no_seat`; `committee.too_few`.
    """
    order = signed.message
    _require_form(order, channel.terms)
    _require_time(order, lane, wants)
    _require_channel(order, channel, order.digest(lane.domain))
    try:
        signer = signed.signer(lane.domain)
    except MLBridgeError as error:
        raise _refuse("signature", "its signature cannot be used", 3) from error
    if signer != channel.terms.requester:
        raise _refuse("signature", "the requester of its channel did not sign it", 3)
    _require_price(order, channel, lane, wants)
    seed = lane.seeds.get(order.epoch)
    if seed is None:
        raise _refuse("seed", "the seed of its epoch is not posted yet", 1, "Try again in a moment.")
    accounts = tuple(seated(order, seed, lane.snapshots))
    if wants.account is not None and wants.account not in accounts:
        raise _refuse("no_seat", f"account {wants.account} has no seat in its committee", 2)
    weights = tuple(lane.snapshots.weight(order.model_id, order.epoch, account) for account in accounts)
    settle_by = order.deadline + lane.settle_window
    return Commission(
        lane.domain,
        channel.terms,
        order,
        signed.signature,
        accounts,
        weights,
        lane.operators,
        settle_by,
    )


def _require_form(order: TaskOrder, terms: ChannelTerms) -> None:
    if terms.channel() != order.channel:
        raise _refuse("channel", "it is for another channel", 2)
    if order.policy is not Policy.EXACT:
        raise _refuse("policy", "this lane settles exact results alone", 2, "Use the direct lane.")
    if not MIN_SEATS <= order.seats <= MAX_SEATS:
        raise _refuse("seats", f"a committee has {MIN_SEATS} to {MAX_SEATS} seats", 2)
    if order.epoch <= terms.opened_in:
        raise _refuse("epoch", "its channel is not older than its epoch", 2, "Sign the next epoch.")


def _require_time(order: TaskOrder, lane: LaneFacts, wants: Wants) -> None:
    if order.deadline < lane.now + wants.seconds:
        left = max(0.0, order.deadline - lane.now)
        raise _refuse("deadline", f"{left:.0f} s are too short for it", 6, "Sign a later deadline.")
    if not is_fit(order, int(lane.now), lane.epoch, lane.settle_window, lane.order_epochs):
        raise _refuse("epoch", f"it is of epoch {order.epoch} and now is epoch {lane.epoch}", 2)


def _require_channel(order: TaskOrder, channel: ChannelFacts, digest: bytes) -> None:
    place = order.sequence - channel.floor
    if not 0 <= place < WINDOW or channel.window >> place & 1:
        raise _refuse(
            "sequence",
            f"{order.sequence} is settled or not below {channel.floor + WINDOW}",
            2,
            "Sign the next free sequence.",
        )
    if channel.taken.get(order.sequence, digest) != digest:
        # A sequence settles once, so one of the two is work for nothing.
        raise _refuse("sequence", f"another order has sequence {order.sequence}", 2)
    if channel.closing:
        raise _refuse("closing", "its channel is closing", 4, "Open another channel.")


def _require_price(order: TaskOrder, channel: ChannelFacts, lane: LaneFacts, wants: Wants) -> None:
    terms = lane.snapshots.terms(order.model_id, order.epoch)
    if terms is None:
        raise _refuse("model", "its model was not recorded for its epoch", 5)
    try:
        outcome = split(order, channel.terms, bytes(32), (), terms.price, terms.provider)
    except MLBridgeError as error:
        raise _refuse("price", "its price does not cover the shares and the model", 4) from error
    if outcome.seat_fee < wants.seat_fee:
        raise _refuse("price", f"it leaves {outcome.seat_fee} wei a seat, not {wants.seat_fee}", 4)
    free = channel.balance - channel.in_flight
    if order.max_fee > free:
        raise _refuse("funds", f"its channel has {max(0, free)} wei left", 4, "Top the channel up.")


def _refuse(name: str, why: str, exit_code: int, hint: str = "") -> MLBridgeError:
    return MLBridgeError(f"order.{name}", f"The order is not taken: {why}.", hint=hint, exit_code=exit_code)
