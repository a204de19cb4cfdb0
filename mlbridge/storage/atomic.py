"""A file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from mlbridge.errors import MLBridgeError


class AtomicFile:
    """Write to a temporary file in `folder`, then `commit` it to its place on the same file system.

    Leaving the context without a commit removes it. Concurrent writers of one target are safe: the last wins.
    Raises MLBridgeError `storage.unusable`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            descriptor, name = tempfile.mkstemp(prefix=".part-", dir=folder)
        except OSError as error:
            raise unusable(folder, error) from error
        self._file = os.fdopen(descriptor, "wb")
        self._temporary = Path(name)
        self._committed = False

    def write(self, data: bytes) -> None:
        """Append data."""
        try:
            self._file.write(data)
        except OSError as error:
            raise unusable(self._folder, error) from error

    def commit(self, path: Path) -> None:
        """Make it durable (fsync of file and folder) and visible at path, replacing what is there."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._temporary, path)
            self._committed = True
            _sync_folder(path.parent)
        except OSError as error:
            raise unusable(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._committed:
            self._temporary.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # closing flushes, which fails on a full disk
                self._file.close()


def unusable(path: Path, error: OSError) -> MLBridgeError:
    """The error for a path that cannot be read or written."""
    return MLBridgeError(
        "storage.unusable",
        f"{path} cannot be used: {error.strerror or error}.",
        hint="Check that it exists, its rights and the free space.",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
