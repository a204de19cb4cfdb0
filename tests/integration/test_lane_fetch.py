"""A coordinator that has an order done and settled, and brings no answer: the requester has it of its seats.

Members, coordinator and chain are real; what the coordinator tells is not. Who pays what is read on chain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from contracts import artifacts, batches, channels, keystore
from contracts.errors import ContractError
from contracts.network import HOME_ENV
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import ChatOutput
from mlbridge.sdk import ChannelResult, LaneReceipt, OrderFailedError
from mlbridge.sdk.channel_book import DONE
from mlbridge.sdk.lane_verify import verify_receipt
from mlbridge.storage.batches import fetch_batch
from tests.support.command import Said, saying
from tests.support.lane import CHALLENGE
from tests.support.lane_court import ASK, Court, court_of
from tests.support.lane_rooms import LaneStage, lane_stage
from tests.support.lane_speakers import TEXT
from tests.support.lane_withholder import Manner, withholder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    async with lane_stage(members=3) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def court(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Court]:
    async with court_of(stage, tmp_path, batches_posted=True) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def hushed(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Court]:
    """One whose coordinator posts nothing before it dies."""
    async with court_of(stage, tmp_path, batches_posted=False) as made:
        yield made


def right(result: ChannelResult) -> LaneReceipt:
    """The receipt of an answer that is the model's."""
    assert isinstance(result.output, ChatOutput)
    assert (result.output.text, result.confidence, result.sequence) == (TEXT, 1.0, 0)
    return result.receipt


@pytest.mark.parametrize("manner", ["silent", "failed", "lies", "drops", "refuses"])
async def test_whoever_withholds_an_answer_keeps_it_from_nobody(court: Court, manner: Manner) -> None:
    deposit = await court.balance()
    async with withholder(court.engine.config.local_url, manner) as liar, court.channel(liar) as channel:
        result = await channel.order(court.stage.rig.model, ASK, deadline_s=16)
        receipt = right(result)
        assert (await verify_receipt(receipt, court.view)).failures == []
        # One order was signed, and it is paid once: the coordinator settles it as if nothing were.
        assert [kept.state for kept in await channel.orders()] == [DONE]
        await court.spent()
        assert deposit - await court.balance() == result.cost_wei == receipt.cost.debit
        # Who asks again is given the same, and pays nothing.
        again = await channel.fetch(result.order)
        assert (again.payload, again.receipt) == (result.payload, receipt)
    assert deposit - await court.balance() == result.cost_wei


async def test_a_seat_is_paid_as_if_nobody_had_fetched_anything(court: Court) -> None:
    lane, before = court.stage.rig.lane, await court.earned()
    deposit = await court.balance()
    async with withholder(court.engine.config.local_url, "silent") as liar, court.channel(liar) as channel:
        result = await channel.order(court.stage.rig.model, ASK, deadline_s=16)
    await court.spent()
    (posted,) = await batches.posted(lane)
    batch = await fetch_batch(court.content, posted.header.data)
    assert [item.leaf.sequence for item in batch.items] == [result.sequence]
    await court.stage.rig.warp(CHALLENGE)
    for party in batch.claims():
        await batches.claim(lane, court.stage.client, posted.header, batch, party)
    gained = {account: wei - before[account] for account, wei in (await court.earned()).items()}
    assert gained == dict.fromkeys(result.committee, result.receipt.cost.seat_fee)
    assert deposit - await court.balance() == result.receipt.cost.debit
    debits = await lane.events(artifacts.CHANNELS, "Debited", "0x" + court.stage.terms.channel().hex())
    assert len(debits) == 1


