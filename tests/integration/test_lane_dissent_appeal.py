"""A dissenter that a panel wrongly condemned appeals by command, and gets its stake back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contracts import channels, keystore, summons
from contracts.deploy_params import ReviewParams
from contracts.network import save
from contracts.reads import call, get_account, get_task
from contracts.sender import Sender
from contracts.slashes import Slashes
from mlbridge.protocol import orders712
from mlbridge.protocol.hashing import keccak, result_digest
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Role, TaskStatus
from mlbridge.protocol.wire import sign
from tests.support.command import Said, Say
from tests.support.lane_judges import judged
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
from tests.support.tasks import HONEST, LIAR

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
INPUT = encode_input("classification", {"image": [0, 8, 16, 8] * 16})
RIGHT, WRONG = honest_label(INPUT), wrong_label(INPUT)
# Longer than the epochs that the test lets pass.
REVIEWS = ReviewParams(escrow_window=86_400)


async def test_a_dissenter_that_was_right_wins_its_stake_back(say: Say, tmp_path: Path) -> None:
    async with lane_scene(reviews=REVIEWS) as scene:
        rig, chain = scene.rig, scene.rig.chain
        first = [
            await make_member(chain, rig.treasury, [rig.model], role=Role.VERIFIER, script=LIAR)
            for _ in range(6)
        ]
        await rig.advance()
        await scene.refresh()
        dissenter, order = await condemned(scene, first)
        before = (await get_account(chain, dissenter.account)).bonded

        # Nobody of the first panel hears it again, so there must be others.
        second = [
            await make_member(chain, rig.treasury, [rig.model], role=Role.VERIFIER, script=HONEST)
            for _ in range(7)
        ]
        await rig.advance()

        network = save(chain.network, tmp_path / "network.yaml")
        keystore.create(tmp_path / "operator.json", "open sesame", dissenter.operator, rounds=2)
        (tmp_path / "password").write_text("open sesame")
        (tmp_path / "mine").write_bytes(RIGHT)
        (tmp_path / "other").write_bytes(WRONG)
        key = ["--keystore", str(tmp_path / "operator.json"), "--password-file", str(tmp_path / "password")]

        async def said(*arguments: str) -> Said:
            return await asyncio.to_thread(say, *arguments, "--network", str(network), "--json")

        (listed,) = (await said("slash", "list", dissenter.operator.address)).json
        case, taken = listed["case"], listed["amount_mlb"]
        assert (listed["task"], listed["status"], listed["appealable"]) == ("0x" + order.hex(), "held", True)
        assert f"mlbridge appeal open {case}" in (await said("slash", "show", case)).json["next"]

        opening = ["appeal", "open", case, *key, "--max-bond", "5000"]
        # The first panel showed what it found alone.
        unknown = (await said(*opening)).json["error"]
        assert (unknown["code"], "--result" in unknown["hint"]) == ("appeal.no_result", True)
        other = (await said(*opening, "--result", str(tmp_path / "other"))).json["error"]
        assert other["code"] == "appeal.other_result"
        mine = ["--result", str(tmp_path / "mine")]
        # A slash that waits has not filled the model's reserve yet, and the first panel was paid from it.
        empty = (await said(*opening, *mine)).json["error"]
        assert empty["code"] == "appeal.no_judge_fees"
        mine += ["--fund-reserve", str(empty["missing"] // MLB)]
        assert (await said(*opening, *mine)).json["error"]["code"] == "appeal.no_tokens"
        await fund(rig.treasury, chain, dissenter.operator.address, mlb=5_000 * MLB)
        opened = (await said(*opening, *mine)).json
        bond = opened["appeal"]["bond_mlb"]
        assert (opened["status"], bond) == (
            "appealed",
            2 * 7 * int(await call(chain.distributor.functions.judgeFee())),
        )
        assert (await said(*opening)).json["appeal"] == opened["appeal"]

        review = bytes.fromhex(opened["appeal"]["review"][2:])
        for _ in range(3):
            await rig.warp(1)
        await Sender(chain, second[0].node, FAST).send(chain.tasks.functions.assign(review))

        async def is_over() -> bool:
            return (await get_task(chain, review)).status is TaskStatus.FINALIZED

        async with acting([*first, *second, *rig.members]):
            await until(is_over)
        settled = (await said("appeal", "settle", opened["appeal"]["review"])).json
        assert (settled["status"], settled["appeal"]["outcome"]) == ("overturned", "won")
        after = await get_account(chain, dissenter.account)
        assert after.bonded == before + taken == 2 * before
        left = 5_000 * MLB - empty["missing"]
        assert int(await call(chain.token.functions.balanceOf(dissenter.operator.address))) == left
        assert int(await call(chain.distributor.functions.heldSlashes())) == 0


async def condemned(scene: Scene, judges: list[ScriptedMember]) -> tuple[ScriptedMember, bytes]:
    """Four seats attest WRONG, the lightest RIGHT, and a panel condemns that one; it and the order."""
    rig, world = scene.rig, scene.world
    lane, chain, anybody = rig.lane, rig.chain, rig.treasury
    order = world.order(0, seats=5, input_digest=keccak(INPUT))
    digest, seats = order.digest(world.domain), world.committee(order)
    weights = [world.snapshots.weight(rig.model, world.epoch, account) for account in seats]
    place = weights.index(min(weights))
    account = seats[place]
    verdict, dissent = (result_digest(chain.chain_id, digest, keccak(output)) for output in (WRONG, RIGHT))
    evidence = world.evidence(order, silent=[place], result=verdict)
    words = [orders712.commitment(digest, seat, verdict, world.salt(order, seat)) for seat in seats]
    message = Attestation(
        digest, account, dissent, world.salt(order, account), orders712.commitments_root(words)
    )
    await channels.report_dissent(lane, anybody, evidence, sign(message, world.domain, world.keys[account]))
    assert lane.dissent_cases is not None
    bond = await summons.case_bond(lane)
    await anybody.send(chain.token.functions.approve(lane.dissent_cases.address, bond))
    await summons.open_case(lane, anybody, evidence, account, INPUT)
    await judged(rig, judges, digest, WRONG)
    await summons.condemn_reported(lane, anybody, digest, account)
    member = next(member for member in rig.members if member.account == account)
    (held,) = await Slashes(chain).of_operator(member.operator.address)
    assert held.attested == dissent
    return member, digest
