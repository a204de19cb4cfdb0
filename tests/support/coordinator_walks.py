"""Random courses of tasks along the transition table, as the events that the contracts would log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from coordinator.events import TaskEvent
from coordinator.state import advance
from coordinator.task import TaskState

ADDRESS = "0x" + "aa" * 20


def digest(number: int) -> str:
    """A 32-byte value that stands for a hash."""
    return "0x" + f"{number:064x}"


def fold_all(events: list[TaskEvent]) -> dict[str, TaskState]:
    """The state of every task after these events, in one pass."""
    states: dict[str, TaskState] = {}
    for event in events:
        states[event.task_id] = advance(states.get(event.task_id), event)
    return states


@dataclass
class Scribe:
    """Writes the logs of one chain: blocks of a branch, positions, times."""

    branch: int = 0
    block: int = 10
    index: int = 0
    written: list[TaskEvent] = field(default_factory=list)

    def next_block(self, steps: int = 1) -> None:
        if steps:
            self.block, self.index = self.block + steps, 0

    def log(self, task_id: str, name: str, **args: Any) -> None:
        self.written.append(
            TaskEvent(
                name=name,
                task_id=task_id,
                args=args,
                block=self.block,
                block_hash=digest(self.branch * 1_000_000 + self.block),
                timestamp=1_000_000 + 2 * self.block,
                tx_hash=digest(self.branch * 1_000_000_000 + self.block * 1_000 + self.index),
                log_index=self.index,
            )
        )
        self.index += 1


class Course:
    """One task's way; each call of `step` writes the logs of one move that the table allows."""

    def __init__(self, task_id: str, scribe: Scribe, draw: st.DrawFn) -> None:
        self.task_id, self.scribe, self.draw = task_id, scribe, draw
        self.status, self.round, self.escalations, self.redraws = "None", 0, 0, 0
        self.members: list[int] = []
        self.committed: set[int] = set()
        self.opened: set[int] = set()
        self.next_account = 2

    def log(self, name: str, **args: Any) -> None:
        self.scribe.log(self.task_id, name, **args)

    def choose(self, *moves: str) -> str:
        return self.draw(st.sampled_from(moves))

    @property
    def ended(self) -> bool:
        return self.status in ("Finalized", "Refunded", "Cancelled")

    def step(self) -> None:
        getattr(self, f"from_{self.status.lower()}")()

    def from_none(self) -> None:
        self.status = "Submitted"
        self.log(
            "TaskSubmitted",
            requester=ADDRESS,
            modelId=digest(7),
            inputData="0x00",
            reward=10**20,
            deadline=2_000_000,
            seats=3,
            randomnessBlock=self.scribe.block + 2,
        )

    def from_submitted(self) -> None:
        move = self.choose("draw", "draw", "draw", "rearm", "cancel", "refund")
        if move == "draw":
            self.seat([self.account() for _ in range(3)], kind=0)
        elif move == "rearm":
            self.log("RandomnessArmed", round=0, randomnessBlock=self.scribe.block + 2)
        elif move == "cancel":
            self.status = "Cancelled"
            self.log("TaskCancelled", amount=10**20)
        else:
            self.refund("too few providers")

    def account(self) -> int:
        self.next_account += 1
        return self.next_account

    def seat(self, accounts: list[int], *, kind: int) -> None:
        self.status, self.members = "Committing", accounts
        self.committed &= set(accounts)
        self.opened = set()
        self.log(
            "CommitteeDrawn",
            round=self.round,
            kind=kind,
            accounts=accounts,
            weights=[100 + account for account in accounts],
            commitDeadline=1_000_000 + 2 * self.scribe.block + 30,
            seed=digest(self.scribe.block),
        )
        if self.draw(st.booleans()):
            self.log("TipPaid", to=ADDRESS, amount=10**14)

    def from_committing(self) -> None:
        waiting = [account for account in self.members if account not in self.committed]
        move = self.choose("commit", "commit", "commit", "vacate") if waiting else "open"
        if move == "commit":
            account = self.draw(st.sampled_from(waiting))
            self.committed.add(account)
            self.log(
                "ResultCommitted", account=account, round=self.round, commitment=digest(account + 10_000)
            )
            if len(waiting) > 1:
                return
        elif move == "vacate":
            self.vacate(waiting)
            return
        self.open()

    def open(self) -> None:
        self.status = "Revealing"
        deadline = 1_000_000 + 2 * self.scribe.block + 30
        self.log("RevealOpened", round=self.round, revealDeadline=deadline)

    def vacate(self, silent: list[int]) -> None:
        self.log("SeatsVacated", round=self.round, accounts=silent)
        for account in silent:
            self.slash(account, 0)
        self.status = "Redrawing"
        self.members = [account for account in self.members if account not in silent]
        if self.redraws >= 3 or self.choose("arm", "arm", "give up") == "give up":
            self.refund("no replacement")
        else:
            self.redraws += 1
            self.log("RandomnessArmed", round=self.round, randomnessBlock=self.scribe.block + 2)

    def from_redrawing(self) -> None:
        if self.choose("draw", "draw", "refund") == "draw":
            fresh = [self.account() for _ in range(3 - len(self.members))]
            self.seat(self.members + fresh, kind=0)
        else:
            self.refund("deadline")

    def from_revealing(self) -> None:
        waiting = [account for account in self.members if account not in self.opened]
        if waiting and self.choose("reveal", "reveal", "close") == "reveal":
            account = self.draw(st.sampled_from(waiting))
            self.opened.add(account)
            if self.draw(st.integers(0, 5)) == 0:
                self.log("RevealFault", account=account, round=self.round)
            else:
                value = digest(self.draw(st.integers(1, 2)))
                self.log("ResultRevealed", account=account, round=self.round, digest=value, result="0x0001")
            return
        self.close()

    def close(self) -> None:
        move = self.choose("final", "final", "vote", "judges", "refund")
        closed = {
            "round": self.round,
            "passed": move == "final",
            "dissent": move != "final",
            "winner": digest(1),
            "confidence": 8_000,
        }
        early = self.draw(st.booleans())
        if early:
            self.log("RoundClosed", **closed)
        if move == "final":
            self.status = "Finalized"
            self.slash(self.members[0], 2)
            self.log(
                "TaskFinalized",
                digest=digest(1),
                account=self.members[-1],
                round=self.round,
                confidence=8_000,
                winners=self.members[1:],
            )
        elif move == "vote" and self.escalations == 0 and self.round == 0:
            self.round += 1
            self.committed = set()
            self.seat(list(self.members), kind=1)
        elif move == "judges" and self.escalations < 2:
            self.escalations += 1
            self.round += 1
            self.redraws = 0
            self.committed = set()
            self.status = "Escalated"
            self.log("TaskEscalated", round=self.round, judges=5, randomnessBlock=self.scribe.block + 2)
        else:
            self.refund("no verdict")
        if not early:
            self.log("RoundClosed", **closed)

    def from_escalated(self) -> None:
        if self.choose("draw", "draw", "refund") == "draw":
            self.seat([self.account() for _ in range(5)], kind=0)
        else:
            self.refund("too few judges")

    def slash(self, account: int, fault: int) -> None:
        self.log("Slashed", account=account, fault=fault, amount=10**18, basisPoints=500)

    def refund(self, reason: str) -> None:
        self.status = "Refunded"
        self.log("TaskRefunded", amount=10**20, reason=reason)


@st.composite
def chains(draw: st.DrawFn, *, tasks: int = 2, steps: int = 40, branch: int = 0) -> list[TaskEvent]:
    """The logs of one chain on which up to `tasks` tasks run at the same time."""
    scribe = Scribe(branch=branch)
    courses = [Course(digest(index + 1), scribe, draw) for index in range(draw(st.integers(1, tasks)))]
    for _ in range(draw(st.integers(1, steps))):
        running = [course for course in courses if not course.ended]
        if not running:
            break
        draw(st.sampled_from(running)).step()
        scribe.next_block(draw(st.integers(0, 2)))
    return scribe.written