async def test_a_coordinator_that_dies_after_the_reveal_takes_nothing_along(hushed: Court) -> None:
    lane, model = hushed.stage.rig.lane, hushed.stage.rig.model
    deposit, before = await hushed.balance(), await hushed.earned()
    alive = contextlib.AsyncExitStack()
    liar = await alive.enter_async_context(withholder(hushed.engine.config.local_url, "silent"))
    async with hushed.channel(liar) as channel:
        # As when the channel was opened: the dead tell nothing.
        assert set(await channel._told_nodes()) == set(hushed.server.nodes)
        work = asyncio.create_task(channel.order(model, ASK, deadline_s=60))
        await hushed.attested()
        await hushed.engine.stop()
        await alive.aclose()
        receipt = right(await work)
    assert await hushed.balance() == deposit
    # The dead coordinator settles nothing; any seat does, and the order is paid once.
    member = hushed.stage.rig.members[0]
    assert await channels.settle(lane, member._sender, receipt.evidence()) == receipt.cost.debit
    assert deposit - await hushed.balance() == receipt.cost.debit
    gained = {account: wei - before[account] for account, wei in (await hushed.earned()).items()}
    assert gained == dict.fromkeys(gained, receipt.cost.seat_fee)
    with pytest.raises(ContractError) as twice:
        await channels.settle(lane, member._sender, receipt.evidence())
    assert twice.value.name == "AlreadySettled"


async def test_an_order_that_nobody_revealed_has_no_answer_and_costs_nothing(hushed: Court) -> None:
    """Members that were shown no closed set hand over nothing: there the summons helps."""
    for account in hushed.server.speakers:
        hushed.server.behave(account, "no-reveal")
    deposit = await hushed.balance()
    async with withholder(hushed.engine.config.local_url, "silent") as liar, hushed.channel(liar) as channel:
        with pytest.raises(OrderFailedError):
            await channel.order(hushed.stage.rig.model, ASK, deadline_s=8, tries=1, idempotency_key="k")
        with pytest.raises(MLBridgeError) as caught:
            await channel.fetch("k")
    assert caught.value.code == "fetch.no_verdict"
    assert caught.value.context["waiting"] == sorted(hushed.server.speakers)
    assert "channel summon" in caught.value.hint
    assert await hushed.balance() == deposit


async def test_the_command_fetches_an_order_of_the_book_at_any_later_time(
    hushed: Court, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_ENV, str(hushed.home))
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    monkeypatch.chdir(hushed.folder)
    keystore.create(hushed.folder / "requester.json", "test", hushed.stage.requester, rounds=2)
    async with (
        withholder(hushed.engine.config.local_url, "silent", names=False) as liar,
        hushed.channel(liar) as channel,
    ):
        # It does not say who its members are either, so by itself the requester finds none of them.
        with pytest.raises(OrderFailedError):
            await channel.order(hushed.stage.rig.model, ASK, deadline_s=8, tries=1, idempotency_key="k")
    place = [
        *("--network", str(hushed.folder / "network.json")),
        *("--keystore", str(hushed.folder / "requester.json"), "--json"),
    ]
    deposit = await hushed.balance()
    with saying(monkeypatch, capsys) as say:

        async def said(*arguments: str) -> Said:
            return await asyncio.to_thread(say, *arguments, *place)

        unknown = await said("channel", "fetch", "never-signed")
        assert (unknown.code, unknown.json["error"]["code"]) == (5, "channel.no_order")
        nowhere = await said("channel", "fetch", "k")
        assert (nowhere.code, nowhere.json["error"]["code"]) == (5, "fetch.no_nodes")
        assert "--node" in nowhere.json["error"]["hint"]
        first, *others = hushed.server.nodes
        few = await said("channel", "fetch", "k", "--node", first)
        assert (few.code, few.json["error"]["code"]) == (5, "fetch.no_verdict")
        assert len(few.json["error"]["handed"]) == 1
        nodes = [word for node in (first, *others) for word in ("--node", node)]
        found = (await said("channel", "fetch", "k", *nodes)).json
        assert (found["output"]["text"], found["confidence"], found["sequence"]) == (TEXT, 1.0, 0)
        checked = (await asyncio.to_thread(say, "verify", found["receipt"], "--offline", "--json")).json
        assert checked["ok"]
        # It is in the book now, and needs nobody.
        assert (await said("channel", "fetch", found["order"])).json == found
        channel_id = "0x" + hushed.stage.terms.channel().hex()
        (row,) = (await said("channel", "orders", channel_id)).json
        assert (row["state"], row["reason"]) == ("done", None)
    assert await hushed.balance() == deposit
