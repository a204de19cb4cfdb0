"""Deployments on real chains: whole, repeated, killed, changed, and without what they need."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts import artifacts, create3, roles
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain, Endpoint
from contracts.deploy import DEVNET, PUBLIC, deploy
from contracts.deploy_gas import creation_gas
from contracts.deploy_params import ReviewParams
from contracts.deploy_table import PART_ROLES, Part
from contracts.errors import ContractError
from contracts.events import topic_of
from contracts.governance_params import PUBLIC_GOVERNANCE
from contracts.handover import check_governance, open_contract
from contracts.network import Network, load_network, save
from contracts.reads import call, get_parameters
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from tests.integration.conftest import PARAMS
from tests.support.killed_deploy import __file__ as killed_deploy
from tests.support.seats import FAST

pytestmark = pytest.mark.integration
ROOT = Path(killed_deploy).parents[2]
# The factory; among contracts that wait for nothing; among those that wait; setChannels and the reserve;
# among roles; the last of 35, with which the deployer gives up its last power.
KILLS = (1, 8, 21, 24, 30, 35)


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    with Anvil(free_port(), block_time=None) as running:
        yield running


async def head(anvil: Anvil) -> int:
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        return (await endpoint.head()).number


async def put(anvil: Anvil, params: Any = PARAMS, **options: Any) -> Network:
    return await deploy(anvil.rpc_url, options.pop("by", dev_account(0)), params, policy=FAST, **options)


def predicted(name: str) -> str:
    return create3.contract_address(dev_account(0).address, "mlbridge", name)


async def refused(anvil: Anvil, params: Any = PARAMS, **options: Any) -> MLBridgeError:
    with pytest.raises(MLBridgeError) as caught:
        await put(anvil, params, **options)
    return caught.value


async def administrators(chain: Chain) -> set[str]:
    """Whoever was ever given power over everything."""
    found = await chain.logs(0, (await chain.head()).number, addresses=[chain.addresses.authority])
    topic = topic_of(artifacts.AUTHORITY, "RoleGranted")
    every = [log["topics"] for log in found if log["topics"][0] == topic and int(log["topics"][1], 16) == 0]
    return {to_checksum_address("0x" + topics[2][-40:]) for topics in every}


@pytest.mark.parametrize("preset", [DEVNET, PUBLIC], ids=["devnet", "public"])
async def test_presets_deploy_within_the_limits_of_a_real_chain(anvil: Anvil, preset: Any) -> None:
    """No size limit is lifted here: what does not fit a public chain must fail."""
    network = await put(anvil, preset)
    async with await Chain.connect(network) as chain:
        assert await get_parameters(chain) == preset.parameters
        delay = await call(chain.distributor.functions.unbondingDelay())
        assert await call(chain.tasks.functions.longestTask()) < delay == preset.unbonding_delay
        assert await call(chain.distributor.functions.disputeReserve(0)) == preset.reserve
        admin = await call(chain.authority.functions.hasRole(0, dev_account(0).address))
        assert admin[0]
        for index in range(1, 4):
            other = await call(chain.authority.functions.hasRole(0, dev_account(index).address))
            assert not other[0]
        assert await administrators(chain) == {dev_account(0).address}


async def test_the_channel_lane_is_wired_and_switched_on(anvil: Anvil) -> None:
    network = await put(anvil)
    lane = network.lane
    assert lane is not None
    async with await Chain.connect(network) as chain:
        opened = {name: open_contract(chain, name, at).functions for name, at in lane.named().items()}
        assert await call(chain.distributor.functions.channels()) == lane.channels
        channels = opened[artifacts.CHANNELS]
        assert await call(channels.settlement()) == lane.settlement
        assert await call(channels.snapshots()) == lane.snapshots
        beacon = opened[artifacts.BEACON]
        assert PARAMS.lane is not None
        genesis = await call(chain.tasks.functions.genesis())
        assert await call(beacon.genesis()) == genesis
        assert await call(channels.genesis()) == genesis - PARAMS.lane.epoch_seconds
        assert await call(beacon.sourceOf(1_000)) == lane.prevrandao_source
        assert await call(opened[artifacts.SETTLEMENT].attesters()) == lane.ecdsa_attestations
        assert await call(opened[artifacts.BLS_ATTESTATIONS].maxAge()) == PARAMS.lane.attester_max_age
        share = await call(channels.protocolShare())
        assert share >= (await call(chain.reward_pool.functions.rates()))[3]


async def test_reviews_are_wired_whoever_governs(anvil: Anvil) -> None:
    network = await put(anvil, replace(PARAMS, reviews=ReviewParams()))
    assert network.reviews is not None
    async with await Chain.connect(network) as chain:
        manager = chain.authority.functions
        assert await call(chain.distributor.functions.slashEscrow()) == network.reviews.escrow
        appeals = open_contract(chain, artifacts.APPEALS, network.reviews.appeals).functions
        assert await call(appeals.escrow()) == network.reviews.escrow
        assert network.lane is not None
        assert await call(appeals.dissentCases()) == network.lane.dissent_cases
        for role in (roles.REVIEWER, roles.FINER, roles.SLASHER):
            for holder in role.holders:
                assert await call(manager.hasRole(role.id, network.named()[holder])) == [True, 0]
        for rule in roles.RULES:
            if rule.contract in network.named():
                function = roles.selector(rule.contract, rule.function)
                given = await call(manager.getTargetFunctionRole(network.named()[rule.contract], function))
                given_here = (roles.REVIEWER, roles.FINER, roles.SLASHER)
                expected = rule.role if rule.role in given_here else roles.ADMIN
                assert given == expected.id, "the deployer keeps every other power"


async def test_a_second_run_changes_nothing(anvil: Anvil, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    first = await put(anvil, network_file=file)
    blocks = await head(anvil)
    assert await put(anvil, network_file=file) == first == load_network(file)
    assert (await put(anvil)).deployment == first.deployment, "the chain is the record"
    assert await head(anvil) == blocks
    made = json.loads(file.read_text())["deployment"]
    assert made["deployer"] == dev_account(0).address
    assert set(made["code_hashes"]) == set(first.named())
    assert made["parameters"]["judge_fee"] == PARAMS.judge_fee
    assert made["parameters"]["lane"]["source"] == "PrevrandaoSource"


async def test_other_parameters_are_another_deployment(anvil: Anvil, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    first = await put(anvil, network_file=file)
    for changed in (replace(PARAMS, judge_fee=1), replace(PARAMS, team=dev_account(4).address)):
        error = await refused(anvil, changed)
        assert error.code == "deploy.changed"
        assert "salt" in error.hint
    error = await refused(anvil, salt="another", network_file=file)
    assert error.code == "deploy.changed"
    second = await put(anvil, replace(PARAMS, judge_fee=1), salt="another")
    assert not set(second.named().values()) & set(first.named().values())


async def test_addresses_are_the_same_on_every_chain_whatever_else_differs() -> None:
    found = []
    for chain_id, idle, params in ((7, 0, PARAMS), (8, 3, replace(PARAMS, judge_fee=1, epoch_seconds=9))):
        with Anvil(free_port(), block_time=None, chain_id=chain_id) as anvil:
            async with await Endpoint.open(anvil.rpc_url) as endpoint:
                sender = Sender(endpoint, dev_account(0), FAST)
                for _ in range(idle):
                    await sender.transfer(dev_account(1).address, 1)
            network = await put(anvil, params, chain_id=chain_id, governance=PUBLIC_GOVERNANCE)
            found.append(network.named())
    assert found[0] == found[1]


async def test_nobody_takes_an_address_of_somebody_else(anvil: Anvil) -> None:
    """A squatter sends the very transaction of another's deployment, before it."""
    at = create3.contract_address(dev_account(0).address, "mlbridge", artifacts.TOKEN)
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        squatter = Sender(endpoint, dev_account(5), FAST)
        await create3.put_factory(endpoint, squatter)
        factory = create3.open_factory(endpoint).functions
        # eleven bytes that make a contract of one byte
        code = bytes.fromhex("60016000f3") + bytes(6)
        await squatter.send(factory.make(create3.salt_of("mlbridge", artifacts.TOKEN), code))
        assert await create3.code_of(endpoint, at) == b""
        own = create3.contract_address(dev_account(5).address, "mlbridge", artifacts.TOKEN)
        assert await create3.has_code(endpoint, own)
        with pytest.raises(ContractError) as caught:
            await squatter.send(factory.make(create3.salt_of("mlbridge", artifacts.TOKEN), code))
        assert caught.value.name == "AlreadyMade"
    assert (await put(anvil)).addresses.token == at


