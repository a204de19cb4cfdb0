"""Keeps one room's service running: its Ray head and what runs on it, whichever of them is killed.

The coordinator's actor and the gateway's Serve application are kept alike. The head is a process group of its
own and outlives the supervisor; a new supervisor adopts it. Ray restarts a killed process by itself; the
supervisor puts the service on a new head, and replaces one that no longer answers. A head that somebody else
keeps is waited for, and the service put on it as soon as it is back.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

import structlog

from coordinator.config import RayConfig, make_private
from mlbridge import procs
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import HeadSpec, RayHead, port_answers

log = structlog.get_logger(__name__)

LOOK_S = 1.0
HEALTH_TIMEOUT_S = 5.0
PATIENCE_S = 15.0
SILENT_S = 90.0
DRIVER_S = 180.0
STOP_S = 90.0
CONNECT_S = 30.0  # of a driver's time, to join the cluster
LONGEST_PAUSE_S = 60.0


class ServiceConfig(Protocol):
    """What a supervisor needs of a room's YAML file."""

    @property
    def name(self) -> str: ...

    @property
    def home(self) -> Path: ...

    @property
    def ray(self) -> RayConfig: ...

    @property
    def local_url(self) -> str:
        """Where this machine reaches the service; /healthz below it says whether it lives."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Room:
    """Whose service it is.

    name: as in `mlbridge NAME up`, and the package of the modules `driver` (see coordinator.driver) and
    `commands`.
    """

    name: str

    @property
    def driver(self) -> str:
        return f"{self.name}.driver"

    @property
    def commands(self) -> str:
        return f"{self.name}.commands"


COORDINATOR = Room("coordinator")
_UP = "up"


@dataclass(frozen=True)
class JoinedSpec(HeadSpec):
    """A cluster that somebody else runs; drivers join it with the token at `join_token_file`."""

    join_address: str = ""
    join_token_file: Path | None = None

    def driver_environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTHONDONTWRITEBYTECODE")
        }
        kept["RAY_ADDRESS"] = self.join_address
        if self.join_token_file is not None:
            kept |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.join_token_file)}
        return kept


def head_of(config: ServiceConfig) -> RayHead:
    """The Ray head that a room's file describes, running or not."""
    ray = config.ray
    common: dict[str, Any] = {
        "name": config.name,
        "state_dir": config.home,
        "base_port": ray.base_port,
    }
    if ray.mode == "join":
        return RayHead(JoinedSpec(**common, join_address=ray.address or "", join_token_file=ray.token_file))
    return RayHead(
        HeadSpec(
            **common,
            num_cpus=ray.num_cpus,
            object_store_memory=ray.object_store_memory,
            include_dashboard=ray.include_dashboard,
            haproxy=ray.haproxy,
            start_timeout=ray.start_timeout_s,
        )
    )


