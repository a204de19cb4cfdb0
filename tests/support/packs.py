"""Model folders for tests, built once per state of serve/packs and kept under .mlbridge/ (ignored by git)."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from serve.packs import Pack, build

_ROOT = Path(__file__).parents[2]


def built(name: str) -> Pack:
    """The named pack."""
    sources = sorted((_ROOT / "serve" / "packs").glob("*.py"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    home = _ROOT / ".mlbridge" / "packs"
    for stale in home.glob("*"):
        if stale.name != state:
            shutil.rmtree(stale, ignore_errors=True)
    return build(name, home / state / name)
