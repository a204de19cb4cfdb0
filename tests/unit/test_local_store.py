"""The content store in a folder."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.storage import KuboStore, LocalStore, cid_of, open_store, put_file
from mlbridge.storage import local as local_module

CHUNKS = os.urandom(600_000)
HELLO = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def files_in(store: LocalStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("data", [b"", b"hello world\n", CHUNKS])
async def test_put_then_get(store: LocalStore, data: bytes) -> None:
    cid = await store.put(data)
    assert cid == cid_of(data)
    assert await store.get(cid) == data
    assert await store.has(cid)
    assert [path.name for path in files_in(store)] == [cid]


async def test_another_process_sees_the_content(store: LocalStore) -> None:
    cid = await store.put(CHUNKS)
    assert await LocalStore(store.root).get(cid) == CHUNKS


async def test_files_stream_in_and_out(store: LocalStore, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CHUNKS)
    target.write_bytes(b"old")
    cid = await put_file(store, source)
    assert cid == cid_of(CHUNKS)
    assert await store.get_file(cid, target) == len(CHUNKS)
    assert target.read_bytes() == CHUNKS
    assert sorted(os.listdir(tmp_path)) == ["source", "store", "target"]


async def test_missing_content(store: LocalStore) -> None:
    assert not await store.has(HELLO)
    with pytest.raises(MLBridgeError) as caught:
        await store.get(HELLO)
    assert (caught.value.code, caught.value.exit_code) == ("content.missing", 5)
    assert caught.value.context["cid"] == HELLO


@pytest.mark.parametrize("damage", [b"", CHUNKS[:-1], CHUNKS + b"x", b"y" + CHUNKS[1:]])
async def test_damage_is_found_and_healed(store: LocalStore, tmp_path: Path, damage: bytes) -> None:
    cid = await store.put(CHUNKS)
    files_in(store)[0].write_bytes(damage)
    target = tmp_path / "target"
    for attempt in (store.get(cid), store.get_file(cid, target)):
        with pytest.raises(MLBridgeError) as caught:
            await attempt
        assert caught.value.code == "content.corrupt"
    assert not target.exists()
    assert os.listdir(tmp_path) == ["store"]
    await store.put(CHUNKS)
    assert await store.get(cid) == CHUNKS


async def test_max_bytes(store: LocalStore, tmp_path: Path) -> None:
    cid = await store.put(CHUNKS)
    assert await store.get(cid, max_bytes=len(CHUNKS)) == CHUNKS
    target = tmp_path / "target"
    for attempt in (
        store.get(cid, max_bytes=len(CHUNKS) - 1),
        store.get_file(cid, target, max_bytes=len(CHUNKS) - 1),
    ):
        with pytest.raises(MLBridgeError) as caught:
            await attempt
        assert caught.value.code == "content.too_large"
    assert not target.exists()


@pytest.mark.parametrize("cid", ["", ".", "..", "../x", "/etc/passwd", "a\0b", "b" + "a" * 58, HELLO.upper()])
async def test_a_name_cannot_leave_the_folder(store: LocalStore, tmp_path: Path, cid: str) -> None:
    (tmp_path / "x").write_bytes(b"secret")
    for attempt in (store.get(cid), store.has(cid), store.get_file(cid, tmp_path / "y")):
        with pytest.raises(MLBridgeError) as caught:
            await attempt
        assert caught.value.code == "content.bad_cid"


async def test_a_write_that_fails_leaves_nothing(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MLBridgeError, match="No space left") as caught:
        await store.put(CHUNKS)
    assert caught.value.code == "storage.unusable"
    assert files_in(store) == []
    assert not await store.has(cid_of(CHUNKS))


async def test_content_is_synced_before_it_is_visible(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b))[1])
    await store.put(b"x")
    assert calls == ["fsync", "replace", "fsync"]


async def test_a_missing_source_or_folder_is_said(store: LocalStore, tmp_path: Path) -> None:
    cid = await store.put(b"x")
    for attempt in (store.put_file(tmp_path / "none"), store.get_file(cid, tmp_path / "none" / "x")):
        with pytest.raises(MLBridgeError, match="none") as caught:
            await attempt
        assert caught.value.code == "storage.unusable"


async def test_threads_may_write_the_same_content(store: LocalStore) -> None:
    cids = await asyncio.gather(*(store.put(CHUNKS) for _ in range(16)))
    assert set(cids) == {cid_of(CHUNKS)}
    assert await store.get(cids[0]) == CHUNKS
    assert len(files_in(store)) == 1


def _write_and_read(root: Path, failures: multiprocessing.SimpleQueue[str]) -> None:
    store = LocalStore(root)
    for _ in range(10):
        cid = asyncio.run(store.put(CHUNKS[:300_000]))
        if asyncio.run(store.get(cid)) != CHUNKS[:300_000]:
            failures.put("torn")


@pytest.fixture
def failures() -> Iterator[multiprocessing.SimpleQueue[str]]:
    queue: multiprocessing.SimpleQueue[str] = multiprocessing.get_context("fork").SimpleQueue()
    yield queue
    queue.close()


def test_processes_may_write_the_same_content(
    tmp_path: Path, failures: multiprocessing.SimpleQueue[str]
) -> None:
    workers = [
        multiprocessing.get_context("fork").Process(target=_write_and_read, args=(tmp_path, failures))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert failures.empty()


def test_old_leftovers_are_swept_and_new_ones_kept(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    old, new = (tmp_path / "partial" / name for name in ("old", "new"))
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    past = time.time() - local_module._STALE_AFTER_S - 60
    os.utime(old, (past, past))
    LocalStore(store.root)
    assert [path.name for path in files_in(store)] == ["new"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MLBridgeError) as caught:
        LocalStore(tmp_path / "file" / "store")
    assert caught.value.code == "storage.unusable"


async def test_urls(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/with%20space")
    assert isinstance(store, LocalStore)
    assert store.root == tmp_path / "with space"
    kubo = open_store("kubo://127.0.0.1:5009")
    assert isinstance(kubo, KuboStore)
    assert kubo.url == "http://127.0.0.1:5009"
    default, six = open_store("kubo://ipfs/"), open_store("kubo://[::1]:9")
    assert isinstance(default, KuboStore)
    assert default.url == "http://ipfs:5001"
    assert isinstance(six, KuboStore)
    assert six.url == "http://[::1]:9"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/tmp/x",  # noqa: S108
        "file:x",
        "file://host/x",
        "s3://bucket",
        "kubo://",
        "kubo://h:port",
        "kubo://h:99999",
        "kubo://h/path",
        "kubo://user@h",
        "kubo://h?x=1",
        "kubo://[::1",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(MLBridgeError, match="kubo://host:port") as caught:
        open_store(url)
    assert (caught.value.code, caught.value.exit_code) == ("storage.bad_url", 2)


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(MLBridgeError) as caught:
        open_store("kubo://me:hunter2@ipfs.example:5001")
    assert "ipfs.example" in caught.value.message
    assert "hunter2" not in str(caught.value)
