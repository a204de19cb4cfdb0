"""What a lane is: it makes an offer for an order, then carries the task to its end.

An offer fixes the task's id and its highest price and spends nothing. It is kept before the task is carried,
and carrying it again - after a crash, or in two processes at once - never pays twice. Nothing here says
whether a chain transaction, a channel or anything else moves the money.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.catalogue import Model


@dataclass(frozen=True, slots=True)
class Order:
    """What a requester wants.

    payload: canonical task input; seats: committee size, None: the network's; max_price_wei: most to pay;
    deadline_s: seconds from now; stream: whether its answer is to be told while it is made, if that can be.
    """

    model: Model
    payload: bytes
    seats: int | None
    max_price_wei: int
    deadline_s: int
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A task that could be carried. id: 0x hex; price_wei: most it can cost; terms: the lane's own, JSON."""

    id: str
    price_wei: int
    terms: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The network has the task."""


@dataclass(frozen=True, slots=True)
class Seated:
    """Who sits in the committee: account ids in draw order."""

    committee: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer's text so far, before its verdict: it may yet turn out wrong. Another try begins anew."""

    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. payload: task output; confidence: 0 to 1; cost_wei: what it cost, at most the price;
    committee: as of Seated, None where that was told before.
    """

    payload: bytes
    confidence: float
    cost_wei: int
    committee: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of a verdict, as JSON: the task has ended."""

    document: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The task has ended without an answer. cost_wei: what was spent on it all the same, as tips."""

    cost_wei: int
    reason: str
    status: Literal["refunded", "cancelled"] = "refunded"
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The network never took the task and never will: nothing was or can be paid."""

    code: str
    message: str
    hint: str = ""
    context: dict[str, object] = field(default_factory=dict)


LaneEvent = Accepted | Seated | Tokens | Verdict | Receipt | Refunded | Refused
ENDINGS = (Receipt, Refunded, Refused)


class Lane(Protocol):
    """One way to have a task done."""

    async def offer(self, order: Order) -> Offer:
        """What an order would cost now, spending nothing.

        Raises MLBridgeError `price.too_high`, or what keeps the network from taking such a task.
        """
        ...

    def carry(self, offer: Offer, *, resumed: bool) -> AsyncIterator[LaneEvent]:
        """Bring the task to its end: the last event is one of ENDINGS.

        resumed: somebody may have carried it before. Raises what another try may mend.
        """
        ...

    async def proof(self, receipt: str) -> str:
        """A receipt with what the chain has come to prove since it was made; unchanged where nothing has."""
        ...

    async def cancel(self, offer: Offer) -> None:
        """Take a task back; its carrier then sees it end. Raises MLBridgeError when it is too late."""
        ...

    async def upkeep(self) -> None:
        """Called now and then while nothing else needs the lane."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
