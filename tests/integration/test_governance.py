"""Governance on a real chain: a proposal of each category from proposal to change, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from eth_utils.abi import function_abi_to_4byte_selector

from contracts import artifacts, channels, reads, roles
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import MLB
from contracts.errors import ContractError, from_exception
from contracts.governance import Governance
from contracts.handover import check_governance, open_contract
from contracts.lane import Lane
from contracts.proposal_file import encode_call
from contracts.proposals import Call, Category, ProposalState, Support
from contracts.reads import call, get_parameters
from contracts.rpc import RpcError
from contracts.slashes import CaseStatus, Ending, HeldSlash, Slashes
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.signatures import sign_digest
from mlbridge.protocol.types import Fault, Role
from mlbridge.protocol.wire import Signed
from tests.support.governed import (
    GRANTED,
    GUARDIAN,
    HOLDERS,
    MEMBERS,
    REP,
    STRANGER,
    Governed,
    sender,
    settle_in,
    until,
)
from tests.support.seats import ScriptedMember, fund, make_member, stake

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def governed() -> Iterator[Governed]:
    with Anvil(free_port(), block_time=None, accounts=20) as anvil:
        yield Governed(anvil, asyncio.run(settle_in(anvil)))


@pytest.fixture
async def chain(governed: Governed) -> AsyncIterator[Chain]:
    async with await Chain.connect(governed.network) as connected:
        yield connected


@pytest.fixture
def gov(chain: Chain) -> Governance:
    return Governance(chain)


def judge_fee(gov: Governance, fee: int) -> Call:
    return encode_call(gov.addresses, artifacts.DISTRIBUTOR, "setJudgeFee", [fee])


async def carry(gov: Governance, voters: tuple[int, ...], proposal_id: int) -> None:
    """Vote it through, queue it, and execute it as soon as that is possible and not before."""
    anybody = sender(gov.chain, STRANGER)
    await until(gov.chain, (await gov.get(proposal_id)).snapshot + 1)
    for index in voters:
        await gov.vote(sender(gov.chain, index), proposal_id, Support.FOR)
    await until(gov.chain, (await gov.get(proposal_id)).deadline + 1)
    assert await gov.state(proposal_id) is ProposalState.SUCCEEDED
    eta = await gov.queue(anybody, proposal_id)
    await until(gov.chain, eta - 60)
    with pytest.raises(ContractError) as early:
        await gov.execute(anybody, proposal_id)
    assert early.value.name == "TimelockUnmet"
    await until(gov.chain, eta)
    await gov.execute(anybody, proposal_id)
    assert await gov.state(proposal_id) is ProposalState.EXECUTED


# ---- a proposal of each category ----


async def test_technical_by_delegated_votes(gov: Governance) -> None:
    now = await get_parameters(gov.chain)
    wanted = replace(now, reveal_window=now.reveal_window + 1)
    calls = [encode_call(gov.addresses, artifacts.TASKS, "setParameters", [list(wanted.as_tuple())])]
    rep = sender(gov.chain, REP)
    assert await gov.votes_of(rep.address) == 80 * 10**6 * MLB
    proposal_id = await gov.propose(rep, calls, "One second more to reveal", Category.TECHNICAL)
    info = await gov.get(proposal_id)
    assert (info.state, info.category, info.quadratic) == (ProposalState.PENDING, Category.TECHNICAL, False)
    assert info.quorum is None
    assert info.description == f"One second more to reveal\n#proposer={rep.address.lower()}"
    # Somebody who sees it coming cannot take its place.
    with pytest.raises(ContractError) as copied:
        await sender(gov.chain, STRANGER).send(
            gov.governor.functions.propose(
                [calls[0].target], [0], [calls[0].data], f"Mine\n#proposer={rep.address.lower()}"
            )
        )
    assert copied.value.name == "GovernorRestrictedProposer"
    await carry(gov, (REP,), proposal_id)
    assert await get_parameters(gov.chain) == wanted
    info = await gov.get(proposal_id)
    assert info.for_ == 80 * 10**6 * MLB
    assert info.quorum is not None
    assert info.quorum <= info.for_


async def test_economic(gov: Governance) -> None:
    proposal_id = await gov.propose(sender(gov.chain, REP), [judge_fee(gov, 7 * MLB)], "Cheaper judges")
    assert (await gov.get(proposal_id)).category is Category.ECONOMIC
    await carry(gov, (REP,), proposal_id)
    assert await call(gov.chain.distributor.functions.judgeFee()) == 7 * MLB


async def test_a_vote_reaches_the_reward_pool(gov: Governance) -> None:
    """Of everybody, only somebody that stakes as a model provider earns by it."""
    chain, rep = gov.chain, sender(gov.chain, REP)
    assert await call(gov.governor.functions.voteRecorder()) == chain.addresses.reward_pool
    assert await call(chain.reward_pool.functions.voteRecorder()) == gov.governor.address
    await fund(sender(chain, 0), chain, rep.address, mlb=10_000 * MLB)
    await stake(chain, rep, Role.MODEL_PROVIDER, 10_000 * MLB)
    proposal_id = await gov.propose(rep, [judge_fee(gov, 8 * MLB)], "Dearer judges")
    info = await gov.get(proposal_id)
    await until(chain, info.snapshot + 1)
    await gov.vote(rep, proposal_id, Support.AGAINST)
    period = info.deadline // (7 * 86_400)
    assert await call(chain.reward_pool.functions.voteShare(period, rep.address)) == 10_000 * MLB


async def test_governance(gov: Governance) -> None:
    guardian = dev_account(GUARDIAN).address
    calls = [encode_call(gov.addresses, artifacts.GOVERNOR, "setProposalGuardian", [guardian])]
    before = await call(gov.governor.functions.guardianUntil())
    proposal_id = await gov.propose(sender(gov.chain, REP), calls, "Renew the guardian", Category.GOVERNANCE)
    await carry(gov, (REP,), proposal_id)
    assert await call(gov.governor.functions.guardianUntil()) > before
    info = await gov.get(proposal_id)
    unbonding = await call(gov.chain.distributor.functions.unbondingDelay())
    assert info.eta - info.deadline > unbonding, "whoever disagrees can leave before"


async def test_ecosystem_by_quadratic_votes(gov: Governance) -> None:
    grant = encode_call(gov.addresses, artifacts.TOKEN, "transfer", [GRANTED, 5 * MLB])
    proposal_id = await gov.propose(sender(gov.chain, REP), [grant], "A grant", Category.ECOSYSTEM)
    await until(gov.chain, (await gov.get(proposal_id)).snapshot + 1)
    with pytest.raises(ContractError) as powerless:
        await gov.vote(sender(gov.chain, REP), proposal_id, Support.AGAINST)
    assert powerless.value.name == "NoVotingPower", "80 million delegated MLB are no stake"
    await carry(gov, MEMBERS, proposal_id)
    info = await gov.get(proposal_id)
    assert info.quadratic
    assert info.for_ == 3 * 35 * 10**11, "three roots of 1225e22"
    assert await call(gov.chain.token.functions.balanceOf(GRANTED)) == 5 * MLB


# ---- a slash that waits ----


async def contradict(chain: Chain, liar: ScriptedMember) -> HeldSlash:
    """It attested two results of one order; the slash that follows."""
    assert chain.network.lane is not None
    lane = Lane(chain, chain.network.lane)
    said = []
    for result in (b"one", b"another"):
        attestation = Attestation(keccak(b"order"), liar.account, keccak(result), bytes(32), bytes(32))
        said.append(Signed(attestation, sign_digest(attestation.digest(lane.domain), bytes(liar.node.key))))
    await channels.report_contradiction(lane, sender(chain, STRANGER), said[0], said[1])
    (held,) = await Slashes(chain).of_account(liar.account)
    return held


async def test_a_technical_proposal_vetoes_a_slash_within_its_window(gov: Governance) -> None:
    chain, treasury = gov.chain, sender(gov.chain, 0)
    liar = await make_member(chain, treasury, [])
    before = await reads.get_account(chain, liar.account)
    assert (before.bonded, before.jailed_until) == (50_000 * MLB, 0)
    held = await contradict(chain, liar)
    assert (held.status, held.case.fault) == (CaseStatus.HELD, Fault.MALICIOUS)
    taken = await reads.get_account(chain, liar.account)
    assert (taken.bonded, taken.reputation) == (0, 0)
    assert await call(chain.distributor.functions.heldSlashes()) == 50_000 * MLB

    veto = encode_call(gov.addresses, artifacts.ESCROW, "veto", [held.case.as_tuple()])
    escrow = open_contract(chain, artifacts.ESCROW, gov.addresses[artifacts.ESCROW])
    for powerless in (0, GUARDIAN, STRANGER):
        with pytest.raises(ContractError) as caught:
            await sender(chain, powerless).send(escrow.functions.veto(held.case.as_tuple()))
        assert caught.value.name == "AccessManagedUnauthorized"
    proposal_id = await gov.propose(sender(chain, REP), [veto], "It was a fault of the software")
    info = await gov.get(proposal_id)
    assert info.category is Category.TECHNICAL, "the call table knows it"
    await carry(gov, (REP,), proposal_id)

    assert held.until is not None
    assert (await chain.head()).timestamp <= held.until, "the whole course fits into the window"
    after = await reads.get_account(chain, liar.account)
    assert (after.bonded, after.reputation) == (before.bonded, before.reputation)
    assert after.jailed_until == 0
    assert await call(chain.distributor.functions.heldSlashes()) == 0
    ended = await Slashes(chain).get(held.id)
    assert (ended.status, ended.ending) == (CaseStatus.CLOSED, Ending.VETOED)
    assert await reads.stake_of(chain, liar.operator.address, Role.COMPUTE) == 50_000 * MLB
    with pytest.raises(ContractError) as caught:
        await Slashes(chain).finalise(sender(chain, STRANGER), ended)
    assert caught.value.name == "WrongCaseStatus"


# ---- what is refused ----


async def test_a_wrong_category_is_refused_in_words(gov: Governance) -> None:
    large = encode_call(gov.addresses, artifacts.TOKEN, "transfer", [GRANTED, 2 * 10**6 * MLB])
    role = encode_call(gov.addresses, artifacts.AUTHORITY, "grantRole", [0, dev_account(0).address, 0])
    for calls, declared in (
        ([judge_fee(gov, 1)], Category.TECHNICAL),
        ([large], Category.ECOSYSTEM),
        ([role], Category.ECONOMIC),
        ([judge_fee(gov, 1), role], Category.ECONOMIC),
    ):
        with pytest.raises(ContractError) as caught:
            await gov.propose(sender(gov.chain, REP), calls, "Something else", declared)
        assert caught.value.name == "WrongCategory"
        assert declared.name.lower() in caught.value.message


async def test_who_has_no_votes_neither_proposes_nor_votes(gov: Governance) -> None:
    with pytest.raises(ContractError) as caught:
        await gov.propose(sender(gov.chain, STRANGER), [judge_fee(gov, 2)], "Mine")
    assert caught.value.name == "GovernorInsufficientProposerVotes"
    proposal_id = await gov.propose(sender(gov.chain, REP), [judge_fee(gov, 2)], "To vote on")
    await until(gov.chain, (await gov.get(proposal_id)).snapshot + 1)
    for index in (STRANGER, HOLDERS[0]):
        with pytest.raises(ContractError) as caught:
            await gov.vote(sender(gov.chain, index), proposal_id, Support.FOR)
        assert caught.value.name == "NoVotingPower"
        assert caught.value.hint
    with pytest.raises(MLBridgeError) as unknown:
        await gov.get(1)
    assert unknown.value.code == "proposal.unknown"


async def test_the_guardian_vetoes_pauses_and_can_do_nothing_else(gov: Governance) -> None:
    guardian, chain = sender(gov.chain, GUARDIAN), gov.chain
    proposal_id = await gov.propose(sender(chain, REP), [judge_fee(gov, 3)], "To be vetoed")
    with pytest.raises(ContractError) as caught:
        await gov.cancel(sender(chain, STRANGER), proposal_id)
    assert caught.value.name == "GovernorUnableToCancel"
    await gov.cancel(guardian, proposal_id)
    assert await gov.state(proposal_id) is ProposalState.CANCELED

    with pytest.raises(ContractError) as caught:
        await gov.emergency_pause(sender(chain, STRANGER), chain.addresses.bridge)
    assert caught.value.name == "NotGuardian"
    await gov.emergency_pause(guardian, chain.addresses.bridge)
    assert await call(chain.bridge.functions.paused())
    with pytest.raises(ContractError) as caught:
        await sender(chain, REP).send(chain.bridge.functions.submitTask(bytes(32), b"\0", 0))
    assert caught.value.name == "EnforcedPause"
    await guardian.send(chain.token.functions.approve(chain.addresses.distributor, 1))
    for forbidden in (
        chain.bridge.functions.unpause(),
        chain.bridge.functions.pause(),
        chain.distributor.functions.setJudgeFee(0),
        chain.authority.functions.grantRole(0, guardian.address, 0),
        gov.governor.functions.setProposalGuardian(guardian.address),
        gov.governor.functions.setGrantLimits(0, 0),
        gov.timelock.functions.schedule(chain.addresses.bridge, 0, b"", bytes(32), bytes(32), 10**6),
    ):
        with pytest.raises(ContractError) as caught:
            await guardian.send(forbidden)
        assert caught.value.hint
    unpause = [encode_call(gov.addresses, artifacts.BRIDGE, "unpause", [])]
    await carry(gov, (REP,), await gov.propose(sender(chain, REP), unpause, "Go on"))
    assert not await call(chain.bridge.functions.paused())


# ---- powers ----


async def test_every_power_is_where_the_table_says(chain: Chain) -> None:
    assert await check_governance(chain) == []


async def test_every_restricted_function_obeys_the_timelock_and_refuses_everybody_else(chain: Chain) -> None:
    """Asks the contracts themselves, one function after the other, instead of believing a table."""
    refusing = set()
    by_proposal = {
        (rule.contract, rule.function) for rule in roles.RULES if artifacts.TIMELOCK in rule.role.holders
    }
    governance = chain.network.governance
    assert governance is not None
    deployed = chain.network.named()
    for name, address in deployed.items():
        for item in artifacts.load(name).abi:
            if item["type"] != "function" or item["stateMutability"] in ("view", "pure"):
                continue
            selector = bytes(function_abi_to_4byte_selector(cast(Any, item)))
            request = {
                "from": dev_account(0).address,
                "to": address,
                "data": "0x" + (selector + bytes(32 * 32)).hex(),
            }
            if await _refusal(chain, request) == "AccessManagedUnauthorized":
                refusing.add((name, item["name"]))
            if (name, item["name"]) in by_proposal:
                by_timelock = request | {"from": governance.timelock}
                assert await _refusal(chain, by_timelock) != "AccessManagedUnauthorized", item["name"]
    # setAuthority asks for the AccessManager itself as its caller, in words of the same error.
    # The modules have a storage of their own, which nobody reads.
    modules = (artifacts.TASK_MODULE, artifacts.SERVING_MODULE)
    named = {pair for pair in refusing if pair[1] != "setAuthority" and pair[0] not in modules}
    expected = {(rule.contract, rule.function) for rule in roles.RULES}
    assert named == expected
    assert {contract for contract, _ in expected} <= deployed.keys(), "nothing in the table was left out"


async def _refusal(chain: Chain, request: dict[str, Any]) -> str:
    try:
        await chain.provider.request("eth_call", [request, "latest"])
    except RpcError as error:
        found = from_exception(error)
        return "" if found is None else found.name
    return ""
