"""Gateways for tests: a funded key, a file, API keys, and scripted members of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from contracts import keystore
from contracts.anvil import dev_account, free_port
from contracts.chain import Chain
from contracts.network import Network, save
from contracts.sender import Sender
from coordinator.config import HttpConfig as ListenConfig
from coordinator.http import HttpServer
from gateway.config import GatewayConfig, parse_config
from gateway.http import build_app
from gateway.keys import ApiKey, Keys
from gateway.service import Service
from gateway.store import Store
from mlbridge.models.manifest import Manifest, schema_ids
from mlbridge.protocol.cid import cid_from_bytes
from mlbridge.protocol.payload import (
    KINDS,
    ChatInput,
    EmbeddingInput,
    decode_input,
    encode_output,
    pack_vector,
)
from mlbridge.storage import open_store
from tests.support.seats import (
    FAST,
    Script,
    ScriptedMember,
    acting,
    fresh_account,
    make_member,
    next_epoch,
    register_model,
)

SHA = "ab" * 32
T = TypeVar("T")

ORIGIN = "https://portal.example"
"""Of the web page whose scripts may ask test gateways."""


def answer(payload: bytes) -> bytes:
    """What every honest scripted member says: it follows from the input, whatever its kind."""
    asked = decode_input(payload)
    seed = hashlib.sha256(payload).digest()
    if isinstance(asked, EmbeddingInput):
        return encode_output("embedding", {"embedding": pack_vector(byte / 256 for byte in seed[:8])})
    if isinstance(asked, ChatInput):
        text = f"You said: {asked.messages[-1].content}. That is all."
        if asked.json_schema is not None:
            text = json.dumps({"held_to": asked.json_schema})
        ids = list(range(len(text.split())))[: asked.max_tokens]
        return encode_output("chat", {"token_ids": ids, "text": text, "finish_reason": "stop"})
    return encode_output("classification", {"label": seed[0] % 10})


HONEST = Script(result=answer)


def manifest_of(kind: str, name: str, engine: str = "torch") -> Manifest:
    """A valid manifest of a model that nobody will load."""
    return Manifest.from_fields(
        {
            "name": name,
            "version": "1",
            "kind": kind,
            "engine": engine,
            "policy": "exact",
            "exec_class": {
                "engine": engine,
                "build": "b",
                "dtype": "float32",
                "quantisation": "none",
                "weights_sha256": SHA,
                "kernel": "k",
                "threads": 1,
                "sampling": "none",
            },
            "files": [
                {
                    "path": "model.safetensors",
                    "cid": cid_from_bytes(b"\x01\x55\x12\x20" + bytes(32)),
                    "sha256": SHA,
                    "size": 1,
                }
            ],
            "tolerance": None,
            "input_schema": schema_ids(kind)[0],
            "output_schema": schema_ids(kind)[1],
            "licence": "MIT",
            "evidence": {},
        }
    )


@dataclass(frozen=True)
class Market:
    """A network with a store, a model of each kind by name, and who serves them."""

    network: Network
    members: Sequence[ScriptedMember]
    models: dict[str, bytes]

    def name(self, kind: str) -> str:
        """The name of the model of a kind."""
        return next(name for name in self.models if name.startswith(kind))


async def open_market(
    chain: Chain,
    treasury: Sender,
    folder: Path,
    *,
    scripts: Sequence[Script] = (HONEST,) * 3,
    kinds: Sequence[str] = KINDS,
) -> Market:
    """Publish a model of each kind, named after its kind and the folder, served by these members.

    kinds: with vllm- before them of models whose manifest says that engine.
    """
    network = chain.network.model_copy(update={"storage_url": f"file://{folder / 'blocks'}"})
    store, models = open_store(str(network.storage_url)), {}
    for kind in kinds:
        name = f"{kind}-{folder.name}".lower().replace("_", "-")[-60:].strip("-")
        engine = "vllm" if kind.startswith("vllm-") else "torch"
        manifest = manifest_of(kind.removeprefix("vllm-"), name, engine)
        cid = await store.put(manifest.to_bytes())
        models[name] = await register_model(
            chain, treasury, cid=cid, name=name, exec_class=manifest.exec_class_id
        )
    members = [await make_member(chain, treasury, list(models.values()), script=script) for script in scripts]
    for member in members:
        member.input_store = store
    await next_epoch(chain)
    return Market(network, members, models)


async def make_config(
    folder: Path, network: Network, treasury: Sender, *, coins: int = 10**18, **changes: Any
) -> GatewayConfig:
    """A gateway's file, with a key of its own that holds `coins` wei."""
    account = fresh_account()
    folder.mkdir(parents=True, exist_ok=True)
    await treasury.transfer(account.address, coins)
    (folder / "password").write_text("test\n")
    keystore.create(folder / "key.json", "test", account, rounds=2)
    save(network, folder / "network.json")
    basis: dict[str, Any] = {
        "network": str(folder / "network.json"),
        "home": str(folder / "home"),
        "key": {"keystore": str(folder / "key.json"), "password_file": str(folder / "password")},
        "http": {"port": free_port(), "origins": [ORIGIN]},
    }
    return parse_config(basis | changes)


@contextlib.asynccontextmanager
async def serving(config: GatewayConfig) -> AsyncIterator[Service]:
    """The gateway's application in this process, without Ray, at config.local_url."""
    service = await Service.start(config)
    server = await HttpServer.start(build_app(service), ListenConfig(port=config.http_port))
    try:
        yield service
    finally:
        await server.stop()
        await service.stop()


@contextlib.asynccontextmanager
async def opened(config: GatewayConfig) -> AsyncIterator[Keys]:
    """The keys of a gateway's store."""
    store = await Store.open(config)
    try:
        yield Keys(store)
    finally:
        await store.close()


async def make_key(config: GatewayConfig, **changes: Any) -> tuple[ApiKey, str]:
    """An API key and its text."""
    async with opened(config) as keys:
        return await keys.create("test", **changes)


@dataclass(frozen=True)
class Running:
    """A gateway that answers in the background, its market, and an API key of no limits."""

    config: GatewayConfig
    market: Market
    secret: str

    @property
    def base_url(self) -> str:
        """What goes into OPENAI_BASE_URL."""
        return f"{self.config.local_url}/v1"

    def model(self, kind: str) -> str:
        """The name of the model of a kind."""
        return self.market.name(kind)


@contextlib.asynccontextmanager
async def market_and_gateway(network: Network, folder: Path, **changes: Any) -> AsyncIterator[Running]:
    """Members that act and a gateway that serves, until the block ends."""
    async with await Chain.connect(network) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        market = await open_market(chain, treasury, folder, kinds=("vllm-chat", *KINDS))
        config = await make_config(folder / "gateway", market.network, treasury, **changes)
        _, secret = await make_key(config)
        async with acting(market.members), serving(config):
            yield Running(config, market, secret)


@contextlib.contextmanager
def in_background(make: Callable[[], contextlib.AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Hold an asynchronous context open in a thread with a loop of its own, for tests that block."""
    ready: Future[T] = Future()
    loop, done = asyncio.new_event_loop(), asyncio.Event()

    async def hold() -> None:
        try:
            async with make() as value:
                ready.set_result(value)
                await done.wait()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=lambda: loop.run_until_complete(hold()), daemon=True)
    thread.start()
    try:
        yield ready.result()
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()
