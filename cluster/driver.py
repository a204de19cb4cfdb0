"""What a provider does on its Ray cluster, in a short-lived process: `python -m cluster.driver` <
request.

Short-lived because a driver dies with its cluster, which the supervisor must not. Requests and replies
are JSON: {"apply": {...}}   make exactly these Serve applications run, and the agent {"shutdown": {...}}
stop the agent and the applications
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from mlbridge.errors import MLBridgeError

_FINAL: Final = ("RUNNING", "DEPLOY_FAILED", "UNHEALTHY")
_POLL: Final = 0.2


class App(BaseModel):
    """One Serve application. import_path: `module:function` that takes `args` and returns an Application."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    route: str
    import_path: str
    args: dict[str, Any]


class Apply(BaseModel):
    """apps: all that shall run; unchanged: names among them that may stay as they are if they run; mine:
    prefix of the names that this provider may remove; host, port: Serve's HTTP ingress, if it does not
    run yet; agent: the provider's configuration, to start its agent; timeout in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    apps: list[App]
    unchanged: list[str] = []
    mine: str = ""
    host: str
    port: int
    agent: dict[str, Any] | None = None
    timeout: float = 300


class Shutdown(BaseModel):
    """mine: as in Apply; serve: end Serve itself too; agent: as in Apply."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mine: str = ""
    serve: bool
    agent: dict[str, Any] | None = None


def connect() -> None:
    """Join the cluster that RAY_ADDRESS names."""
    import ray

    ray.init(namespace="mlbridge", log_to_driver=False, logging_level="ERROR", configure_logging=False)


def apply(request: Apply) -> dict[str, Any]:
    """Bring the applications in line with the request; statuses and messages by name when all are settled.

    One that cannot be built is told as DEPLOY_FAILED and does not stop the others. Returns early, with
    `timed_out`, after request.timeout seconds.
    """
    from ray import serve

    if request.agent is not None:
        _start_agent(request.agent)
    serve.start(proxy_location="HeadOnly", http_options={"host": request.host, "port": request.port})
    wanted = {app.name for app in request.apps}
    running = serve.status().applications
    for name in running:
        if name.startswith(request.mine) and name not in wanted:
            serve.delete(name, _blocking=False)
    stay = {name for name in request.unchanged if name in running and running[name].status == "RUNNING"}
    fresh = [app for app in request.apps if app.name not in stay]
    targets, broken = [], {}
    for app in fresh:
        try:
            targets.append(serve.RunTarget(_build(app), name=app.name, route_prefix=app.route))
        except Exception as error:  # noqa: BLE001 - a model that nobody vouches for must not stop the others
            broken[app.name] = {"status": "DEPLOY_FAILED", "message": _in_words(error)}
    if targets:
        serve.run_many(
            targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False
        )
    reply = _settle(wanted - broken.keys(), request)
    reply["apps"] |= broken
    return reply


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, MLBridgeError) else f"{type(error).__name__}: {error}"


def _build(app: App) -> Any:
    module, _, attribute = app.import_path.partition(":")
    return getattr(importlib.import_module(module), attribute)(app.args)


def _settle(wanted: set[str], request: Apply) -> dict[str, Any]:
    from ray import serve

    deadline = time.monotonic() + request.timeout
    while True:
        found = serve.status().applications
        mine = {name: app for name, app in found.items() if name.startswith(request.mine)}
        gone = not (mine.keys() - {app.name for app in request.apps})
        settled = all(name in mine and mine[name].status in _FINAL for name in wanted)
        timed_out = time.monotonic() > deadline
        if (gone and settled) or timed_out:
            apps = {
                name: {"status": str(app.status.value), "message": _message(app)}
                for name, app in mine.items()
            }
            return {"apps": apps, "timed_out": timed_out}
        time.sleep(_POLL)


def _message(app: Any) -> str:
    """The application's own words, or those of the deployment that failed."""
    told = [str(app.message)] + [str(d.message) for d in app.deployments.values() if d.status != "HEALTHY"]
    return " ".join(" ".join(told).split())


def _start_agent(fields: dict[str, Any]) -> None:
    from cluster.agent_actor import start_here
    from cluster.config import ProviderConfig

    start_here(ProviderConfig.model_validate(fields))


def shutdown(request: Shutdown) -> dict[str, Any]:
    """End the agent, then the applications (Serve drains their requests)."""
    from ray import serve

    if request.agent is not None:
        from cluster.agent_actor import stop_here
        from cluster.config import ProviderConfig

        stop_here(ProviderConfig.model_validate(request.agent))
    if request.serve:
        serve.shutdown()
        return {}
    for name in serve.status().applications:
        if name.startswith(request.mine):
            serve.delete(name, _blocking=True)
    return {}


def main() -> None:
    request = json.load(sys.stdin)
    try:
        connect()
        if "apply" in request:
            reply = apply(Apply.model_validate(request["apply"]))
        else:
            reply = shutdown(Shutdown.model_validate(request["shutdown"]))
    except MLBridgeError as error:
        reply = {"error": error.to_dict()}
    sys.stdout.write("\n" + json.dumps(reply, default=str) + "\n")


if __name__ == "__main__":
    main()
