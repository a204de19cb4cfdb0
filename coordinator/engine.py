"""The coordinator itself, without Ray: follows, pokes, submits, keeps receipts, answers questions.

Everything it knows is in the store and on the chain; an engine that is killed and started again continues
where the last transaction of the store ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from eth_account.signers.local import LocalAccount

from contracts.chain import Chain
from contracts.events import BlockRef, as_hex, as_int
from contracts.keyfile import load_key
from contracts.network import Network, write_whole
from contracts.rpc import RpcError, RpcUnreachableError
from contracts.sender import Sender
from coordinator.catalogue import Catalogue
from coordinator.config import CoordinatorConfig, make_private
from coordinator.follow import Follow
from coordinator.http import HttpServer, build_app
from coordinator.lane.room import LaneRoom, Shards
from coordinator.lane.settings import LaneConfig
from coordinator.loops import Bell, Changes, forever
from coordinator.metrics import Metrics
from coordinator.outbox import Outbox, Submission
from coordinator.poker import Poker
from coordinator.receipts import BuildReceipt, Receipts, build_receipt
from coordinator.shelf import Shelf
from coordinator.store import Applied, Store
from coordinator.submissions import Submissions, TaskRequest
from coordinator.views import result_view, submission_view, task_view, waiting_view
from mlbridge.errors import MLBridgeError
from mlbridge.storage import open_store

log = structlog.get_logger(__name__)

LONGEST_WAIT_S = 300.0
GAUGES_S = 5.0
READY_LAG_BLOCKS = 10
CLAIM_S = 60.0
DRAIN_S = 10.0


StartShards = Callable[[CoordinatorConfig], Shards | None]


def without_shards(config: CoordinatorConfig) -> None:
    """Outside of Ray. Raises MLBridgeError `lane.shards_need_ray` where the file asks for shards."""
    if config.lane is not None and config.lane.shards:
        raise MLBridgeError(
            "lane.shards_need_ray",
            "Shards are Ray actors, and this coordinator runs outside of Ray.",
            hint="Set lane.shards to 0, or start it with `mlbridge coordinator up`.",
            exit_code=2,
        )


def read_or_make_token(config: CoordinatorConfig) -> str:
    """The bearer token of the HTTP server; made at the first start, readable by its owner only."""
    path = config.http_token_file
    if not path.exists():
        make_private(path.parent)
        write_whole(path, secrets.token_urlsafe(32) + "\n", mode=0o600)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise MLBridgeError(
            "http.token_open",
            f"The token file {path} can be read by others.",
            hint=f"Run `chmod 600 {path}`.",
            exit_code=3,
        )
    return path.read_text().strip()


class Engine:
    """One running coordinator, made by `Engine.start`; its methods belong to the loop that made it."""

    def __init__(
        self,
        config: CoordinatorConfig,
        network: Network,
        chain: Chain,
        store: Store,
        account: LocalAccount | None,
        build: BuildReceipt,
    ) -> None:
        self.config, self.network, self.chain, self.store = config, network, chain, store
        self.lane: LaneRoom | None = None
        self.metrics = Metrics()
        self.outbox = Outbox(store)
        self.sender = None if account is None else Sender(chain, account)
        self.storage = open_store(network.storage_url) if network.storage_url else None
        self.follow = Follow(chain, store, self.metrics, told=self._told)
        self.submissions = Submissions(
            chain,
            self.sender,
            self.outbox,
            Catalogue(chain, self.storage),
            self.storage,
            self.metrics,
            config.submissions,
            wake=self._wake_submissions,
        )
        self.receipts = Receipts(network, store, build)
        self.poker = (
            Poker(chain, self.sender, store, self.metrics, config.pokes, head=self._recent_head)
            if self.sender is not None and config.pokes.enabled
            else None
        )
        self._bells = {name: Bell() for name in ("follow", "poke", "submit", "receipt", "claim")}
        self._changes = Changes()
        self._loops: list[asyncio.Task[None]] = []
        self._server: HttpServer | None = None
        # Set when another coordinator may have taken the store: this process must end.
        self.lost = asyncio.Event()
        self._next_gauges = 0.0
        self.metrics.started.set(time.time())

    @classmethod
    async def start(
        cls,
        config: CoordinatorConfig,
        *,
        build: BuildReceipt = build_receipt,
        shards: StartShards = without_shards,
        serve: bool = True,
    ) -> Engine:
        """Open everything and begin. shards: starts the lane's; serve: whether to listen for HTTP.

        Raises MLBridgeError: `network.*`, `keystore.*`, `store.*`, `chain.wrong_id`, `chain.no_code`,
        `http.*`. A chain node that does not answer is waited for.
        """
        make_private(config.home)
        network = config.load_network()
        account = None if config.key is None else load_key(config.key)
        token = read_or_make_token(config)
        chain = await _connect(network)
        try:
            store = await Store.open(
                config.store_url, chain_id=network.chain_id, task_manager=network.addresses.tasks
            )
        except BaseException:
            await chain.close()
            raise
        engine = cls(config, network, chain, store, account, build)
        try:
            if config.lane is not None:
                engine.lane = await engine._open_lane(config.lane, account)
                engine.lane.shards = shards(config)
            engine._begin()
            if serve:
                engine._server = await HttpServer.start(build_app(engine, token), config.http)
        except BaseException:
            await engine.stop()
            raise
        log.info(
            "coordinator_started",
            network=network.name,
            address=engine.address,
            store=config.store_url.partition(":")[0],
        )
        return engine

    async def _open_lane(self, config: LaneConfig, account: LocalAccount | None) -> LaneRoom:
        if self.network.lane is None or account is None:
            missing = "the network has no channel lane" if account is not None else "it has no key"
            raise MLBridgeError(
                "lane.not_possible",
                f"This coordinator cannot take channel orders: {missing}.",
                hint="Take the section lane out of its file, or give it what is missing.",
                exit_code=2,
            )
        return await LaneRoom.open(
            self.chain,
            self.network.lane,
            account,
            self.store.engine,
            config,
            content=self.storage,
            sender=self.sender,
            lock=self.store.writing,
            metrics=self.metrics.lane,
        )

    def _begin(self) -> None:
        pause = max(0.1, self.network.block_time / 2)
        steps: list[tuple[str, Callable[[], Awaitable[bool]], float]] = [
            ("follow", self._follow_step, pause),
            ("submit", self.submissions.step, max(pause, 0.5)),
        ]
        if self.poker is not None:
            steps.append(("poke", self.poker.step, pause))
        if self.config.receipts:
            steps.append(("receipt", self.receipts.step, max(5.0, pause)))
        if self.sender is not None and self.config.submissions.claim_wei is not None:
            steps.append(("claim", self._claim_step, CLAIM_S))
        if self.lane is not None:
            steps += self.lane.steps
        for name, step, seconds in steps:
            loop = forever(
                name, step, self._bells.setdefault(name, Bell()), pause_s=seconds, metrics=self.metrics
            )
            self._loops.append(asyncio.create_task(loop, name=f"coordinator-{name}"))

    async def stop(self) -> None:
        """Stop taking work, let what is under way end, close everything."""
        if self._server is not None:
            await self._server.stop()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self.lane is not None:
            await self.lane.stop()
        await self.submissions.drain(DRAIN_S)
        if self.poker is not None:
            await self.poker.drain(DRAIN_S)
        await self.store.close()
        await self.chain.close()

    @property
    def address(self) -> str | None:
        """The address that pays; None without a key."""
        return None if self.sender is None else self.sender.address

    # ---- loops ----

    def _recent_head(self) -> BlockRef | None:
        """The head, None while so many blocks are missing that most steps have been taken already."""
        return self.follow.head if self.ready else None

    async def _follow_step(self) -> bool:
        busy = await self.follow.step()
        self._bells["poke"].ring()
        if time.monotonic() >= self._next_gauges:
            self._next_gauges = time.monotonic() + GAUGES_S
            await self._gauges()
        return busy

    def _told(self, applied: Applied) -> None:
        changed = {change.after.task_id for change in applied.changes} | applied.undone
        self._changes.told(changed)
        if any(change.after.status.terminal for change in applied.changes):
            self._bells["receipt"].ring()
            self._bells["claim"].ring()
        if applied.undone:
            self._bells["submit"].ring()

    def _wake_submissions(self) -> None:
        self._bells["submit"].ring()

    async def _gauges(self) -> None:
        if not await self.store.holds_lock():
            self.lost.set()
        queue, head = self.metrics.queue, self.follow.head
        queue.labels("submissions").set(await self.outbox.count_waiting())
        queue.labels("tasks").set(await self.store.count_open())
        queue.labels("receipts").set(await Shelf(self.store).count_owed())
        if head is not None:
            queue.labels("pokes").set(
                await self.outbox.count_pokes(block=head.number + 1, timestamp=head.timestamp)
            )
        if self.address is not None:
            raw = await self.chain.provider.request("eth_getBalance", [self.address, "latest"])
            self.metrics.balance.set(as_int(raw))

    async def _claim_step(self) -> bool:
        """Fetch what settled tasks owe to the coordinator's key, when it is worth a transaction."""
        least = self.config.submissions.claim_wei
        if self.sender is None or least is None:
            return False
        owed = int(await self.chain.distributor.functions.claimable(self.sender.address).call())
        if owed >= least:
            receipt = await self.sender.send(self.chain.distributor.functions.claim(self.sender.address))
            self.metrics.gas.labels("claim").inc(receipt["gasUsed"])
            log.info("claimed", wei=owed, tx=as_hex(receipt["transactionHash"]))
        return False

    # ---- what clients ask ----

    async def submit(self, request: TaskRequest) -> dict[str, Any]:
        """Accept a task to pay for; its view. Raises as `Submissions.accept`."""
        submission = await self.submissions.accept(request)
        return await self._view(submission.task_id, submission)

    async def task(self, task_id: str, *, wait_s: float = 0.0) -> dict[str, Any]:
        """A task with its result; waits up to `wait_s` seconds (at most 300) for its end.

        Raises MLBridgeError `task.unknown` when neither the chain's events nor a submission name it.
        """
        until = time.monotonic() + min(wait_s, LONGEST_WAIT_S)
        while True:
            view = await self._view(task_id, await self.outbox.submission(task_id=task_id))
            left = until - time.monotonic()
            if view["ended"] or left <= 0:
                return view
            # Failed submissions change no task, so look again now and then.
            await self._changes.wait(task_id, min(left, 5.0))

    async def _view(self, task_id: str, submission: Submission | None) -> dict[str, Any]:
        row = await self.store.task_row(task_id)
        if row is None:
            if submission is None:
                raise MLBridgeError(
                    "task.unknown",
                    f"This coordinator knows no task {task_id}.",
                    hint="Check the id and the network; a task submitted just now may not be on chain yet.",
                    exit_code=5,
                )
            return waiting_view(submission)
        state = self.store.state_of(row)
        kind = None if submission is None else submission.kind
        view = task_view(state)
        view["result"] = await result_view(state, await self.store.events(task_id), self.storage, kind)
        view["submission"] = None if submission is None else submission_view(submission)
        view["receipt"] = None if row.receipt is None else json.loads(row.receipt)
        view["anomaly"] = row.anomaly
        return view

    async def tasks(
        self, *, limit: int = 50, ended: bool | None = None, before: int | None = None
    ) -> list[dict[str, Any]]:
        """Tasks without their results, newest first. before: submitted earlier than this (unix seconds)."""
        found = await self.store.tasks(limit=limit, ended=ended, before=before)
        return [task_view(state) for state in found]

    async def status(self) -> dict[str, Any]:
        """What `mlbridge coordinator status` shows."""
        head = self.follow.head
        return {
            "name": self.config.name,
            "pid": os.getpid(),
            "network": self.network.name,
            "chain_id": self.network.chain_id,
            "address": self.address,
            "ready": self.ready,
            "head_block": None if head is None else head.number,
            "applied_block": self.follow.applied_block,
            "lag_blocks": self.follow.lag,
            "open_tasks": await self.store.count_open(),
            "waiting_submissions": await self.outbox.count_waiting(),
            "pokes": self.poker is not None,
            "submissions": self.sender is not None and self.config.submissions.enabled,
            "url": self.config.local_url,
            "store": self.config.store_url.partition(":")[0],
            "shards": [None if one is None else one["pid"] for one in await self._look_at_shards()],
        }

    async def metrics_of_shards(self) -> dict[str, str]:
        """OpenMetrics text of each shard that answers, by its number."""
        looks = await self._look_at_shards()
        return {str(number): one["metrics"] for number, one in enumerate(looks) if one is not None}

    async def _look_at_shards(self) -> list[dict[str, Any] | None]:
        shards = None if self.lane is None else self.lane.shards
        return [] if shards is None else await shards.look()

    @property
    def ready(self) -> bool:
        """Whether the chain answers and is followed to within 10 blocks of its confirmed head."""
        lag = self.follow.lag
        return lag is not None and lag <= READY_LAG_BLOCKS + self.network.confirmations

    @property
    def alive(self) -> bool:
        """Whether every loop still runs and the store is ours."""
        return not self.lost.is_set() and all(not loop.done() for loop in self._loops)


async def _connect(network: Network) -> Chain:
    """Connect, waiting for a node that does not answer yet."""
    pause = 0.5
    while True:
        try:
            return await Chain.connect(network)
        except (RpcUnreachableError, RpcError) as error:
            log.warning("chain_unreachable", reason=str(error), retry_s=pause)
            await asyncio.sleep(pause)
            pause = min(15.0, 2 * pause)