class Supervisor:
    """The loop of `mlbridge ROOM up`. Blocking; one a home."""

    def __init__(self, config: ServiceConfig, room: Room = COORDINATOR) -> None:
        self.config, self.room = config, room
        self.head = head_of(config)
        self.stopping = False
        self._away = False
        self._healthy_at = time.monotonic()
        self._not_before = 0.0
        self._failures = 0

    @property
    def owns_head(self) -> bool:
        return self.config.ray.mode == "own"

    def run(self, *, announce: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Start or adopt everything, keep it running until SIGTERM or SIGINT, then stop it.

        announce: told the status once it answers for the first time. Raises MLBridgeError when the first
        start fails, or `ROOM.running` when another supervisor has this home.
        """
        with _only_one(self.config.home, self.room) as mark:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
            try:
                status = self.ensure()
                mark.up()
                log.info(f"{self.room.name}_up", url=self.config.local_url, pid=status.get("pid"))
                if announce is not None:
                    announce(status)
                while not self.stopping:
                    self.look()
                    time.sleep(LOOK_S)
            finally:
                self.stop()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def ensure(self) -> dict[str, Any]:
        """Start or adopt the head and the service; the service's status. Raises MLBridgeError."""
        make_private(self.config.home)
        if self.owns_head:
            adopted = self.head.start()
            log.info("ray_head", adopted=adopted, address=self.head.spec.address)
        status = self._drive("start")
        self._healthy_at = time.monotonic()
        return status

    def look(self) -> None:
        """One look: bring back what is missing, more slowly each time it fails."""
        if time.monotonic() < self._not_before:
            return
        try:
            if self.owns_head and not self.head.alive():
                log.warning("ray_head_lost", address=self.head.spec.address)
                self.ensure()
            elif healthy(self.config.local_url):
                self._healthy_at, self._failures, self._away = time.monotonic(), 0, False
            elif not self.owns_head and not self._joined_answers():
                if not self._away:
                    log.warning("ray_head_away", address=self.config.ray.address)
                self._away = True  # somebody else starts it again, and until then no driver can join it
            elif self._away:
                log.info("ray_head_back", address=self.config.ray.address)
                self.ensure()  # what ran there ended with it
                self._away = False
            elif time.monotonic() - self._healthy_at > PATIENCE_S:
                self._later()  # a look inside costs a Ray driver: not every second
                self._revive()
        except (MLBridgeError, OSError) as error:  # a full disk must not end what still runs
            self._later()
            log.warning("revival_failed", code=getattr(error, "code", "system"), reason=str(error))

    def _joined_answers(self) -> bool:
        """Whether something takes connections where the joined cluster should be."""
        host, _, port = (self.config.ray.address or "").rpartition(":")
        return not port.isdigit() or port_answers(int(port), host)

    def _later(self) -> None:
        self._failures += 1
        self._not_before = time.monotonic() + min(LONGEST_PAUSE_S, 2.0 ** min(self._failures, 6))

    def _revive(self) -> None:
        """The HTTP server has been silent for a while: find out why, and act."""
        silent_s = round(time.monotonic() - self._healthy_at)
        found = self._drive("ping")
        if found["pid"] is None and not found["silent"]:
            log.warning("service_lost", silent_s=silent_s)
            self._drive("start")
        elif silent_s > SILENT_S and (found["up"] or found["silent"]):
            log.warning("service_silent", pid=found["pid"], silent_s=silent_s)
            self._drive("restart")
            self._healthy_at = time.monotonic()
        else:
            log.info("service_starting", pid=found["pid"], silent_s=silent_s)

    def stop(self) -> None:
        """Stop the service, then the head if it is ours."""
        if not self.owns_head or self.head.alive():
            try:
                self._drive("stop", timeout=STOP_S)
            except MLBridgeError as error:
                log.warning("service_stop_failed", code=error.code, reason=str(error))
        if self.owns_head:
            self.head.stop()
        log.info(f"{self.room.name}_down")

    def _drive(self, action: str, *, timeout: float = DRIVER_S) -> dict[str, Any]:
        request = {
            "action": action,
            "config": self.config.model_dump(mode="json"),
            "timeout_s": timeout - CONNECT_S,
        }
        return self.head.run(self.room.driver, request, timeout=timeout)


def healthy(url: str) -> bool:
    """Whether GET /healthz says so."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=HEALTH_TIMEOUT_S) as answer:  # noqa: S310 - our own http URL
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):  # also of a server that is killed while it answers
        return False


class _only_one:  # noqa: N801 - reads as a statement
    """Holds `supervisor.lock` in the home: our pid and start time while we live, then "up"."""

    def __init__(self, home: Path, room: Room = COORDINATOR) -> None:
        self._path, self._room = home / "supervisor.lock", room.name

    def __enter__(self) -> Self:
        make_private(self._path.parent)
        self._handle = self._path.open("a+")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._handle.close()
            raise MLBridgeError(
                f"{self._room}.running",
                f"A {self._room} runs in {self._path.parent} already.",
                hint=f"`mlbridge {self._room} status` shows it, `mlbridge {self._room} down` stops it.",
            ) from None
        self._handle.truncate(0)
        self._handle.write(f"{os.getpid()} {procs.start_time(os.getpid())}")
        self._handle.flush()
        return self

    def up(self) -> None:
        """The first start is over."""
        self._handle.write(f" {_UP}")
        self._handle.flush()

    def __exit__(self, *_: object) -> None:
        self._handle.truncate(0)
        self._handle.close()


def supervisor_of(home: Path) -> procs.Process | None:
    """The living supervisor of a home."""
    try:
        pid, started = _marks(home)[:2]
    except ValueError:
        return None
    found = procs.Process(int(pid), int(started))
    return found if procs.alive(found) else None


def _marks(home: Path) -> list[str]:
    try:
        return (home / "supervisor.lock").read_text().split()
    except OSError:
        return []


def detach(config_file: Path, config: ServiceConfig, *, timeout_s: float, room: Room = COORDINATOR) -> None:
    """Run `mlbridge ROOM up` in the background and wait until it answers.

    Raises MLBridgeError `ROOM.up_failed` with the end of its log.
    """
    log_file = config.home / "logs" / "supervisor.log"
    make_private(config.home)
    log_file.parent.mkdir(exist_ok=True)
    begin = log_file.stat().st_size if log_file.exists() else 0
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with log_file.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", room.commands, "up", "--config", str(config_file)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if child.poll() is not None:
            with log_file.open("rb") as told:
                told.seek(begin)
                lines = told.read().decode(errors="replace").strip().splitlines()
            raise MLBridgeError(
                f"{room.name}.up_failed",
                f"The {room.name} did not come up: {' | '.join(lines[-4:]) or 'no output'}",
                hint=f"Its log is {log_file}.",
            )
        # What answers may still be on its way up, and a death now would be taken for a failed start.
        if _marks(config.home)[::2] == [str(child.pid), _UP] and healthy(config.local_url):
            return
        time.sleep(0.3)
    raise MLBridgeError(
        f"{room.name}.up_failed",
        f"The {room.name} does not answer after {timeout_s:.0f} s; it is still being started.",
        hint=f"Watch {log_file}, or stop it with `mlbridge {room.name} down`.",
        exit_code=6,
    )


def down(config: ServiceConfig, *, timeout_s: float, room: Room = COORDINATOR) -> bool:
    """Stop the supervisor and all it keeps; without a supervisor, what one left behind. Whether anything ran.

    Raises MLBridgeError `ROOM.down_failed` when it does not end in time.
    """
    running = supervisor_of(config.home)
    if running is None:
        supervisor = Supervisor(config, room)
        if supervisor.owns_head and supervisor.head.leader() is None:
            return False
        supervisor.stop()
        return True
    procs.send(running, signal.SIGTERM)
    until = time.monotonic() + timeout_s
    while procs.alive(running):
        if time.monotonic() >= until:
            raise MLBridgeError(
                f"{room.name}.down_failed",
                f"The supervisor (pid {running.pid}) has not ended after {timeout_s:.0f} s.",
                hint=f"Read {config.home / 'logs' / 'supervisor.log'}.",
                exit_code=6,
            )
        time.sleep(0.2)
    return True
