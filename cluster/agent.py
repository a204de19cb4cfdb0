"""The provider's agent: follows the chain and sees every assignment through, whatever breaks in between.

`Agent` is plain asyncio; `cluster.agent_actor` runs it as a detached actor on the provider's Ray cluster.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog

from cluster.context import Context
from cluster.files import write_state
from cluster.journal import Journal, SeatRow
from cluster.lane.desk import LaneDesk
from cluster.poker import Poker
from cluster.upkeep import Upkeep
from cluster.worker import TaskWorker
from contracts import reads
from contracts.cursor import Cursor, cursor_from_json, cursor_to_json
from contracts.events import Event
from contracts.follower import LogFollower
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Fault, RoundKind

log = structlog.get_logger()

STATUS_FILE: Final = "agent.json"
_RESUME_EVERY: Final = 5.0
_LOOK_BACK: Final = 5_000  # blocks a new journal reads: enough for every task that can still be open
_PAYMENTS: Final = ("TaskSettled", "JudgePaid", "Slashed")
_ENDINGS: Final = {"TaskFinalized": "lost", "TaskRefunded": "refunded", "TaskCancelled": "cancelled"}


class JournalCursor:
    """The follower's place, in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def load(self) -> Cursor | None:
        value = await asyncio.to_thread(self._journal.fact, "cursor")
        return None if value is None else cursor_from_json(value.decode())

    async def save(self, cursor: Cursor) -> None:
        await asyncio.to_thread(self._journal.set_fact, "cursor", cursor_to_json(cursor).encode())


