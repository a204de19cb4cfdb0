"""One task in which we hold a seat, from the draw to its end: look, decide, do, wait for the next event."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final

import structlog
from web3.contract.async_contract import AsyncContractFunction
from web3.types import TxReceipt

from cluster.content import INVALID_INPUT, content_for, is_invalid_input, judge, payload_of
from cluster.context import Context
from cluster.journal import Result
from cluster.member import Action, Held, Margins, Step, View, next_step
from cluster.scene import SeatScene
from contracts import artifacts, reads
from contracts.errors import ContractError
from contracts.events import as_hex, topic_of
from contracts.reads import TaskInfo
from mlbridge.errors import MLBridgeError
from mlbridge.models import PolicyRule
from mlbridge.protocol import votes
from mlbridge.protocol.hashing import input_hash
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.protocol.types import Seat, TaskStatus, Vote

log = structlog.get_logger()

# The chain moved on between our look and our transaction: looking again tells what to do.
_OVERTAKEN: Final = frozenset(
    {
        "AlreadyCommitted",
        "AlreadyRevealed",
        "NotCommitted",
        "NotSeated",
        "PhaseClosed",
        "PhaseOpen",
        "RandomnessPending",
        "UnknownTask",
        "WrongStatus",
    }
)
_SEATED: Final = (TaskStatus.COMMITTING, TaskStatus.REVEALING, TaskStatus.REDRAWING)
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0
_LOOK_AT_LEAST: Final = 15.0


class TaskWorker:
    """Drives one task. `wake` it whenever an event names the task."""

    def __init__(self, context: Context, task_id: bytes) -> None:
        self._context = context
        self.task_id = task_id
        self.step: Step | None = None
        self.problem: str | None = None
        self._woken = asyncio.Event()
        self._pause = _FIRST_PAUSE
        self._state: tuple[object, ...] = ()
        self._idle_since = 0.0
        self._phase_started = time.monotonic()
        self._patience = secrets.randbelow(1000) / 1000
        self._log = log.bind(task="0x" + task_id.hex()[:16])

    def wake(self) -> None:
        """Something happened: look at once."""
        self._woken.set()

    async def run(self) -> None:
        """Until the task's ending is deep enough in the chain, or a reorganisation took our seat away."""
        while True:
            self._woken.clear()
            moved = False
            try:
                task, seats, view = await self.look()
                self.step = self._decide(view)
                if self.step.action is Action.DONE:
                    return
                moved = await self._do(self.step.action, task, seats, view)
                self.problem = None
            except MLBridgeError as error:
                # A node that lags behind does not know the task either: the journal says whether it is ours.
                if error.code == "task.unknown" and self.task_id not in self._context.journal.open_tasks():
                    self._log.info("task_left_the_chain")
                    return
                self._failed(error.code, str(error))
            except Exception as error:  # noqa: BLE001 - one task must not stop the others, whatever is wrong
                self._log.exception("step_failed")
                self._failed("internal", f"{type(error).__name__}: {error}")
            if moved:
                self._pause = _FIRST_PAUSE
            else:
                await self._wait()

    # ---- look ----
    async def look(self) -> tuple[TaskInfo, list[Seat], View]:
        """The task, the current round's seats, and what the member sees of them."""
        context, journal = self._context, self._context.journal
        task = await reads.get_task(context.chain, self.task_id)
        seats: list[Seat] = []
        if task.status in _SEATED:
            seats = await reads.get_seats(context.chain, self.task_id, task.round)
        mine = next((seat for seat in seats if seat.account in context.accounts), None)
        held = Held()
        if mine is not None:
            bond = journal.bond(self.task_id, task.round, mine.account)
            held = Held(
                result=journal.result(self.task_id, task.input_hash) is not None,
                votes=journal.votes(self.task_id, task.round, mine.account) is not None,
                commitment=bond.commitment if bond else None,
            )
        faulty = sum(seat.faulty for seat in seats)
        now = context.clock.now()
        state = (task.status, task.round, task.committed, task.revealed, faulty, task.randomness_block)
        if state != self._state:
            if state[:2] != self._state[:2]:
                self._phase_started = time.monotonic()
            self._state, self._idle_since = state, now
        view = View(
            now=now,
            head=context.clock.head.number,
            status=task.status,
            round=task.round,
            kind=task.kind,
            seats=task.seats,
            committed=task.committed,
            revealed=task.revealed,
            faulty=faulty,
            phase_deadline=task.phase_deadline,
            randomness_block=task.randomness_block,
            idle_since=self._idle_since,
            seat=mine,
            settled=await self._settled(task),
            held=held,
        )
        return task, seats, view

    async def _settled(self, task: TaskInfo) -> bool:
        """Whether the closed commitment set or the ending is as deep in the chain as the network asks."""
        depth = self._context.chain.network.confirmations
        matters = task.status is TaskStatus.REVEALING or task.status.terminal
        if not matters or depth == 0:
            return matters
        block = self._context.clock.head.number - depth
        try:
            then = await reads.get_task(self._context.chain, self.task_id, max(0, block))
        except MLBridgeError as error:
            if error.code != "task.unknown":
                raise
            return False
        return (then.status, then.round) == (task.status, task.round)

    def _decide(self, view: View) -> Step:
        limits = self._context.config.limits
        poke = None if limits.poke == "none" else limits.poke_after_s + self._patience
        step = next_step(view, Margins(commit=limits.commit_margin_s, poke=poke))
        if self.step is None or (step.action, step.reason) != (self.step.action, self.step.reason):
            self._log.info("step", action=step.action.value, reason=step.reason, round=view.round)
        return step

    # ---- do ----
    async def _do(self, action: Action, task: TaskInfo, seats: list[Seat], view: View) -> bool:
        """Carry a step out; whether it changed anything, so that looking again at once makes sense."""
        if action is Action.POKE:
            return await self._poke()
        mine = view.seat
        if mine is None:
            return False
        if action is Action.EXECUTE:
            return await self._execute(task, mine.account)
        if action is Action.VOTE:
            await self._vote(task, mine.account)
            return True
        if action is Action.COMMIT:
            return await self._commit(task, seats, mine.account)
        if action is Action.REVEAL:
            return await self._reveal(task, seats, mine.account)
        return False

    async def _execute(self, task: TaskInfo, account: int) -> bool:
        context = self._context
        started = time.monotonic()
        payload: bytes | None
        try:
            payload = await self._run_model(task, account)
        except MLBridgeError as error:
            if not is_invalid_input(error):
                raise
            self._log.warning("invalid_input", code=error.code, message=error.message)
            payload = INVALID_INPUT
        if payload is None:
            return False
        seconds = time.monotonic() - started
        result = Result(await content_for(payload, context.store), payload, seconds)
        await asyncio.to_thread(context.journal.keep_result, self.task_id, task.input_hash, result)
        context.meter.phase("execute", seconds)
        return True

    async def _run_model(self, task: TaskInfo, account: int) -> bytes | None:
        """The model's output; None when there is no time left to commit to one."""
        context, limits = self._context, self._context.config.limits
        model = context.served.get(task.model_id)
        event = await context.submissions.find(self.task_id, context.clock.head.number)
        data = bytes(event.args["inputData"])
        if input_hash(data) != task.input_hash:
            raise MLBridgeError("task.input_hash", "The submission event does not carry the task's input.")
        payload = await payload_of(data, context.store)
        async with context.work:
            # Only now: the wait for the others may have taken all there was.
            left = task.phase_deadline - limits.commit_margin_s - context.clock.now()
            if left <= 0:
                return None
            return await context.door.execute(
                model.route,
                task=self.task_id,
                round=task.round,
                account=account,
                model=task.model_id,
                payload=payload,
                timeout=min(left, limits.execute_timeout_s),
            )

    async def _vote(self, task: TaskInfo, account: int) -> None:
        context = self._context
        own = context.journal.result(self.task_id, task.input_hash)
        if own is None:
            raise MLBridgeError("vote.no_result", "There is no own result to judge candidates by.")
        rule = context.served.get(task.model_id).rule()
        found = await self._candidates()
        verdicts = {index: await self._judge(rule, own.payload, data) for index, data in found.items()}
        payload = votes.pack(verdicts)
        await asyncio.to_thread(context.journal.keep_votes, self.task_id, task.round, account, payload)
        self._log.info("voted", round=task.round, votes={i: vote.name for i, vote in verdicts.items()})

    async def _candidates(self) -> dict[int, bytes]:
        """Revealed results of round 0 as tagged bytes, by seat index."""
        chain = self._context.chain
        first = await reads.get_seats(chain, self.task_id, 0)
        index = {seat.account: number for number, seat in enumerate(first) if seat.revealed}
        revealed = await self._events("ResultRevealed")
        found = {
            index[event.args["account"]]: bytes(event.args["result"])
            for event in revealed
            if event.args["round"] == 0 and event.args["account"] in index
        }
        if len(found) != len(index):
            raise MLBridgeError("vote.candidates", "The node does not return every revealed result yet.")
        return found

    async def _judge(self, rule: PolicyRule, own: bytes, data: bytes) -> Vote:
        try:
            candidate = await payload_of(data, self._context.store, limit=MAX_OUTPUT_BYTES)
        except MLBridgeError as error:
            if is_invalid_input(error):
                return Vote.REJECT
            self._log.warning("candidate_unreachable", code=error.code, message=error.message)
            return judge(rule, own, None)
        # Comparing vectors takes a while and needs nothing of the loop.
        return await asyncio.to_thread(judge, rule, own, candidate)

    async def _commit(self, task: TaskInfo, seats: list[Seat], account: int) -> bool:
        context = self._context
        scene = SeatScene(context, task, seats, account)
        bond = context.journal.bond(self.task_id, task.round, account)
        if bond is None:
            made = await context.strategy.bond(scene)
            if made is None:
                return False
            bond = await asyncio.to_thread(
                context.journal.bind, self.task_id, task.round, account, lambda: made
            )
        receipt = await self._send(context.chain.bridge.functions.commitResult(self.task_id, bond.commitment))
        if receipt is None:
            return False
        tx = as_hex(receipt["transactionHash"])
        await asyncio.to_thread(context.journal.note_commit, bond, tx)
        context.meter.phase("commit", time.monotonic() - self._phase_started)
        self._log.info("committed", round=task.round, account=account, tx=tx)
        await context.strategy.committed(scene)
        return True

    async def _reveal(self, task: TaskInfo, seats: list[Seat], account: int) -> bool:
        context = self._context
        bond = context.journal.bond(self.task_id, task.round, account)
        if bond is None:
            return False
        opening = await context.strategy.opening(SeatScene(context, task, seats, account), bond)
        if opening is None:
            return False
        receipt = await self._send(
            context.chain.bridge.functions.submitResult(self.task_id, opening.content, opening.proof)
        )
        if receipt is None:
            return False
        tx = as_hex(receipt["transactionHash"])
        await asyncio.to_thread(context.journal.note_reveal, bond, tx)
        context.meter.phase("reveal", time.monotonic() - self._phase_started)
        self._log.info("revealed", round=task.round, account=account, tx=tx)
        return True

    async def _poke(self) -> bool:
        if not await reads.pokeable(self._context.chain, self.task_id):
            self._idle_since = self._context.clock.now()
            return False
        done = await self._send(self._context.chain.tasks.functions.poke(self.task_id))
        self._log.info("poked", moved=done is not None)
        self._idle_since = self._context.clock.now()
        return done is not None

    async def _send(self, call: AsyncContractFunction) -> TxReceipt | None:
        """Send and wait until mined; None if the chain had moved on."""
        try:
            return await self._context.sender.send(call)
        except ContractError as error:
            if error.name not in _OVERTAKEN:
                raise
            self._log.info("overtaken", call=call.fn_name, error=error.name)
            return None

    async def _events(self, name: str) -> list[Any]:
        context = self._context
        submitted = await context.submissions.find(self.task_id, context.clock.head.number)
        topics: list[object] = [topic_of(artifacts.TASKS, name), "0x" + self.task_id.hex()]
        return list(
            await reads.find_events(
                context.chain, topics, [context.chain.addresses.tasks], first=submitted.block_number
            )
        )

    # ---- wait ----
    def _failed(self, code: str, message: str) -> None:
        self.problem = message
        self._context.meter.failure(code)
        self._log.warning("step_failed", code=code, problem=message, again_in=self._pause)

    async def _wait(self) -> None:
        """For an event, the time the step named, or a while; shorter when something has to be tried again."""
        step = self.step
        acting = step is None or step.action not in (Action.NOTHING, Action.GIVE_UP)
        if self.problem is not None or acting:
            seconds = self._pause
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)
        else:
            self._pause = _FIRST_PAUSE
            at = step.at if step is not None else None
            seconds = _LOOK_AT_LEAST if at is None else at - self._context.clock.now() + 0.05
        try:
            async with asyncio.timeout(min(_LOOK_AT_LEAST, max(0.05, seconds))):
                await self._woken.wait()
        except TimeoutError:
            return
