"""Batches under one aggregate signature: attesters join with BLS keys, the coordinator posts and is paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from contracts import artifacts, attesters, batches, bls
from contracts.chain import Chain
from contracts.errors import ContractError
from contracts.lane import Lane
from contracts.reads import call
from contracts.sender import Sender
from coordinator.lane.attest import Attesters
from coordinator.lane.rows import BatchStage, Status
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import Batch, BatchStatement
from mlbridge.protocol.batch_wire import read_debits
from mlbridge.protocol.leaves import ChannelDebit
from tests.support.lane import CHALLENGE, LANE
from tests.support.lane_rooms import LaneScene, LaneStage, lane_stage
from tests.support.seats import FAST

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]
VERIFIERS = 4
PARAMS = replace(LANE, attesters=artifacts.BLS_ATTESTATIONS, min_signers=3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    """Every verifier is in the attester set of the epoch that runs."""
    async with lane_stage(members=4, verifiers=VERIFIERS, params=PARAMS) as made:
        rig = made.rig
        for verifier in rig.verifiers:
            secret = rig.secrets[verifier.account] = bls.new_secret()
            operator = Sender(rig.chain, verifier.operator, FAST)
            await attesters.register(rig.lane, operator, verifier.account, secret)
        await rig.advance()
        yield made


async def in_stage(scene: LaneScene, stage: BatchStage) -> bool:
    return bool(await scene.here.runner.store.batches(stage))


async def answered(scene: LaneScene, count: int) -> None:
    offers = [await scene.order() for _ in range(count)]
    told = await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers))
    assert {one.state for one in told} == {"decided"}


async def made_batch(scene: LaneScene) -> tuple[BatchStatement, tuple[ChannelDebit, ...], Batch]:
    """A batch of two orders that no attester of the room's was there to sign."""
    await scene.open(attesters=())
    await answered(scene, 2)
    await scene.until(lambda: in_stage(scene, BatchStage.MADE))
    (row,) = await scene.here.runner.store.batches(BatchStage.MADE)
    stored = await scene.content.get(row.cid)
    batch, debits = batch_data.from_bytes(stored), read_debits(row.debits)
    return batch.statement(scene.coordinator.address, batch_data.digest(stored), debits), debits, batch


async def test_a_batch_is_attested_posted_and_final(scene: LaneScene) -> None:
    await scene.open()
    await answered(scene, 5)
    before = await scene.balances()
    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    (batch,) = await scene.here.runner.store.batches(BatchStage.POSTED)
    await scene.rig.warp(CHALLENGE)
    await scene.until(lambda: in_stage(scene, BatchStage.FINAL))
    orders = await scene.here.runner.store.orders_of(batch.root)
    assert [row.status for row in orders] == [Status.DONE] * 5
    assert (await scene.balances())["coordinator"] > before["coordinator"]


async def test_one_who_is_absent_is_named_and_two_are_too_many(scene: LaneScene) -> None:
    statement, debits, _ = await made_batch(scene)
    lane, session = scene.rig.lane, scene.here._session
    two = Attesters(scene.server.verifiers[:2], session, lane)
    signed = await two.sign(statement, debits)
    await batches.deposit_bond(lane, scene.sender, PARAMS.bond)
    with pytest.raises(ContractError) as caught:
        await batches.post(lane, scene.sender, statement, debits, await two.evidence(signed))
    assert caught.value.name == "AttestersTooFew"
    three = Attesters(scene.server.verifiers[1:], session, lane)
    signed = await three.sign(statement, debits)
    assert [account for account, _ in signed] == sorted(scene.server.attesters[1:])
    header = await batches.post(lane, scene.sender, statement, debits, await three.evidence(signed))
    assert (await batches.batch_state(lane, header.batch_id())).pot == header.pot


async def test_what_is_attested_in_one_epoch_counts_in_no_other(scene: LaneScene) -> None:
    statement, debits, _ = await made_batch(scene)
    lane = scene.rig.lane
    asked = Attesters(scene.server.verifiers, scene.here._session, lane)
    old = await asked.evidence(await asked.sign(statement, debits))
    await batches.deposit_bond(lane, scene.sender, PARAMS.bond)
    await scene.rig.advance()
    with pytest.raises(ContractError) as caught:
        await batches.post(lane, scene.sender, statement, debits, old)
    assert caught.value.name == "AggregateMismatch"
    signed = await asked.sign(statement, debits)
    assert len(signed) == VERIFIERS
    await batches.post(lane, scene.sender, statement, debits, await asked.evidence(signed))


