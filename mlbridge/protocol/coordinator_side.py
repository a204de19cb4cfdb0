"""One order as its coordinator lives it: collect commitments, close the set, count attestations, settle.

The set is closed once, on disk before any member sees it. The answer is delivered at the verdict rule,
without waiting for the slow rest; those still have a while to attest and be paid. Seats are not replaced: the
chain knows one committee for an order (docs/design/channel-lane.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mlbridge.protocol import orders712
from mlbridge.protocol.coordinator_steps import (
    Accepted,
    Ask,
    Attested,
    Begun,
    Closed,
    Committed,
    Counted,
    Decided,
    Deliver,
    Effect,
    Event,
    OpenCase,
    Over,
    Record,
    ReportDissent,
    Show,
    Tick,
)
from mlbridge.protocol.course import SILENT, Accuse, Commission, End, Keep, Send, Settle
from mlbridge.protocol.evidence import Evidence, SeatProof
from mlbridge.protocol.orders712 import Attestation, ClosedSet, Commitment
from mlbridge.protocol.wire import Signed


@dataclass(frozen=True)
class Desk:
    """An order on its coordinator's desk.

    close_at: unix seconds at which the set closes with whoever committed; linger: seconds after the verdict
    in which slow seats may still attest, never beyond the order's deadline.
    """

    commission: Commission
    close_at: float
    linger: float


@dataclass(frozen=True)
class Order:
    """Where an order stands. commitments, counted: by account; heard: the first attestation of each account
    that was validly signed, whether it counts or not; accused: accounts shown to contradict themselves.
    """

    begun: bool = False
    commitments: Mapping[int, Signed[Commitment]] = field(default_factory=dict)
    closed: Closed | None = None
    heard: Mapping[int, Signed[Attestation]] = field(default_factory=dict)
    counted: Mapping[int, Signed[Attestation]] = field(default_factory=dict)
    decided: Decided | None = None
    over: Over | None = None
    accused: frozenset[int] = frozenset()


def advance(desk: Desk, state: Order, event: Event) -> tuple[Order, list[Effect]]:
    """What an event changes, and what is to be done for it. Late and repeated events change nothing."""
    match event:
        case Accepted():
            return _accepted(desk, state, event)
        case Committed():
            return _committed(desk, state, event.signed)
        case Attested():
            return _attested(desk, state, event)
        case Tick():
            return _tick(desk, state, event.now)


def restore(desk: Desk, records: Iterable[Record]) -> tuple[Order, list[Effect]]:
    """The state that the records on disk stand for, and what is to be done again."""
    state = Order()
    for record in records:
        match record:
            case Begun():
                state = replace(state, begun=True)
            case Closed():
                held = {signed.message.account: signed for signed in record.commitments}
                state = replace(state, closed=record, commitments=held)
            case Counted():
                account = record.signed.message.account
                state = replace(
                    state,
                    heard={account: record.signed, **state.heard},
                    counted={**state.counted, account: record.signed},
                )
            case Decided():
                state = replace(state, decided=record)
            case Over():
                state = replace(state, over=record)
            case Accuse():
                state = replace(state, accused=state.accused | {record.account})
    return state, _again(desk, state)


def evidence_of(desk: Desk, state: Order) -> Evidence:
    """What settles the order: all seats that attested the verdict by now, and the commitments of the rest.

    The order must have been decided.
    """
    if state.decided is None or state.closed is None:
        raise ValueError("there is no verdict yet")
    commission = desk.commission
    seats = []
    for account, word in zip(commission.accounts, state.closed.words, strict=True):
        signed = state.counted.get(account)
        if signed is not None and signed.message.result == state.decided.result:
            seats.append(SeatProof(account, signed.message.salt, signed.signature))
        else:
            seats.append(SeatProof(account, word))
    return Evidence(
        commission.terms, commission.order, commission.order_signature, state.decided.result, tuple(seats)
    )


def _again(desk: Desk, state: Order) -> list[Effect]:
    if not state.begun:
        return []
    delivery: list[Effect] = [] if state.decided is None else [_delivery(state.decided)]
    if state.over is not None:
        if state.over.settled:
            return [*delivery, *_settlement(desk, state)]
        return [OpenCase(state.over.reason, tuple(state.counted.values())), End(state.over.reason)]
    if state.closed is None:
        return [Ask(desk.commission.accounts)]
    return [*delivery, *_closing(desk, state, state.closed)]


def _accepted(desk: Desk, state: Order, event: Accepted) -> tuple[Order, list[Effect]]:
    if state.begun or event.now >= desk.commission.order.deadline:
        return state, []
    return replace(state, begun=True), [Keep(Begun()), Ask(desk.commission.accounts)]


def _committed(desk: Desk, state: Order, signed: Signed[Commitment]) -> tuple[Order, list[Effect]]:
    commission, message = desk.commission, signed.message
    if message.order != commission.digest or message.account not in commission.accounts:
        return state, []
    held = state.commitments.get(message.account)
    known = held is not None and held.message == message
    if not state.begun or known or not commission.signed_by_seat(signed, message.account):
        return state, []
    if held is not None:
        return _accuse(state, message.account, held, signed)
    if state.closed is not None or state.over is not None or message.word == SILENT:
        return state, []
    state = replace(state, commitments={**state.commitments, message.account: signed})
    if len(state.commitments) == len(commission.accounts):
        return _close(desk, state)
    return state, []


def _close(desk: Desk, state: Order) -> tuple[Order, list[Effect]]:
    held = state.commitments
    words = tuple(
        held[account].message.word if account in held else SILENT for account in desk.commission.accounts
    )
    closed = Closed(words, tuple(held.values()))
    state = replace(state, closed=closed)
    return state, [Keep(closed), *_closing(desk, state, closed)]


def _closing(desk: Desk, state: Order, closed: Closed) -> list[Effect]:
    commission = desk.commission
    waiting = tuple(
        account
        for account, word in zip(commission.accounts, closed.words, strict=True)
        if word != SILENT and account not in state.counted
    )
    root = orders712.commitments_root(closed.words)
    return [Send(ClosedSet(commission.digest, root), waiting, closed.words)] if waiting else []


def _attested(desk: Desk, state: Order, event: Attested) -> tuple[Order, list[Effect]]:
    commission, signed = desk.commission, event.signed
    message = signed.message
    account = message.account
    if message.order != commission.digest or account not in commission.accounts:
        return state, []
    first = state.heard.get(account)
    known = state.counted.get(account) == signed
    if not state.begun or known or not commission.signed_by_seat(signed, account):
        return state, []
    if first is not None and first.message.result != message.result:
        return _accuse(state, account, first, signed)
    state = replace(state, heard={account: signed, **state.heard})
    if state.closed is None or state.over is not None or account in state.counted:
        return state, []
    if not commission.opens(message, state.closed.words):
        return state, []
    state = replace(state, counted={**state.counted, account: signed})
    state, effects = _judge(desk, state, event.now)
    return state, [Keep(Counted(signed)), *effects]


def _judge(desk: Desk, state: Order, now: float) -> tuple[Order, list[Effect]]:
    """After an attestation was counted: is there a verdict, can there still be one, is everybody there?"""
    effects: list[Effect] = []
    results = {account: signed.message.result for account, signed in state.counted.items()}
    if state.decided is None:
        verdict = desk.commission.verdict(results)
        if verdict.passed:
            decided = Decided(verdict.winner, verdict.confidence, now)
            state = replace(state, decided=decided)
            effects += [Keep(decided), _delivery(decided)]
        elif not _possible(desk, state, results):
            return _open_case(state, "the seats disagree")
    if state.decided is not None and not _outstanding(desk, state):
        state, more = _settle(desk, state, "every seat that committed has attested")
        effects += more
    return state, effects


def _possible(desk: Desk, state: Order, results: Mapping[int, bytes]) -> bool:
    """Whether those who have not attested yet could still make a verdict, all of them with one side."""
    waiting = _outstanding(desk, state)
    return any(
        desk.commission.verdict({**results, **dict.fromkeys(waiting, side)}).passed
        for side in {*results.values(), SILENT}
    )


def _outstanding(desk: Desk, state: Order) -> list[int]:
    words = state.closed.words if state.closed else ()
    return [
        account
        for account, word in zip(desk.commission.accounts, words, strict=False)
        if word != SILENT and account not in state.counted
    ]


def _tick(desk: Desk, state: Order, now: float) -> tuple[Order, list[Effect]]:
    if not state.begun or state.over is not None:
        return state, []
    deadline = desk.commission.order.deadline
    if state.decided is not None:
        if now >= min(deadline, state.decided.at + desk.linger):
            return _settle(desk, state, "the slow seats had their time")
        return state, []
    if state.closed is None and now >= min(desk.close_at, deadline):
        if now < deadline and desk.commission.verdict(dict.fromkeys(state.commitments, b"")).passed:
            return _close(desk, state)
        return _open_case(state, "too few seats committed in time")
    if now >= deadline:
        return _open_case(state, "no verdict by the deadline")
    return state, []


def _settle(desk: Desk, state: Order, reason: str) -> tuple[Order, list[Effect]]:
    over = Over(True, reason)
    state = replace(state, over=over)
    return state, [Keep(over), *_settlement(desk, state)]


def _settlement(desk: Desk, state: Order) -> list[Effect]:
    evidence = evidence_of(desk, state)
    dissents = [
        ReportDissent(evidence, signed)
        for signed in state.counted.values()
        if signed.message.result != evidence.result
    ]
    winners = tuple(seat.account for seat in evidence.seats if seat.signature)
    return [Settle(evidence), Show(evidence, winners), *dissents]


def _delivery(decided: Decided) -> Deliver:
    return Deliver(decided.result, decided.confidence)


def _open_case(state: Order, reason: str) -> tuple[Order, list[Effect]]:
    over = Over(False, reason)
    case = OpenCase(reason, tuple(state.counted.values()))
    return replace(state, over=over), [Keep(over), case, End(reason)]


def _accuse(
    state: Order,
    account: int,
    first: Signed[Attestation] | Signed[Commitment],
    second: Signed[Attestation] | Signed[Commitment],
) -> tuple[Order, list[Effect]]:
    if account in state.accused:
        return state, []
    accusation = Accuse(account, first, second)
    return replace(state, accused=state.accused | {account}), [Keep(accusation), accusation]
