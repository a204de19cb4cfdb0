"""Governance on a real chain: a proposal of each category from proposal to change, and what is refused."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from contracts import artifacts, governance_deploy, keystore, roles
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import MLB, deploy
from contracts.errors import ContractError
from contracts.governance import Governance
from contracts.governance_deploy import (
    PUBLIC_GOVERNANCE,
    GovernanceParams,
    check_governance,
    deploy_governance,
)
from contracts.network import Network, save
from contracts.proposal_file import encode_call
from contracts.proposals import Call, Category, ProposalState, Support, id_text
from contracts.reads import call, get_parameters
from contracts.sender import Sender
from mlbridge.cli import main
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from tests.integration.conftest import PARAMS
from tests.support.seats import FAST

pytestmark = pytest.mark.integration

DAY = 86_400
REP = 1  # the delegate; the command's default key on a devnet
HOLDERS = (2, 3)
MEMBERS = (4, 5, 6)
STAKE = 12_250_000 * MLB
STRANGER = 7
GUARDIAN = 9
GRANTED = dev_account(19).address


@dataclass(frozen=True)
class Governed:
    """A chain whose deployment is governed, and its deployer without power."""

    anvil: Anvil
    network: Network


async def later(chain: Chain, seconds: int) -> None:
    """Time passes."""
    await chain.provider.request("evm_increaseTime", [seconds])
    await chain.provider.request("evm_mine", [])


async def until(chain: Chain, moment: int) -> None:
    """It is this time or later."""
    now = (await chain.head()).timestamp
    if now < moment:
        await later(chain, moment - now)


async def settle_in(anvil: Anvil) -> Network:
    """Deploy, hand over, and give people what they vote with."""
    network = await deploy(anvil.rpc_url, dev_account(0), PARAMS, name="governed", policy=FAST)
    params = replace(PUBLIC_GOVERNANCE, guardian=dev_account(GUARDIAN).address)
    network = await deploy_governance(network, dev_account(0), params, policy=FAST)
    async with await Chain.connect(network) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        assert network.governance is not None
        await treasury.send(chain.token.functions.transfer(network.governance.timelock, 10**7 * MLB))
        for index in HOLDERS:
            holder = Sender(chain, dev_account(index), FAST)
            await treasury.send(chain.token.functions.transfer(holder.address, 40 * 10**6 * MLB))
            await Governance(chain).delegate(holder, dev_account(REP).address)
        for index in MEMBERS:
            member = Sender(chain, dev_account(index), FAST)
            await treasury.send(chain.token.functions.transfer(member.address, STAKE))
            await member.send(chain.token.functions.approve(chain.addresses.distributor, STAKE))
            await member.send(chain.distributor.functions.stake(int(Role.HOLDER), STAKE))
            await Governance(chain).enrol(member)
        await later(chain, params.maturity + 1)
    return network


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


def sender(chain: Chain, index: int) -> Sender:
    return Sender(chain, dev_account(index), FAST)


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
    governance = chain.network.governance
    assert governance is not None
    for name, contract in (
        (artifacts.BRIDGE, chain.bridge),
        (artifacts.REGISTRY, chain.registry),
        (artifacts.DISTRIBUTOR, chain.distributor),
        (artifacts.TASKS, chain.tasks),
        (artifacts.TOKEN, chain.token),
        (artifacts.VERIFIER, chain.verifier),
    ):
        for item in artifacts.load(name).abi:
            if item["type"] != "function" or item["stateMutability"] in ("view", "pure"):
                continue
            data = roles.selector(name, item["name"]) if _once(name, item["name"]) else b""
            request = {
                "from": dev_account(0).address,
                "to": contract.address,
                "data": "0x" + (data + bytes(32 * 32)).hex(),
            }
            if await _refusal(chain, request) == "AccessManagedUnauthorized":
                refusing.add((name, item["name"]))
            if (name, item["name"]) in {(rule.contract, rule.function) for rule in roles.RULES}:
                by_timelock = request | {"from": governance.timelock}
                assert await _refusal(chain, by_timelock) != "AccessManagedUnauthorized", item["name"]
    # setAuthority asks for the AccessManager itself as its caller, in words of the same error.
    named = {pair for pair in refusing if pair[1] != "setAuthority"}
    assert named == {(rule.contract, rule.function) for rule in roles.RULES}


def _once(contract: str, function: str) -> bool:
    return sum(item.get("name") == function for item in artifacts.load(contract).abi) == 1


async def _refusal(chain: Chain, request: dict[str, Any]) -> str:
    from contracts.errors import from_exception
    from contracts.rpc import RpcError

    try:
        await chain.provider.request("eth_call", [request, "latest"])
    except RpcError as error:
        found = from_exception(error)
        return "" if found is None else found.name
    return ""


# ---- deployment ----


# Transactions sent before the cut: between contracts; before roles; among the timelock's and the
# AccessManager's; before the deployer gives up its last power.
CUTS = (1, 3, 5, 8, 11)
QUICK = replace(FAST, poll_s=0.01)


def test_a_hand_over_that_was_cut_off_anywhere_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_cut_everywhere(tmp_path, monkeypatch))


async def _cut_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(0), PARAMS, policy=FAST)
        async with await Chain.connect(network) as chain:
            for cut_at in CUTS:
                before = await chain.provider.request("evm_snapshot", [])
                record = folder / f"{cut_at}.json"
                await _cut_and_go_on(chain, cut_at, record, monkeypatch)
                await chain.provider.request("evm_revert", [before])
        with pytest.raises(MLBridgeError) as caught:
            await deploy_governance(network, dev_account(0), PUBLIC_GOVERNANCE, record_file=record)
        assert caught.value.code == "governance.gone"


async def _cut_and_go_on(chain: Chain, cut_at: int, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, send = 0, Sender.send_call

    async def cut(self: Sender, *arguments: Any, **named: Any) -> Any:
        nonlocal sent
        if sent == cut_at:
            raise ConnectionError("cut off")
        sent += 1
        return await send(self, *arguments, **named)

    async def hand_over(params: GovernanceParams = PUBLIC_GOVERNANCE) -> Network:
        return await deploy_governance(chain.network, dev_account(0), params, record_file=record, policy=FAST)

    monkeypatch.setattr(Sender, "send_call", cut)
    with pytest.raises(ConnectionError):
        await hand_over()
    assert sent == cut_at
    monkeypatch.setattr(Sender, "send_call", send)
    done = await hand_over()
    async with await Chain.connect(done) as governed:
        assert await check_governance(governed) == []
    height = (await chain.head()).number
    assert await hand_over() == done
    assert (await chain.head()).number == height, "a run with nothing to do sends nothing"
    other = replace(PUBLIC_GOVERNANCE, guardian_term=DAY)
    with pytest.raises(MLBridgeError) as caught:
        await hand_over(other)
    assert caught.value.code == "governance.changed"


def test_a_power_that_somebody_else_holds_is_found() -> None:
    asyncio.run(_second_administrator())


async def _second_administrator() -> None:
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(0), PARAMS, policy=FAST)
        async with await Chain.connect(network) as chain:
            deployer = Sender(chain, dev_account(0), FAST)
            await deployer.send(chain.authority.functions.grantRole(0, dev_account(3).address, 0))
            await deployer.send(chain.authority.functions.grantRole(77, dev_account(4).address, 0))
        with pytest.raises(MLBridgeError) as caught:
            await deploy_governance(network, dev_account(0), PUBLIC_GOVERNANCE, policy=FAST)
        assert caught.value.code == "governance.incomplete"
        assert dev_account(3).address in caught.value.message
        assert dev_account(4).address in caught.value.message
        with pytest.raises(MLBridgeError) as none:
            governance_deploy.addresses_of(network)
        assert none.value.code == "governance.none"


# ---- the command ----


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def say(
    governed: Governed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Run `mlbridge gov ...` on the governed network, in this process."""
    file = save(governed.network, tmp_path / "network.yaml")
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["mlbridge", "gov", *arguments, "--network", str(file)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    structlog.reset_defaults()


def wait_until(governed: Governed, moment: int) -> None:
    async def work() -> None:
        async with await Chain.connect(governed.network) as chain:
            await until(chain, moment)

    asyncio.run(work())


def test_the_command_from_proposal_to_change(
    governed: Governed, tmp_path: Path, say: Callable[..., Said]
) -> None:
    written = {
        "description": "Judges earn eleven",
        "category": "economic",
        "calls": [{"contract": "RewardDistributor", "function": "setJudgeFee", "arguments": [11 * MLB]}],
    }
    file = tmp_path / "proposal.yaml"
    file.write_text(yaml.safe_dump(written))
    proposed = say("propose", str(file), "--json")
    assert proposed.code == 0, proposed.err
    facts = proposed.json
    assert (facts["state"], facts["category"]) == ("pending", "economic")
    early = say("vote", facts["proposal"], "for", "--json")
    assert early.code == 1
    assert early.json["error"]["code"] == "contract.GovernorUnexpectedProposalState"
    wait_until(governed, facts["vote_opens"] + 1)
    voted = say("vote", facts["proposal"], "for", "--reason", "They work", "--json")
    assert voted.json["weight"] == 80 * 10**6 * MLB
    wait_until(governed, facts["vote_closes"] + 1)
    queued = say("queue", facts["proposal"], "--json")
    assert say("execute", facts["proposal"], "--json").json["error"]["code"] == "contract.TimelockUnmet"
    wait_until(governed, queued.json["executable_from"])
    assert say("execute", facts["proposal"], "--json").json["state"] == "executed"
    shown = say("show", facts["proposal"], "--json").json
    assert (shown["state"], shown["for"]) == ("executed", 80 * 10**6 * MLB)
    assert shown["calls"][0]["to"] == governed.network.addresses.distributor
    for_people = say("show", facts["proposal"])
    assert "80,000,000 MLB" in for_people.out
    listed = say("list", "--json").json
    assert listed[0]["proposal"] == facts["proposal"]
    assert "Judges earn eleven" in say("list").out
    assert say("check", "--json").json == {"ok": True, "wrong": []}


def test_the_command_for_a_guardian_and_a_holder(
    governed: Governed, tmp_path: Path, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "open")
    stored = tmp_path / "guardian.json"
    keystore.create(stored, "open", account=dev_account(GUARDIAN), rounds=2)
    file = tmp_path / "proposal.json"
    file.write_text(json.dumps({"description": "A small gift", "calls": [{"to": GRANTED, "value": 10**18}]}))
    proposed = say("propose", str(file), "--json")
    assert proposed.json["category"] == "ecosystem"
    vetoed = say("veto", proposed.json["proposal"], "--keystore", str(stored), "--json")
    assert vetoed.json["state"] == "canceled", vetoed.err
    again = say("veto", proposed.json["proposal"], "--keystore", str(stored))
    assert again.code == 1
    assert "canceled" in again.err
    assert say("pause", "--json").json["error"]["code"] == "contract.NotGuardian"
    delegated = say("delegate", "--json").json
    assert delegated["votes_mlb"] == 80 * 10**6 * MLB
    assert say("enrol", "--json").json["error"]["code"] == "contract.StakeBelowMinimum"


@pytest.mark.parametrize(
    ("arguments", "written", "named"),
    [
        (["show", "zebra"], None, "zebra"),
        (["show", "0x01"], None, id_text(1)),
        (["delegate", "zebra"], None, "zebra"),
        (["propose"], {"description": "x", "calls": []}, "calls"),
        (["propose"], {"description": "x", "category": "war", "calls": [{"to": GRANTED}]}, "war"),
        (["propose"], {"description": "x", "calls": [{"contract": "No", "function": "f"}]}, "No"),
        (["propose"], {"description": "x", "calls": [{"contract": "MLBridge", "function": "f"}]}, "f"),
        (["propose"], {"description": "x", "calls": [{"to": GRANTED, "function": "f"}]}, "to"),
        (["propose"], {"description": "x", "calls": [{"to": GRANTED, "data": "0xz"}]}, "0xz"),
        (
            ["propose"],
            {
                "description": "x",
                "calls": [{"contract": "RewardDistributor", "function": "setJudgeFee", "arguments": ["a"]}],
            },
            "setJudgeFee",
        ),
        (
            ["propose"],
            {"description": "x", "calls": [{"contract": "RewardDistributor", "function": "setJudgeFee"}]},
            "1 arguments",
        ),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str],
    written: dict[str, Any] | None,
    named: str,
    tmp_path: Path,
    say: Callable[..., Said],
) -> None:
    if written is not None:
        file = tmp_path / "bad.json"
        file.write_text(json.dumps(written))
        arguments = [*arguments, str(file)]
    said = say(*arguments, "--json")
    assert said.code in (2, 5)
    assert named in said.json["error"]["message"]
