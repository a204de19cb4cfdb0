"""A short-lived Ray driver: deploy, look at or remove the gateway's Serve application, then leave.

`python -m gateway.driver` reads one JSON request from stdin and prints one JSON reply. The supervisor calls
it this way because a process that stays connected to a cluster dies with that cluster.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import serve

from contracts.network import write_whole
from gateway.config import APP_NAME, NAMESPACE, GatewayConfig
from gateway.replica import build
from mlbridge.errors import MLBridgeError

POLL_S = 0.3
RUNNING = "RUNNING"
FAILED = ("DEPLOY_FAILED",)


def connect() -> None:
    """Join the cluster that RAY_ADDRESS names."""
    ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)


def start(config: GatewayConfig, *, timeout_s: float) -> dict[str, Any]:
    """Deploy the application, unless just this one runs, and wait until it does.

    Raises MLBridgeError `gateway.deploy_failed` or `gateway.starting` with what Serve says.
    """
    serve.start(proxy_location="HeadOnly", http_options={"host": config.http.host, "port": config.http_port})
    record, digest = _record(config), _digest(config)
    if _status() != RUNNING or _read(record) != digest:
        target = serve.RunTarget(build(config), name=APP_NAME, route_prefix="/")
        serve.run_many(
            [target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False
        )
        write_whole(record, digest)
    until = time.monotonic() + timeout_s
    while (now := _status()) != RUNNING:
        if now in FAILED or time.monotonic() >= until:
            code = "gateway.deploy_failed" if now in FAILED else "gateway.starting"
            raise MLBridgeError(
                code,
                f"The gateway does not run: {_message() or now}.",
                hint=f"Its log is {config.home / 'logs' / 'gateway.log'}.",
            )
        time.sleep(POLL_S)
    return {"name": config.name, "url": config.local_url, "base_url": f"{config.local_url}/v1"}


def ping() -> dict[str, Any]:
    """{"pid": None without an application, "up", "silent"}, as the supervisor asks for it."""
    now = _status()
    return {"pid": now, "up": now == RUNNING, "silent": False}


def restart(config: GatewayConfig) -> dict[str, Any]:
    """Replace every replica."""
    _record(config).unlink(missing_ok=True)
    return {"restarted": True}


def stop(config: GatewayConfig) -> dict[str, Any]:
    """Remove the application; Serve itself too where the cluster is ours."""
    _record(config).unlink(missing_ok=True)
    there = _status() is not None
    if config.ray.mode == "own":
        serve.shutdown()
    elif there:
        serve.delete(APP_NAME, _blocking=True)
    return {"stopped": there}


def _status() -> str | None:
    found = serve.status().applications.get(APP_NAME)
    return None if found is None else str(found.status.value)


def _message() -> str:
    found = serve.status().applications.get(APP_NAME)
    if found is None:
        return ""
    told = [found.message, *(item.message for item in found.deployments.values())]
    return " ".join(" ".join(told).split())[-600:]


def _record(config: GatewayConfig) -> Path:
    return config.home / "deployed"


def _digest(config: GatewayConfig) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """One request: {"action": start|ping|restart|stop, "config": {...}, "timeout_s"}."""
    config = GatewayConfig.model_validate(request["config"])
    match request["action"]:
        case "start":
            return start(config, timeout_s=float(request["timeout_s"]))
        case "ping":
            return ping()
        case "restart":
            restart(config)
            return start(config, timeout_s=float(request["timeout_s"]))
        case _:
            return stop(config)


def main() -> None:
    """One request on stdin, one reply on stdout: the result, or {"error": {code, message, hint}}."""
    request = json.loads(sys.stdin.read())
    try:
        connect()
        reply = handle(request)
    except MLBridgeError as error:
        reply = {"error": error.to_dict()}
    sys.stdout.write("\n" + json.dumps(reply, default=str) + "\n")


if __name__ == "__main__":
    main()
