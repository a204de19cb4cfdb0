"""The processes of a devnet: what should run, what runs, in two small files.

`services.json` says what should run (written by `up` and `down`); `running.json` says what does (written by
the supervisor only). Both are replaced atomically, so a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict


class Service(BaseModel):
    """One process that the devnet keeps alive.

    argv: command line; env: added to the supervisor's; grace: seconds between SIGTERM and SIGKILL.
    wave: services of one wave stop together, later waves before earlier ones that they depend on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    argv: list[str]
    env: dict[str, str] = {}
    grace: float = 60.0
    wave: int = 0


class Running(BaseModel):
    """A live process; `created` (unix seconds) tells it from a later one with the same pid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: int
    created: float
    restarts: int = 0


def read_services(home: Path) -> list[Service]:
    """What should run; empty when nothing was ever asked for."""
    return [Service.model_validate(item) for item in _read(home / "services.json", [])]


def write_services(home: Path, services: list[Service]) -> None:
    write_json(home / "services.json", [service.model_dump() for service in services])


def read_running(home: Path) -> dict[str, Running]:
    """What was running when the supervisor last looked."""
    found = _read(home / "running.json", {})
    return {name: Running.model_validate(item) for name, item in found.items()}


def write_running(home: Path, running: dict[str, Running]) -> None:
    write_json(home / "running.json", {name: item.model_dump() for name, item in running.items()})


def process_of(item: Running | None) -> psutil.Process | None:
    """The live process behind an entry, or None when it has gone or its pid now belongs to another."""
    if item is None:
        return None
    try:
        process = psutil.Process(item.pid)
        if abs(process.create_time() - item.created) > 1 or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".new")
    draft.write_text(json.dumps(value, indent=1))
    os.replace(draft, path)


def _read(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return default
