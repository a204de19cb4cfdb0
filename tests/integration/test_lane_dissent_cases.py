"""A dissent judged on a real chain, by the typed doors: the panel runs the order, and the wrong side pays."""

from __future__ import annotations

import pytest

from contracts import channels, summons
from contracts.errors import ContractError
from contracts.reads import call, get_account
from mlbridge.protocol import orders712
from mlbridge.protocol.hashing import keccak, result_digest
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Role
from mlbridge.protocol.wire import Signed, sign
from tests.support.lane_judges import judged
from tests.support.lane_scene import Scene, lane_scene
from tests.support.seats import honest_label, make_member, wrong_label

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
INPUT = encode_input("classification", {"image": [0, 8, 16, 8] * 16})
RIGHT, WRONG = honest_label(INPUT), wrong_label(INPUT)


async def bonded(scene: Scene, account: int) -> int:
    return (await get_account(scene.rig.chain, account)).bonded


@pytest.mark.parametrize("honest", [False, True], ids=["the dissenter is wrong", "the majority is wrong"])
async def test_whoever_was_wrong_pays(honest: bool) -> None:
    async with lane_scene() as scene:
        rig, world = scene.rig, scene.world
        lane, chain, anybody = rig.lane, rig.chain, rig.treasury
        judges = [await make_member(chain, anybody, [rig.model], role=Role.VERIFIER) for _ in range(6)]
        await rig.advance()
        await scene.refresh()

        order = world.order(0, seats=5, input_digest=keccak(INPUT))
        digest, seats = order.digest(world.domain), world.committee(order)
        weights = [world.snapshots.weight(rig.model, world.epoch, account) for account in seats]
        place = weights.index(min(weights))
        dissenter, others = seats[place], [account for account in seats if account != seats[place]]
        verdict, dissent = (
            result_digest(chain.chain_id, digest, keccak(output))
            for output in ((WRONG, RIGHT) if honest else (RIGHT, WRONG))
        )
        evidence = world.evidence(order, silent=[place], result=verdict)

        def said(account: int, result: bytes) -> Signed[Attestation]:
            words = [orders712.commitment(digest, seat, verdict, world.salt(order, seat)) for seat in seats]
            message = Attestation(
                digest, account, result, world.salt(order, account), orders712.commitments_root(words)
            )
            return sign(message, world.domain, world.keys[account])

        await channels.report_dissent(lane, anybody, evidence, said(dissenter, dissent))
        bond = await summons.case_bond(lane)
        assert lane.dissent_cases is not None
        await anybody.send(chain.token.functions.approve(lane.dissent_cases.address, bond))
        await summons.open_case(lane, anybody, evidence, dissenter, INPUT)
        found = await summons.dissent_case(lane, digest)
        assert (found.status, found.bond) == (summons.CaseStatus.JUDGING, bond)
        accounts = await judged(rig, judges, digest, RIGHT)
        assert not {account // 2 for account in accounts} & {account // 2 for account in seats}
        assert (await summons.dissent_case(lane, digest)).confidence == 10_000

        wrong = others if honest else [dissenter]
        before = {account: await bonded(scene, account) for account in seats}
        for account in others:
            if honest:
                await summons.condemn(lane, anybody, said(account, verdict))
                continue
            with pytest.raises(ContractError) as caught:
                await summons.condemn(lane, anybody, said(account, verdict))
            assert caught.value.name == "NotWrong"
        if not honest:
            await summons.condemn_reported(lane, anybody, digest, dissenter)
        for account in seats:
            left = before[account] // 2 if account in wrong else before[account]
            assert await bonded(scene, account) == left
        held = int(await call(chain.token.functions.balanceOf(anybody.address)))
        await summons.conclude(lane, anybody, digest)
        assert int(await call(chain.token.functions.balanceOf(anybody.address))) == held + bond
        assert (await summons.dissent_case(lane, digest)).status is summons.CaseStatus.CLOSED
