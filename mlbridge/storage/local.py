"""Content in a folder: one file for each content, named by its CID."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from mlbridge.protocol.cid import cid_to_bytes
from mlbridge.protocol.unixfs import FileBuilder
from mlbridge.storage.atomic import AtomicFile, unusable
from mlbridge.storage.base import MAX_FILE_BYTES, MAX_GET_BYTES, corrupt, missing, too_large
from mlbridge.storage.reading import open_file, pieces

_STALE_AFTER_S: Final = 86400.0


class LocalStore:
    """A ContentStore in a folder, `objects/<last two letters>/<cid>`.

    Any number of processes may use it at once. A file name is always a checked CID, so that no request can
    leave the folder.
    """

    def __init__(self, root: Path) -> None:
        """Create the folder if needed. Raises MLBridgeError `storage.unusable` if it cannot be."""
        self.root = root
        self._objects = root / "objects"
        self._partial = root / "partial"
        try:
            self._objects.mkdir(parents=True, exist_ok=True)
            self._partial.mkdir(exist_ok=True)
            self._sweep()
        except OSError as error:
            raise unusable(root, error) from error

    async def put(self, data: bytes) -> str:
        """See ContentStore."""
        return await asyncio.to_thread(self._write, (data,))

    async def get(self, cid: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        """See ContentStore."""
        data = bytearray()
        await asyncio.to_thread(self._read, cid, max_bytes, data.extend)
        return bytes(data)

    async def has(self, cid: str) -> bool:
        """See ContentStore."""
        return await asyncio.to_thread(self._path(cid).is_file)

    async def put_file(self, path: Path) -> str:
        """See ContentStore."""

        def run() -> str:
            with open_file(path) as file:
                return self._write(pieces(file))

        return await asyncio.to_thread(run)

    async def get_file(self, cid: str, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> int:
        """See ContentStore."""

        def run() -> int:
            with AtomicFile(path.parent) as file:
                size = self._read(cid, max_bytes, file.write)
                file.commit(path)
            return size

        return await asyncio.to_thread(run)

    def _path(self, cid: str) -> Path:
        cid_to_bytes(cid)
        return self._objects / cid[-2:] / cid

    def _write(self, parts: Iterable[bytes]) -> str:
        builder = FileBuilder()
        with AtomicFile(self._partial) as file:
            for part in parts:
                builder.update(part)
                file.write(part)
            cid = builder.finish()
            path = self._path(cid)
            path.parent.mkdir(exist_ok=True)
            file.commit(path)
        return cid

    def _read(self, cid: str, max_bytes: int, sink: Callable[[bytes], object]) -> int:
        """Hand the content to sink piece by piece; its size. It is verified when this returns, not before."""
        path = self._path(cid)
        if not path.is_file():
            raise missing(cid, f"The content store {self.root}")
        builder = FileBuilder()
        with open_file(path) as file:
            for piece in pieces(file):
                builder.update(piece)
                if builder.size > max_bytes:
                    raise too_large(cid, max_bytes)
                sink(piece)
        if builder.finish() != cid:
            raise corrupt(cid, f"the content store {self.root}")
        return builder.size

    def _sweep(self) -> None:
        """Remove what writers left that died more than a day ago."""
        before = time.time() - _STALE_AFTER_S
        for path in self._partial.iterdir():
            try:
                if path.stat().st_mtime < before:
                    path.unlink()
            except FileNotFoundError:
                continue
