"""Both sides of an order under every interleaving that hypothesis can think of.

A network that loses, repeats and reorders; machines that stop between any two writes and come back from what
is on disk; members that lie, copy, contradict themselves or stay silent; a coordinator that signs any set.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlbridge.protocol import coordinator_side, coordinator_steps, orders712
from mlbridge.protocol.coordinator_side import Order
from mlbridge.protocol.coordinator_steps import (
    Accepted,
    Ask,
    Attested,
    Closed,
    Committed,
    Deliver,
    Show,
)
from mlbridge.protocol.course import SILENT, Accuse, Keep, Send, Settle
from mlbridge.protocol.evidence import prove
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, ClosedSet, Commitment
from mlbridge.protocol.wire import Signed, sign
from tests.support import member_model
from tests.support.lane_order import COORDINATOR_KEY, Parties
from tests.support.member_model import Executed, Member, SetClosed, Shown, Taken
from tests.support.settled import RESULT, WRONG

HONEST, LIAR, SILENT_ONE, DOUBLE, TURNCOAT = "honest", "liar", "silent", "double", "turncoat"
KINDS = [HONEST, HONEST, HONEST, LIAR, SILENT_ONE, DOUBLE, TURNCOAT]
MODES = st.one_of(
    st.just([HONEST] * 5),
    st.just([TURNCOAT] * 5),
    st.lists(st.sampled_from(KINDS), min_size=5, max_size=5),
)
STOPS = st.sampled_from([None] * 12 + [0, 1, 2, 3])


@functools.cache
def parties(seats: int) -> Parties:
    return Parties(seats)


class Courses(RuleBasedStateMachine):
    """The whole order, with every message and every write as a step of its own."""

    @initialize(seats=st.sampled_from([3, 4, 5]), modes=MODES)
    def begin(self, seats: int, modes: list[str]) -> None:
        self.parties = parties(seats)
        self.now = self.parties.now
        self.modes = dict(zip(self.parties.accounts, modes, strict=False))
        self.desk_state, self.desk_disk = Order(), list[Any]()
        self.members = {account: Member() for account in self.parties.accounts}
        self.disks: dict[int, list[Any]] = {account: [] for account in self.parties.accounts}
        self.network: list[tuple[int, Any]] = []  # (to: account or 0 for the coordinator, what)
        self.signed: dict[int, set[Any]] = {account: set() for account in self.parties.accounts}
        self.sets: set[ClosedSet] = set()
        self.delivered: set[bytes] = set()
        self.settled: set[Any] = set()
        self.accused: set[int] = set()
        self.executions = 0
        self._desk(Accepted(self.now))

    # ---- shells ----

    def _desk(self, event: Any, stop_after: int | None = None) -> None:
        state, effects = coordinator_side.advance(self.parties.desk, self.desk_state, event)
        self.desk_state = state
        self._desk_effects(effects, stop_after)

    def _desk_effects(self, effects: Sequence[Any], stop_after: int | None = None) -> None:
        for done, effect in enumerate(effects):
            if done == stop_after:
                self._restart_desk()
                return
            match effect:
                case Keep():
                    self.desk_disk.append(effect.record)
                case Ask():
                    self.network += [(account, "order") for account in effect.to]
                case Send(message=ClosedSet()):
                    assert isinstance(effect.message, ClosedSet)
                    self.sets.add(effect.message)
                    closed = self.parties.closed(effect.words)
                    self.network += [(account, closed) for account in effect.to]
                case Deliver():
                    self._check_verdict(effect.result)
                    self.delivered.add(effect.result)
                case Settle():
                    self.settled.add(effect.evidence)
                case Show():
                    self.network += [(account, Shown(effect.evidence)) for account in effect.to]
                case Accuse():
                    self.accused.add(effect.account)

    def _restart_desk(self) -> None:
        self.desk_state, effects = coordinator_side.restore(self.parties.desk, self.desk_disk)
        self._desk_effects(effects)

    def _member(self, account: int, event: Any, stop_after: int | None = None) -> None:
        post = self.parties.post(account)
        self.members[account], effects = member_model.advance(post, self.members[account], event)
        self._member_effects(account, effects, stop_after)

    def _member_effects(self, account: int, effects: Sequence[Any], stop_after: int | None = None) -> None:
        for done, effect in enumerate(effects):
            if done == stop_after:
                self._restart_member(account)
                return
            match effect:
                case Keep():
                    self.disks[account].append(effect.record)
                case member_model.Execute():
                    self.network.append((account, "executed"))
                case Send():
                    signed = self.parties.by_node(effect.message, account)
                    self.signed[account].add(signed.message)
                    self._to_desk(signed)
                case Settle():
                    self.settled.add(effect.evidence)

    def _restart_member(self, account: int) -> None:
        post = self.parties.post(account)
        self.members[account], effects = member_model.restore(post, self.disks[account])
        self._member_effects(account, effects)

    def _to_desk(self, signed: Signed[Any]) -> None:
        """What a member's shell signed; some add or send another attestation than their machine made."""
        message = signed.message
        mode = self.modes[message.account]
        if not isinstance(message, Attestation) or mode not in (DOUBLE, TURNCOAT):
            self.network.append((0, signed))
            return
        other = replace(message, result=WRONG if message.result == RESULT else RESULT)
        listed = [signed] if mode == DOUBLE else []
        for each in [*listed, self.parties.by_node(other, message.account)]:
            self.network.append((0, each))

    def _result(self, account: int) -> Executed:
        # A fresh salt for every run of the model: a member that ran twice must still sign once.
        self.executions += 1
        salt = keccak(b"salt %d %d" % (account, self.executions))
        return Executed(WRONG if self.modes[account] == LIAR else RESULT, salt, self.now)

    # ---- steps ----

    @rule(count=st.integers(1, 30), stop=STOPS)
    def deliver_in_order(self, count: int, stop: int | None) -> None:
        """The oldest messages arrive; the receiver of the last may stop before any effect of it."""
        for left in reversed(range(min(count, len(self.network)))):
            self._arrive(*self.network.pop(0), None if left else stop)

    @rule(data=st.data(), again=st.booleans(), stop=STOPS)
    def deliver_any(self, data: st.DataObject, again: bool, stop: int | None) -> None:
        """Some message arrives; it may arrive again."""
        if not self.network:
            return
        place = data.draw(st.integers(0, len(self.network) - 1))
        self._arrive(*(self.network[place] if again else self.network.pop(place)), stop)

    def _arrive(self, to: int, what: Any, stop: int | None = None) -> None:
        if to == 0:
            wrapped = Committed(what) if isinstance(what.message, Commitment) else Attested(what, self.now)
            self._desk(wrapped, stop)
        elif what == "order":
            if self.modes[to] != SILENT_ONE:
                self._member(to, Taken(self.now), stop)
        elif what == "executed":
            self._member(to, self._result(to), stop)
        else:
            self._member(to, what, stop)

    @rule(seconds=st.sampled_from([0, 0, 1, 1, 1, 2, 2, 5, 10, 60, 700]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self._desk(coordinator_steps.Tick(self.now))
        for account in self.parties.accounts:
            self._member(account, member_model.Tick(self.now))

    @rule(data=st.data())
    def somebody_restarts(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([0, *self.parties.accounts]))
        if who == 0:
            self._restart_desk()
        else:
            self._restart_member(who)

    @rule(data=st.data(), result=st.sampled_from([RESULT, WRONG]))
    def a_stranger_sends_a_set(self, data: st.DataObject, result: bytes) -> None:
        """With words that it saw or made up; signed by whoever is not the coordinator."""
        account = data.draw(st.sampled_from(self.parties.accounts))
        words = tuple(
            self.desk_state.commitments[a].message.word
            if a in self.desk_state.commitments
            else keccak(result)
            for a in self.parties.accounts
        )
        self.network.append((account, self.parties.closed(words, key=keccak(b"stranger"))))

    # ---- what always holds ----

    def _check_verdict(self, result: bytes) -> None:
        """By the verdict rule over what members committed to, counted without the coordinator's code."""
        (closed,) = self.sets
        results = {
            message.account: message.result
            for signed in self.signed.values()
            for message in signed
            if isinstance(message, Attestation)
            and message.commitments == closed.commitments
            and self.modes[message.account] != TURNCOAT
        }
        verdict = self.parties.commission.verdict(results)
        supporters = [account for account, own in results.items() if own == result]
        assert (verdict.passed, verdict.winner) == (True, result)
        assert len(supporters) >= 3
        assert 3 * len(supporters) >= 2 * len(self.parties.accounts)

    @invariant()
    def nobody_signs_twice(self) -> None:
        for account, messages in getattr(self, "signed", {}).items():
            for kind in (Commitment, Attestation):
                assert sum(isinstance(message, kind) for message in messages) <= 1, account
            # What was signed is on disk.
            records = [type(record) for record in self.disks[account]]
            assert any(isinstance(m, Commitment) for m in messages) <= (member_model.Bound in records)
            assert any(isinstance(m, Attestation) for m in messages) <= (member_model.Opened in records)
            # And revealed to what the coordinator closed.
            roots = {m.commitments for m in messages if isinstance(m, Attestation)}
            assert roots <= {closed.commitments for closed in self.sets}

    @invariant()
    def one_set_is_closed_and_one_answer_delivered(self) -> None:
        sets = getattr(self, "sets", set())
        assert len(sets) <= 1
        if sets:
            kept = [record for record in self.desk_disk if isinstance(record, Closed)]
            assert {orders712.commitments_root(record.words) for record in kept} == {
                closed.commitments for closed in sets
            }
        assert len(getattr(self, "delivered", ())) <= 1

    @invariant()
    def what_settles_is_proven(self) -> None:
        for evidence in getattr(self, "settled", ()):
            outcome = prove(evidence, self.parties.world.facts)
            assert {evidence.result} == self.delivered
            assert outcome.order == self.parties.digest

    @invariant()
    def only_the_guilty_are_accused(self) -> None:
        for account in getattr(self, "accused", ()):
            assert self.modes[account] == DOUBLE

    def teardown(self) -> None:
        """Let everything arrive: then everybody is where it should be."""
        if not hasattr(self, "network"):
            return
        self._let_all_arrive()
        # Whoever stopped while a message arrived is sent it again, as long as it may need it.
        self._restart_desk()
        self._let_all_arrive()
        event(f"delivered: {len(self.delivered)}, settled: {len(self.settled)}, accused: {len(self.accused)}")
        for account, member in self.members.items():
            if self.desk_state.over is not None and self.desk_state.over.settled:
                evidence = coordinator_side.evidence_of(self.parties.desk, self.desk_state)
                paid = prove(evidence, self.parties.world.facts).winners
                # A winner holds what it was promised, or nothing was lost because time ended its course.
                assert account not in paid or member.earned is not None or member.over is not None

    def _let_all_arrive(self) -> None:
        for _ in range(200):
            if self.network:
                self._arrive(*self.network.pop(0))


class TwoFacedCoordinator(RuleBasedStateMachine):
    """A member alone against a coordinator that signs any set and asks as often as it likes."""

    @initialize()
    def begin(self) -> None:
        self.parties = parties(3)
        self.account = self.parties.accounts[0]
        self.post = self.parties.post(self.account)
        self.state, self.disk = Member(), list[Any]()
        self.signed: set[Any] = set()
        self.runs = 0
        self.now = self.parties.now

    def _do(self, event: Any, stop_after: int | None) -> None:
        self.state, effects = member_model.advance(self.post, self.state, event)
        self._carry_out(effects, stop_after)

    def _carry_out(self, effects: Sequence[Any], stop_after: int | None) -> None:
        for done, effect in enumerate(effects):
            if done == stop_after:
                self.state, again = member_model.restore(self.post, self.disk)
                self._carry_out(again, None)
                return
            if isinstance(effect, Keep):
                self.disk.append(effect.record)
            elif isinstance(effect, Send):
                self.signed.add(effect.message)

    stops = st.sampled_from([None, None, 0, 1])

    @rule(stop=stops)
    def ask(self, stop: int | None) -> None:
        self._do(Taken(self.now), stop)

    @rule(stop=stops)
    def ask_and_wait(self, stop: int | None) -> None:
        self._do(Taken(self.now), None)
        self.runs += 1
        self._do(Executed(RESULT, keccak(b"salt %d" % self.runs), self.now), stop)

    @rule(stop=stops, result=st.sampled_from([RESULT, WRONG]))
    def run_the_model(self, stop: int | None, result: bytes) -> None:
        self.runs += 1
        self._do(Executed(result, keccak(b"salt %d" % self.runs), self.now), stop)

    @rule(
        stop=stops,
        own=st.sampled_from(["ours"] * 6 + ["silent", "other"]),
        rest=st.lists(st.sampled_from([*map(keccak, (b"1", b"2", b"3")), SILENT]), min_size=2, max_size=2),
    )
    def close(self, stop: int | None, own: str, rest: list[bytes]) -> None:
        commitments = [message for message in self.signed if isinstance(message, Commitment)]
        ours = commitments[0].word if own == "ours" and commitments else keccak(own.encode())
        words = (SILENT if own == "silent" else ours, *rest)
        message = ClosedSet(self.parties.digest, orders712.commitments_root(words))
        signed = sign(message, self.parties.world.domain, COORDINATOR_KEY)
        self._do(SetClosed(signed, words), stop)

    @rule(seconds=st.sampled_from([1, 1, 1, 30, 700]), stop=stops)
    def wait(self, seconds: int, stop: int | None) -> None:
        self.now += seconds
        self._do(member_model.Tick(self.now), stop)

    @invariant()
    def it_signs_once(self) -> None:
        messages = getattr(self, "signed", set())
        bound = [message for message in messages if isinstance(message, Commitment)]
        opened = [message for message in messages if isinstance(message, Attestation)]
        assert len(bound) <= 1
        assert len(opened) <= len(bound)
        for attestation in opened:
            word = orders712.commitment(
                attestation.order, attestation.account, attestation.result, attestation.salt
            )
            assert bound[0].word == word


common = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCourses = Courses.TestCase
TestCourses.settings = common
TestTwoFacedCoordinator = TwoFacedCoordinator.TestCase
TestTwoFacedCoordinator.settings = common
