"""What a Ray head is started with: its ports, paths, flags and environment, all explicit."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PORTS_PER_CLUSTER = 300
MARKER = "MLBRIDGE_RAY_TEMP_DIR"
_INGRESS_PORTS = 70
_FIXED = (
    "gcs",
    "client",
    "dashboard",
    "agent-http",
    "agent-grpc",
    "runtime-env-agent",
    "metrics",
    "object-manager",
    "node-manager",
    "serve-http",
    "serve-grpc",
    "autoscaler-metrics",
    "dashboard-metrics",
    "haproxy-metrics",
    "haproxy-stats",
    "fallback-http",
    "fallback-grpc",
)


@dataclass(frozen=True)
class RayPorts:
    """Every port of one head, by its distance from `base`; `base` to `base + 299` belong to the cluster."""

    base: int

    @property
    def gcs(self) -> int:
        return self.base

    @property
    def client(self) -> int:
        return self.base + 1

    @property
    def dashboard(self) -> int:
        return self.base + 2

    @property
    def metrics(self) -> int:
        return self.base + 6

    @property
    def http(self) -> int:
        """Serve's HTTP ingress."""
        return self.base + 9

    @property
    def room(self) -> int:
        """First of ten ports that Ray never takes; for the room that owns the cluster."""
        return self.base + 20

    def fixed(self) -> dict[str, int]:
        """Ports with one owner each, by name."""
        return {name: self.base + offset for offset, name in enumerate(_FIXED)}


@dataclass(frozen=True)
class HeadSpec:
    """What to start. Memory in bytes, times in seconds.

    state_dir holds what outlives the process (token, pid file, logs). The temp directory is derived from it
    and short, because Ray puts Unix sockets below it and those paths end at 107 characters.
    """

    name: str
    state_dir: Path
    base_port: int
    num_cpus: float = 2
    num_gpus: float = 0
    object_store_memory: int = 100 * 1024 * 1024
    include_dashboard: bool = False
    ray_client: bool = False
    haproxy: bool = False
    node_ip: str = "127.0.0.1"
    resources: Mapping[str, float] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 120
    attempts: int = 3

    @property
    def ports(self) -> RayPorts:
        return RayPorts(self.base_port)

    @property
    def temp_dir(self) -> Path:
        root = tempfile.gettempdir()
        if len(root) > 20:  # deeper roots break Ray's socket paths
            root = os.path.join(os.sep, "tmp")
        digest = hashlib.sha256(str(self.state_dir.resolve()).encode()).hexdigest()[:8]
        return Path(root) / f"mlb-{digest}"

    @property
    def logs(self) -> Path:
        """What Ray's processes write; it goes with the cluster."""
        return self._rays / "session_latest" / "logs"

    @property
    def _rays(self) -> Path:
        # Ray opens its directory to everybody; the one around it stays ours alone.
        return self.temp_dir / "r"

    @property
    def token_file(self) -> Path:
        return self.state_dir / "ray.token"

    @property
    def pid_file(self) -> Path:
        return self.state_dir / "ray.json"

    @property
    def log_file(self) -> Path:
        return self.state_dir / "logs" / "ray-start.log"

    @property
    def address(self) -> str:
        return f"{self.node_ip}:{self.ports.gcs}"

    def command(self) -> list[str]:
        """The `ray start` command line."""
        p = self.ports.fixed()
        flags: dict[str, object] = {
            "node-ip-address": self.node_ip,
            "port": p["gcs"],
            "ray-client-server-port": p["client"],
            "dashboard-host": "127.0.0.1",
            "dashboard-port": p["dashboard"],
            "include-dashboard": str(self.include_dashboard).lower(),
            "include-log-monitor": "false",
            "dashboard-agent-listen-port": p["agent-http"],
            "dashboard-agent-grpc-port": p["agent-grpc"],
            "runtime-env-agent-port": p["runtime-env-agent"],
            "metrics-export-port": p["metrics"],
            "object-manager-port": p["object-manager"],
            "node-manager-port": p["node-manager"],
            "min-worker-port": self.base_port + 100,
            "max-worker-port": self.base_port + PORTS_PER_CLUSTER - 1,
            "num-cpus": max(1, int(self.num_cpus)),
            "num-gpus": int(self.num_gpus),
            "object-store-memory": self.object_store_memory,
            "temp-dir": self._rays,
            "resources": json.dumps(dict(self.resources)),
        }
        head = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        # Nothing here scales by itself, and the autoscaler's monitor costs a process.
        return [*head, "--no-monitor", "--disable-usage-stats", *(f"--{k}={v}" for k, v in flags.items())]

    def environment(self) -> dict[str, str]:
        """Environment of the head and of every driver that joins it; the token travels by path only."""
        p = self.ports.fixed()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTHONDONTWRITEBYTECODE"))}
        haproxy = self.temp_dir / "haproxy"
        env |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)]),
            MARKER: str(self.temp_dir),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_prestart_worker_first_driver": "0",
            "AUTOSCALER_METRIC_PORT": str(p["autoscaler-metrics"]),
            "DASHBOARD_METRIC_PORT": str(p["dashboard-metrics"]),
            "RAY_SERVE_ENABLE_HA_PROXY": "1" if self.haproxy else "0",
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(p["haproxy-metrics"]),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(p["haproxy-stats"]),
            "RAY_SERVE_HAPROXY_NBTHREAD": "1",
            # Requests are answered in the loop that takes them: models compute in threads of their own.
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1" if self.haproxy else "0",
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(p["fallback-http"]),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(p["fallback-grpc"]),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(self.base_port + 30),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(self.base_port + 30 + _INGRESS_PORTS // 2 - 1),
            "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(self.base_port + 30 + _INGRESS_PORTS // 2),
            "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(self.base_port + 30 + _INGRESS_PORTS - 1),
        }
        if not self.ray_client:
            env["RAY_START_HOOK"] = f"{__name__}.without_client_server"
        return env | dict(self.env)

    def driver_environment(self) -> dict[str, str]:
        """As `environment`, plus where to connect."""
        return self.environment() | {"RAY_ADDRESS": self.address}


def without_client_server(params: Any, head: bool) -> None:
    """Called by `ray start`: spares the process of a Ray Client server, for which it has no switch."""
    if head:
        params.ray_client_server_port = None
