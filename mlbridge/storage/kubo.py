"""Content through the RPC API of a kubo daemon (https://docs.ipfs.tech/reference/kubo/rpc/).

The RPC API gives full control of the daemon and asks for no password by default: keep it on the loopback
interface or a private network.
"""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import httpx2
import stamina

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.cid import cid_to_bytes
from mlbridge.protocol.unixfs import FileBuilder, cid_of
from mlbridge.storage.atomic import AtomicFile
from mlbridge.storage.base import MAX_FILE_BYTES, MAX_GET_BYTES, corrupt, missing, too_large
from mlbridge.storage.reading import cid_of_file, open_file

T = TypeVar("T")

# Whatever decides the CID is spelt out: a daemon's own defaults may differ.
_ADD_OPTIONS: Final = {
    "cid-version": "1",
    "raw-leaves": "true",
    "hash": "sha2-256",
    "chunker": "size-262144",
    "trickle": "false",
    "pin": "true",
    "quieter": "true",
}
_ATTEMPTS: Final = 3
_CONNECT_S: Final = 5.0
_MISSING_WORDS: Final = ("not found", "not find", "deadline exceeded")


class KuboStore:
    """A ContentStore backed by a kubo daemon. `has` asks the daemon alone, `get` also the network it is in.

    timeout_s: longest silence of the daemon; find_s: longest search for content. More MLBridgeErrors:
    `storage.unreachable`, `storage.timeout` (exit code 6), `storage.failed`, `storage.cid_mismatch`.
    """

    def __init__(self, host: str, port: int = 5001, *, timeout_s: float = 60.0, find_s: float = 30.0) -> None:
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._timeout_s = timeout_s
        self._find_s = find_s

    async def put(self, data: bytes) -> str:
        """See ContentStore. Also pins."""
        return await self._add(await asyncio.to_thread(cid_of, data), data)

    async def put_file(self, path: Path) -> str:
        """See ContentStore. Also pins."""
        cid = await asyncio.to_thread(cid_of_file, path)
        with open_file(path) as file:
            return await self._add(cid, file)

    async def get(self, cid: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        """See ContentStore."""
        await self._find(cid)

        async def run() -> bytes:
            data = bytearray()
            await self._cat(cid, max_bytes, data.extend)
            return bytes(data)

        return await self._retry(run)

    async def get_file(self, cid: str, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> int:
        """See ContentStore."""
        await self._find(cid)

        async def run() -> int:
            with AtomicFile(path.parent) as file:
                size = await self._cat(cid, max_bytes, file.write)
                await asyncio.to_thread(file.commit, path)
            return size

        return await self._retry(run)

    async def has(self, cid: str) -> bool:
        """See ContentStore."""
        cid_to_bytes(cid)

        async def run() -> bool:
            async with self._call("block/stat", {"arg": cid, "offline": "true"}) as response:
                if response.is_success:
                    return True
                message = await _message(response)
                if _says_missing(message):
                    return False
                raise self._failed("block/stat", message)

        return await self._retry(run)

    async def _find(self, cid: str) -> None:
        """Have the daemon bring the root block. kubo's `cat` alone would search without end."""
        cid_to_bytes(cid)

        async def run() -> None:
            options = {"arg": cid, "timeout": f"{self._find_s:g}s"}
            async with self._call("block/stat", options, extra_s=self._find_s) as response:
                if not response.is_success:
                    raise self._error("block/stat", cid, await _message(response))

        await self._retry(run)

    async def _cat(self, cid: str, max_bytes: int, sink: Callable[[bytes], object]) -> int:
        """Hand the content to sink piece by piece; its size. It is verified when this returns, not before."""
        builder = FileBuilder()
        async with self._call("cat", {"arg": cid, "length": str(max_bytes + 1)}) as response:
            if not response.is_success:
                raise self._error("cat", cid, await _message(response))
            async for piece in response.aiter_bytes():
                builder.update(piece)
                if builder.size > max_bytes:
                    raise too_large(cid, max_bytes)
                sink(piece)
        if builder.finish() != cid:
            raise corrupt(cid, f"the kubo daemon at {self.url}")
        return builder.size

    async def _add(self, cid: str, content: bytes | BinaryIO) -> str:
        async def run() -> str:
            async with self._call("add", _ADD_OPTIONS, content) as response:
                if not response.is_success:
                    raise self._failed("add", await _message(response))
                added = _hash_of(await response.aread())
            if added != cid:
                raise MLBridgeError(
                    "storage.cid_mismatch",
                    f"The kubo daemon at {self.url} added {cid} as {added}.",
                    hint="Reset the daemon's Import settings: it needs 256 KiB chunks and 174 links a node.",
                )
            return cid

        return await self._retry(run)

    @asynccontextmanager
    async def _call(
        self,
        command: str,
        options: dict[str, str],
        content: bytes | BinaryIO | None = None,
        extra_s: float = 0.0,
    ) -> AsyncIterator[httpx2.Response]:
        timeout = httpx2.Timeout(self._timeout_s + extra_s, connect=_CONNECT_S)
        # A client a call: stores outlive event loops, and a connection to the own machine costs little.
        async with (
            httpx2.AsyncClient(verify=_tls(), trust_env=False, timeout=timeout) as client,
            client.stream(
                "POST",
                f"{self.url}/api/v0/{command}",
                params=options,
                files=None if content is None else {"file": ("content", content, "application/octet-stream")},
            ) as response,
        ):
            yield response

    async def _retry(self, run: Callable[[], Awaitable[T]]) -> T:
        """run, again after broken connections; every call here may be repeated."""
        try:
            async for attempt in stamina.retry_context(
                on=_is_broken_connection, attempts=_ATTEMPTS, timeout=None, wait_initial=0.2, wait_jitter=0.2
            ):
                with attempt:
                    return await run()
        except httpx2.TimeoutException as error:
            raise MLBridgeError(
                "storage.timeout",
                f"The kubo daemon at {self.url} did not answer in time.",
                hint="Try again; if it stays silent, restart the daemon.",
                exit_code=6,
            ) from error
        except httpx2.TransportError as error:
            raise MLBridgeError(
                "storage.unreachable",
                f"No kubo daemon answers at {self.url}.",
                hint="Start it with `ipfs daemon`, or correct the storage URL.",
            ) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _error(self, command: str, cid: str, message: str) -> MLBridgeError:
        if _says_missing(message):
            return missing(cid, f"The kubo daemon at {self.url}")
        return self._failed(command, message)

    def _failed(self, command: str, message: str) -> MLBridgeError:
        return MLBridgeError(
            "storage.failed", f"The kubo daemon at {self.url} refused `{command}`: {message}."
        )


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _is_broken_connection(error: Exception) -> bool:
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.TimeoutException)


def _says_missing(message: str) -> bool:
    return any(words in message for words in _MISSING_WORDS)


async def _message(response: httpx2.Response) -> str:
    """What kubo says about a failure: {"Message": str, "Code": int, "Type": "error"}."""
    body = await response.aread()
    try:
        return str(json.loads(body)["Message"])
    except (ValueError, TypeError, KeyError):
        return f"HTTP status {response.status_code}"


def _hash_of(body: bytes) -> str:
    """The CID in kubo's answer to `add`: one JSON object a line, the last with Hash."""
    try:
        return str(json.loads(body.splitlines()[-1])["Hash"])
    except (ValueError, TypeError, KeyError, IndexError):
        return "nothing"
