"""Files inside installed packages, found without importing the packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from mlbridge.errors import MLBridgeError


def package_file(distribution: str, suffix: str) -> Path:
    """The one file of an installed distribution whose path ends in `suffix`.

    Raises MLBridgeError pack.source_missing when the distribution or the file is not installed.
    """
    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        listed = []
    for item in listed:
        path = Path(str(item.locate()))
        if item.as_posix().endswith(suffix) and path.is_file():
            return path
    raise MLBridgeError(
        "pack.source_missing",
        f"The package {distribution} with {suffix} is not installed.",
        hint="Install the demo extra: pip install 'mlbridge[demo]'.",
    )
