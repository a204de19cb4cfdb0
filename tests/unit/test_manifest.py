"""Manifests: one spelling, strict, complete; publishing and fetching of model folders."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest, Tolerance, describe_folder, fetch_files, publish_folder, rule_of
from mlbridge.models.manifest import FileRef, weights_digest
from mlbridge.models.policies import EXACT
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.types import Policy
from mlbridge.storage import LocalStore, cid_of

WEIGHTS = b"\x08\x00\x00\x00\x00\x00\x00\x00{}      " + bytes(300_000)
TOKENIZER = b'{"version":"1.0"}'
EXEC_CLASS = {
    "engine": "torch",
    "build": "torch-2.13.0",
    "dtype": "float32",
    "quantisation": "none",
    "kernel": "cpu/x86_64/AVX2",
    "threads": 1,
    "sampling": "none",
}
DRAFT: dict[str, Any] = {
    "name": "minilm",
    "version": "1",
    "kind": "embedding",
    "engine": "torch",
    "exec_class": EXEC_CLASS,
    "policy": "numeric",
    "tolerance": {"metric": "cosine", "accept": "0.0001", "reject": "0.001"},
    "licence": "Apache-2.0",
    "evidence": {"worst_honest": "0.00000012"},
}


def ref(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "cid": cid_of(data), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def fields() -> dict[str, Any]:
    """A complete manifest, ready to be spoilt."""
    complete: dict[str, Any] = json.loads(json.dumps(DRAFT))
    complete["files"] = [ref("model.safetensors", WEIGHTS), ref("tokenizer.json", TOKENIZER)]
    complete["exec_class"]["weights_sha256"] = hashlib.sha256(WEIGHTS).hexdigest()
    complete["input_schema"] = "mlbridge.embedding.input.1"
    complete["output_schema"] = "mlbridge.embedding.output.1"
    return complete


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "model.safetensors").write_bytes(WEIGHTS)
    (path / "tokenizer.json").write_bytes(TOKENIZER)
    (path / "manifest.json").write_text(json.dumps(DRAFT, indent=2))
    return path


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_bytes_are_canonical_and_name_the_manifest() -> None:
    manifest = Manifest.from_fields(fields())
    data = manifest.to_bytes()
    assert data == json.dumps(fields(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert Manifest.from_bytes(data) == manifest
    assert manifest.cid == cid_of(data)


def test_known_bytes() -> None:
    """The names on chain must not move with a library's version."""
    manifest = Manifest.from_fields(fields())
    assert manifest.cid == "bafkreigkw7nk5qelxclfigqvdljevg47d3hawbfhxtoca22wiwcqjqlgr4"
    assert manifest.exec_class_id.hex() == "615b53ed62734cfe6b7ff8be51126e30dcd67b173bab3fd4b3a81f08e32a2898"


def test_exec_class_id_is_the_hash_of_its_cbor() -> None:
    manifest = Manifest.from_fields(fields())
    assert manifest.exec_class_id == keccak(encode(fields()["exec_class"]))
    assert manifest.policy_id == Policy.NUMERIC


def test_the_order_of_the_fields_does_not_matter() -> None:
    backwards = dict(reversed(fields().items()))
    assert Manifest.from_fields(backwards).to_bytes() == Manifest.from_fields(fields()).to_bytes()


