"""`provider up`: one process that brings a provider's parts up, watches them, and takes them down in
order.

It holds no state that a crash could lose: chain, journal, the Ray head's pid file and what Serve runs say
where things stand, and `run` brings them in line with the provider file however they were left.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import structlog

from cluster import capabilities
from cluster.agent import STATUS_FILE
from cluster.choices import Choice, catalogue
from cluster.config import ProviderConfig
from cluster.deployments import AppState, Deployments
from cluster.files import read_state, write_state
from cluster.provision import Prepared, node_application, prepare
from cluster.raycluster import Cluster, open_cluster
from cluster.registration import Registration
from cluster.served import write_served
from cluster.shelf import Shelf
from cluster.upkeep import unjail
from contracts import keystore, reads
from contracts.chain import Chain
from contracts.keyfile import load_key
from mlbridge import procs
from mlbridge.errors import MLBridgeError
from mlbridge.storage import open_store

log = structlog.get_logger()

STATE_FILE: Final = "supervisor.json"
LOCK_FILE: Final = "supervisor.lock"
DRAIN_FILE: Final = "drain"
_LOOK_EVERY: Final = 3.0
_RECONCILE_EVERY: Final = 20.0
_PATIENCE: Final = 10  # looks that may fail in a row before the applications are deployed again
_SIGTERM_DRAIN: Final = 45.0  # seconds; service managers kill after 60 to 90
_PASSING: Final = frozenset(
    {
        "chain.unreachable",
        "chain.rpc",
        "content.missing",
        "deploy.timeout",
        "ray.driver_failed",
        "ray.driver_timeout",
        "storage.unreachable",
        "tx.fee",
        "tx.timeout",
    }
)
_RETRY_PAUSES: Final = (1, 2, 4, 8, 15)


class Supervisor:
    """One provider on this machine."""

    def __init__(self, config: ProviderConfig, *, top_up: bool = False) -> None:
        self.config = config
        self.cluster: Cluster = open_cluster(config)
        self.deployments = Deployments(config, self.cluster)
        self._top_up = top_up
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._registration: Registration | None = None
        self._apps: dict[str, AppState] = {}
        self._choices: list[Choice] = []
        self._starting: asyncio.Task[bool] | None = None
        self._agent_problem: str | None = None
        self._started = time.time()
        self._state: dict[str, Any] = {"state": "starting", "problem": None}

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises MLBridgeError when the provider file can never work as it is."""
        self.config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.config.home / DRAIN_FILE).unlink(missing_ok=True)
        with only_one(self.config.home):
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._asked_to_stop)
            self._tell()
            async with self._connected() as chain:
                try:
                    await self._until_stopped(self._bring_up_patiently(chain))
                    if not self._stop.is_set():
                        self._tell(state="running", ready=time.time())
                        await self._watch(chain)
                finally:
                    await self._take_down()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _until_stopped(self, work: Any) -> None:
        """Await work, or give it up when a signal comes."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, MLBridgeError):
                await task
            return
        task.result()

    # ---- up ----
    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Chain]:
        """The chain; waited for as long as its node merely does not answer."""
        network = self.config.load_network()
        attempt = 0
        while True:
            try:
                chain = await Chain.connect(network)
                break
            except MLBridgeError as error:
                if error.code != "chain.unreachable" or self._stop.is_set():
                    raise
                pause = _RETRY_PAUSES[min(attempt, len(_RETRY_PAUSES) - 1)]
                attempt += 1
                log.warning("chain_unreachable", problem=error.message, again_in=pause)
                self._tell(problem=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()
        try:
            yield chain
        finally:
            await chain.close()

    async def _bring_up_patiently(self, chain: Chain) -> None:
        """Again and again while what stands in the way may pass; a wrong provider file ends it."""
        for attempt in itertools.count():
            try:
                return await self._bring_up(chain)
            except MLBridgeError as error:
                if error.code not in _PASSING:
                    raise
                pause = _RETRY_PAUSES[min(attempt, len(_RETRY_PAUSES) - 1)]
                log.warning("not_up_yet", code=error.code, problem=error.message, again_in=pause)
                self._tell(problem=str(error))
                await asyncio.sleep(pause)

    async def _bring_up(self, chain: Chain) -> None:
        """Registration, cluster and downloads at the same time; then applications, agent and the draw."""
        starting = self._start_cluster()
        registering = asyncio.create_task(self._register(chain))
        try:
            prepared = await self._prepare(chain)
            await registering
        finally:
            registering.cancel()
        adopted = await asyncio.shield(starting)
        log.info("cluster_ready", adopted=adopted)
        await self._deploy(prepared, adopted=adopted)
        await self._join(chain, prepared)

    def _start_cluster(self) -> asyncio.Task[bool]:
        """The start under way, or a new one. It goes on while something else is tried again."""
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(asyncio.to_thread(self.cluster.start))
        return self._starting

    async def _register(self, chain: Chain) -> None:
        node = keystore.address_of(self.config.keys.node.keystore)
        if self.config.keys.operator is None:
            _, allowed = await reads.call(chain.tasks.functions.nodeBinding(node))
            if not allowed:
                raise MLBridgeError(
                    "node.unregistered",
                    f"The node key {node} acts for no operator.",
                    hint="Register it once where the operator's key is: add keys.operator and run "
                    "`mlbridge provider up` there.",
                )
            return
        operator = await asyncio.to_thread(load_key, self.config.keys.operator)
        self._registration = Registration(chain, operator, self.config)
        key = await asyncio.to_thread(load_key, self.config.keys.node)
        await self._registration.register(key, top_up=self._top_up)

    async def _prepare(self, chain: Chain) -> list[Prepared]:
        self._choices = await catalogue(chain, self.config)
        store = open_store(chain.network.storage_url)
        node = keystore.address_of(self.config.keys.node.keystore)
        seat_fee = (await reads.get_parameters(chain)).seat_fee
        return await prepare(self._choices, self.config, chain.network, store, node, seat_fee=seat_fee)

    async def _deploy(self, prepared: list[Prepared], *, adopted: bool = False) -> None:
        """Make the applications run and tell the agent. A model asked for by name must run.

        What runs already as it should, on an adopted cluster, is left alone.
        """
        config = self.config
        found = await asyncio.to_thread(
            capabilities.detect, config.home, bandwidth_mbps=config.bandwidth_mbps
        )
        # Before the applications run: the agent may resume an assignment at once.
        write_served(config.home, [item.served for item in prepared])
        write_state(config.home / capabilities.CAPABILITIES_FILE, found.to_dict())
        node = node_application(config)
        apps = [node, *(item.app for item in prepared)]
        if adopted and self.deployments.as_recorded(apps) and await self._all_answer(prepared):
            self._apps = {item.name: AppState(item.name, "RUNNING", "") for item in apps}
        else:
            required = {node.name, *(item.app.name for item in prepared if item.choice.asked)}
            self._apps = await asyncio.to_thread(self.deployments.apply, apps, required=required)
        failed = [item for item in prepared if not self._runs(item)]
        if failed and self._registration is not None:
            # It may have joined when it could still run them: a seat drawn for it now is a punishment.
            await self._registration.stop_serving(item.choice.model.id for item in failed)
        for item in failed:
            state = self._apps[item.app.name]
            log.error("model_failed", model=item.served.name, status=state.status, message=state.message)
            if item.choice.asked:
                raise MLBridgeError(
                    "deploy.failed",
                    f"The model {item.served.name} does not run: {state.message}",
                    hint="Mend it, or take it out of `models` in the provider file.",
                )
        if failed:
            write_served(config.home, [item.served for item in prepared if self._runs(item)])
        await asyncio.to_thread(Shelf(config).clear, {choice.model.cid for choice in self._choices})

    def _runs(self, item: Prepared) -> bool:
        state = self._apps.get(item.app.name)
        return state is not None and state.running

    async def _join(self, chain: Chain, prepared: list[Prepared]) -> None:
        """Only what runs joins the draw: a seat for anything else would be a punishment."""
        if self._registration is None:
            return
        freed = await unjail(chain, self._registration.sender, (await chain.head()).timestamp)
        models = [(i.choice.model.id, i.choice.model.exec_class) for i in prepared if self._runs(i)]
        await self._registration.leave_all_but(model_id for model_id, _ in models)
        joined = await self._registration.serve(models)
        if freed or joined:
            log.info("in_the_draw", models=len(models))

    # ---- watch ----
    async def _watch(self, chain: Chain) -> None:
        failures, last = 0, time.monotonic()
        async with httpx2.AsyncClient(timeout=5) as client:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):
                        await self._stop.wait()
                    return
                try:
                    if not await asyncio.to_thread(self.cluster.alive):
                        log.error("cluster_died")
                        self._tell(state="restarting")
                        await self._until_stopped(self._bring_up(chain))
                        failures = 0
                        self._tell(state="running")
                    failures = 0 if await self._healthy(client) else failures + 1
                    if failures >= _PATIENCE:
                        log.error("applications_unhealthy", looks=failures)
                        await self._until_stopped(self._redeploy(chain))
                        failures = 0
                    if time.monotonic() - last > _RECONCILE_EVERY:
                        last = time.monotonic()
                        await self._until_stopped(self._reconcile(chain))
                    self._tell(problem=self._agent_problem)
                except (MLBridgeError, OSError) as error:  # a full disk must not end what still runs
                    log.warning("watch_failed", code=getattr(error, "code", "system"), problem=str(error))
                    with contextlib.suppress(OSError):
                        self._tell(problem=str(error))

    async def _healthy(self, client: httpx2.AsyncClient) -> bool:
        """Whether Serve answers and the agent's process behind it does; an agent may still have a problem."""
        try:
            status = (await client.get(f"{self.config.local_url}/node/status")).json()
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("node_unreachable", problem=f"{type(error).__name__} {error}".strip())
            return False
        self._agent_problem = status.get("problem")
        if self._agent_problem:
            log.warning("agent_problem", state=status.get("state"), problem=self._agent_problem)
        return "pid" in status

    async def _all_answer(self, prepared: list[Prepared]) -> bool:
        """Whether the agent and every model answer over HTTP."""
        async with httpx2.AsyncClient(timeout=5) as client:
            if not await self._healthy(client):
                return False
            for item in prepared:
                try:
                    answer = await client.get(f"{self.config.local_url}{item.served.route}/v1/info")
                except httpx2.HTTPError:
                    return False
                if answer.status_code != httpx2.codes.OK:
                    return False
        return True

    async def _redeploy(self, chain: Chain) -> None:
        """Everything anew on a fresh cluster: what hangs cannot be asked to recover."""
        if self.cluster.owned:
            await asyncio.to_thread(self.cluster.stop)
        await self._bring_up(chain)

    async def _reconcile(self, chain: Chain) -> None:
        """Models come and go, jail terms end."""
        before = {choice.model.id for choice in self._choices}
        now = {choice.model.id for choice in await catalogue(chain, self.config)}
        status = read_agent_status(self.config.home)
        if before - now and status is not None and status["open_tasks"]:
            # An assignment in work may still need the model that goes.
            return
        if now != before:
            log.info("models_changed", before=len(before), now=len(now))
            prepared = await self._prepare(chain)
            await self._deploy(prepared)
            await self._join(chain, prepared)
        elif self._registration is not None:
            await unjail(chain, self._registration.sender, (await chain.head()).timestamp)

    # ---- down ----
    async def _take_down(self) -> None:
        self._tell(state="draining")
        await self._drain()
        self._tell(state="stopping")
        if await asyncio.to_thread(self.cluster.alive):
            try:
                await asyncio.to_thread(self.deployments.shutdown)
            except MLBridgeError as error:
                log.warning("shutdown_failed", code=error.code, problem=error.message)
        await asyncio.to_thread(self.cluster.stop)
        if self._starting is not None:
            with contextlib.suppress(MLBridgeError):
                await self._starting
        (self.config.home / STATE_FILE).unlink(missing_ok=True)
        log.info("stopped")

    async def _drain(self) -> None:
        """Let the agent finish its assignments: a seat left open is punished."""
        limit = _SIGTERM_DRAIN
        with contextlib.suppress(OSError, ValueError):
            limit = float((self.config.home / DRAIN_FILE).read_text())
        limit = min(limit, self.config.limits.drain_timeout_s)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and not self._hurry.is_set():
            status = read_agent_status(self.config.home)
            if status is None or time.time() - status["time"] > 10 or not status["open_tasks"]:
                return
            log.info(
                "draining", open_tasks=len(status["open_tasks"]), left=round(deadline - time.monotonic())
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._hurry.wait()

    def _tell(self, **changes: Any) -> None:
        """Write what `provider status` reads."""
        self._state.update(changes)
        told = {
            **self._state,
            "pid": os.getpid(),
            "pid_started": procs.start_time(os.getpid()),
            "started": self._started,
            "time": time.time(),
            "apps": {n: {"status": s.status, "message": s.message} for n, s in self._apps.items()},
            "url": f"{self.config.endpoint}/node",
        }
        write_state(self.config.home / STATE_FILE, told)


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the provider's lock. Raises MLBridgeError `provider.running`."""
    with (home / LOCK_FILE).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MLBridgeError(
                "provider.running",
                f"A provider with home {home} runs already.",
                hint="See it with `mlbridge provider status`, stop it with `mlbridge provider down`.",
            ) from error
        yield


def read_supervisor_state(home: Path) -> dict[str, Any] | None:
    """What the running supervisor last said; None if none runs."""
    state = read_state(home / STATE_FILE)
    if state is None or not procs.alive(procs.Process(state["pid"], state["pid_started"])):
        return None
    return state


def read_agent_status(home: Path) -> dict[str, Any] | None:
    """What the agent last said, however long ago; see its `time`."""
    return read_state(home / STATUS_FILE)
