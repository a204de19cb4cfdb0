"""What the coordinator's side is tested against: an order as one of its members lives it, a pure function.

The member itself (serve/lane/member.py) answers requests from its store and needs no machine of states.

A member signs at most one commitment and one attestation, each on disk before it is sent. It reveals to the
one closed set that its coordinator signed first and that holds its own commitment; it keeps what shows that
it earned its fee, and takes that to the chain itself if nobody else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.course import SILENT, Accuse, Commission, End, Keep, Send, Settle
from mlbridge.protocol.evidence import Evidence, Facts, prove
from mlbridge.protocol.orders712 import Attestation, ClosedSet, Commitment
from mlbridge.protocol.wire import Signed


@dataclass(frozen=True)
class Post:
    """A seat of an order. facts: what evidence is held to; settle_after: unix seconds from which on a member
    that was not paid settles by itself, well before the order's time is over.
    """

    commission: Commission
    account: int
    facts: Facts
    settle_after: int


# ---- events ----


@dataclass(frozen=True, slots=True)
class Taken:
    """The order was checked (protocol/admission.py) and there is room for it. now: unix seconds."""

    now: float


@dataclass(frozen=True, slots=True)
class Executed:
    """The model gave a result. salt: 32 fresh random bytes; now: unix seconds."""

    result: bytes
    salt: bytes
    now: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The model gave none."""

    reason: str


@dataclass(frozen=True, slots=True)
class SetClosed:
    """The coordinator's closed set. words: the commitments of all seats, in the order of their accounts."""

    signed: Signed[ClosedSet]
    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Somebody showed evidence that settles the order."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Paid:
    """A final settlement on chain pays this seat."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. now: unix seconds."""

    now: float


Event = Taken | Executed | Failed | SetClosed | Shown | Paid | Tick

# ---- records and effects ----


@dataclass(frozen=True, slots=True)
class Bound:
    """Record: what the seat committed to."""

    result: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """Record: the set that the seat revealed to."""

    closed: SetClosed


@dataclass(frozen=True, slots=True)
class Earned:
    """Record: what settles the order with this seat among the winners."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Over:
    """Record: nothing more to do. reason: for people."""

    reason: str


Record = Bound | Opened | Earned | Over


@dataclass(frozen=True, slots=True)
class Execute:
    """Run the model on the order's input."""


@dataclass(frozen=True, slots=True)
class AskEvidence:
    """Ask the coordinator and the other members for what settles the order."""


Effect = Execute | Keep | Send | Settle | Accuse | AskEvidence | End


@dataclass(frozen=True)
class Member:
    """Where a member stands. taken: it may execute; bound, opened, earned, over: the records it keeps."""

    taken: bool = False
    bound: Bound | None = None
    opened: Opened | None = None
    earned: Earned | None = None
    over: Over | None = None


def advance(post: Post, state: Member, event: Event) -> tuple[Member, list[Effect]]:
    """What an event changes, and what is to be done for it. Late and repeated events change nothing."""
    if state.over is not None:
        return state, []
    match event:
        case Taken():
            return _taken(post, state, event)
        case Executed():
            return _executed(post, state, event)
        case Failed():
            return (state, []) if state.bound else _end(state, event.reason)
        case SetClosed():
            return _closed(post, state, event)
        case Shown():
            return _shown(post, state, event)
        case Paid():
            return _end(state, "paid")
        case Tick():
            return _tick(post, state, event)


def restore(post: Post, records: Iterable[Record]) -> tuple[Member, list[Effect]]:
    """The state that the records on disk stand for, and what is to be sent again as it was."""
    state = Member()
    for record in records:
        match record:
            case Bound():
                state = replace(state, taken=True, bound=record)
            case Opened():
                state = replace(state, opened=record)
            case Earned():
                state = replace(state, earned=record)
            case Over():
                state = replace(state, over=record)
    return state, [] if state.over else _messages(post, state)


