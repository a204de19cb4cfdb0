"""A short-lived Ray driver: start, look at or stop the coordinator's actor, then leave.

`python -m coordinator.driver` reads one JSON request from stdin and prints one JSON reply. The supervisor
calls it this way because a process that stays connected to a cluster dies with that cluster.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import ray

from coordinator.actor import find_actor, start_actor
from coordinator.config import NAMESPACE, CoordinatorConfig
from coordinator.shards import end_shards
from mlbridge.errors import MLBridgeError

POLL_S = 0.3
PING_S = 20.0
STOP_S = 30.0
MENDED_BY_TIME = frozenset(
    {
        "chain.unreachable",
        "coordinator.dead",
        "coordinator.silent",
        "coordinator.start_failed",
        "coordinator.starting",
        "http.port",
        "store.locked",
    }
)


def connect(address: str | None = None) -> None:
    """Join the cluster at `address`, or the one that RAY_ADDRESS names."""
    ray.init(address=address or "auto", namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)


def start(config: CoordinatorConfig, *, timeout_s: float) -> dict[str, Any]:
    """Start or adopt the actor and wait until its engine answers; its status.

    Raises MLBridgeError: what keeps the engine from starting. What time does not mend is raised at once, and
    the actor is removed, so that the next start takes the file as it is then.
    """
    actor = start_actor(config)
    until = time.monotonic() + timeout_s
    while True:
        try:
            status: dict[str, Any] = ray.get(actor.status.remote(), timeout=PING_S)
            return status
        except MLBridgeError as error:
            problem = error
        except ray.exceptions.GetTimeoutError:
            problem = MLBridgeError(
                "coordinator.silent", "The coordinator's actor does not answer.", exit_code=6
            )
        except ray.exceptions.RayActorError as error:
            problem = MLBridgeError("coordinator.dead", f"The coordinator's actor died: {error}")
        if problem.code not in MENDED_BY_TIME:
            ray.kill(actor)
            end_shards()
            raise problem
        if time.monotonic() >= until:
            raise problem
        time.sleep(POLL_S)


def ping() -> dict[str, Any]:
    """{"pid" of the actor's process, "up"}; pid None: no actor, or one that does not answer ("silent")."""
    actor = find_actor()
    if actor is None:
        return {"pid": None, "up": False, "silent": False}
    try:
        found: dict[str, Any] = ray.get(actor.ping.remote(), timeout=PING_S)
    except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
        return {"pid": None, "up": False, "silent": True}
    return {**found, "silent": False}


def restart() -> dict[str, Any]:
    """Kill the actor's process so that Ray starts another."""
    actor = find_actor()
    if actor is not None:
        ray.kill(actor, no_restart=False)
    return {"restarted": actor is not None}


def stop() -> dict[str, Any]:
    """Let the engine end what is under way, then remove the actor."""
    actor = find_actor()
    if actor is None:
        end_shards()
        return {"stopped": False}
    try:
        ray.get(actor.stop.remote(), timeout=STOP_S)
    except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError) as error:
        sys.stderr.write(f"The actor did not stop by itself: {error}\n")
    ray.kill(actor)
    end_shards()
    return {"stopped": True}


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """One request: {"action": start|ping|restart|stop, "config": {...}, "timeout_s"}."""
    action = request["action"]
    if action == "start":
        config = CoordinatorConfig.model_validate(request["config"])
        return start(config, timeout_s=float(request["timeout_s"]))
    return {"ping": ping, "restart": restart, "stop": stop}[action]()


def main() -> None:
    """One request on stdin, one reply on stdout: the result, or {"error": {code, message, hint}}."""
    request = json.loads(sys.stdin.read())
    try:
        connect(request.get("address"))
        reply = handle(request)
    except MLBridgeError as error:
        reply = {"error": error.to_dict()}
    sys.stdout.write(json.dumps(reply, default=str) + "\n")


if __name__ == "__main__":
    main()
