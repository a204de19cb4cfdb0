"""One Ray head as a process group of its own: start, adopt, watch, stop, and leave nothing behind.

Several heads share one machine, so everything that Ray would pick by default is given explicitly: ports, temp
directory, token, HAProxy paths. Ray itself is only run as a program here; nothing is imported from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlbridge import procs
from mlbridge.errors import MLBridgeError
from mlbridge.rayspec import MARKER, PORTS_PER_CLUSTER, HeadSpec, RayPorts

__all__ = [
    "MARKER",
    "PORTS_PER_CLUSTER",
    "HeadSpec",
    "RayHead",
    "RayPorts",
    "busy_ports",
    "port_answers",
    "run_driver",
]

_READY = "Ray runtime started"


class RayHead:
    """Owner of one head process group. Blocking calls; async callers use `asyncio.to_thread`."""

    def __init__(self, spec: HeadSpec) -> None:
        self.spec = spec
        self._child: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._abandoned = threading.Event()

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

        Raises MLBridgeError `ray.port_busy`, `ray.start_failed`, or `ray.stopped` when `stop` is called
        meanwhile.
        """
        self._abandoned.clear()
        with self._changing:
            if self.adopt():
                return True
            self._start()
            return False

    def _start(self) -> None:
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
                    return
                self.sweep()
                if self._abandoned.wait(1 + attempt):
                    raise MLBridgeError(
                        "ray.stopped", f"Ray cluster {spec.name!r} was stopped while it started."
                    )
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
        text = ""
        while time.monotonic() < deadline and not self._abandoned.is_set():
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
        for inner in ("haproxy", "r"):
            (path / inner).mkdir(exist_ok=True)

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

    def run(self, module: str, request: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """See `run_driver`."""
        return run_driver(module, request, self.spec.driver_environment(), timeout=timeout)

    # ---- stop ----
    def stop(self, *, grace: float = 8) -> None:
        """SIGTERM to the leader, wait, then end whatever is left and remove the temp directory.

        Shut Serve down first: with applications running Ray does not react to SIGTERM in time.
        """
        self._abandoned.set()
        with self._changing:
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


def run_driver(
    module: str, request: Mapping[str, object], environment: Mapping[str, str], *, timeout: float
) -> dict[str, object]:
    """Run `python -m module` as a short-lived driver; JSON on its stdin, JSON as its last line.

    environment: where and as whom to connect (`HeadSpec.driver_environment`). Raises MLBridgeError
    `ray.driver_failed` or `ray.driver_timeout`; an error the driver reports as
    `{"error": {code, message, hint}}` is raised again as it was.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(request).encode(),
            capture_output=True,
            env=dict(environment),
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MLBridgeError(
            "ray.driver_timeout",
            f"{module} took more than {timeout:.0f} s.",
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
        ended = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise MLBridgeError("ray.driver_failed", f"{module} failed ({ended}): {output}")
    told = reply.get("error")
    if isinstance(told, dict):
        raise MLBridgeError(str(told.get("code")), str(told.get("message")), hint=str(told.get("hint", "")))
    return reply


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
    with open(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "w") as handle:
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
