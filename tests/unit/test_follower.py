"""The follower against a chain that reorganises between any two requests."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.cursor import DENSE, LIMIT, Cursor, MemoryCursorStore, SqliteCursorStore
from contracts.events import BlockRef
from contracts.follower import Step, Walker
from contracts.rpc import RpcError


class FakeChain:
    """A chain of (hash, parent, log ids). Any request may reorganise, grow or refuse by seeded dice."""

    def __init__(self, seed: int, *, blocks: int, max_depth: int, max_logs: int, unrest: float) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a seeded simulation
        self.serial = 0
        self.max_depth = max_depth
        self.max_logs = max_logs
        self.unrest = unrest
        self.blocks: list[tuple[str, str, list[int]]] = []
        for _ in range(blocks):
            self.grow()

    def grow(self) -> None:
        parent = self.blocks[-1][0] if self.blocks else "0x"
        self.serial += 1
        logs = []
        for _ in range(self.dice.choice([0, 0, 1, 2])):
            self.serial += 1
            logs.append(self.serial)
        self.blocks.append((f"0x{self.serial}", parent, logs))

    def reorganise(self, depth: int) -> None:
        depth = min(depth, len(self.blocks) - 1)
        del self.blocks[len(self.blocks) - depth :]
        for _ in range(max(0, depth + self.dice.choice([-1, 0, 1, 2]))):
            self.grow()

    def stir(self) -> None:
        if self.dice.random() >= self.unrest:
            return
        if self.dice.random() < 0.5:
            self.grow()
        else:
            self.reorganise(self.dice.randint(1, self.max_depth))

    def canonical(self, first: int, last: int) -> list[int]:
        return [entry for _, _, logs in self.blocks[first : last + 1] for entry in logs]

    def _ref(self, number: int) -> BlockRef:
        block = self.blocks[number]
        return BlockRef(number, block[0], number, block[1])

    async def head(self) -> BlockRef:
        self.stir()
        return self._ref(len(self.blocks) - 1)

    async def header(self, number: int) -> BlockRef | None:
        self.stir()
        return self._ref(number) if 0 <= number < len(self.blocks) else None

    def _raw(self, number: int) -> list[dict[str, Any]]:
        return [{"blockNumber": number, "id": entry} for entry in self.blocks[number][2]]

    async def logs(self, first: int, last: int) -> list[dict[str, Any]]:
        self.stir()
        found = [entry for n in range(first, min(last + 1, len(self.blocks))) for entry in self._raw(n)]
        if len(found) > self.max_logs and last > first:
            raise RpcError("eth_getLogs", -32005, "query returned more than allowed")
        return found

    async def logs_of_block(self, block_hash: str) -> list[dict[str, Any]]:
        self.stir()
        for number, block in enumerate(self.blocks):
            if block[0] == block_hash:
                return self._raw(number)
        raise RpcError("eth_getLogs", -32000, "unknown block")


class Reader:
    """A consumer that believes what it is told: seen[block] = log ids."""

    def __init__(self) -> None:
        self.seen: dict[int, list[int]] = {}

    def take(self, before: Cursor | None, step: Step) -> None:
        if step.removed_from is not None:
            assert step.logs == []
            assert before is not None
            assert step.removed_from <= before.number
            assert step.cursor.number == step.removed_from - 1
            self.seen = {n: ids for n, ids in self.seen.items() if n < step.removed_from}
            return
        for entry in step.logs:
            ids = self.seen.setdefault(entry["blockNumber"], [])
            assert entry["id"] not in ids, "an event came twice without a removal between"
            assert before is None or entry["blockNumber"] > before.number
            assert entry["blockNumber"] <= step.cursor.number
            ids.append(entry["id"])

    def all(self) -> list[int]:
        return [entry for number in sorted(self.seen) for entry in self.seen[number]]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    blocks=st.integers(1, 120),
    max_depth=st.integers(1, 40),
    max_logs=st.integers(1, 40),
    unrest=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
    confirmations=st.integers(0, 4),
    window=st.integers(1, 20),
    chunk=st.integers(1, 50),
    start=st.integers(0, 5),
)
async def test_gap_free_under_reorganisations(
    seed: int,
    blocks: int,
    max_depth: int,
    max_logs: int,
    unrest: float,
    confirmations: int,
    window: int,
    chunk: int,
    start: int,
) -> None:
    chain = FakeChain(seed, blocks=blocks, max_depth=max_depth, max_logs=max_logs, unrest=unrest)
    walker = Walker(chain, start=start, confirmations=confirmations, window=window, chunk=chunk)
    store = MemoryCursorStore()
    reader = Reader()
    cursor: Cursor | None = None
    for round_number in range(60):
        if round_number % 17 == 0:
            cursor = await store.load()  # as after a restart
        step = await walker.step(cursor)
        if step is not None:
            reader.take(cursor, step)
            cursor = step.cursor
            await store.save(cursor)
    chain.unrest = 0.0
    for _ in range(start + confirmations + 1):
        chain.grow()
    for _ in range(2_000):
        step = await walker.step(cursor)
        if step is None:
            break
        reader.take(cursor, step)
        cursor = step.cursor
    last = len(chain.blocks) - 1 - confirmations
    assert cursor is not None
    assert cursor.number == last
    assert reader.all() == chain.canonical(start, last)


async def test_reorganisation_below_everything_kept_starts_over() -> None:
    chain = FakeChain(1, blocks=30, max_depth=1, max_logs=1_000, unrest=0.0)
    walker = Walker(chain, start=3)
    step = await walker.step(None)
    assert step is not None
    cursor = step.cursor
    chain.reorganise(29)
    step = await walker.step(cursor)
    assert step is not None
    assert step.removed_from == 3
    assert step.cursor == Cursor(2)


async def test_a_node_that_refuses_even_one_block_is_an_error() -> None:
    class Stubborn(FakeChain):
        async def logs(self, first: int, last: int) -> list[dict[str, Any]]:
            raise RpcError("eth_getLogs", -32005, "no")

    walker = Walker(Stubborn(1, blocks=100, max_depth=1, max_logs=1, unrest=0.0), window=4, chunk=64)
    with pytest.raises(RpcError):
        await walker.step(None)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=900))
def test_cursor_keeps_few_blocks_among_them_the_first_and_the_newest(gaps: list[int]) -> None:
    cursor = Cursor(-1)
    numbers = [0]
    for gap in gaps:
        numbers.append(numbers[-1] + gap)
    for number in numbers:
        cursor = cursor.advance([(number, f"0x{number}")])
    kept = [number for number, _ in cursor.recent]
    assert len(kept) <= LIMIT
    assert kept[0] == 0
    assert kept[-min(DENSE, len(numbers)) :] == numbers[-DENSE:]
    assert all(a < b for a, b in pairwise(kept))
    assert cursor.rewind(kept[0]).recent == cursor.recent[:1]


async def test_sqlite_store_keeps_cursors_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cursor.sqlite"
    store = SqliteCursorStore(path, "agent")
    assert await store.load() is None
    cursor = Cursor(7, ((3, "0xa"), (7, "0xb")))
    await store.save(Cursor(3, ((3, "0xa"),)))
    await store.save(cursor)
    store.close()
    again = SqliteCursorStore(path, "agent")
    other = SqliteCursorStore(path, "coordinator")
    assert await again.load() == cursor
    assert await other.load() is None
    again.close()
    other.close()
