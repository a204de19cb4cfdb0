"""Models that installed Python packages ship, made into publishable folders."""

from __future__ import annotations

from pathlib import Path

from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import PACK_FILE
from serve.packs import digits, minilm, smollm2
from serve.packs.folder import Pack, PackSpec, Progress, build_pack, read_pack, silent

PACKS = {"minilm": minilm.build, "digits": digits.build, "smollm2": smollm2.build}


def build(name: str, directory: Path, progress: Progress = silent) -> Pack:
    """Builds the named pack into `directory`. Raises MLBridgeError pack.unknown."""
    try:
        builder = PACKS[name]
    except KeyError:
        raise MLBridgeError(
            "pack.unknown", f"There is no pack called {name}.", hint=f"Choose one of {', '.join(PACKS)}."
        ) from None
    return builder(directory, progress)


__all__ = ["PACKS", "PACK_FILE", "Pack", "PackSpec", "Progress", "build", "build_pack", "read_pack", "silent"]
