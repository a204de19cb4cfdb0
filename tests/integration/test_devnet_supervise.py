"""The devnet supervisor keeps services alive, and a killed supervisor is replaced without losing them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mlbridge.devnet.services import Service, process_of, read_running, write_services

pytestmark = pytest.mark.integration


def sleeper(name: str) -> Service:
    return Service(name=name, argv=[sys.executable, "-c", "import time; time.sleep(600)"], grace=5)


def supervise(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "mlbridge.devnet.supervise", str(home)])


def eventually(check: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not check():
        assert time.monotonic() < limit, "did not happen within 30 s"
        time.sleep(0.05)


def pid_of(home: Path, name: str) -> int | None:
    process = process_of(read_running(home).get(name))
    return process.pid if process else None


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for item in read_running(tmp_path).values():
        process = process_of(item)
        if process is not None:
            process.kill()


def test_a_killed_service_is_started_again_and_a_dropped_one_stopped(home: Path) -> None:
    write_services(home, [sleeper("one"), sleeper("two")])
    supervisor = supervise(home)
    try:
        eventually(lambda: pid_of(home, "one") is not None and pid_of(home, "two") is not None)
        first = pid_of(home, "one")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: pid_of(home, "one") not in (None, first))
        second = pid_of(home, "two")
        assert second is not None
        write_services(home, [sleeper("one")])
        eventually(lambda: not psutil.pid_exists(second))
    finally:
        supervisor.terminate()
        assert supervisor.wait(30) == 0
    assert pid_of(home, "one") is None


def test_a_new_supervisor_adopts_what_a_killed_one_left(home: Path) -> None:
    write_services(home, [sleeper("one")])
    killed = supervise(home)
    eventually(lambda: pid_of(home, "one") is not None)
    before = pid_of(home, "one")
    killed.kill()
    killed.wait()
    heir = supervise(home)
    try:
        time.sleep(2)
        assert pid_of(home, "one") == before
    finally:
        heir.terminate()
        assert heir.wait(30) == 0
    assert before is not None
    assert not psutil.pid_exists(before)


def test_two_supervisors_never_share_a_home(home: Path) -> None:
    write_services(home, [sleeper("one")])
    first = supervise(home)
    try:
        eventually(lambda: pid_of(home, "one") is not None)
        assert supervise(home).wait(30) == 1
    finally:
        first.terminate()
        first.wait(30)
