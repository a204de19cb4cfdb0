"""The agent as a detached, named Ray actor: Ray restarts it when its process dies, and it resumes from the
journal.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any, Final

import structlog

from cluster.agent import Agent
from cluster.config import ProviderConfig
from cluster.context import Context
from cluster.logs import log_to
from cluster.metrics import RayMeter

log = structlog.get_logger()

NAMESPACE: Final = "mlbridge"
_RETRY: Final = 3.0


class AgentActor:
    """Runs the agent on a thread of its own, so that the actor answers while the agent works."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = ProviderConfig.model_validate(config)
        log_to(self._config.home / "logs" / "agent.log")
        self._agent: Agent | None = None
        self._problem = "starting"
        threading.Thread(target=self._main, name="agent", daemon=True).start()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            log.exception("agent_failed")
            self._problem = f"{type(error).__name__}: {error}"
            # Ray only restarts an actor whose process ended; a pause keeps a lasting problem from spinning.
            time.sleep(_RETRY)
            os._exit(1)

    async def _run(self) -> None:
        context = await Context.open(self._config, meter=RayMeter(self._config.name))
        try:
            self._agent = Agent(context)
            await self._agent.run()
        finally:
            await context.close()

    def status(self) -> dict[str, Any]:
        """See Agent.status; before the agent runs, why not."""
        if self._agent is None:
            return {"state": "starting", "problem": self._problem, "time": time.time()}
        return {**self._agent.status(), "pid": os.getpid()}

    def ping(self) -> int:
        """The process id."""
        return os.getpid()


def start_here(config: ProviderConfig) -> None:
    """Start the actor on the Ray cluster this process is connected to, unless it runs there already."""
    import ray

    options: dict[str, Any] = {
        "name": config.agent_name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "max_concurrency": 4,
    }
    actor: Any = ray.remote(AgentActor)
    handle = actor.options(**options).remote(config.model_dump(mode="json"))
    ray.get(handle.ping.remote(), timeout=120)


def stop_here(config: ProviderConfig) -> None:
    """End the actor for good, if there is one."""
    import ray

    try:
        ray.kill(ray.get_actor(config.agent_name, namespace=NAMESPACE), no_restart=True)
    except ValueError:
        log.info("no_agent", name=config.agent_name)