@pytest.mark.parametrize("kill_at", KILLS)
async def test_a_deployment_that_was_killed_goes_on(kill_at: int) -> None:
    """Blocks come slowly, so that transactions are still under way when it dies."""
    with Anvil(free_port(), block_time=0.2) as anvil:
        child = [sys.executable, "-m", "tests.support.killed_deploy", anvil.rpc_url, str(kill_at)]
        ended = await asyncio.to_thread(subprocess.run, child, cwd=ROOT, timeout=120, check=False)
        assert ended.returncode == -signal.SIGKILL
        network = await put(anvil, DEVNET, governance=PUBLIC_GOVERNANCE)
        async with await Chain.connect(network) as chain:
            assert await check_governance(chain) == []
            assert network.lane is not None
            assert await call(chain.distributor.functions.channels()) == network.lane.channels
            assert await call(chain.distributor.functions.disputeReserve(0)) == DEVNET.reserve


async def test_a_deployer_that_does_other_things_meanwhile_does_no_harm(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Sender.send_call

    async def distracted(self: Sender, *arguments: Any, **named: Any) -> Any:
        receipt = await send(self, *arguments, **named)
        monkeypatch.setattr(Sender, "send_call", send)
        await self.transfer(dev_account(1).address, 1)
        monkeypatch.setattr(Sender, "send_call", distracted)
        return receipt

    monkeypatch.setattr(Sender, "send_call", distracted)
    disturbed = await put(anvil)
    monkeypatch.setattr(Sender, "send_call", send)
    assert disturbed.deployment == (await put(anvil)).deployment


async def test_a_chain_that_was_reset_is_noticed(anvil: Anvil, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    await put(anvil, network_file=file)
    with Anvil(free_port(), block_time=None) as fresh:
        assert (await refused(fresh, network_file=file)).code == "deploy.gone"
    with Anvil(free_port(), block_time=None, chain_id=5) as other:
        error = await refused(other, chain_id=31337)
        assert error.code == "deploy.wrong_chain"
        assert "chain 5" in error.message
        assert (await refused(other, network_file=file)).code == "deploy.changed"


async def test_code_that_is_not_what_the_file_says_is_noticed(anvil: Anvil, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    network = await put(anvil, network_file=file)
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        await endpoint.provider.request("anvil_setCode", [network.addresses.bridge, "0x6001"])
    error = await refused(anvil, network_file=file)
    assert (error.code, error.context["contract"]) == ("deploy.changed", "MLBridge")


async def test_a_lost_file_is_written_again(anvil: Anvil, tmp_path: Path) -> None:
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        await endpoint.provider.request("anvil_mine", [hex(40), hex(12)])
    first = await put(anvil)
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        await endpoint.provider.request("anvil_mine", [hex(100), hex(12)])
    again = await put(anvil, network_file=tmp_path / "net.json")
    assert again.model_copy(update={"start_block": first.start_block}) == first
    assert again.start_block >= 30
    async with await Chain.connect(again) as chain:
        events = await chain.logs(0, again.start_block, addresses=[again.addresses.token])
        assert events == []


async def test_channels_are_added_later_and_never_lost(anvil: Anvil, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    without = await put(anvil, replace(PARAMS, lane=None), network_file=file)
    assert without.lane is None
    full = await put(anvil, network_file=file)
    assert full.addresses == without.addresses
    assert full.lane is not None
    again = await put(anvil, replace(PARAMS, lane=None), network_file=file)
    assert again.lane == full.lane, "a run that does not ask for channels does not forget them"


async def test_who_may_not_switch_the_lane_on_is_told_who_may(anvil: Anvil) -> None:
    params = replace(PARAMS, admin=dev_account(6).address)
    error = await refused(anvil, params)
    assert error.code == "deploy.not_admin"
    assert dev_account(6).address in error.message
    lane = predicted(artifacts.CHANNELS)
    assert f"RewardDistributor.setChannels({lane})" in error.message
    core = await put(anvil, replace(params, lane=None))
    async with await Chain.connect(core) as chain:
        admin = Sender(chain, dev_account(6), FAST)
        await admin.send(chain.distributor.functions.setChannels(lane))
        named = core.named() | {
            name: predicted(name) for name in (artifacts.SUMMONS, artifacts.DISSENT_CASES)
        }
        calls = await roles.missing(chain, named, PART_ROLES[Part.CHANNELS])
        error = await refused(anvil, params)
        assert error.code == "deploy.not_admin"
        assert all(f"AccessManager.{words}" in error.message for words, _ in calls)
        for _, function in calls:
            await admin.send(function)
    assert (await put(anvil, params)).lane is not None


async def test_a_chain_without_the_proxy_says_how_to_get_it() -> None:
    arguments = ("--disable-default-create2-deployer",)
    with Anvil(free_port(), block_time=None, extra_arguments=arguments) as anvil:
        error = await refused(anvil)
        assert error.code == "deploy.no_proxy"
        # the way out, word for word
        assert create3.PROXY_SIGNER in error.hint
        assert create3.PROXY_TRANSACTION in error.hint
        async with await Endpoint.open(anvil.rpc_url) as endpoint:
            donor = Sender(endpoint, dev_account(9), FAST)
            await donor.transfer(create3.PROXY_SIGNER, create3.PROXY_COST)
            await endpoint.provider.request("eth_sendRawTransaction", [create3.PROXY_TRANSACTION])
        await put(anvil)


async def test_a_chain_with_another_factory_or_proxy_is_refused(anvil: Anvil) -> None:
    """A chain's owner can put at genesis what it likes: one that would make our contracts from other code."""
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        await endpoint.provider.request("anvil_setCode", [create3.factory_address(), "0x60016000526020"])
        assert (await refused(anvil)).code == "deploy.bad_factory"
        await endpoint.provider.request("anvil_setCode", [create3.factory_address(), "0x"])
        await endpoint.provider.request("anvil_setCode", [create3.PROXY, "0x00"])
        assert (await refused(anvil)).code == "deploy.bad_factory"


async def test_two_who_put_the_factory_at_once_both_go_on(anvil: Anvil) -> None:
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        senders = [Sender(endpoint, dev_account(index), FAST) for index in (4, 5)]
        put = await asyncio.gather(*(create3.put_factory(endpoint, sender) for sender in senders))
        assert sum(put) == 1
        assert await create3.factory_stands(endpoint)


async def test_a_contract_that_fits_no_transaction_is_refused_before_it_is_sent(anvil: Anvil) -> None:
    error = await refused(anvil, tx_gas_cap=5_000_000)
    assert error.code == "deploy.gas"
    assert "5,000,000" in error.message


async def test_what_creating_takes_is_never_more_than_was_foretold(anvil: Anvil) -> None:
    network = await put(anvil, governance=PUBLIC_GOVERNANCE)
    made = 0
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        for number in range(1, (await endpoint.head()).number + 1):
            block = await endpoint.provider.request("eth_getBlockByNumber", [hex(number), True])
            for sent in block["transactions"]:
                if sent["to"].lower() == create3.factory_address().lower():
                    code = bytes.fromhex(sent["input"][2:])
                    assert int(block["gasUsed"], 16) < creation_gas(code)
                    made += 1
    assert made == len(network.named())


def test_the_saved_file_is_a_network_for_every_other_command(tmp_path: Path) -> None:
    with Anvil(free_port(), block_time=None) as anvil:
        network = asyncio.run(put(anvil, governance=PUBLIC_GOVERNANCE))
    for suffix in ("json", "yaml"):
        assert load_network(save(network, tmp_path / f"n.{suffix}")) == network
