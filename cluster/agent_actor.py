"""The agent as a detached, named Ray actor: Ray restarts it when its process dies, and it resumes from the
journal.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from cluster.config import AGENT_NAMESPACE, ProviderConfig
from cluster.logs import log_to
from mlbridge.errors import MLBridgeError

# Whoever only starts or asks the actor is spared web3 and what else the agent needs.
if TYPE_CHECKING:
    from cluster.agent import Agent

log = structlog.get_logger()

_RETRY: Final = 2.0
_LONGEST: Final = 30.0
_LONG: Final = 60.0


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
        """Again and again while the errors are ones that pass or that the operator can mend."""
        pause = _RETRY
        while True:
            began = time.monotonic()
            try:
                await self._once()
            except* MLBridgeError as group:
                self._problem = "; ".join(str(error) for error in flat(group))
            if time.monotonic() - began > _LONG:
                pause = _RETRY
            log.warning("agent_stopped", problem=self._problem, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(_LONGEST, pause * 2)

    async def _once(self) -> None:
        from cluster.agent import Agent
        from cluster.context import Context
        from cluster.metrics import RayMeter

        context = await Context.open(self._config, meter=RayMeter(self._config.name))
        try:
            self._agent = Agent(context)
            await self._agent.run()
        finally:
            self._agent = None
            await context.close()

    def status(self) -> dict[str, Any]:
        """See Agent.status; before the agent runs, why not."""
        agent = self._agent
        if agent is None:
            return {"state": "starting", "problem": self._problem, "time": time.time(), "pid": os.getpid()}
        return {**agent.status(), "pid": os.getpid()}

    def config(self) -> dict[str, Any]:
        """What it was started with."""
        return self._config.model_dump(mode="json")


def flat(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The errors in a group of groups."""
    return [
        one
        for error in group.exceptions
        for one in (flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def start_here(config: ProviderConfig) -> None:
    """Have the actor run on the Ray cluster this process is connected to, with exactly this configuration."""
    import ray

    fields = config.model_dump(mode="json")
    handle = _create(config.agent_name, fields)
    if ray.get(handle.config.remote(), timeout=120) != fields:
        log.info("agent_replaced", name=config.agent_name)
        stop_here(config)
        handle = _create(config.agent_name, fields)
        ray.get(handle.config.remote(), timeout=120)


def _create(name: str, fields: dict[str, Any]) -> Any:
    import ray

    options: dict[str, Any] = {
        "name": name,
        "namespace": AGENT_NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "max_concurrency": 4,
    }
    actor: Any = ray.remote(AgentActor)
    return actor.options(**options).remote(fields)


def stop_here(config: ProviderConfig) -> None:
    """End the actor for good, if there is one; its name is free when this returns."""
    import ray

    for _ in range(100):
        try:
            ray.kill(ray.get_actor(config.agent_name, namespace=AGENT_NAMESPACE), no_restart=True)
        except ValueError:
            return
        time.sleep(0.1)
