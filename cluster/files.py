"""Small state files that others read while we write them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Replace a private JSON file as a whole, without waiting for the disk: it is written again soon."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as handle:
        json.dump(state, handle)
    os.replace(draft, path)


def read_state(path: Path) -> dict[str, Any] | None:
    """What was last written; None if nothing was."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found
