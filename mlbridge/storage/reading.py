"""Reading files piece by piece, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from mlbridge.protocol.unixfs import FileBuilder
from mlbridge.storage.atomic import unusable

PIECE_BYTES: Final = 1 << 20


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """The file for reading. Raises MLBridgeError `storage.unusable` if it cannot be opened or read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise unusable(path, error) from error


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """What is left of the file, 1 MiB at a time."""
    while piece := file.read(PIECE_BYTES):
        yield piece


def cid_of_file(path: Path) -> str:
    """CID of a file's bytes."""
    builder = FileBuilder()
    with open_file(path) as file:
        for piece in pieces(file):
            builder.update(piece)
    return builder.finish()
