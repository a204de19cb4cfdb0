"""The detached Ray actor: one coordinator a cluster, found by name, restarted by Ray when its process dies.

The engine runs in an event loop of its own, in a thread that the constructor starts, so that a restarted
process resumes without anybody calling it, and so that the HTTP server never waits for Ray.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from contracts.network import Network
from coordinator.config import ACTOR_NAME, NAMESPACE, CoordinatorConfig, make_private
from coordinator.engine import Engine
from coordinator.logs import log_to_file
from coordinator.receipts import BuildReceipt, build_receipt
from coordinator.shards import start_shards
from coordinator.submissions import TaskRequest
from mlbridge.errors import MLBridgeError

T = TypeVar("T")
log = structlog.get_logger(__name__)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
RECEIPT_RETRIES = 3


class EngineHost:
    """An engine in a thread with an event loop of its own, started again until it starts."""

    def __init__(self, config: CoordinatorConfig, build: BuildReceipt) -> None:
        self._config, self._build = config, build
        self._loop = asyncio.new_event_loop()
        self._engine: Engine | None = None
        self._problem: MLBridgeError | None = None
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="coordinator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException:
            log.exception("coordinator_died")
            # Without its engine this process is of no use: end it, and Ray starts another.
            os._exit(1)
        finally:
            self._loop.close()

    async def _main(self) -> None:
        pause = FIRST_RETRY_S
        while self._engine is None and not self._stopping.is_set():
            try:
                self._engine = await Engine.start(self._config, build=self._build, shards=start_shards)
                self._problem = None
            except Exception as error:
                self._problem = _problem(error)
                unforeseen = not isinstance(error, MLBridgeError)
                log.warning("coordinator_start_failed", reason=str(error), retry_s=pause, exc_info=unforeseen)
                await self._pause(pause)
                pause = min(LONGEST_RETRY_S, 2 * pause)
        if self._engine is None:
            return
        ends = [asyncio.create_task(event.wait()) for event in (self._stopping, self._engine.lost)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._engine.lost.is_set():
            raise MLBridgeError("store.lost", "The store's lock is lost: another coordinator may have it.")
        ends[1].cancel()
        await self._engine.stop()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def call(self, work: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        """Run `work` in the engine's loop. Raises MLBridgeError `coordinator.starting` before it is up."""
        if self._engine is None:
            raise self._problem or MLBridgeError(
                "coordinator.starting",
                "The coordinator is starting.",
                hint="Try again in a few seconds; a chain node that does not answer is waited for.",
            )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(self._engine), self._loop))

    @property
    def up(self) -> bool:
        """Whether the engine has started."""
        return self._engine is not None

    async def stop(self) -> None:
        """Stop the engine and its thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join)


def _problem(error: Exception) -> MLBridgeError:
    if isinstance(error, MLBridgeError):
        return error
    return MLBridgeError(
        "coordinator.start_failed",
        f"The coordinator cannot start: {type(error).__name__}: {error}",
        hint="Its log has more; it goes on trying.",
    )


def receipt_task(network_json: str, task_id: str, first_block: int) -> str:
    """Build an ended task's receipt, on whichever worker Ray chooses; repeating it does no harm."""
    return asyncio.run(build_receipt(Network.model_validate_json(network_json), task_id, first_block))


async def build_on_ray(network: Network, task_id: str, first_block: int) -> str:
    """As `build_receipt`, as a Ray task."""
    task = ray.remote(receipt_task).options(num_cpus=0.1, max_retries=RECEIPT_RETRIES)
    reference = task.remote(network.model_dump_json(), task_id, first_block)
    receipt: str = await asyncio.wrap_future(reference.future())
    return receipt


class CoordinatorActor:
    """What Ray calls. Values are JSON-ready; errors are MLBridgeErrors.

    Every method may be repeated by Ray without harm; `submit` therefore insists on an idempotency key.
    """

    def __init__(self, config_json: str) -> None:
        config = CoordinatorConfig.model_validate_json(config_json)
        make_private(config.home)
        log_to_file(config.home / "logs" / "coordinator.log")
        self._host = EngineHost(config, build_on_ray)
        self._host.start()

    async def ping(self) -> dict[str, Any]:
        """{"pid", "up": whether the engine has started}; answers also before it has."""
        return {"pid": os.getpid(), "up": self._host.up}

    async def status(self) -> dict[str, Any]:
        """As `Engine.status`."""
        return await self._host.call(lambda engine: engine.status())

    async def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """As `Engine.submit`. Raises MLBridgeError `submission.key_missing` without an idempotency key."""
        asked = TaskRequest.model_validate(request)
        if asked.idempotency_key is None:
            raise MLBridgeError(
                "submission.key_missing",
                "A submission through Ray needs an idempotency key, because Ray may repeat the call.",
                hint="Give idempotency_key, for example a UUID.",
                exit_code=2,
            )
        return await self._host.call(lambda engine: engine.submit(asked))

    async def task(self, task_id: str, wait_s: float = 0.0) -> dict[str, Any]:
        """As `Engine.task`."""
        return await self._host.call(lambda engine: engine.task(task_id, wait_s=wait_s))

    async def tasks(self, limit: int = 50, ended: bool | None = None) -> list[dict[str, Any]]:
        """As `Engine.tasks`."""
        return await self._host.call(lambda engine: engine.tasks(limit=limit, ended=ended))

    async def stop(self) -> None:
        """Stop the engine; the process stays until it is killed."""
        await self._host.stop()


def start_actor(config: CoordinatorConfig) -> Any:
    """The coordinator's actor on the connected cluster: the one that lives there, else a new one.

    It is bound to this node while that lives: its home is here.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return (
        ray.remote(CoordinatorActor)
        .options(
            name=ACTOR_NAME,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_task_retries=3,
            max_concurrency=1000,
            num_cpus=0,
            scheduling_strategy=here,
        )
        .remote(config.model_dump_json())
    )


def find_actor() -> Any | None:
    """The coordinator's actor on the connected cluster, None when there is none."""
    try:
        return ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
    except ValueError:
        return None
