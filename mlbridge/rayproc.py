"""One Ray head as a process group of its own: start, adopt, watch, stop, and leave nothing behind.

Several heads share one machine, so everything that Ray would pick by default is given explicitly: ports, temp
directory, token, HAProxy paths. Ray itself is only run as a program here; nothing is imported from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlbridge import procs
from mlbridge.errors import MLBridgeError

PORTS_PER_CLUSTER = 300
MARKER = "MLBRIDGE_RAY_TEMP_DIR"
_READY = "Ray runtime started"
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
            "temp-dir": self.temp_dir,
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


class RayHead:
    """Owner of one head process group. Blocking calls; async callers use `asyncio.to_thread`."""

    def __init__(self, spec: HeadSpec) -> None:
        self.spec = spec
        self._child: subprocess.Popen[bytes] | None = None

    # ---- state ----
    def leader(self) -> procs.Process | None:
        """The `ray start --block` process named by the pid file, if it is still that process and alive."""
        try:
            record = json.loads(self.spec.pid_file.read_text())
            wanted = procs.Process(int(record["pid"]), int(record["started"]))
        except (OSError, ValueError, KeyError):
            return None
        if self._child is not None:
            self._child.poll()  # reaps it when it has ended
        return wanted if procs.alive(wanted) else None

    def alive(self) -> bool:
        """Leader running and its GCS answering on its port."""
        return self.leader() is not None and port_answers(self.spec.ports.gcs)

    def pids(self) -> set[procs.Process]:
        """Every process that belongs to this head now, drivers included, ourselves excluded."""
        return procs.owned_by(self.spec.temp_dir, MARKER, self.leader())

    def memory(self) -> int:
        """Proportional set size in bytes over all its processes: shared pages are counted once."""
        return sum(procs.pss(process.pid) for process in self.pids())

    # ---- start ----
    def start(self) -> bool:
        """Run the head: adopt the one that runs, else start one. True if it was adopted.

        Raises MLBridgeError `ray.port_busy` or `ray.start_failed`.
        """
        if self.adopt():
            return True
        spec = self.spec
        (spec.state_dir / "logs").mkdir(parents=True, exist_ok=True)
        self._write_token()
        problem = ""
        with _one_start_at_a_time():
            for attempt in range(spec.attempts):
                self.sweep()
                self._require_free_ports()
                self._make_temp_dir()
                problem = self._launch()
                if not problem:
                    return False
                self.sweep()
                time.sleep(1 + attempt)
        raise MLBridgeError(
            "ray.start_failed",
            f"Ray cluster {spec.name!r} did not start after {spec.attempts} attempts: {problem}",
            hint=f"Read {spec.log_file}; on a loaded machine start fewer clusters or allow more time.",
        )

    def adopt(self) -> bool:
        """Whether a head of ours, started by an earlier owner, runs and answers."""
        return self.spec.token_file.is_file() and self.alive()

    def _launch(self) -> str:
        """One attempt; returns what went wrong, or nothing."""
        spec = self.spec
        with open(spec.log_file, "wb") as log:
            child = subprocess.Popen(
                spec.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=spec.environment(),
                cwd=spec.state_dir,
                start_new_session=True,
            )
        self._child = child
        started = procs.start_time(child.pid)
        _write_private(spec.pid_file, json.dumps({"pid": child.pid, "started": started, "name": spec.name}))
        deadline = time.monotonic() + spec.start_timeout
        while time.monotonic() < deadline:
            text = spec.log_file.read_text(errors="replace")
            if child.poll() is not None:
                return f"it exited with code {child.returncode}: {_tail(text)}"
            if _READY in text and port_answers(spec.ports.gcs):
                return ""
            time.sleep(0.2)
        return f"it was not ready after {spec.start_timeout:.0f} s: {_tail(text)}"

    def _write_token(self) -> None:
        if not self.spec.token_file.exists():
            _write_private(self.spec.token_file, secrets.token_hex(32))

    def _make_temp_dir(self) -> None:
        path = self.spec.temp_dir
        path.mkdir(mode=0o700, exist_ok=True)
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            raise MLBridgeError(
                "ray.temp_dir",
                f"{path} belongs to somebody else.",
                hint="Remove it, or use another home directory.",
            )
        path.chmod(0o700)
        (path / "haproxy").mkdir(exist_ok=True)

    def _require_free_ports(self) -> None:
        busy = busy_ports(self.spec.ports)
        if busy:
            listed = ", ".join(f"{port} ({name})" for name, port in busy.items())
            raise MLBridgeError(
                "ray.port_busy",
                f"Ray cluster {self.spec.name!r} cannot have these ports: {listed}.",
                hint=f"Choose another ray.base_port; the cluster uses {self.spec.base_port} to "
                f"{self.spec.base_port + PORTS_PER_CLUSTER - 1}.",
            )

    # ---- drivers ----
    def run(self, module: str, request: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Run `python -m module` as a short-lived driver; JSON on its stdin, JSON as its last line.

        Raises MLBridgeError `ray.driver_failed` or `ray.driver_timeout`; an error the driver reports as
        `{"error": {code, message, hint}}` is raised again as it was.
        """
        try:
            done = subprocess.run(
                [sys.executable, "-m", module],
                input=json.dumps(request).encode(),
                capture_output=True,
                env=self.spec.driver_environment(),
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MLBridgeError(
                "ray.driver_timeout",
                f"{module} on Ray cluster {self.spec.name!r} took more than {timeout:.0f} s.",
                hint="The machine may be overloaded; try again.",
                exit_code=6,
            ) from error
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        try:
            reply = json.loads(lines[-1])
        except (IndexError, ValueError):
            reply = None
        if not isinstance(reply, dict):
            output = _tail(done.stderr.decode(errors="replace"))
            raise MLBridgeError(
                "ray.driver_failed",
                f"{module} on Ray cluster {self.spec.name!r} failed: {output}",
                hint=f"Logs of the cluster are below {self.spec.temp_dir}.",
            )
        told = reply.get("error")
        if isinstance(told, dict):
            raise MLBridgeError(
                str(told.get("code")), str(told.get("message")), hint=str(told.get("hint", ""))
            )
        return reply

    # ---- stop ----
    def stop(self, *, grace: float = 8) -> None:
        """SIGTERM to the leader, wait, then end whatever is left and remove the temp directory.

        Shut Serve down first: with applications running Ray does not react to SIGTERM in time.
        """
        leader = self.leader()
        recorded = self.pids()
        if leader is not None:
            procs.send(leader, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while time.monotonic() < deadline and self.leader() is not None:
                time.sleep(0.1)
        self.sweep(recorded)

    def sweep(self, recorded: Sequence[procs.Process] | set[procs.Process] = ()) -> None:
        """End every process of this head, recorded or found, and forget the head.

        Raises MLBridgeError `ray.stop_failed` when a process survives SIGKILL.
        """
        for signal_number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
            left = self._left(recorded)
            for process in left:
                procs.send(process, signal_number)
            deadline = time.monotonic() + patience
            while left and time.monotonic() < deadline:
                time.sleep(0.1)
                left = self._left(recorded)
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=1)
        left = self._left(recorded)
        if left:
            raise MLBridgeError(
                "ray.stop_failed",
                f"Processes of Ray cluster {self.spec.name!r} survived: {sorted(p.pid for p in left)}.",
                hint="End them by hand.",
            )
        self.spec.pid_file.unlink(missing_ok=True)
        shutil.rmtree(self.spec.temp_dir, ignore_errors=True)

    def _left(self, recorded: Sequence[procs.Process] | set[procs.Process]) -> set[procs.Process]:
        if self._child is not None:
            self._child.poll()
        return self.pids() | {process for process in recorded if procs.alive(process)}


def without_client_server(params: Any, head: bool) -> None:
    """Called by `ray start`: spares the process of a Ray Client server, for which it has no switch."""
    if head:
        params.ray_client_server_port = None


def port_answers(port: int, host: str = "127.0.0.1", timeout: float = 1.0) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def busy_ports(ports: RayPorts) -> dict[str, int]:
    """Those of a cluster's fixed ports that cannot be bound now."""
    busy = {}
    for name, port in ports.fixed().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - Ray binds all interfaces, so that is what must be free
            except OSError:
                busy[name] = port
    return busy


@contextlib.contextmanager
def _one_start_at_a_time() -> Iterator[None]:
    """A lock over all clusters of this user: heads that start together time each other out."""
    path = Path(tempfile.gettempdir()) / f"mlbridge-ray-start.{os.getuid()}.lock"
    with open(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _write_private(path: Path, text: str) -> None:
    """Replace `path` at once with a file only we can read."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(text)
    os.replace(temporary, path)


def _tail(text: str, lines: int = 6) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-lines:]) or "no output"