class Agent:
    """One provider's agent. Create with an open Context, then `run`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.upkeep = Upkeep(context)
        self._workers: dict[bytes, tuple[TaskWorker, asyncio.Task[None]]] = {}
        limits = context.config.limits
        # Providers that wait equally long would all pay for the same poke.
        spread = int.from_bytes(bytes.fromhex(context.key.address[2:10]), "big") % 1000 / 1000
        self._poker = Poker(patience=lambda _task: limits.poke_after_s + 0.5 + spread)
        self._lane: LaneDesk | None = None
        self._started = time.time()
        self._caught_up = False
        self._state = "starting"

    async def run(self) -> None:
        """Until cancelled. Raises what makes going on senseless; whoever runs the agent starts it again."""
        while not await self.context.find_accounts():
            self._state = "unregistered"
            self._write_status()
            log.warning("unregistered", node=self.context.key.address)
            await asyncio.sleep(2)
        self._state = "running"
        self._lane = LaneDesk.open(self.context)
        log.info("agent_started", node=self.context.key.address, accounts=list(self.context.accounts))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._work_on_all())
                group.create_task(self._poke())
                group.create_task(self.upkeep.run())
                group.create_task(self._tell())
                if self._lane is not None:
                    group.create_task(self._lane.run())
        finally:
            for _, running in self._workers.values():
                running.cancel()

    # ---- events ----
    async def _follow(self) -> None:
        context = self.context
        head = await context.chain.head()
        start = max(context.chain.network.start_block, head.number - _LOOK_BACK)
        follower = LogFollower(
            context.chain, JournalCursor(context.journal), confirmations=0, start_block=start
        )
        async for batch in follower:
            context.clock.see(batch.head)
            if batch.removed_from is not None:
                await self._void_from(batch.removed_from)
            else:
                await self.handle(batch.events)
            self._caught_up = batch.caught_up

    async def _void_from(self, block: int) -> None:
        log.warning("reorganised", from_block=block)
        self.context.submissions.void_from(block)
        self._poker.void_from(block)
        await asyncio.to_thread(self.context.journal.void_from, block)
        for worker, _ in self._workers.values():
            worker.wake()
        # A worker whose task had ended is gone, and the ending may be among what left the chain.
        self._resume()

    async def handle(self, events: Sequence[Event]) -> None:
        """Apply a batch. Payments and punishments first: they say how a seat ended, the ending only that."""
        for event in events:
            self._remember(event)
            if event.name == "CommitteeDrawn":
                await self._seated(event)
            elif event.name in _PAYMENTS and await asyncio.to_thread(self._account_for, event):
                self.upkeep.soon()
        for event in events:
            if event.name in _ENDINGS:
                await asyncio.to_thread(self._ended, event)
        for task in {event.task_id for event in events if event.task_id is not None}:
            if task in self._workers:
                self._workers[task][0].wake()

    def _remember(self, event: Event) -> None:
        context = self.context
        served = context.served.all()
        self._poker.note(event, served)
        if event.name == "TaskSubmitted" and event.args["modelId"] in served:
            context.submissions.note(event)
        elif (
            event.name in ("ServingStarted", "WeightRefreshed") and event.args["account"] in context.accounts
        ):
            self.upkeep.note_weight(event.args["modelId"], event.args["account"], event.args["weight"])

    async def _seated(self, event: Event) -> None:
        ours = [account for account in event.args["accounts"] if account in self.context.accounts]
        task = event.args["taskId"]
        if not ours:
            return
        for account in ours:
            row = SeatRow(
                task=task,
                round=event.args["round"],
                account=account,
                kind=RoundKind(event.args["kind"]),
                block=event.block_number,
                block_hash=event.block_hash,
                deadline=event.args["commitDeadline"],
            )
            await asyncio.to_thread(self.context.journal.seat, row)
            log.info("seated", task="0x" + task.hex()[:16], round=row.round, account=account)
        self._work_on(task)

    async def _work_on_all(self) -> None:
        """Whatever made a worker stop, an open seat gets one again before its deadline."""
        while True:
            self._resume()
            await asyncio.sleep(_RESUME_EVERY)

    def _resume(self) -> None:
        for task in self.context.journal.open_tasks():
            self._work_on(task)

    def _work_on(self, task: bytes) -> None:
        if task in self._workers:
            return
        worker = TaskWorker(self.context, task)
        running = asyncio.create_task(worker.run(), name=f"task-{task.hex()[:8]}")
        self._workers[task] = (worker, running)
        running.add_done_callback(lambda _done: self._workers.pop(task, None))
        # Our own task is poked by its worker, which sees more than events.
        self._poker.forget(task)

    # ---- outcomes ----
    def _account_for(self, event: Event) -> bool:
        """Note what we were paid or lost; whether it concerned us."""
        context, args, task = self.context, event.args, event.task_id
        if task is None:
            return False
        if event.name == "TaskSettled":
            paid = [(account, "seat", int(args["seatFee"])) for account in args["winners"]]
        elif event.name == "JudgePaid":
            paid = [(args["account"], "judge", int(args["amount"]))]
        else:
            paid = [(args["account"], "slash", int(args["amount"]))]
        ours = [item for item in paid if item[0] in context.accounts]
        for account, kind, amount in ours:
            if context.journal.earn(
                event.tx_hash, event.log_index, event.block_number, kind, account, task, amount
            ):
                context.meter.earned(kind, amount)
            outcome = {"seat": "won", "judge": "judged"}.get(kind) or Fault(args["fault"]).name.lower()
            self._close(task, account, outcome, event.block_number)
        return bool(ours)

    def _ended(self, event: Event) -> None:
        task = event.args["taskId"]
        for account in {row.account for row in self.context.journal.seats(task)}:
            self._close(task, account, _ENDINGS[event.name], event.block_number)

    def _close(self, task: bytes, account: int, outcome: str, block: int) -> None:
        if self.context.journal.close_seat(task, account, outcome, block):
            self.context.meter.assignment(outcome)
            log.info("seat_ended", task="0x" + task.hex()[:16], account=account, outcome=outcome)

    # ---- pokes ----
    async def _poke(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self.context.config.limits.poke != "all" or not self._caught_up:
                continue
            clock = self.context.clock
            for task in self._poker.due(clock.head.number, clock.now()):
                self._poker.tried(task, clock.now())
                try:
                    await self._poke_one(task)
                except MLBridgeError as error:
                    log.info(
                        "poke_failed", task="0x" + task.hex()[:16], code=error.code, problem=error.message
                    )

    async def _poke_one(self, task: bytes) -> None:
        chain = self.context.chain
        if await reads.pokeable(chain, task):
            await self.context.sender.send(chain.tasks.functions.poke(task))
            log.info("poked", task="0x" + task.hex()[:16])
            return
        try:
            over = (await reads.get_task(chain, task)).status.terminal
        except MLBridgeError as error:
            if error.code != "task.unknown":
                raise
            over = True
        if over:
            self._poker.forget(task)

    # ---- status ----
    async def _tell(self) -> None:
        while True:
            self.context.meter.open_seats(len(self._workers))
            await asyncio.to_thread(self._write_status)
            await asyncio.sleep(1)

    def _write_status(self) -> None:
        write_state(self.context.config.home / STATUS_FILE, self.status())

    def status(self) -> dict[str, Any]:
        """What the agent does now; JSON-ready, no secrets. Amounts are decimal strings in base units."""
        context = self.context
        tasks = {
            "0x" + task.hex(): {
                "step": worker.step.action.value if worker.step else "look",
                "reason": worker.step.reason if worker.step else "",
                "problem": worker.problem,
            }
            for task, (worker, _) in list(self._workers.items())
        }
        clock = context.clock
        return {
            "state": self._state,
            "time": time.time(),
            "started": self._started,
            "node": context.key.address,
            "operator": context.operator,
            "accounts": {str(account): role.name.lower() for account, role in context.accounts.items()},
            "chain": {
                "id": context.chain.chain_id,
                "head": clock.head.number,
                "time": clock.now(),
                "caught_up": self._caught_up,
            },
            "stakes": self.upkeep.stakes,
            "gas_balance": str(self.upkeep.balance),
            "models": [model.name for model in context.served.all().values()],
            "open_tasks": tasks,
            "outcomes": context.journal.outcomes(),
            "income": {kind: str(amount) for kind, amount in context.journal.income().items()},
            "lane": None if self._lane is None else self._lane.status(),
            "fault": context.config.fault,
            "problem": self.upkeep.problem,
        }
