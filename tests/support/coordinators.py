"""Coordinators for integration tests: a funded key, a file, and what the chain says about their tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from contracts import artifacts, keystore, reads
from contracts.anvil import free_port
from contracts.chain import Chain
from contracts.events import Event, topic_of
from contracts.network import save
from contracts.sender import Sender
from coordinator.config import CoordinatorConfig, parse_config
from coordinator.engine import Engine
from coordinator.submissions import TaskRequest
from tests.support.seats import fresh_account, fund

IMAGE = {"kind": "classification", "image": [index % 17 for index in range(64)]}


async def make_config(
    folder: Path, chain: Chain, treasury: Sender, *, coins: int = 10**18, **changes: Any
) -> CoordinatorConfig:
    """A coordinator's file, with a key of its own that holds `coins` wei."""
    account = fresh_account()
    await fund(treasury, chain, account.address, coins=coins)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "password").write_text("test\n")
    keystore.create(folder / "key.json", "test", account, rounds=2)
    save(chain.network, folder / "network.json")
    basis: dict[str, Any] = {
        "network": str(folder / "network.json"),
        "home": str(folder / "home"),
        "key": {"keystore": str(folder / "key.json"), "password_file": str(folder / "password")},
        "http": {"port": free_port()},
        "pokes": {"require_profit": False, "jitter_s": 0.1, "retry_s": 1.0},
    }
    return parse_config(basis | changes)


@contextlib.asynccontextmanager
async def running(config: CoordinatorConfig) -> AsyncIterator[Engine]:
    """An engine in this process."""
    engine = await Engine.start(config)
    try:
        yield engine
    finally:
        await engine.stop()


def request(model: bytes, *, key: str | None = None, **changes: Any) -> TaskRequest:
    """A classification task."""
    return TaskRequest(model="0x" + model.hex(), input=IMAGE, idempotency_key=key, **changes)


async def until(check: Callable[[], Awaitable[bool]], timeout_s: float = 30.0) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not await check():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.05)


async def submitted_by(chain: Chain, address: str) -> list[Event]:
    """Every TaskSubmitted event of a requester on the canonical chain."""
    padded = "0x" + "00" * 12 + address[2:].lower()
    topics: list[object] = [topic_of(artifacts.TASKS, "TaskSubmitted"), None, padded]
    return await reads.find_events(chain, topics, [chain.addresses.tasks])


async def submit_from(chain: Chain, sender: Sender, model: bytes, *, deadline_s: int = 60) -> str:
    """A task that somebody else pays for; its id as 0x hex."""
    from mlbridge.protocol import content, payload

    head = await chain.head()
    data = content.inline(payload.encode_input("classification", {"image": IMAGE["image"]}))
    price = await reads.quote(chain, model, 3)
    call = chain.bridge.functions.submitTask(model, data, head.timestamp + deadline_s)
    await sender.send(call, value=price)
    return "0x" + bytes((await submitted_by(chain, sender.address))[-1].args["taskId"]).hex()