def spoil(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        target: Any = manifest
        for name in parents:
            target = target[int(name) if name.isdigit() else name]
        target[last] = value

    return change


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.pop(name)


def swap_files(manifest: dict[str, Any]) -> None:
    manifest["files"].reverse()


def exact_with_tolerance(manifest: dict[str, Any]) -> None:
    manifest["policy"] = "exact"


def numeric_chat(manifest: dict[str, Any]) -> None:
    manifest |= {
        "kind": "chat",
        "input_schema": "mlbridge.chat.input.1",
        "output_schema": "mlbridge.chat.output.1",
    }


def add_file(path: str) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"] = sorted([*manifest["files"], ref(path, b"")], key=lambda file: str(file["path"]))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil("colour", "red"), "colour: the field is unknown"),
        (spoil("exec_class.os", "linux"), "exec_class.os: the field is unknown"),
        (spoil("files.0.url", "x"), "files.0.url: the field is unknown"),
        (drop("licence"), "licence"),
        (drop("tolerance"), "tolerance"),
        (spoil("name", "Mini LM"), "name"),
        (spoil("version", ""), "version"),
        (spoil("kind", "video"), "kind"),
        (spoil("engine", "vllm"), "engine and exec_class.engine differ"),
        (spoil("exec_class.threads", 0), "exec_class.threads"),
        (spoil("exec_class.threads", "1"), "exec_class.threads"),
        (spoil("exec_class.weights_sha256", "0" * 64), "not that of the weight files"),
        (spoil("exec_class.weights_sha256", "0" * 63), "exec_class.weights_sha256"),
        (spoil("files", []), "files"),
        (spoil("files.0.cid", "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"), "files.0.cid.*not a CID"),
        (spoil("files.0.size", -1), "files.0.size"),
        (spoil("files.0.size", 1.5), "files.0.size"),
        (spoil("files.0.sha256", "A" * 64), "files.0.sha256"),
        (swap_files, "not sorted"),
        (add_file("tokenizer.json"), "same path"),
        (add_file("Tokenizer.json"), "same path"),
        (add_file("tokenizer.json/x.txt"), "inside another file"),
        (add_file("model.bin"), r"model\.bin is not of an allowed type.*safetensors"),
        (add_file("model.pt"), "allowed type"),
        (add_file("model.pkl"), "allowed type"),
        (add_file("model.gguf"), "allowed type"),
        (add_file("modeling.py"), "allowed type"),
        (add_file("README"), "allowed type"),
        (add_file("manifest.json"), "own name"),
        (add_file("../x.json"), "plain relative path"),
        (add_file("/x.json"), "plain relative path"),
        (add_file("a//x.json"), "plain relative path"),
        (add_file("a/./x.json"), "plain relative path"),
        (add_file("a\\x.json"), "plain relative path"),
        (add_file(".x.json"), "plain relative path"),
        (add_file("x.json\n"), "plain relative path"),
        (add_file("a/b/c/d/e.json"), "plain relative path"),
        (spoil("tolerance", None), "needs a tolerance"),
        (exact_with_tolerance, "must have none"),
        (numeric_chat, "does not return"),
        (spoil("evidence", {}), "needs evidence"),
        (spoil("evidence", {"runs": 3}), "evidence"),
        (spoil("tolerance.accept", 0.0001), "tolerance.accept"),
        (spoil("tolerance.accept", "1e-4"), "tolerance.accept"),
        (spoil("tolerance.accept", "0.00010"), "tolerance.accept"),
        (spoil("tolerance.accept", "-0.1"), "tolerance.accept"),
        (spoil("tolerance.accept", "0.01"), "accept is above reject"),
        (spoil("tolerance.metric", "l2"), "tolerance.metric"),
        (spoil("input_schema", "x"), "input_schema"),
    ],
)
def test_bad_manifests_are_named(change: Callable[[dict[str, Any]], None], words: str) -> None:
    spoilt = fields()
    change(spoilt)
    with pytest.raises(MLBridgeError, match=words) as caught:
        Manifest.from_fields(spoilt)
    assert (caught.value.code, caught.value.exit_code) == ("manifest.invalid", 2)
    with pytest.raises(MLBridgeError) as caught:
        Manifest.from_bytes(json.dumps(spoilt, sort_keys=True, separators=(",", ":")).encode())
    assert caught.value.code == "manifest.invalid"


