"""Keeps the processes of a devnet alive: `python -m mlbridge.devnet.supervise HOME`.

Each service runs in its own session, so that one signal reaches its whole process group. A service that dies
is started again, more slowly each time. A supervisor that was killed is replaced by starting another: it
adopts the processes that still run.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import psutil
import structlog

from mlbridge.devnet.services import (
    Running,
    Service,
    process_of,
    read_running,
    read_services,
    write_running,
)

log = structlog.get_logger()
LOOK_EVERY = 0.5
LONGEST_PAUSE = 30.0


class Supervisor:
    """Brings what runs in line with what should run, until told to stop."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.stopping = False
        self.running = {name: item for name, item in read_running(home).items() if process_of(item)}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.not_before: dict[str, float] = {}

    def stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True

    def run(self) -> None:
        """Loop until SIGTERM or SIGINT, then stop every service, wave by wave."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        while not self.stopping:
            self.step()
            time.sleep(LOOK_EVERY)
        known = {service.name: service for service in read_services(self.home)}
        left = [known.get(name, Service(name=name, argv=[])) for name in self.running]
        for wave in sorted({service.wave for service in left}, reverse=True):
            self.end([service for service in left if service.wave == wave])

    def step(self) -> None:
        """One look: reap, stop what is no longer wanted, start what is missing."""
        for child in self.children.values():
            child.poll()
        wanted = {service.name: service for service in read_services(self.home)}
        self.end([Service(name=name, argv=[]) for name in self.running if name not in wanted])
        for service in wanted.values():
            known = self.running.get(service.name)
            if process_of(known) is None and time.monotonic() >= self.not_before.get(service.name, 0.0):
                self.start(service, restarts=0 if known is None else known.restarts + 1)

    def start(self, service: Service, *, restarts: int) -> None:
        logs = self.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        with (logs / f"{service.name}.log").open("ab") as out:
            child = subprocess.Popen(
                service.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment | service.env,
                start_new_session=True,
            )
        self.children[service.name] = child
        self.not_before[service.name] = time.monotonic() + min(LONGEST_PAUSE, 2.0 ** min(restarts, 5))
        self.running[service.name] = Running(
            pid=child.pid, created=psutil.Process(child.pid).create_time(), restarts=restarts
        )
        write_running(self.home, self.running)
        log.info("service.started", name=service.name, pid=child.pid, restarts=restarts)

    def end(self, services: list[Service]) -> None:
        """Stop services together; each may take its own grace."""
        if not services:
            return
        found = [(service, process_of(self.running.pop(service.name, None))) for service in services]
        stopping = [(service, process) for service, process in found if process is not None]
        for _, process in stopping:
            _signal_group(process.pid, signal.SIGTERM)
        began = time.monotonic()
        for service, process in stopping:
            try:
                process.wait(max(0.1, began + service.grace - time.monotonic()))
            except psutil.TimeoutExpired:
                log.warning("service.killed", name=service.name, pid=process.pid, grace=service.grace)
                _signal_group(process.pid, signal.SIGKILL)
                process.wait(10)
            log.info("service.stopped", name=service.name, pid=process.pid)
        write_running(self.home, self.running)


def _signal_group(pid: int, signum: signal.Signals) -> None:
    try:
        os.killpg(pid, signum)
    except ProcessLookupError:
        log.info("service.already_gone", pid=pid)


def main() -> None:
    home = Path(sys.argv[1])
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "supervisor.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.error("supervisor.already_running", home=str(home))
        raise SystemExit(1) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    Supervisor(home).run()


if __name__ == "__main__":
    main()
