"""What a member looks at before it spends compute on an order: cheapest first, in its own view of the chain.

The rules that a coordinator holds the order to as well are those of mlbridge/protocol/admission.py (refusals
`order.*`); here are whom and what this provider works for (`lane.*`), what it wants to be paid, how much time
it needs to settle by itself, and contract accounts as requesters. `retry_after` stands in the context of a
refusal that time may mend.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import admission as rules_of
from mlbridge.protocol.committee import seated, streamer
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.orders712 import Domain, TaskOrder
from mlbridge.protocol.snapshots import Snapshots
from serve.lane.store import Claim
from serve.lane.view import ChannelRow, LaneRules, View

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
        self.wallets = wallets
        self._committees: OrderedDict[tuple[bytes, bytes, Snapshots], list[int]] = OrderedDict()

    def check_party(self, offer: Offer, coordinator: str) -> None:
        """Whether the sender of an offer is the coordinator of its channel, and one that is served."""
        if offer.terms.channel() != offer.order.message.channel:
            raise rules_of.refuse("channel", "the terms are not those of its channel", 2)
        if offer.terms.coordinator != coordinator:
            raise _refused("coordinator", "its channel has another coordinator than the one who sent it")
        allowed = self._rules.coordinators
        if allowed is not None and coordinator not in allowed:
            raise _refused("coordinator", "this provider does not work for this coordinator")

    async def admit(self, offer: Offer, digest: bytes, now: float) -> Claim:
        """The claim on an order's fee, if everything about the order is right at `now` (chain time)."""
        order, rules = offer.order.message, self._view.rules()
        rules_of.require_unpaused(paused=self._view.paused())
        self._check_time(order, now)
        self._check_work(offer)
        channel = self._channel(order)
        self._check_epoch(order, rules, now)
        rules_of.require_funds(order, channel.spendable)
        rules_of.require_price(order, offer.terms, self._view.snapshots(), self._rules.seat_fee)
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
        rules_of.require_time(order, now, self._rules.least_time_s)
        left = order.deadline - now
        if left > self._rules.max_validity_s:
            raise _refused("validity", f"its deadline lies {left:.0f} s ahead")

    def _check_work(self, offer: Offer) -> None:
        order = offer.order.message
        if order.model_id != self._rules.model_id:
            raise _refused("model", "another model runs here")
        rules_of.require_form(order, offer.terms, offer.stream)
        if isinstance(offer.content, bytes):
            rules_of.require_input(order, offer.content)

    def _channel(self, order: TaskOrder) -> ChannelRow:
        channel = self._view.channel(order.channel)
        if channel is None:
            raise _refused("channel_unknown", "its channel is not on the chain yet", retry_after=2)
        rules_of.require_open(closing=channel.closes_at != 0)
        rules_of.require_sequence(order, channel.floor, channel.window, channel.covered)
        return channel

    def _check_epoch(self, order: TaskOrder, rules: LaneRules, now: float) -> None:
        """That its epoch has begun, and that this provider could still settle it by itself."""
        if order.epoch > rules.epoch_at(now):
            raise rules_of.refuse("epoch_ahead", f"epoch {order.epoch} has not begun", 2, retry_after=5)
        if order.epoch + rules.order_epochs <= rules.epoch_at(order.deadline + self._rules.settle_margin_s):
            why = f"an order of epoch {order.epoch} could not settle after its deadline"
            raise rules_of.refuse("epoch", why, 2)

    def _check_seat(self, order: TaskOrder, account: int) -> None:
        if account not in self.committee(order):
            raise _refused("seat", f"account {account} has no seat in its committee")

    def committee(self, order: TaskOrder) -> list[int]:
        """Who works on an order: accounts in ascending order."""
        seed = self._view.seed(order.epoch)
        if seed is None:
            raise rules_of.no_seed(order)
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
        wallets = self.wallets
        if wallets is None or not await wallets.signed(requester, digest, offer.order.signature):
            raise rules_of.refuse("signature", "the requester of its channel did not sign it", 3)


def _refused(what: str, why: str, *, retry_after: int | None = None) -> MLBridgeError:
    error = MLBridgeError(f"lane.{what}", f"The order is not taken: {why}.", exit_code=4)
    if retry_after is not None:
        error.context["retry_after"] = retry_after
    return error