def test_a_manifest_needs_weights() -> None:
    spoilt = fields()
    del spoilt["files"][0]
    with pytest.raises(MLBridgeError, match="no weight file"):
        Manifest.from_fields(spoilt)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data + b"\n", "not_canonical"),
        (lambda data: data.replace(b",", b", "), "not_canonical"),
        (lambda data: data.replace(b'{"engine"', b'{"engine":"torch","engine"', 1), "not_canonical"),
        (lambda data: data.replace(b"minilm", b"\\u006dinilm"), "not_canonical"),
        (lambda data: b"\xef\xbb\xbf" + data, "invalid"),
        (lambda data: data[:-1], "invalid"),
        (lambda data: b"[]", "invalid"),
        (lambda data: b"", "invalid"),
        (lambda data: data.replace(b"minilm", b"\xff"), "invalid"),
        (lambda data: data + b" " * (1 << 20), "too_large"),
    ],
)
def test_other_spellings_are_refused(change: Callable[[bytes], bytes], code: str) -> None:
    data = Manifest.from_fields(fields()).to_bytes()
    assert change(data) != data
    with pytest.raises(MLBridgeError) as caught:
        Manifest.from_bytes(change(data))
    assert caught.value.code == f"manifest.{code}"


@given(st.floats(0, 1e8), st.floats(0, 1e8))
def test_tolerances_keep_their_value(a: float, b: float) -> None:
    accept, reject = sorted((float(f"{a:.12f}"), float(f"{b:.12f}")))
    tolerance = Tolerance.of("max_abs", accept, reject)
    assert (float(tolerance.accept), float(tolerance.reject)) == (accept, reject)


def test_an_exact_model_has_the_exact_rule() -> None:
    exact = fields() | {"policy": "exact", "tolerance": None, "evidence": {}}
    manifest = Manifest.from_fields(exact)
    assert manifest.policy_id == Policy.EXACT
    assert rule_of(manifest) is EXACT
    assert rule_of(Manifest.from_fields(fields())) is not EXACT


def test_weights_of_several_files() -> None:
    files = [FileRef(**ref(path, path.encode())) for path in ("b.safetensors", "c.json", "a.onnx")]
    lines = "".join(f"{hashlib.sha256(p.encode()).hexdigest()}  {p}\n" for p in ("a.onnx", "b.safetensors"))
    assert weights_digest(files) == hashlib.sha256(lines.encode()).hexdigest()


async def test_a_folder_is_described_completely(folder: Path) -> None:
    assert await describe_folder(folder) == Manifest.from_fields(fields())


async def test_publish_and_fetch(folder: Path, store: LocalStore, tmp_path: Path) -> None:
    manifest, cid = await publish_folder(folder, store)
    assert manifest == Manifest.from_fields(fields())
    assert Manifest.from_bytes(await store.get(cid)) == manifest
    target = tmp_path / "deep" / "target"
    await fetch_files(manifest, store, target)
    assert sorted(os.listdir(target)) == ["manifest.json", "model.safetensors", "tokenizer.json"]
    assert (target / "model.safetensors").read_bytes() == WEIGHTS
    assert (target / "manifest.json").read_bytes() == manifest.to_bytes()
    assert await publish_folder(target, store) == (manifest, cid)


async def test_subfolders(folder: Path, store: LocalStore, tmp_path: Path) -> None:
    (folder / "extra").mkdir()
    (folder / "extra" / "merges.txt").write_bytes(b"a b")
    manifest, _ = await publish_folder(folder, store)
    await fetch_files(manifest, store, tmp_path / "target")
    assert (tmp_path / "target" / "extra" / "merges.txt").read_bytes() == b"a b"


async def test_a_draft_may_come_from_elsewhere(folder: Path, store: LocalStore) -> None:
    (folder / "manifest.json").unlink()
    (folder / "pack.json").write_bytes(b"{}")
    manifest, _ = await publish_folder(folder, store, draft=DRAFT, ignore=["pack.json"])
    assert manifest == Manifest.from_fields(fields())


class Counting:
    """A store that counts and can stop."""

    def __init__(self, store: LocalStore, limit: int = 100) -> None:
        self._store = store
        self._left = limit
        self.fetched: list[str] = []

    async def get_file(self, cid: str, path: Path, *, max_bytes: int = 0) -> int:
        if not self._left:
            raise MLBridgeError("storage.unreachable", "Gone.")
        self._left -= 1
        self.fetched.append(path.name)
        return await self._store.get_file(cid, path, max_bytes=max_bytes)


