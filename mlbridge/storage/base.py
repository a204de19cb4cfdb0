"""What every content store offers, and how one is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from mlbridge.errors import MLBridgeError

MAX_GET_BYTES: Final = 64 << 20
MAX_FILE_BYTES: Final = 64 << 30


class ContentStore(Protocol):
    """Content by CID: version 1, UnixFS with raw leaves, as `ipfs add --cid-version=1` names it.

    Everything read is verified against its CID before it is handed out. Methods raise MLBridgeError:
    `content.bad_cid`, `content.missing` (exit code 5), `content.corrupt`, `content.too_large`, `storage.*`.
    """

    async def put(self, data: bytes) -> str:
        """Store data durably; its CID. Storing the same again is harmless and heals a damaged copy."""
        ...

    async def get(self, cid: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        """The content in memory; refused as soon as it proves longer than max_bytes."""
        ...

    async def has(self, cid: str) -> bool:
        """Whether this store itself holds the content's root; says nothing about damage."""
        ...

    async def put_file(self, path: Path) -> str:
        """Store a file of any size in constant memory; its CID."""
        ...

    async def get_file(self, cid: str, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> int:
        """Write the content to path, whole or not at all, in constant memory; its size in bytes."""
        ...


def open_store(url: str) -> ContentStore:
    """`file:///absolute/path` for a folder, `kubo://host:port` for the RPC API of a kubo daemon.

    Raises MLBridgeError `storage.bad_url` (exit code 2).
    """
    from mlbridge.storage.kubo import KuboStore
    from mlbridge.storage.local import LocalStore

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad_url(url) from error
    path = unquote(parts.path)
    if parts.query or parts.fragment:
        raise _bad_url(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and path.startswith("/"):
        return LocalStore(Path(path))
    if parts.scheme == "kubo" and host and path in ("", "/") and parts.username is None:
        return KuboStore(host, port or 5001)
    raise _bad_url(url)


async def put_file(store: ContentStore, path: Path | str) -> str:
    """Store a file, streaming; its CID."""
    return await store.put_file(Path(path))


def missing(cid: str, where: str) -> MLBridgeError:
    """The error for content that a store does not have."""
    return MLBridgeError(
        "content.missing",
        f"{where} does not have {cid}.",
        hint="Put the content there, or use the store it was published to.",
        exit_code=5,
        cid=cid,
    )


def corrupt(cid: str, where: str) -> MLBridgeError:
    """The error for bytes that do not hash to their CID."""
    return MLBridgeError(
        "content.corrupt",
        f"What {where} returned for {cid} does not match it.",
        hint="Put the content again; check the disk if it happens twice.",
        cid=cid,
    )


def too_large(cid: str, limit: int) -> MLBridgeError:
    """The error for content longer than the caller allows."""
    return MLBridgeError("content.too_large", f"The content {cid} is longer than {limit} bytes.", cid=cid)


def _bad_url(url: str) -> MLBridgeError:
    return MLBridgeError(
        "storage.bad_url",
        f"{re.sub('//.*@', '//***@', url)!r} does not name a content store.",
        hint="Use file:///absolute/path or kubo://host:port.",
        exit_code=2,
    )
