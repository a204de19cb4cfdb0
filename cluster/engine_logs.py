"""Why an engine could not start, from the logs of a Ray cluster that is about to be taken down.

vLLM runs its engine in a process of its own and tells Serve no more than that it failed; the reason is in
what that process wrote, which Ray keeps below its temporary directory and deletes with it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CAUSE: Final = re.compile(r"^\(EngineCore[^)]*\) ERROR [^\]]*\] *([A-Za-z_][\w.]*(?:Error|Exception): .+)$")
_TAIL: Final = 2**20  # bytes of each file that are read and kept
_FILES: Final = ("worker-*.err", "worker-*.out", "serve/replica_*.log")


def root_cause(logs: Path) -> str | None:
    """The last exception that an engine process wrote, newest file first; None if none did."""
    for file in _newest(logs):
        found = [match[1] for line in _end(file).splitlines() if (match := _CAUSE.match(line))]
        if found:
            return found[-1].strip()
    return None


def keep(logs: Path, into: Path) -> None:
    """Copy the ends of what workers and replicas wrote; what was kept before is replaced. Raises OSError."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for file in _newest(logs):
        (into / file.name).write_text(_end(file))


def _newest(logs: Path) -> Iterator[Path]:
    files = [file for pattern in _FILES for file in logs.glob(pattern)]
    yield from sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)


def _end(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL))
        return opened.read().decode(errors="replace")
