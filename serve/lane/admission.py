"""What a member looks at before it spends compute on an order, cheapest first.

Every refusal is an MLBridgeError `lane.*`; `retry_after` in its context where time may mend it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.committee import seated, streamer
from mlbridge.protocol.evidence import MAX_SEATS, split
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import Domain, TaskOrder
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.tally import MIN_SEATS
from mlbridge.protocol.types import Policy
from serve.lane.store import Claim
from serve.lane.view import ChannelRow, LaneRules, View

WINDOW: Final = 64
"""Sequences from a channel's floor on that can settle."""

_KEPT_COMMITTEES: Final = 4_096


class Wallets(Protocol):
    """Asks contract accounts whether they signed."""

    async def signed(self, wallet: str, digest: bytes, signature: bytes) -> bool:
        """Raises MLBridgeError where the chain node does not answer."""
        ...


@dataclass(frozen=True)
class AdmissionRules:
    """model_id: 32 bytes; the rest as in LaneSettings."""

    domain: Domain
    model_id: bytes
    coordinators: Collection[str] | None
    seat_fee: int
    least_time_s: float
    max_validity_s: float
    settle_margin_s: float


class Admission:
    """Checks offers against what is known of the chain. Keeps but the committees that it drew.

    wallets: None: requesters that are contract accounts are refused.
    """

    def __init__(self, rules: AdmissionRules, view: View, wallets: Wallets | None) -> None:
        self._rules = rules
        self._view = view
        self._wallets = wallets
        self._committees: OrderedDict[tuple[bytes, bytes, Snapshots], list[int]] = OrderedDict()

    def check_party(self, offer: Offer, coordinator: str) -> None:
        """Whether the sender of an offer is the coordinator of its channel, and one that is served."""
        if offer.terms.channel() != offer.order.message.channel:
            raise _refused("terms", "the terms are not those of its channel")
        if offer.terms.coordinator != coordinator:
            raise _refused("coordinator", "its channel has another coordinator than the one who sent it")
        allowed = self._rules.coordinators
        if allowed is not None and coordinator not in allowed:
            raise _refused("coordinator", "this provider does not work for this coordinator")

    async def admit(self, offer: Offer, digest: bytes, now: float) -> Claim:
        """The claim on an order's fee, if everything about the order is right at `now` (chain time)."""
        order, rules = offer.order.message, self._view.rules()
        self._check_time(order, now)
        self._check_work(offer)
        channel = self._channel(order)
        self._check_epoch(offer, rules, now)
        if channel.spendable < order.max_fee:
            raise _refused("funds", f"its channel has only {channel.spendable} wei to spend")
        self._check_price(offer)
        self._check_seat(order, rules.account)
        await self._check_signature(offer, digest)
        return Claim(
            digest=digest,
            account=rules.account,
            channel=order.channel,
            sequence=order.sequence,
            fee=order.max_fee,
            deadline=order.deadline,
            coordinator=offer.terms.coordinator,
            offer=replace(offer, content=b"").to_bytes(),
            spendable=channel.spendable,
            floor=channel.floor,
            window=channel.window,
        )

    def _check_time(self, order: TaskOrder, now: float) -> None:
        left = order.deadline - now
        if left < self._rules.least_time_s:
            raise _refused("expired", f"only {left:.0f} s are left until its deadline")
        if left > self._rules.max_validity_s:
            raise _refused("validity", f"its deadline lies {left:.0f} s ahead")

    def _check_work(self, offer: Offer) -> None:
        order = offer.order.message
        if order.model_id != self._rules.model_id:
            raise _refused("model", "another model runs here")
        if order.policy is not Policy.EXACT:
            raise _refused("policy", "the lane settles results that are equal bit for bit alone")
        if not MIN_SEATS <= order.seats <= MAX_SEATS:
            raise _refused("seats", f"it wants {order.seats} seats, not {MIN_SEATS} to {MAX_SEATS}")
        if not offer.parameters_hold:
            raise _refused("params", "its paramsDigest is not that of the key to which it is streamed")
        if isinstance(offer.content, bytes) and payload_root(offer.content) != order.input_digest:
            raise _refused("input", "the input is not the one that it names")

    def _channel(self, order: TaskOrder) -> ChannelRow:
        channel = self._view.channel(order.channel)
        if channel is None:
            raise _refused("channel_unknown", "its channel is not on the chain yet", retry_after=2)
        if channel.closes_at:
            raise _refused("closing", "its channel is being closed")
        place = order.sequence - max(channel.floor, channel.covered)
        if place < 0 or channel.window >> (order.sequence - channel.floor) & 1:
            raise _refused("sequence", f"sequence {order.sequence} of its channel is done with")
        if order.sequence - channel.floor >= WINDOW:
            raise _refused(
                "sequence_ahead",
                f"its sequence is {order.sequence}, and before those from {channel.floor} on are settled "
                f"the channel takes none above {channel.floor + WINDOW - 1}",
                retry_after=10,
            )
        return channel

    def _check_epoch(self, offer: Offer, rules: LaneRules, now: float) -> None:
        order = offer.order.message
        current = rules.epoch_at(now)
        if order.epoch <= offer.terms.opened_in:
            raise _refused("epoch", "its channel is not older than the seed that draws its committee")
        if order.epoch > current:
            raise _refused("epoch_ahead", f"epoch {order.epoch} has not begun", retry_after=5)
        if order.epoch + rules.order_epochs <= rules.epoch_at(order.deadline + self._rules.settle_margin_s):
            raise _refused("epoch", f"an order of epoch {order.epoch} could not settle after its deadline")

    def _check_price(self, offer: Offer) -> None:
        order = offer.order.message
        terms = self._view.snapshots().terms(order.model_id, order.epoch)
        if terms is None:
            raise _refused("model", f"the model is not recorded for epoch {order.epoch}")
        try:
            outcome = split(order, offer.terms, bytes(32), (), terms.price, terms.provider)
        except MLBridgeError as error:
            raise _refused("price", "its price does not cover the shares and the model's price") from error
        if outcome.seat_fee < self._rules.seat_fee:
            raise _refused(
                "price",
                f"it pays a seat {outcome.seat_fee} wei, and this provider asks {self._rules.seat_fee}",
            )

    def _check_seat(self, order: TaskOrder, account: int) -> None:
        if account not in self.committee(order):
            raise _refused("seat", f"account {account} has no seat in its committee")

    def committee(self, order: TaskOrder) -> list[int]:
        """Who works on an order: accounts in ascending order."""
        seed = self._view.seed(order.epoch)
        if seed is None:
            raise _refused("seed_unknown", f"the seed of epoch {order.epoch} is not known", retry_after=2)
        # An epoch's weights never change once its seed is known; after a reorganisation they are others.
        snapshots = self._view.snapshots()
        key = order.struct_hash(), seed, snapshots
        found = self._committees.get(key)
        if found is None:
            found = self._committees[key] = seated(order, seed, snapshots)
            if len(self._committees) > _KEPT_COMMITTEES:
                self._committees.popitem(last=False)
        return found

    def streamer(self, order: TaskOrder) -> int:
        """Whose seat streams an order's answer, where that is wanted."""
        seed = self._view.seed(order.epoch)
        if seed is None:
            raise _refused("seed_unknown", f"the seed of epoch {order.epoch} is not known", retry_after=2)
        return streamer(order, seed, self._view.snapshots())

    async def _check_signature(self, offer: Offer, digest: bytes) -> None:
        requester = offer.terms.requester
        try:
            if offer.order.signer(self._rules.domain) == requester:
                return
        except MLBridgeError as error:
            if error.code != "signature.invalid":
                raise
        wallets = self._wallets
        if wallets is None or not await wallets.signed(requester, digest, offer.order.signature):
            raise _refused("signature", "its channel's requester did not sign it")


def _refused(what: str, why: str, *, retry_after: int | None = None) -> MLBridgeError:
    error = MLBridgeError(f"lane.{what}", f"The order is not taken: {why}.", exit_code=4)
    if retry_after is not None:
        error.context["retry_after"] = retry_after
    return error
