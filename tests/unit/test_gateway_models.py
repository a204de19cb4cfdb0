"""Which models there are and how their tokens count, whatever a model's publisher does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from contracts.reads import ModelInfo, ModelStatus
from gateway import catalogue as catalogue_module
from gateway import service as service_module
from gateway import tokens as tokens_module
from gateway.catalogue import Catalogue
from gateway.keys import Choices
from gateway.service import Wish
from gateway.tokens import TokenCounter
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Policy
from mlbridge.storage import open_store


def info(number: int, name: str, *, cid: str = "cid", status: ModelStatus = ModelStatus.ACTIVE) -> ModelInfo:
    return ModelInfo(bytes([number]) * 32, number, "0x0", cid, 5, status, 0, Policy.EXACT, b"e" * 32, name)


class Network:
    """An SDK client's view of a registry and a store. slow: CIDs that never come; missing: not there."""

    def __init__(self, *models: ModelInfo, store: Any = None, files: Sequence[Any] = ()) -> None:
        self.registered, self.store, self.files = list(models), store, files
        self.asked: list[str] = []

    async def models(self) -> list[ModelInfo]:
        return list(self.registered)

    async def manifest(self, model: ModelInfo) -> Any:
        self.asked.append(model.cid)
        if model.cid == "slow":
            await asyncio.Event().wait()
        if model.cid == "missing":
            raise MLBridgeError("content.missing", "It is not there.")
        return SimpleNamespace(kind="chat", takes_json_schema=model.cid == "held", files=self.files)


def catalogue_of(network: Any) -> Catalogue:
    return Catalogue(network)


async def test_a_name_means_the_oldest_active_model_and_an_id_each_one() -> None:
    paused = info(1, "a", status=ModelStatus.PAUSED)
    found = catalogue_of(Network(paused, info(2, "a"), info(3, "a"), info(4, "b")))
    assert [model.id[:4] for model in await found.models()] == ["0x02", "0x04"]
    assert (await found.find("a")).id == "0x" + "02" * 32
    assert (await found.find("0x" + "03" * 32)).name == "a"
    for unknown in ("0x" + "01" * 32, "c", ""):
        with pytest.raises(MLBridgeError, match="no active model"):
            await found.find(unknown)


async def test_a_model_says_whether_it_takes_a_schema_if_its_manifest_can_be_had() -> None:
    found = catalogue_of(Network(info(1, "a", cid="held"), info(2, "b"), info(3, "c", cid="missing")))
    told = {model.name: (model.kind, model.takes.json_schema) for model in await found.models()}
    assert told == {"a": ("chat", True), "b": ("chat", False), "c": (None, None)}


async def test_a_schema_for_a_model_whose_manifest_is_out_of_reach_is_refused() -> None:
    model = await catalogue_of(Network(info(1, "a", cid="missing"))).find("a")
    plain = {"messages": [], "json_schema": None}
    service_module._require_schemas(model, Wish("a", "chat", [plain], Choices()))
    with pytest.raises(MLBridgeError, match="manifest is out of reach") as caught:
        service_module._require_schemas(model, Wish("a", "chat", [plain, {"json_schema": "{}"}], Choices()))
    assert caught.value.code == "input.json_schema"


async def test_a_manifest_that_never_comes_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "MANIFEST_S", 0.05)
    network = Network(*(info(at, f"stalled-{at}", cid="slow") for at in range(1, 30)), info(40, "good"))
    found = catalogue_of(network)
    async with asyncio.timeout(5):
        assert (await found.find("good")).kind == "chat"
        assert network.asked == ["cid"]  # the others' manifests were not even asked for
        listed = {model.name: model.kind for model in await found.models()}
        assert (listed["good"], listed["stalled-1"]) == ("chat", None)
        asked = len(network.asked)
        await found.models()
    assert len(network.asked) == asked  # nor again at once


async def test_a_missing_manifest_leaves_the_kind_open() -> None:
    assert (await catalogue_of(Network(info(1, "a", cid="missing"))).find("a")).kind is None


async def test_a_model_registered_a_moment_ago_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(info(1, "a"))
    found = catalogue_of(network)
    await found.models()
    network.registered.append(info(2, "new"))
    clock = time.monotonic()
    monkeypatch.setattr(catalogue_module.time, "monotonic", lambda: clock + 2)
    assert (await found.find("new")).name == "new"


async def counted(tmp_path: Path, data: bytes | None) -> TokenCounter:
    store = open_store(f"file://{tmp_path / 'blocks'}")
    files = [] if data is None else [SimpleNamespace(path="tokenizer.json", cid=await store.put(data))]
    network: Any = Network(info(1, "a"), store=store, files=files)
    return TokenCounter(network, catalogue_of(network))


async def test_tokens_are_counted_by_the_models_own_tokenizer(tmp_path: Path) -> None:
    words = Tokenizer(WordLevel({"one": 0, "two": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    words.enable_padding(length=128)
    words.enable_truncation(1)
    counter = await counted(tmp_path, words.to_str().encode())
    assert await counter.count("a", ["one two", "two three"]) == 4
    assert await counter.count("a", []) == 0


@pytest.mark.parametrize("data", [None, b"not a tokenizer"])
async def test_a_model_without_a_readable_tokenizer_counts_nothing(
    tmp_path: Path, data: bytes | None
) -> None:
    assert await (await counted(tmp_path, data)).count("a", ["one two"]) == 0


async def test_a_tokenizer_that_stalls_is_never_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    class Stalling:
        def encode_batch(self, texts: list[str], **_: object) -> list[object]:
            calls.append(texts)
            time.sleep(0.3)
            return []

    counter = await counted(tmp_path, b"x")
    monkeypatch.setattr(tokens_module, "LONGEST_S", 0.05)

    async def fetched(_: str) -> Stalling:
        return Stalling()

    monkeypatch.setattr(counter, "_fetch", fetched)
    assert await counter.count("a", ["one"]) == 0
    assert await counter.count("a", ["one"]) == 0
    assert len(calls) == 1


async def test_tokenizers_that_never_end_leave_the_process_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many requests at once for one such model, and several such models."""
    over = threading.Event()

    class Endless:
        def encode_batch(self, texts: list[str], **_: object) -> list[object]:
            over.wait(60)
            return []

    network: Any = Network(*(info(at, f"bad-{at}") for at in range(1, 40)))
    counter = TokenCounter(network, catalogue_of(network))
    monkeypatch.setattr(tokens_module, "LONGEST_S", 0.05)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))

    async def tokenizer(_: object) -> Endless | None:
        return Endless()

    monkeypatch.setattr(counter, "_tokenizer", tokenizer)
    try:
        counts = [counter.count(f"bad-{1 + at % 8}", ["one"]) for at in range(40)]
        assert set(await asyncio.gather(*counts)) == {0}
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(lambda: "free") == "free"
        assert counter._kept == {f"0x{bytes([at]).hex() * 32}": None for at in range(1, 9)}
    finally:
        over.set()
        counter.close()


async def test_a_tokenizer_that_never_comes_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "FETCH_S", 0.05)
    counter = await counted(tmp_path, b"x")

    async def fetched(_: str) -> None:
        await asyncio.Future()

    monkeypatch.setattr(counter, "_fetch", fetched)
    async with asyncio.timeout(30):
        assert await counter.count("a", ["one"]) == 0
