"""Whether an order is worth working on: the rules that coordinator and member hold it to.

Everything is decided from what the chain says; nothing that the requester or the other side claims counts.
`admit` is the coordinator's whole check. A member applies the same rules in its own order, cheapest first, to
its own view of the chain (serve/lane/admission.py). Every refusal is an MLBridgeError `order.*`;
`retry_after` in its context where time may mend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import WINDOW
from mlbridge.protocol.committee import seated
from mlbridge.protocol.course import Commission
from mlbridge.protocol.evidence import MAX_SEATS, is_fit, split
from mlbridge.protocol.exchange import parameters_digest
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import ChannelTerms, Domain, TaskOrder
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.tally import MIN_SEATS
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed

_PAY: Final = "Sign a higher maxFee; `AsyncChannel.quote` says what is paid now."
_SIGN: Final = "Sign its EIP-712 digest with the key that opened the channel."


@dataclass(frozen=True)
class ChannelFacts:
    """A channel as the chain has it. balance: wei that may still be spent; floor, window: which sequences are
    done with (bit i: floor + i); closing: it takes no more work.
    """

    terms: ChannelTerms
    balance: int
    floor: int
    window: int
    closing: bool


@dataclass(frozen=True)
class LaneFacts:
    """The lane as the chain has it. epoch: beacon's; seeds: by epoch; operators: node key -> operator's id;
    settle_window: seconds; order_epochs: as PaymentChannels has them; now: unix seconds; paused: by
    governance, so that nothing new begins.
    """

    domain: Domain
    snapshots: Snapshots
    seeds: Mapping[int, bytes]
    operators: Mapping[str, int]
    epoch: int
    now: float
    settle_window: int
    order_epochs: int
    paused: bool = False


def admit(
    signed: Signed[TaskOrder],
    channel: ChannelFacts,
    lane: LaneFacts,
    *,
    seconds: float,
    stream: bytes | None = None,
) -> Commission:
    """The order with its committee, if it can be done, settled and paid. seconds: least to its deadline;
    stream: the key in its offer.

    Raises MLBridgeError: `order.paused`, `order.channel`, `order.policy`, `order.seats`, `order.params`,
    `order.epoch`, `order.deadline`, `order.sequence`, `order.sequence_ahead`, `order.closing`,
    `order.signature`, `order.price`, `order.funds`, `order.model` or `order.seed`; `committee.too_few`.
    """
    order = signed.message
    require_unpaused(paused=lane.paused)
    require_form(order, channel.terms, stream)
    require_time(order, lane.now, seconds)
    if not is_fit(order, int(lane.now), lane.epoch, lane.settle_window, lane.order_epochs):
        raise refuse("epoch", f"it is of epoch {order.epoch} and now is epoch {lane.epoch}", 2)
    require_sequence(order, channel.floor, channel.window)
    require_open(closing=channel.closing)
    require_signature(signed, channel.terms, lane.domain)
    require_price(order, channel.terms, lane.snapshots)
    require_funds(order, channel.balance)
    seed = lane.seeds.get(order.epoch)
    if seed is None:
        raise no_seed(order)
    accounts = tuple(seated(order, seed, lane.snapshots))
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


def require_unpaused(*, paused: bool) -> None:
    """That governance lets new work begin; what was taken before is done and settled all the same."""
    if paused:
        raise refuse(
            "paused",
            "governance has paused the channel lane",
            4,
            "Send it again once a proposal has lifted the pause (`mlbridge gov list`).",
            retry_after=60,
        )


def require_form(order: TaskOrder, terms: ChannelTerms, stream: bytes | None = None) -> None:
    """That the lane settles such orders, of a channel of these terms. stream: the key in its offer."""
    if terms.channel() != order.channel:
        raise refuse(
            "channel", "it is for another channel", 2, "Send the terms that its channel was opened under."
        )
    if order.policy is not Policy.EXACT:
        raise refuse("policy", "this lane settles exact results alone", 2, "Use the direct lane.")
    if not MIN_SEATS <= order.seats <= MAX_SEATS:
        raise refuse("seats", f"a committee has {MIN_SEATS} to {MAX_SEATS} seats, not {order.seats}", 2)
    if order.params_digest != parameters_digest(stream):
        raise refuse("params", "its paramsDigest is not that of the key to which it is streamed", 2)
    if order.epoch <= terms.opened_in:
        raise refuse("epoch", "its channel is not older than its epoch", 2, "Sign the next epoch.")


def require_input(order: TaskOrder, payload: bytes) -> None:
    """That this is the input that it names."""
    if payload_root(payload) != order.input_digest:
        raise refuse("input", "the input is not the one that it names", 2)


def require_time(order: TaskOrder, now: float, seconds: float) -> None:
    """That so many seconds are left until its deadline. now: the chain's time, unix seconds."""
    left = order.deadline - now
    if left < seconds or left < 0:
        raise refuse("deadline", f"{max(0.0, left):.0f} s are too short for it", 6, "Sign a later deadline.")


