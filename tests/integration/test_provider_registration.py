"""What the operator's key does on a real chain, repeated, interrupted and refused; and upkeep."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster import upkeep as upkeep_of
from cluster.config import ProviderConfig, parse_config
from cluster.context import Context
from cluster.registration import Registration
from cluster.upkeep import Upkeep, claim, unjail
from contracts import reads
from contracts.chain import Chain
from contracts.network import save
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from tests.support.providers import make_node, provider_fields
from tests.support.seats import (
    FAST,
    MLB,
    acting,
    fresh_account,
    fund,
    make_members,
    register_model,
    scripts,
    until,
)
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration


def config_for(chain: Chain, folder: Path, **stake: int) -> ProviderConfig:
    network = save(chain.network, folder / "network.yaml")
    return parse_config(provider_fields(folder / "alpha", network, "alpha", stake=stake))


async def newcomer(chain: Chain, treasury: Sender, folder: Path, mlb: int, **stake: int) -> Registration:
    operator = fresh_account()
    await fund(treasury, chain, operator.address, mlb=mlb * MLB)
    made = Registration(chain, operator, config_for(chain, folder, **stake))
    made.sender = Sender(chain, operator, FAST)
    return made


async def test_registering_twice_is_registering_once(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    model = await register_model(chain, treasury)
    exec_class = (await reads.get_model(chain, model)).exec_class
    registration = await newcomer(chain, treasury, tmp_path, 100_000, compute=50_000, verifier=25_000)
    node = fresh_account()
    accounts = await registration.register(node)
    assert sorted(role for role in accounts.values()) == [Role.COMPUTE, Role.VERIFIER]
    assert len(await registration.serve([(model, exec_class)])) == 2

    nonce = await chain.w3.eth.get_transaction_count(registration.sender.address)  # type: ignore[arg-type]
    assert await registration.register(node) == accounts
    assert await registration.serve([(model, exec_class)]) == []
    assert await chain.w3.eth.get_transaction_count(registration.sender.address) == nonce  # type: ignore[arg-type]
    assert await reads.stake_of(chain, registration.sender.address, Role.COMPUTE) == 50_000 * MLB

    assert len(await registration.stop_serving([model])) == 2
    assert await registration.stop_serving([model]) == []
    assert len(await registration.serve([(model, exec_class)])) == 2


async def test_stake_that_cannot_be_is_refused_with_the_way_out(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    node = fresh_account()
    low = await newcomer(chain, treasury, tmp_path, 10, compute=10)
    with pytest.raises(MLBridgeError, match=r"10 MLB, below the minimum of 50000 MLB"):
        await low.register(node)
    poor = await newcomer(chain, treasury, tmp_path, 40_000, compute=50_000)
    with pytest.raises(MLBridgeError, match="Send it 10000 MLB") as failure:
        await poor.register(node)
    assert failure.value.exit_code == 4
    with pytest.raises(MLBridgeError, match="no stake as compute provider or verifier"):
        await (await newcomer(chain, treasury, tmp_path, 1)).register(node)


async def test_a_node_key_of_somebody_else_is_refused(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    node = fresh_account()
    first = await newcomer(chain, treasury, tmp_path, 50_000, compute=50_000)
    await first.register(node)
    second = await newcomer(chain, treasury, tmp_path, 50_000, compute=50_000)
    with pytest.raises(MLBridgeError, match="belongs to another operator"):
        await second.register(node)


async def test_lost_stake_is_replaced_only_when_asked(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    registration = await newcomer(chain, treasury, tmp_path, 150_000, compute=80_000)
    node = fresh_account()
    await registration.register(node)
    distributor = chain.distributor.functions
    await registration.sender.send(distributor.requestUnbond(int(Role.COMPUTE), 20_000 * MLB))
    await registration.register(node)
    assert await reads.stake_of(chain, registration.sender.address, Role.COMPUTE) == 60_000 * MLB
    await registration.register(node, top_up=True)
    assert await reads.stake_of(chain, registration.sender.address, Role.COMPUTE) == 80_000 * MLB


async def test_after_jail_the_operator_comes_back_and_claims(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], fault="no-reveal", mlb=120_000)
    members = await make_members(chain, treasury, model, scripts(honest=2))
    judges = await make_members(chain, treasury, model, scripts(honest=3), role=Role.VERIFIER, mlb=25_000)
    async with client_for(chain) as client, node.running() as agent, acting([*members, *judges]):
        await (await client.submit(model, IMAGE)).wait(90)
        await until(lambda: _jailed(chain, node.member.account))
        await until(lambda: _told(agent.upkeep, node.member.account))
    owner = Sender(chain, node.member.operator, FAST)
    info = await reads.get_account(chain, node.member.account)
    assert info.weight == 0
    assert await unjail(chain, owner, info.jailed_until) == []
    await until(lambda: _later(chain, info.jailed_until))
    assert await unjail(chain, owner, (await chain.head()).timestamp) == [node.member.account]
    assert (await reads.get_account(chain, node.member.account)).weight > 0

    winner = members[0].operator.address
    coins, _ = await claim(chain, owner, winner)
    assert coins > 0
    assert await claim(chain, owner, winner) == (0, 0)


async def _jailed(chain: Chain, account: int) -> bool:
    return (await reads.get_account(chain, account)).jailed_until > 0


async def _told(upkeep: Upkeep, account: int) -> bool:
    return bool(upkeep.stakes.get(str(account), {}).get("jailed_until"))


async def _later(chain: Chain, moment: int) -> bool:
    return (await chain.head()).timestamp > moment


@pytest.mark.parametrize("up_s", [5.0, 1e6], ids=["machine just started", "machine up for days"])
async def test_weights_follow_reputation(
    chain: Chain, treasury: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up_s: float
) -> None:
    clock = SimpleNamespace(monotonic=lambda: up_s, time=time.time)
    monkeypatch.setattr(upkeep_of, "time", clock)
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    context = await Context.open(node.config)
    try:
        assert await context.find_accounts()
        upkeep = Upkeep(context)
        before = await chain.w3.eth.get_transaction_count(context.key.address)
        await upkeep.round()
        # The weight, and what a season of rewards begins with: a check-in and the mark for fees.
        assert await chain.w3.eth.get_transaction_count(context.key.address) == before + 3
        await upkeep.round()
        assert await chain.w3.eth.get_transaction_count(context.key.address) == before + 3
        upkeep.note_weight(model, node.member.account, 1)
        await upkeep.refresh_weights()
        assert await chain.w3.eth.get_transaction_count(context.key.address) == before + 4
        assert upkeep.balance > 0
    finally:
        await context.close()


async def test_an_agent_waits_until_its_key_acts_for_somebody(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    owner = Sender(chain, node.member.operator, FAST)
    await owner.send(chain.tasks.functions.setNodeKey(node.member.node.address, False, b""))
    async with node.running() as agent:
        await asyncio.sleep(0.5)
        assert agent.status()["state"] == "unregistered"
        await owner.send(chain.tasks.functions.setNodeKey(node.member.node.address, True, b""))
        await until(lambda: _running(agent.status()))


async def _running(status: dict[str, object]) -> bool:
    return status["state"] == "running"
