"""A declarative list of applications, made to run on the provider's cluster, and what became of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from cluster import engine_logs
from cluster.config import ProviderConfig
from cluster.driver import App, Apply, Shutdown
from cluster.provision import mine
from cluster.raycluster import Cluster
from contracts.network import write_whole
from mlbridge.errors import MLBridgeError

log = structlog.get_logger()

_DRIVER = "cluster.driver"
_AGENT = "\0agent"  # no application can have this name
_STARTUP = 60.0  # seconds a driver itself may take on a loaded machine


@dataclass(frozen=True, slots=True)
class AppState:
    """status: Serve's word (RUNNING, DEPLOY_FAILED, ...); message: the application's own."""

    name: str
    status: str
    message: str

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"


class Deployments:
    """What runs on one cluster. Blocking calls."""

    def __init__(self, config: ProviderConfig, cluster: Cluster) -> None:
        self._config = config
        self._cluster = cluster
        self._record = config.home / "apps.json"

    def apply(
        self, apps: list[App], *, required: Collection[str] = (), timeout: float = 300
    ) -> dict[str, AppState]:
        """Make exactly these run beside the agent; others of ours are removed, unchanged ones stay untouched.

        Raises MLBridgeError `ray.*`, or `deploy.timeout` when a required one (by name) is not settled in
        time; one that failed, or another that is late, is told in its state.
        """
        digests = {app.name: _digest(app) for app in apps}
        before = _read(self._record)
        agent = self._agent_digest()
        request = Apply(
            apps=apps,
            unchanged=[name for name, digest in digests.items() if before.get(name) == digest],
            mine=mine(self._config),
            host=self._config.advertise.listen,
            port=self._config.http_port,
            agent=self._config.model_dump(mode="json"),
            timeout=timeout,
        )
        reply = self._cluster.run(_DRIVER, {"apply": request.model_dump()}, timeout=timeout + _STARTUP)
        found: dict[str, Any] = reply["apps"]  # type: ignore[assignment]
        states = {name: AppState(name, item["status"], item["message"]) for name, item in found.items()}
        states |= self._explained([state for state in states.values() if state.status == "DEPLOY_FAILED"])
        ran = {name: digest for name, digest in digests.items() if name in states and states[name].running}
        write_whole(self._record, json.dumps(ran | {_AGENT: agent}))
        for name in digests.keys() - states.keys():
            states[name] = AppState(name, "absent", "")
        waiting = [states[name] for name in digests if name in required and not states[name].running]
        if reply["timed_out"] and waiting:
            late = ", ".join(f"{state.name} ({state.status})" for state in waiting)
            raise MLBridgeError(
                "deploy.timeout",
                f"After {timeout:.0f} s these applications do not run: {late}.",
                hint="Too few CPUs or GPUs for all of them? See num_cpus and num_gpus in the provider file.",
                exit_code=6,
            )
        return states

    def _explained(self, failed: list[AppState]) -> dict[str, AppState]:
        """The same with what an engine's process said of it; its logs are kept, because Ray's go with the
        cluster.
        """
        logs = self._cluster.logs
        if not failed or logs is None:
            return {}
        kept = self._config.home / "logs" / "failed"
        try:
            engine_logs.keep(logs, kept)
            cause = engine_logs.root_cause(logs)
        except OSError as error:
            log.warning("logs_not_kept", reason=str(error))
            return {}
        words = f" Last error of an engine: {cause}" if cause else ""
        return {
            state.name: replace(state, message=f"{state.message}{words} Logs: {kept}") for state in failed
        }

    def as_recorded(self, apps: list[App]) -> bool:
        """Whether exactly these, and this agent, were running when `apply` last ended."""
        wanted = {app.name: _digest(app) for app in apps} | {_AGENT: self._agent_digest()}
        return wanted == _read(self._record)

    def _agent_digest(self) -> str:
        return hashlib.sha256(self._config.model_dump_json().encode()).hexdigest()

    def shutdown(self, *, timeout: float = 45) -> None:
        """End the agent and our applications. Raises MLBridgeError `ray.*`."""
        request = Shutdown(
            mine=mine(self._config),
            serve=self._cluster.owned,
            agent=self._config.model_dump(mode="json"),
        )
        self._record.unlink(missing_ok=True)
        self._cluster.run(_DRIVER, {"shutdown": request.model_dump()}, timeout=timeout)


def _digest(app: App) -> str:
    return hashlib.sha256(app.model_dump_json().encode()).hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found
