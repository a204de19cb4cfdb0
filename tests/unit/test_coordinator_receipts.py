"""What a coordinator keeps of ended tasks: receipts that fail wait for their turn, results by any opening."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.anvil import dev_account
from contracts.deploy import plan_addresses
from contracts.network import Network
from coordinator import receipts
from coordinator.receipts import AT_ONCE, Receipts
from coordinator.shelf import Shelf
from coordinator.store import Store
from coordinator.views import result_view
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, hashing
from mlbridge.protocol.cid import cid_to_bytes
from mlbridge.protocol.payload import encode_output
from mlbridge.protocol.unixfs import cid_of
from mlbridge.storage import LocalStore
from tests.support.coordinator_walks import ADDRESS, Scribe, digest

NETWORK = Network(
    name="test", chain_id=1, rpc_url="http://none", addresses=plan_addresses(dev_account(0).address, "test")
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/c.db", chain_id=1, task_manager="0x" + "11" * 20)
    yield opened
    await opened.close()


def submit(scribe: Scribe, task: int) -> None:
    scribe.log(
        digest(task),
        "TaskSubmitted",
        requester=ADDRESS,
        modelId=digest(7),
        inputData="0x0001",
        reward=10**18,
        deadline=2_000_000,
        seats=3,
        randomnessBlock=99,
    )


async def test_receipts_that_fail_do_not_starve_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "RETRY_S", 600.0)  # no second turn comes while this test runs
    good = 260
    scribe = Scribe()
    for task in range(1, good + 1):
        submit(scribe, task)
        scribe.next_block()
        scribe.log(digest(task), "TaskCancelled", amount=10**18)
    await store.apply(scribe.written, position="1")
    asked: list[str] = []

    async def build(network: Network, task_id: str, first_block: int) -> str:
        asked.append(task_id)
        if task_id != digest(good):
            raise MLBridgeError("receipt.unproven", "no")
        return "{}"

    while await Receipts(store=store, network=NETWORK, build=build).step():
        pass
    assert sorted(asked) == [digest(task) for task in range(1, good + 1)]
    row = await store.task_row(digest(good))
    assert row is not None
    assert row.receipt == "{}"
    shelf = Shelf(store)
    assert await shelf.count_owed() == good - 1
    # a failure is remembered over a restart, and its turn comes again
    assert not await Receipts(store=store, network=NETWORK, build=build).step()
    assert len(asked) == good
    assert len(await shelf.owed(now=2e9, limit=AT_ONCE)) == AT_ONCE


async def test_a_review_is_owed_no_receipt(store: Store) -> None:
    scribe = Scribe()
    for task in (1, 2):
        submit(scribe, task)
        if task == 1:  # of the other the store does not know it, as after an upgrade
            scribe.log(digest(task), "JudgesEarmarked", model=1, amount=300)
        scribe.next_block()
        scribe.log(digest(task), "TaskRefunded", amount=0, reason="too few operators")
    await store.apply(scribe.written, position="1")
    asked: list[str] = []

    async def build(network: Network, task_id: str, first_block: int) -> str:
        asked.append(task_id)
        raise MLBridgeError("task.review", "A review has none.")

    kept = Receipts(store=store, network=NETWORK, build=build)
    assert await Shelf(store).count_owed() == 1
    await kept.step()
    assert asked == [digest(2)]
    assert await Shelf(store).count_owed() == 0
    assert await Shelf(store).owed(now=2e9, limit=AT_ONCE) == []


async def delivered(store: Store, *results: bytes) -> tuple[Any, Any]:
    """State and events of a finalized task whose members opened these contents under one digest."""
    scribe, task_id, accounts = Scribe(), digest(1), [2, 4, 6]
    submit(scribe, 1)
    scribe.log(
        task_id,
        "CommitteeDrawn",
        round=0,
        kind=0,
        accounts=accounts,
        weights=[1, 1, 1],
        commitDeadline=1_000_100,
        seed=digest(5),
    )
    scribe.log(task_id, "RevealOpened", round=0, revealDeadline=1_000_200)
    for account, result in zip(accounts, results, strict=True):
        opened = {"account": account, "round": 0, "digest": digest(9), "result": "0x" + result.hex()}
        scribe.log(task_id, "ResultRevealed", **opened)
    ended = {"account": 2, "round": 0, "digest": digest(9), "confidence": 10_000, "winners": accounts}
    scribe.log(task_id, "TaskFinalized", **ended)
    await store.apply(scribe.written, position="1")
    return await store.task(task_id), await store.events(task_id)


PAYLOAD = encode_output("classification", {"label": 7})
ROOT = hashing.payload_root(PAYLOAD)
CARRIED = content.inline(PAYLOAD)
JUNK = b"\x01" + ROOT + b"x"
POINTER = b"\x01" + ROOT + cid_to_bytes(cid_of(PAYLOAD))
DEAD = b"\x01" + ROOT + cid_to_bytes(cid_of(b"never stored"))


@pytest.mark.parametrize("results", [(JUNK, DEAD, CARRIED), (DEAD, JUNK, POINTER), (POINTER, JUNK, DEAD)])
async def test_any_opening_of_the_winning_digest_serves(
    store: Store, tmp_path: Path, results: tuple[bytes, ...]
) -> None:
    blocks = LocalStore(tmp_path / "blocks")
    await blocks.put(PAYLOAD)
    state, events = await delivered(store, *results)
    view = await result_view(state, events, blocks, "classification")
    assert view is not None
    assert view["output"] == {"label": 7}
    assert view["payload"] == "0x" + PAYLOAD.hex()


async def test_without_a_readable_opening_the_reason_is_shown(store: Store, tmp_path: Path) -> None:
    state, events = await delivered(store, JUNK, DEAD, JUNK)
    view = await result_view(state, events, LocalStore(tmp_path / "blocks"), "classification")
    assert view is not None
    assert view["error"]["code"] == "content.missing"
    assert await result_view(state, events, None, None) == {
        "cid": cid_of(b"never stored"),
        "payload": None,
        "output": None,
    }
