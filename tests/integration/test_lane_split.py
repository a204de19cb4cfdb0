"""A liar among three seats: the order fails and costs nothing, and a panel finds who lied, who pays.

Members, coordinator, chain and command are real. Who pays what is read on chain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts import dissents, keystore, summons
from contracts.network import HOME_ENV
from contracts.reads import get_account
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import disagreement, orders712
from mlbridge.protocol.hashing import keccak, result_digest
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.types import Role
from mlbridge.protocol.wire import sign
from mlbridge.sdk import AsyncChannel, OrderFailedError
from mlbridge.sdk.channel_book import FAILED
from tests.support.command import Said, saying
from tests.support.lane_court import ASK, Court, court_of
from tests.support.lane_judges import agreed
from tests.support.lane_rooms import LaneStage, lane_stage
from tests.support.lane_speakers import TEXT, chat
from tests.support.lane_withholder import withholder
from tests.support.seats import FAST, MLB, Script, ScriptedMember, fund, make_member

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

RIGHT = chat(TEXT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    async with lane_stage(members=3) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judges(stage: LaneStage) -> list[ScriptedMember]:
    """Who runs the model as honest members do."""
    rig, honest = stage.rig, Script(result=lambda _: RIGHT)
    made = [
        await make_member(rig.chain, rig.treasury, [rig.model], role=Role.VERIFIER, script=honest)
        for _ in range(6)
    ]
    # A panel is drawn of those who stood in the epoch before.
    await rig.record()
    await rig.advance()
    return made


@pytest_asyncio.fixture(loop_scope="module")
async def court(stage: LaneStage, judges: list[ScriptedMember], tmp_path: Path) -> AsyncIterator[Court]:
    """One whose first member lies."""
    async with court_of(stage, tmp_path, batches_posted=False) as made:
        made.server.behave(liar_of(made), "wrong-result")
        yield made


def liar_of(court: Court) -> int:
    return min(court.server.speakers)


async def staked(court: Court) -> dict[int, int]:
    chain = court.stage.rig.chain
    return {account: (await get_account(chain, account)).bonded for account in court.server.speakers}


async def failing(channel: AsyncChannel, court: Court) -> None:
    # Each test begins on the same chain: judges would take the same order for one that they have judged.
    asked = ASK | {"messages": [{"role": "user", "content": court.folder.name}]}
    with pytest.raises(OrderFailedError):
        await channel.order(court.stage.rig.model, asked, deadline_s=16, tries=1, idempotency_key="k")


async def test_the_liar_of_three_is_judged_by_command_and_pays(
    court: Court,
    judges: list[ScriptedMember],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage, rig = court.stage, court.stage.rig
    lane, liar = rig.lane, liar_of(court)
    deposit, stakes = await court.balance(), await staked(court)
    async with court.channel() as channel:
        await failing(channel, court)
        (kept,) = await channel.orders()
        digest = (await channel.signed("k")).digest(lane.domain)
    assert (kept.state, kept.reason) == (FAILED, "the seats disagree")
    # What proves it is on disk, whoever is gone tomorrow.
    assert kept.attested is not None
    shown = disagreement.from_bytes(kept.attested)
    assert liar in {signed.message.account for signed in shown}

    async with saying_as_requester(court, monkeypatch, capsys) as said:
        unknown = (await said("dissent", "open", "never-signed")).json["error"]
        assert unknown["code"] == "channel.no_order"
        typo = (await said("dissent", "open", "receipts/none.json", "--audit")).json["error"]
        assert typo["code"] == "dissent.no_receipt"
        bond = await summons.case_bond(lane)
        priced = (await said("dissent", "open", "k")).json["error"]
        assert (priced["code"], priced["bond"]) == ("dissent.bond_unknown", bond)
        cheap = await said("dissent", "open", "k", "--max-bond", "1")
        assert (cheap.code, cheap.json["error"]["code"]) == (4, "dissent.bond_too_high")
        opened = (await said("dissent", "open", "k", "--max-bond", str(bond // MLB))).json
        assert (opened["order"], opened["status"]) == ("0x" + digest.hex(), "judging")
        assert [one["account"] for one in opened["attested"]] == [one.message.account for one in shown]
        # Again changes nothing, whichever way the order is named.
        assert (await said("dissent", "open", opened["order"])).json == opened

        await judge(court, judges, digest)
        storage = f"file://{court.folder / 'store'}"
        watched = await said("watch", "--once", "--storage", storage)
        assert watched.code == 0, watched.err
        found = (await said("dissent", "show", opened["order"])).json
    assert (found["status"], found["condemned"]) == ("closed", [liar])
    # A panel of one mind takes half of the stake, of the liar alone; nobody else lost or gained a wei.
    half = {account: stake // 2 if account == liar else stake for account, stake in stakes.items()}
    assert await staked(court) == half
    assert await court.balance() == deposit
    token = rig.chain.token.functions
    assert await token.balanceOf(stage.requester.address).call() == 10_000 * MLB


@contextlib.asynccontextmanager
async def saying_as_requester(
    court: Court, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Callable[..., Awaitable[Said]]]:
    """The command, on the machine that signed the orders, with MLB for bonds."""
    rig, requester = court.stage.rig, court.stage.requester
    monkeypatch.setenv(HOME_ENV, str(court.home))
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    monkeypatch.chdir(court.folder)
    await fund(rig.treasury, rig.chain, requester.address, mlb=10_000 * MLB)
    keystore.create(court.folder / "requester.json", "test", requester, rounds=2)
    network = ("--network", str(court.folder / "network.json"), "--json")
    key = ("--keystore", str(court.folder / "requester.json"))
    with saying(monkeypatch, capsys) as say:

        async def said(*arguments: str) -> Said:
            keyless = arguments[:2] == ("dissent", "show")
            return await asyncio.to_thread(say, *arguments, *network, *(() if keyless else key))

        yield said


async def test_whoever_closes_the_case_at_its_first_slash_saves_no_other_liar(
    court: Court,
    judges: list[ScriptedMember],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rig, lane = court.stage.rig, court.stage.rig.lane
    first, second, honest = sorted(court.server.speakers)
    court.server.behave(second, "wrong-result")
    stakes = await staked(court)
    async with court.channel() as channel:
        await failing(channel, court)
        digest = (await channel.signed("k")).digest(lane.domain)
        # Each source may know another liar: together they know both.
        shown = await channel.split("k")
    assert {one.message.account for one in shown} == {first, second, honest}
    async with saying_as_requester(court, monkeypatch, capsys) as said:
        bond = await summons.case_bond(lane)
        assert (await said("dissent", "open", "k", "--max-bond", str(bond // MLB))).code == 0
        await judge(court, judges, digest)
        assert await dissents.rule(lane, rig.treasury, digest)
        await summons.condemn(lane, rig.treasury, next(one for one in shown if one.message.account == first))
        await summons.conclude(lane, rig.treasury, digest)
        watched = await said("watch", "--once", "--storage", f"file://{court.folder / 'store'}")
        assert watched.code == 0, watched.err
        found = (await said("dissent", "show", "0x" + digest.hex())).json
    assert (found["status"], found["condemned"]) == ("closed", [first, second])
    half = {account: stakes[account] // (1 if account == honest else 2) for account in stakes}
    assert await staked(court) == half


async def judge(court: Court, judges: list[ScriptedMember], digest: bytes) -> None:
    """Let a panel be drawn that holds no seat that was shown, and agree."""
    rig, honest = court.stage.rig, Script(result=lambda _: RIGHT)
    for member in rig.members:
        member.script = honest
    accounts, _, _ = await agreed(rig, judges, digest)
    assert liar_of(court) not in accounts


async def test_a_coordinator_that_hides_who_lied_is_passed(court: Court) -> None:
    """It says that the order failed and not what its seats attested; they say it themselves."""
    async with (
        withholder(court.engine.config.local_url, "failed") as hider,
        court.channel(hider) as channel,
    ):
        await failing(channel, court)
        found = await channel.split("k")
        assert len({signed.message.result for signed in found}) == 2
        assert liar_of(court) in {signed.message.account for signed in found}


async def test_seats_that_hand_over_nothing_say_it_in_a_summons(court: Court) -> None:
    rig, lane = court.stage.rig, court.stage.rig.lane
    liar = liar_of(court)
    for account in court.server.speakers:
        court.server.behave(account, "no-reveal")
    async with court.channel() as channel:
        await failing(channel, court)
        with pytest.raises(MLBridgeError) as nobody:
            await channel.split("k")
        assert nobody.value.code == "dissent.no_split"
        assert "channel summon" in nobody.value.hint

        digest = (await channel.signed("k")).digest(lane.domain)
        seats = (await channel.summon("k")).state.seats
        outputs = {account: chat("No.") if account == liar else RIGHT for account in seats}
        results = {account: result_of(lane, digest, output) for account, output in outputs.items()}
        salts = {account: keccak(account.to_bytes(4, "big")) for account in seats}
        nodes = {member.account: member.node for member in rig.members}
        for account in seats:
            word = orders712.commitment(digest, account, results[account], salts[account])
            await summons.commit(lane, Sender(rig.chain, nodes[account], FAST), digest, account, word)
        root = orders712.commitments_root(await summons.commitments(lane, digest))
        for account in seats:
            message = Attestation(digest, account, results[account], salts[account], root)
            signed = sign(message, lane.domain, bytes(nodes[account].key))
            await summons.open_seat(lane, rig.treasury, signed, b"\0" + outputs[account])
        found = await channel.split("k")
    assert {one.message.account: one.message.result for one in found} == results


def result_of(lane: Any, digest: bytes, output: bytes) -> bytes:
    return result_digest(lane.domain.chain_id, digest, keccak(output))
