"""Which processes are ours, told apart by more than a number that the system may give away again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """A process id together with when that process started (clock ticks after boot)."""

    pid: int
    started: int


def start_time(pid: int) -> int:
    """Clock ticks after boot at which `pid` started; 0 where the system does not tell or it is gone."""
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def alive(process: Process) -> bool:
    """Whether exactly this process still runs; a zombie does not."""
    fields = _stat(process.pid)
    if fields is None:
        return not _PROC.is_dir() and _answers(process.pid)
    return fields[0] != "Z" and int(fields[19]) == process.started


def send(process: Process, signal_number: signal.Signals) -> None:
    """Signal it, unless it ended."""
    if alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal_number)


def owned_by(directory: Path, marker: str, leader: Process | None) -> set[Process]:
    """Processes of one cluster, never the caller or its ancestors.

    They are in the leader's session, or have `marker=directory` in their environment, or are Ray or HAProxy
    processes that name the directory or hold files below it.
    """
    if not _PROC.is_dir():
        return _session_by_ps(leader)
    wanted = os.fsencode(directory)
    spared = set(_ancestors(os.getpid()))
    found = set()
    for pid in _pids():
        fields = _stat(pid)
        if pid in spared or fields is None or fields[0] == "Z":
            continue
        in_session = leader is not None and int(fields[3]) == leader.pid
        if in_session or _marked(pid, marker, wanted) or _ray_below(pid, wanted):
            found.add(Process(pid, int(fields[19])))
    return found


def pss(pid: int) -> int:
    """Proportional set size in bytes; 0 where unknown."""
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on: [0] state, [1] parent, [3] session, [19] start time."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 0:
        yield pid
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _marked(pid: int, marker: str, directory: bytes) -> bool:
    return marker.encode() + b"=" + directory in _read(pid, "environ").split(b"\0")


def _ray_below(pid: int, directory: bytes) -> bool:
    """Ray's workers overwrite their environment with their title, so their open files speak for them."""
    command = _read(pid, "cmdline")
    if b"ray" not in command and b"haproxy" not in command:
        return False
    if directory + b"/" in command or command.rstrip(b"\0").endswith(directory):
        return True
    try:
        with os.scandir(_PROC / str(pid) / "fd") as entries:
            return any(_points_below(entry.path, directory) for entry in entries)
    except OSError:
        return False


def _points_below(link: str, directory: bytes) -> bool:
    try:
        return os.fsencode(os.readlink(link)).startswith(directory + b"/")
    except OSError:
        return False


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _session_by_ps(leader: Process | None) -> set[Process]:
    """Where there is no /proc: the members of the leader's process group."""
    if leader is None:
        return set()
    listing = subprocess.run(["ps", "-axo", "pid=,pgid="], capture_output=True, text=True, check=False).stdout
    rows = (line.split() for line in listing.splitlines())
    return {Process(int(pid), 0) for pid, group in rows if int(group) == leader.pid}
