"""A dissent from its record to its bond by command, and a watcher that takes the steps nobody is paid for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account

from contracts import channels, keystore, summons
from contracts.laneview import LaneView
from contracts.network import HOME_ENV, save
from contracts.reads import ModelInfo, get_account
from contracts.sender import Sender
from contracts.summons import CaseStatus, SummonsStatus
from mlbridge.protocol import orders712
from mlbridge.protocol.answers import Told
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.hashing import keccak, payload_root, result_digest
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Role
from mlbridge.protocol.wire import Signed, sign
from mlbridge.sdk import AsyncClient
from mlbridge.sdk.lane_accept import accept_answer
from tests.support.command import Said, saying
from tests.support.lane import LANE
from tests.support.lane_scene import Scene, lane_scene
from tests.support.seats import (
    FAST,
    MLB,
    ScriptedMember,
    acting,
    fund,
    honest_label,
    make_member,
    until,
    wrong_label,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
IMAGE = [0, 8, 16, 8] * 16
INPUT = encode_input("classification", {"image": IMAGE})
RIGHT, WRONG = honest_label(INPUT), wrong_label(INPUT)


async def manifest_of_a_classifier(self: AsyncClient, model: ModelInfo) -> Any:
    """Scripted models have none."""
    return SimpleNamespace(kind="classification")


@dataclass
class Bench:
    """An answered order with one dissent on record, judges who can hear it, and the command."""

    scene: Scene
    judges: list[ScriptedMember]
    order: bytes
    receipt: Path
    dissenter: int
    others: list[int]
    say: Callable[..., Said]
    place: list[str]

    async def said(self, *arguments: str) -> Said:
        """As the requester says it."""
        return await asyncio.to_thread(self.say, *arguments, *self.place, "--json")

    async def judge(self) -> None:
        """Let a panel be drawn, and agree on what is right."""
        rig = self.scene.rig
        case = await summons.dissent_case(rig.lane, self.order)
        for _ in range(3):
            await rig.warp(1)
        drawer = Sender(rig.chain, self.judges[0].node, FAST)
        await drawer.send(rig.chain.tasks.functions.assign(case.review_id))

        async def is_judged() -> bool:
            return (await summons.dissent_case(rig.lane, self.order)).status is CaseStatus.JUDGED

        async with acting([*self.judges, *rig.members]):
            await until(is_judged)

    async def bonded(self) -> dict[int, int]:
        """MLB of each seat of the order."""
        seats = [self.dissenter, *self.others]
        return {seat: (await get_account(self.scene.rig.chain, seat)).bonded for seat in seats}


@asynccontextmanager
async def bench(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    verdict: bytes,
    dissent: bytes | None = None,
) -> AsyncIterator[Bench]:
    """verdict, dissent: outputs that the majority and one seat attested; None: that seat is silent."""
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    monkeypatch.setenv(HOME_ENV, str(tmp_path / "mine"))
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    monkeypatch.chdir(tmp_path)
    async with lane_scene() as scene:
        rig, world = scene.rig, scene.world
        judges = [
            await make_member(rig.chain, rig.treasury, [rig.model], role=Role.VERIFIER) for _ in range(6)
        ]
        await rig.advance()
        await scene.refresh()
        order = world.order(0, seats=5, input_digest=payload_root(INPUT))
        digest, seats = order.digest(world.domain), world.committee(order)
        weights = [world.snapshots.weight(rig.model, world.epoch, account) for account in seats]
        place = weights.index(min(weights))
        agreed = result_digest(rig.chain.chain_id, digest, keccak(verdict))
        evidence = world.evidence(order, silent=[place], result=agreed)
        offer = Offer(sign(order, world.domain, world.requester_key), world.terms(0), INPUT)
        assert offer.order.signature == evidence.order_signature
        told = Told("decided", agreed, 0, evidence.seats, verdict)
        view = await LaneView.open(rig.lane)

        async def nowhere(cid: str) -> bytes:
            raise AssertionError(f"nothing lies at {cid}")

        receipt, _ = await accept_answer(offer, told, view, nowhere)
        receipt.save(tmp_path / "receipt.json")
        if dissent is not None:
            other = result_digest(rig.chain.chain_id, digest, keccak(dissent))
            said = attested(scene, seats, seats[place], agreed, other, digest)
            await channels.report_dissent(rig.lane, rig.treasury, evidence, said)
        requester = Account.from_key(world.requester_key)
        await fund(rig.treasury, rig.chain, requester.address, mlb=10_000 * MLB)
        keystore.create(tmp_path / "requester.json", "test", requester, rounds=2)
        network = save(rig.chain.network, tmp_path / "network.yaml")
        whose = ["--network", str(network), "--keystore", str(tmp_path / "requester.json")]
        others = [seat for seat in seats if seat != seats[place]]
        with saying(monkeypatch, capsys) as say:
            yield Bench(scene, judges, digest, tmp_path / "receipt.json", seats[place], others, say, whose)


def attested(
    scene: Scene, seats: list[int], account: int, agreed: bytes, said: bytes, digest: bytes
) -> Signed[Attestation]:
    """What a seat signed for the result that it came to, naming the set of the verdict."""
    world = scene.world
    salts = {seat: keccak(digest + seat.to_bytes(4, "big")) for seat in seats}
    words = [orders712.commitment(digest, seat, agreed, salts[seat]) for seat in seats]
    message = Attestation(digest, account, said, salts[account], orders712.commitments_root(words))
    return sign(message, world.domain, world.keys[account])


async def test_a_majority_that_was_wrong_is_judged_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path, monkeypatch, capsys, verdict=WRONG, dissent=RIGHT) as court:
        said, order = court.said, "0x" + court.order.hex()
        place = ["--network", court.place[1], "--json"]
        shown = (await asyncio.to_thread(court.say, "dissent", "show", order, *place)).json
        assert [one["account"] for one in shown["dissents"]] == [court.dissenter]
        assert (shown["status"], "dissent open" in shown["next"]) == ("none", True)
        early = (await said("dissent", "rule", order)).json["error"]
        assert (early["code"], "dissent open" in early["hint"]) == ("dissent.unknown", True)

        opening = ["dissent", "open", str(court.receipt)]
        blind = (await said(*opening)).json["error"]
        assert (blind["code"], "--input" in blind["hint"]) == ("dissent.no_input", True)
        other = (await said(*opening, "--input", "1 " * 64)).json["error"]
        assert other["code"] == "dissent.other_input"
        opening += ["--input", " ".join(map(str, IMAGE))]
        nobody = (await said(*opening, "--dissenter", str(court.others[0]))).json["error"]
        assert nobody["code"] == "dissent.none"
        bond = await summons.case_bond(court.scene.rig.lane)
        priced = (await said(*opening)).json["error"]
        assert (priced["code"], priced["bond"]) == ("dissent.bond_unknown", bond)
        cheap = await said(*opening, "--max-bond", "1")
        assert (cheap.code, cheap.json["error"]["code"]) == (4, "dissent.bond_too_high")
        opened = (await said(*opening, "--max-bond", str(bond // MLB))).json
        assert (opened["status"], opened["bond_mlb"]) == ("judging", bond)
        assert (await said(*opening)).json == opened
        assert (await said("dissent", "rule", order)).json["error"]["code"] == "dissent.judging"
        assert (await said("dissent", "conclude", order)).json["error"]["code"] == "dissent.open"

        await court.judge()
        assert (await said("dissent", "condemn", order)).json["error"]["code"] == "dissent.no_ruling"
        ruled = (await said("dissent", "rule", order)).json
        assert (ruled["status"], ruled["confidence"]) == ("ruled", 10_000)
        assert ruled["truth"] == shown["dissents"][0]["result"]
        before = await court.bonded()
        # Who dissented was right; who agreed on the answer is known by its receipt.
        assert (await said("dissent", "condemn", order)).json["condemned"] == []
        gone = (await said("dissent", "condemn", order, "--receipt", str(court.receipt))).json
        assert gone["condemned"] == court.others
        after = await court.bonded()
        assert after[court.dissenter] == before[court.dissenter]
        assert all(after[seat] == before[seat] // 2 for seat in court.others)
        closed = (await said("dissent", "conclude", order)).json
        assert (closed["status"], closed["taken_mlb"] >= bond) == ("closed", True)
        assert (await said("dissent", "conclude", order)).json == closed
        token = court.scene.rig.chain.token.functions
        requester = Account.from_key(court.scene.world.requester_key).address
        assert await token.balanceOf(requester).call() == 10_000 * MLB


async def test_seats_that_agreed_on_a_lie_are_found_by_an_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path, monkeypatch, capsys, verdict=WRONG) as court:
        said, order = court.said, "0x" + court.order.hex()
        bond = await summons.case_bond(court.scene.rig.lane)
        opening = ["dissent", "open", str(court.receipt), "--input", " ".join(map(str, IMAGE))]
        opening += ["--max-bond", str(bond // MLB)]
        nobody = (await said(*opening)).json["error"]
        assert (nobody["code"], "--audit" in nobody["hint"]) == ("dissent.none", True)
        both = (await said(*opening, "--audit", "--dissenter", str(court.dissenter))).json["error"]
        assert both["code"] == "dissent.two_ways"
        assert (await said(*opening, "--audit")).json["status"] == "judging"
        await court.judge()
        assert (await said("dissent", "rule", order)).json["status"] == "ruled"
        before = await court.bonded()
        gone = (await said("dissent", "condemn", order, "--receipt", str(court.receipt))).json
        assert gone["condemned"] == court.others
        after = await court.bonded()
        assert all(after[seat] == before[seat] // 2 for seat in court.others)
        assert after[court.dissenter] == before[court.dissenter]
        assert (await said("dissent", "conclude", order)).json["status"] == "closed"


async def test_a_watcher_ends_what_waits_for_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(tmp_path, monkeypatch, capsys, verdict=RIGHT, dissent=WRONG) as court:
        scene, lane = court.scene, court.scene.rig.lane
        bond = await summons.case_bond(lane)
        opening = ["dissent", "open", str(court.receipt), "--input", " ".join(map(str, IMAGE))]
        assert (await court.said(*opening, "--max-bond", str(bond // MLB))).code == 0
        await court.judge()
        silent = sign(
            scene.world.order(1, input_digest=payload_root(INPUT), deadline=await scene.rig.now() + 600),
            scene.world.domain,
            scene.world.requester_key,
        )
        digest = silent.message.digest(scene.world.domain)
        seats = scene.world.committee(silent.message)
        await summons.summon(
            lane, scene.client, scene.world.terms(0), silent, INPUT, seats,
            bond=2 * await summons.bond_for(lane, len(seats)),
        )  # fmt: skip
        before = await court.bonded()

        async def watched(*more: str) -> list[dict[str, str]]:
            storage = ["--storage", f"file://{tmp_path / 'store'}"]
            seen = await court.said("watch", "--once", *storage, *more)
            assert seen.code == 0, seen.err
            return [json.loads(line) for line in seen.out.splitlines()]

        # Whoever only looks sends nothing; a summons that has time is its seats' to close.
        assert await watched("--look-only") == []
        told = await watched()
        order = "0x" + court.order.hex()
        assert [(one["order"], one["what"]) for one in told] == [
            (order, "ruled"),
            (order, "condemned"),
            (order, "concluded"),
        ]
        after = await court.bonded()
        assert after[court.dissenter] == before[court.dissenter] // 2
        assert (await summons.dissent_case(lane, court.order)).status is CaseStatus.CLOSED

        await scene.rig.warp(LANE.summons_commit + 1)
        assert [(one["order"], one["what"]) for one in await watched()] == [("0x" + digest.hex(), "closed")]
        assert (await summons.summoned(lane, digest)).status is SummonsStatus.ENDED
        assert await watched() == []