def _messages(post: Post, state: Member) -> list[Effect]:
    if state.bound is None:
        return []
    commission, account = post.commission, post.account
    found: list[Effect] = [Send(Commitment(commission.digest, account, _word(post, state.bound)))]
    if state.opened is not None:
        root = state.opened.closed.signed.message.commitments
        bound = state.bound
        found.append(Send(Attestation(commission.digest, account, bound.result, bound.salt, root)))
    return found


def _taken(post: Post, state: Member, event: Taken) -> tuple[Member, list[Effect]]:
    if state.taken:
        # The coordinator did not hear our answer: the same again.
        return state, _messages(post, state)
    if event.now >= post.commission.order.deadline:
        return _end(state, "the order came after its deadline")
    return replace(state, taken=True), [Execute()]


def _executed(post: Post, state: Member, event: Executed) -> tuple[Member, list[Effect]]:
    if not state.taken or state.bound is not None:
        return state, []
    if event.now >= post.commission.order.deadline:
        return _end(state, "the result came after the deadline")
    bound = Bound(event.result, event.salt)
    state = replace(state, bound=bound)
    return state, [Keep(bound), *_messages(post, state)]


def _closed(post: Post, state: Member, event: SetClosed) -> tuple[Member, list[Effect]]:
    commission, message = post.commission, event.signed.message
    if not _is_set(post, event) or not commission.signed_by_coordinator(event.signed):
        return state, []
    if state.opened is not None:
        first = state.opened.closed.signed
        if first.message == message:
            return state, _messages(post, state)[1:]
        return state, [Accuse(0, first, event.signed)]
    place = commission.accounts.index(post.account)
    if state.bound is None or event.words[place] != _word(post, state.bound):
        return state, []
    if not commission.verdict({a: SILENT for a, word in _spoken(commission, event)}).passed:
        # Nothing can come of it but that our result is known.
        return state, []
    opened = Opened(event)
    state = replace(state, opened=opened)
    return state, [Keep(opened), *_messages(post, state)[1:]]


def _spoken(commission: Commission, event: SetClosed) -> list[tuple[int, bytes]]:
    pairs = zip(commission.accounts, event.words, strict=True)
    return [(account, word) for account, word in pairs if word != SILENT]


def _is_set(post: Post, event: SetClosed) -> bool:
    message = event.signed.message
    if message.order != post.commission.digest or len(event.words) != len(post.commission.accounts):
        return False
    sized = all(len(word) == len(message.commitments) for word in event.words)
    return sized and orders712.commitments_root(event.words) == message.commitments


def _shown(post: Post, state: Member, event: Shown) -> tuple[Member, list[Effect]]:
    if state.opened is None or state.earned is not None:
        return state, []
    try:
        outcome = prove(event.evidence, post.facts)
    except MLBridgeError:
        return state, []
    if outcome.order != post.commission.digest or post.account not in outcome.winners:
        return state, []
    earned = Earned(event.evidence)
    return replace(state, earned=earned), [Keep(earned)]


def _tick(post: Post, state: Member, event: Tick) -> tuple[Member, list[Effect]]:
    if state.opened is None:
        if event.now >= post.commission.settle_by:
            return _end(state, "no closed set came in time")
        if state.bound is None and event.now >= post.commission.order.deadline:
            return _end(state, "the deadline passed before there was a result")
        return state, []
    if event.now >= post.commission.settle_by:
        return _end(state, "its time to settle is over")
    if event.now < post.settle_after:
        return state, []
    return state, [AskEvidence() if state.earned is None else Settle(state.earned.evidence)]


def _word(post: Post, bound: Bound) -> bytes:
    return orders712.commitment(post.commission.digest, post.account, bound.result, bound.salt)


def _end(state: Member, reason: str) -> tuple[Member, list[Effect]]:
    over = Over(reason)
    return replace(state, over=over), [Keep(over), End(reason)]