async def test_nothing_is_attested_for_an_epoch_that_ends_before_the_posting(scene: LaneScene) -> None:
    statement, debits, _ = await made_batch(scene)
    slow = scene.rig.chain.network.model_copy(update={"block_time": float(PARAMS.epoch_seconds)})
    async with await Chain.connect(slow) as chain:
        asked = Attesters(scene.server.verifiers, scene.here._session, Lane(chain, scene.rig.lane.addresses))
        with pytest.raises(MLBridgeError) as caught:
            await asked.sign(statement, debits)
    assert caught.value.code == "lane.epoch_ends"
    assert caught.value.context["retry_after"] <= PARAMS.epoch_seconds


async def test_a_wrong_signature_spoils_none_of_the_others(scene: LaneScene) -> None:
    statement, debits, _ = await made_batch(scene)
    liar, *others = scene.rig.verifiers
    url = scene.server.verifiers[0]
    secret = scene.rig.secrets[liar.account]
    asked = Attesters((url, *scene.server.verifiers), scene.here._session, scene.rig.lane)
    assert len(await asked.sign(statement, debits)) == VERIFIERS, "who is asked twice counts once"
    member = await attesters.member_of(scene.rig.lane, liar.account)
    assert member.key == bls.public_key(secret)
    # It signs with another key than the set's.
    scheme = await asked._scheme()
    given = [(one.account, scheme.sign(statement, scene.view.epoch(), bls.new_secret())) for one in [liar]]
    right = [
        (one.account, scheme.sign(statement, scene.view.epoch(), scene.rig.secrets[one.account]))
        for one in others
    ]
    stranger = [(4_001, right[0][1])]
    counted = await scheme.counted(statement, [*given, *right, *stranger])
    assert sorted(counted) == sorted(one.account for one in others)


async def test_nobody_joins_with_a_key_that_is_not_its_own(scene: LaneScene) -> None:
    rig, lane = scene.rig, scene.rig.lane
    member = rig.members[0]
    operator = Sender(rig.chain, member.operator, FAST)
    contract = lane.bls_attestations
    assert contract is not None
    secret = bls.new_secret()
    key = bls.words(bls.public_key(secret))
    for_another = bls.words(attesters.possession(lane, member.account + 2, secret))
    with pytest.raises(ContractError) as caught:
        await operator.send(contract.functions.register(member.account, key, for_another))
    assert caught.value.name == "NotPossessed"
    proof = bls.words(attesters.possession(lane, member.account, secret))
    with pytest.raises(ContractError) as other:
        await scene.client.send(contract.functions.register(member.account, key, proof))
    assert other.value.name == "NotOperator"


async def test_the_set_in_python_is_the_contract_s_after_every_change(scene: LaneScene) -> None:
    rig, lane = scene.rig, scene.rig.lane
    contract = lane.bls_attestations
    assert contract is not None
    first, second, *_ = rig.verifiers
    operator = Sender(rig.chain, first.operator, FAST)
    await attesters.unregister(lane, operator, first.account)
    with pytest.raises(MLBridgeError) as gone:
        await attesters.member_of(lane, first.account)
    assert gone.value.code == "attesters.not_member"
    await attesters.register(lane, operator, first.account, bls.new_secret())
    secret = bls.new_secret()
    old = await attesters.member_of(lane, second.account)
    changed = bls.words(bls.public_key(secret))
    proof = bls.words(attesters.possession(lane, second.account, secret))
    owner = Sender(rig.chain, second.operator, FAST)
    await owner.send(contract.functions.rotate(second.account, bls.words(old.key), changed, proof))
    epoch = await lane.current_epoch() + 1
    found = await attesters.attester_set(lane, epoch)
    key, *rest = await call(contract.functions.nextGroup())
    assert found.group == (tuple(key), *rest)
    assert found.members[second.account].key == bls.public_key(secret)
    # The running epoch's set is as it was.
    before = await attesters.attester_set(lane, epoch - 1)
    assert before.members[second.account] == old
    weight, count = await call(contract.functions.totalsAt(epoch - 1))
    assert (
        (weight, count)
        == (before.group[1], before.group[2])
        == (
            sum(member.weight for member in before.members.values()),
            VERIFIERS,
        )
    )