async def test_a_fetch_goes_on_where_it_stopped(folder: Path, store: LocalStore, tmp_path: Path) -> None:
    manifest, _ = await publish_folder(folder, store)
    target = tmp_path / "target"
    with pytest.raises(MLBridgeError, match="Gone"):
        await fetch_files(manifest, Counting(store, limit=1), target)
    assert os.listdir(target) == ["model.safetensors"]
    (target / ".part-dead").write_bytes(b"x")
    second = Counting(store)
    await fetch_files(manifest, second, target)
    assert second.fetched == ["tokenizer.json"]
    assert sorted(os.listdir(target)) == ["manifest.json", "model.safetensors", "tokenizer.json"]
    third = Counting(store)
    await fetch_files(manifest, third, target)
    assert third.fetched == []


async def test_a_damaged_file_is_fetched_again(folder: Path, store: LocalStore, tmp_path: Path) -> None:
    manifest, _ = await publish_folder(folder, store)
    target = tmp_path / "target"
    await fetch_files(manifest, store, target)
    (target / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"\x01")
    counting = Counting(store)
    await fetch_files(manifest, counting, target)
    assert counting.fetched == ["model.safetensors"]
    assert (target / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"size": len(TOKENIZER) + 1}])
async def test_a_manifest_that_contradicts_itself(
    store: LocalStore, tmp_path: Path, change: dict[str, Any]
) -> None:
    await store.put(WEIGHTS)
    await store.put(TOKENIZER)
    lying = fields()
    lying["files"][1] |= change
    target = tmp_path / "target"
    with pytest.raises(MLBridgeError, match=r"tokenizer\.json") as caught:
        await fetch_files(Manifest.from_fields(lying), store, target)
    assert caught.value.code == "manifest.mismatch"
    assert os.listdir(target) == ["model.safetensors"]


async def test_content_longer_than_the_manifest_says(store: LocalStore, tmp_path: Path) -> None:
    await store.put(WEIGHTS)
    await store.put(TOKENIZER)
    lying = fields()
    lying["files"][1]["size"] -= 1
    with pytest.raises(MLBridgeError) as caught:
        await fetch_files(Manifest.from_fields(lying), store, tmp_path / "target")
    assert caught.value.code == "content.too_large"


async def test_fetching_missing_content(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await fetch_files(Manifest.from_fields(fields()), store, tmp_path / "target")
    assert caught.value.code == "content.missing"


async def test_strangers_in_the_directory_are_refused(
    folder: Path, store: LocalStore, tmp_path: Path
) -> None:
    manifest, _ = await publish_folder(folder, store)
    target = tmp_path / "target"
    target.mkdir()
    (target / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MLBridgeError, match=r"pytorch_model\.bin") as caught:
        await fetch_files(manifest, store, target)
    assert caught.value.code == "manifest.stray_file"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.gguf", "model.py", ".hidden.json", "a b.json"])
async def test_folders_with_other_files_are_not_published(folder: Path, store: LocalStore, name: str) -> None:
    (folder / name).write_bytes(b"x")
    with pytest.raises(MLBridgeError) as caught:
        await publish_folder(folder, store)
    assert (caught.value.code, caught.value.exit_code) == ("manifest.file_type", 2)
    assert not await store.has(cid_of(WEIGHTS))


async def test_a_listed_file_that_changed(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(Manifest.from_fields(fields()).to_bytes())
    assert await describe_folder(folder) == Manifest.from_fields(fields())
    (folder / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(MLBridgeError, match="Take `files` out") as caught:
        await describe_folder(folder)
    assert caught.value.code == "manifest.files_changed"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, "no_file", "no manifest.json"),
        ("{", "invalid", "cannot be read"),
        ("[]", "invalid", "not a JSON object"),
        ('{"name":"a","name":"b"}', "invalid", "twice"),
        ("{}", "invalid", "name"),
        ('{"name":NaN}', "invalid", "manifest"),
    ],
)
async def test_bad_drafts(folder: Path, text: str | None, code: str, words: str) -> None:
    (folder / "manifest.json").unlink()
    if text is not None:
        (folder / "manifest.json").write_text(text)
    with pytest.raises(MLBridgeError, match=words) as caught:
        await describe_folder(folder)
    assert caught.value.code == f"manifest.{code}"
