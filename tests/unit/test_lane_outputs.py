"""Which of the outputs that winners hand over is the answer, and what holds up nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coordinator.lane.outputs import first_right
from mlbridge.storage import LocalStore, cid_of

RIGHT, WRONG = b"right", b"wrong"
NOWHERE = cid_of(b"nowhere")


class Slow(LocalStore):
    """Looks for what is nowhere without end. asked: CIDs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []

    async def get(self, cid: str, *, max_bytes: int = 1 << 20) -> bytes:
        self.asked.append(cid)
        if cid == NOWHERE:
            await asyncio.Future()
        return await super().get(cid, max_bytes=max_bytes)


@pytest.fixture
def store(tmp_path: Path) -> Slow:
    return Slow(tmp_path)


async def found(handed: list[bytes | str], store: Slow | None) -> tuple[bytes | None, str | None]:
    async with asyncio.timeout(30):
        return await first_right(handed, lambda payload: payload == RIGHT, store, 3600)


async def test_a_payload_is_the_answer_before_any_cid_is_looked_for(store: Slow) -> None:
    assert await found([NOWHERE, WRONG, RIGHT], store) == (RIGHT, None)
    assert store.asked == []


async def test_a_cid_that_leads_nowhere_holds_up_no_other(store: Slow) -> None:
    wrong, right = await store.put(WRONG), await store.put(RIGHT)
    assert await found([NOWHERE, NOWHERE, wrong, "no cid", right], store) == (None, right)
    assert sorted(store.asked) == sorted([NOWHERE, wrong, "no cid", right])


async def test_without_a_right_one_there_is_none(store: Slow) -> None:
    wrong = await store.put(WRONG)
    assert await found([WRONG, wrong, cid_of(b"missing")], store) == (None, None)
    assert await found([wrong], None) == (None, None)
    assert await first_right([NOWHERE], bool, store, 0.01) == (None, None)
