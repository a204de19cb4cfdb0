"""The coordinator on a real chain with scripted members: pokes, submissions, crashes, reorganisations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts import keystore, reads
from contracts.anvil import free_port
from contracts.chain import Chain
from contracts.sender import Sender
from coordinator.config import CoordinatorConfig, parse_config
from coordinator.engine import Engine
from coordinator.submissions import TaskRequest
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import TaskStatus
from tests.support.seats import (
    FAST,
    Script,
    acting,
    fresh_account,
    fund,
    honest_label,
    make_members,
    register_model,
    scripts,
    wrong_label,
)

pytestmark = pytest.mark.integration

IMAGE = {"kind": "classification", "image": [index % 17 for index in range(64)]}


async def settings(
    folder: Path, chain: Chain, treasury: Sender, *, coins: int = 10**18, **changes: Any
) -> CoordinatorConfig:
    """A coordinator's file with a funded key of its own."""
    from contracts.network import save

    account = fresh_account()
    await fund(treasury, chain, account.address, coins=coins)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "password").write_text("test\n")
    keystore.create(folder / "key.json", "test", account, rounds=2)
    save(chain.network, folder / "network.json")
    return parse_config(
        {
            "network": str(folder / "network.json"),
            "home": str(folder / "home"),
            "key": {"keystore": str(folder / "key.json"), "password_file": str(folder / "password")},
            "http": {"port": free_port()},
            "pokes": {"require_profit": False, "jitter_s": 0.1, "retry_s": 1.0},
        }
        | changes
    )


@pytest.fixture
async def config(tmp_path: Path, chain: Chain, treasury: Sender) -> CoordinatorConfig:
    return await settings(tmp_path, chain, treasury)


@pytest.fixture
async def engine(config: CoordinatorConfig) -> AsyncIterator[Engine]:
    started = await Engine.start(config)
    yield started
    await started.stop()


async def until(check: Callable[[], Awaitable[bool]], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await check():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.05)


async def submissions_of(chain: Chain, address: str) -> list[Any]:
    """Every TaskSubmitted event of a requester."""
    from contracts import artifacts
    from contracts.events import topic_of

    topic = "0x" + "00" * 12 + address[2:].lower()
    return await reads.find_events(
        chain, [topic_of(artifacts.TASKS, "TaskSubmitted"), None, topic], [chain.addresses.tasks]
    )


async def test_a_submitted_task_is_driven_to_its_verified_result(
    engine: Engine, chain: Chain, treasury: Sender
) -> None:
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with acting(members):
        view = await engine.submit(TaskRequest(model="0x" + model.hex(), input=IMAGE, idempotency_key="one"))
        assert view["status"] == "queued"
        done = await engine.task(view["task_id"], wait_s=30)
    assert done["status"] == "finalized"
    assert done["confidence"] == 1.0
    assert 0 <= done["result"]["output"]["label"] < 10