def require_sequence(order: TaskOrder, floor: int, window: int, covered: int = 0) -> None:
    """That its sequence can still settle. floor, window: see ChannelFacts; covered: sequences below it go
    with a voucher that waits.
    """
    place = order.sequence - floor
    if place < 0 or order.sequence < covered or window >> place & 1:
        raise refuse(
            "sequence", f"sequence {order.sequence} of its channel is done with", 2, "Sign the next free one."
        )
    if place >= WINDOW:
        raise refuse(
            "sequence_ahead",
            f"before the sequences from {floor} on are settled the channel takes none above "
            f"{floor + WINDOW - 1}, and this is {order.sequence}",
            2,
            "Send it again once a batch has settled some.",
            retry_after=10,
        )


def require_open(*, closing: bool) -> None:
    """That its channel takes work."""
    if closing:
        raise refuse("closing", "its channel is being closed", 4, "Open another channel.")


def require_signature(signed: Signed[TaskOrder], terms: ChannelTerms, domain: Domain) -> None:
    """That the requester of its channel signed it."""
    try:
        signer = signed.signer(domain)
    except MLBridgeError as error:
        raise refuse("signature", "its signature cannot be used", 3, _SIGN) from error
    if signer != terms.requester:
        raise refuse("signature", "the requester of its channel did not sign it", 3, _SIGN)


def require_price(order: TaskOrder, terms: ChannelTerms, snapshots: Snapshots, seat_fee: int = 0) -> None:
    """That its price covers the shares, the model and so many wei for each seat."""
    model = snapshots.terms(order.model_id, order.epoch)
    if model is None:
        raise refuse("model", f"its model is not recorded for epoch {order.epoch}", 5)
    try:
        outcome = split(order, terms, bytes(32), (), model.price, model.provider)
    except MLBridgeError as error:
        raise refuse("price", "its price does not cover the shares and the model", 4, _PAY) from error
    if outcome.seat_fee < seat_fee:
        raise refuse("price", f"it leaves {outcome.seat_fee} wei a seat, not {seat_fee}", 4, _PAY)


def require_funds(order: TaskOrder, free: int) -> None:
    """That its channel has its price. free: wei that it may spend."""
    if order.max_fee > free:
        raise refuse("funds", f"its channel has {max(0, free)} wei left", 4, "Top the channel up.")


def no_seed(order: TaskOrder) -> MLBridgeError:
    """What is said of an order whose committee cannot be drawn yet."""
    why = f"the seed of epoch {order.epoch} is not known"
    return refuse("seed", why, 1, "Try again in a moment.", retry_after=2)


def refuse(
    name: str, why: str, exit_code: int, hint: str = "", *, retry_after: int | None = None
) -> MLBridgeError:
    """`order.<name>`. retry_after: seconds, where waiting may mend it."""
    error = MLBridgeError(f"order.{name}", f"The order is not taken: {why}.", hint=hint, exit_code=exit_code)
    if retry_after is not None:
        error.context["retry_after"] = retry_after
    return error
