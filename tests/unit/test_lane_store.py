"""The member's store: the first word stands, whoever asks, and it is there after kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from serve.lane.store import Answer, Claim, Held, LaneStore

CHANNEL = b"c" * 32


def claim(sequence: int = 0, **changes: object) -> Claim:
    digest = sequence.to_bytes(32, "big")
    made = Claim(digest, 2, CHANNEL, sequence, 10, 1000, "0x", b"offer", 100, 0, 0)
    return replace(made, **changes)  # type: ignore[arg-type]


async def bind(store: LaneStore, sequence: int, word: bytes = b"word") -> Held:
    digest = sequence.to_bytes(32, "big")
    return await store.bind(digest, result=b"r", salt=b"s", commitment=word, output=b"out")


@pytest.fixture
def store(tmp_path: Path) -> LaneStore:
    return LaneStore(tmp_path / "lane.sqlite")


async def test_the_first_word_stands(store: LaneStore, tmp_path: Path) -> None:
    assert await store.accept(claim()) is None
    first = await bind(store, 0, b"first")
    other = LaneStore(tmp_path / "lane.sqlite")
    assert await bind(other, 0, b"second") == first
    assert await other.accept(claim()) == first
    told = await store.attest(first.digest, closed=b"set", attestation=b"one")
    assert await other.attest(first.digest, closed=b"other", attestation=b"two") == told
    assert (told.closed, told.attestation, told.commitment) == (b"set", b"one", b"first")
    # A reservation can be given up, a commitment cannot.
    await store.release(first.digest)
    assert store.held(first.digest) == told


async def test_nothing_is_committed_that_was_not_accepted(store: LaneStore) -> None:
    with pytest.raises(MLBridgeError, match="No commitment"):
        await bind(store, 5)
    await store.accept(claim(5))
    assert store.held(claim(5).digest) is None
    with pytest.raises(MLBridgeError, match="No commitment"):
        await store.attest(claim(5).digest, closed=b"set", attestation=b"one")


async def test_many_at_once_never_promise_more_than_the_channel_has(tmp_path: Path) -> None:
    stores = [LaneStore(tmp_path / "lane.sqlite") for _ in range(3)]
    work = [stores[number % 3].accept(claim(number)) for number in range(60)]
    done = await asyncio.gather(*work, return_exceptions=True)
    refused = [error.code for error in done if isinstance(error, MLBridgeError)]
    assert (done.count(None), refused) == (10, ["lane.funds"] * 50)


async def test_what_the_chain_settled_is_not_in_flight_any_more(store: LaneStore) -> None:
    for number in range(10):
        await store.accept(claim(number))
    with pytest.raises(MLBridgeError, match="spoken for"):
        await store.accept(claim(10, spendable=109))
    await store.accept(claim(10, spendable=10, floor=10))
    # 11 and 12 were settled by themselves above the floor, so 10 alone waits.
    for number in (11, 12):
        await store.accept(claim(number, spendable=1000, floor=10))
    await store.accept(claim(13, spendable=20, floor=10, window=0b110))


async def test_another_process_at_work_is_left_to_it_until_it_is_dead(
    store: LaneStore, tmp_path: Path
) -> None:
    code = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from serve.lane.store import LaneStore\n"
        "from tests.unit.test_lane_store import claim, bind\n"
        "async def main():\n"
        "    store = LaneStore(Path(sys.argv[1]))\n"
        "    await store.accept(claim(1)); await store.accept(claim(2)); await bind(store, 2, b'bound')\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    env = os.environ | {"PYTHONPATH": os.getcwd()}
    child = subprocess.Popen(  # noqa: ASYNC220 - it is killed below
        [sys.executable, "-c", code, str(tmp_path / "lane.sqlite")],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with pytest.raises(MLBridgeError) as caught:
        await store.accept(claim(1))
    assert (caught.value.code, caught.value.context) == ("lane.in_work", {"retry_after": 1})
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert await store.accept(claim(1)) is None
    held = await store.accept(claim(2))
    assert held is not None
    assert held.commitment == b"bound"


async def test_a_refusal_in_a_group_takes_nothing_of_the_others_with_it(store: LaneStore) -> None:
    done = await asyncio.gather(
        *(store.accept(claim(number % 5, digest=bytes([number]) * 32)) for number in range(10)),
        return_exceptions=True,
    )
    assert done.count(None) == 5
    assert store.endings() == {"open": 5}


async def test_old_orders_are_dropped_and_open_ones_told(store: LaneStore) -> None:
    for number, deadline in ((1, 100), (2, 200), (3, 300)):
        await store.accept(claim(number, deadline=deadline))
        held = await bind(store, number)
        await store.attest(held.digest, closed=b"set", attestation=b"a")
        await store.keep_others(held.digest, [(4, b"x"), (6, b"y"), (4, b"z")])
    assert [held.sequence for held in store.owed(250)] == [1, 2]
    await store.end(claim(1).digest, "settled")
    assert [held.sequence for held in store.owed(250)] == [2]
    assert store.others(claim(2).digest) == {4: b"x", 6: b"y"}
    assert await store.prune(250) == 2
    assert store.others(claim(2).digest) == {}
    assert store.held(claim(3).digest) is not None
    await store.end(claim(3).digest, "settled")
    await store.end(claim(3).digest, None)
    assert [held.sequence for held in store.owed(400)] == [3]


async def test_what_a_coordinator_let_lie_is_counted_for_some_minutes(tmp_path: Path) -> None:
    now = [1000.0]
    store = LaneStore(tmp_path / "lane.sqlite", clock=lambda: now[0])
    for number in range(4):
        await store.accept(claim(number))
        await bind(store, number)
    await store.attest(claim(0).digest, closed=b"set", attestation=b"a")
    assert store.unclosed("0x") == (0, 0)
    now[0] += 60
    assert store.unclosed("0x") == (3, 4)
    assert store.unclosed("0xother") == (0, 0)
    now[0] += 600
    assert store.unclosed("0x") == (0, 0)


async def test_a_store_that_cannot_write_signs_nothing(store: LaneStore, tmp_path: Path) -> None:
    await store.accept(claim())
    with sqlite3.connect(tmp_path / "lane.sqlite") as db:
        db.execute("ALTER TABLE orders RENAME TO gone")
    with pytest.raises(MLBridgeError) as caught:
        await bind(store, 0)
    assert caught.value.code == "lane.store"
    with sqlite3.connect(tmp_path / "lane.sqlite") as db:
        db.execute("ALTER TABLE gone RENAME TO orders")
    assert (await bind(store, 0)).commitment == b"word"


def test_a_file_of_another_format_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "newer.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    (tmp_path / "rubbish.sqlite").write_bytes(b"rubbish" * 1000)
    for name in ("newer", "rubbish"):
        with pytest.raises(MLBridgeError) as caught:
            LaneStore(tmp_path / f"{name}.sqlite")
        assert caught.value.code == "lane.store"


async def test_on_chain_and_off_chain_one_word_stands(store: LaneStore, tmp_path: Path) -> None:
    """Two results for one order would cost the whole stake."""
    other = LaneStore(tmp_path / "lane.sqlite")
    await store.accept(claim(0))
    bound = await bind(store, 0)
    later = Answer(b"other", b"salt", b"other output")
    assert await other.answer(bound.digest, later, until=1000) == Answer(b"r", b"s", b"out")
    # The other way round: what was answered on chain is what a member may bind itself to.
    first = Answer(b"r", b"salt", b"output")
    digest = claim(1).digest
    assert store.answered(digest) is None
    assert await other.answer(digest, first, until=1000) == first
    assert await store.answer(digest, later, until=1000) == first
    assert store.answered(digest) == first
    await store.accept(claim(1))
    with pytest.raises(MLBridgeError) as refused:
        await store.bind(digest, result=b"other", salt=b"s", commitment=b"c", output=b"o")
    assert refused.value.code == "lane.answered"
    assert store.held(digest) is None
    assert (await bind(store, 1)).result == b"r"


async def test_answers_are_kept_as_long_as_they_can_be_asked_for(store: LaneStore) -> None:
    said = Answer(b"r", b"s", b"o")
    await store.answer(claim(0).digest, said, until=1000)
    await store.prune(1000)
    assert store.answered(claim(0).digest) == said
    await store.prune(1001)
    assert store.answered(claim(0).digest) is None


async def test_a_store_of_the_format_before_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lane.sqlite"
    old = LaneStore(path)
    await old.accept(claim(0))
    held = await bind(old, 0)
    old.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE answers")
        db.execute("PRAGMA user_version=1")
        db.commit()
    store = LaneStore(path)
    assert store.held(held.digest) == held
    said = Answer(b"r", b"s", b"o")
    assert await store.answer(claim(1).digest, said, until=1000) == said
