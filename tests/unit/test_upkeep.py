"""The agent's periodic work stops when it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster.upkeep import Upkeep


async def test_a_cancellation_that_comes_with_an_event_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    context: Any = None
    upkeep = Upkeep(context)
    began = asyncio.Event()

    async def nothing() -> None:
        began.set()

    monkeypatch.setattr(upkeep, "round", nothing)
    running = asyncio.create_task(upkeep.run(period=60))
    await began.wait()
    await asyncio.sleep(0)
    upkeep.soon()
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
