"""The agent's periodic work stops when it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster.upkeep import Upkeep


async def test_a_cancellation_that_comes_with_an_event_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    context: Any = None
    upkeep = Upkeep(context)
    rounds = 0

    async def nothing() -> None:
        nonlocal rounds
        rounds += 1

    monkeypatch.setattr(upkeep, "round", nothing)
    running = asyncio.create_task(upkeep.run(period=60))
    while rounds == 0:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    upkeep.soon()
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
