"""The reward pool on a real chain: a node fetches its own, a model provider and an operator by command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from contracts import keystore
from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.network import save
from contracts.rewards import Rewards, Stream
from contracts.sender import Sender
from mlbridge.protocol.inflation import EPOCH, issuable
from mlbridge.protocol.types import Role
from tests.support.command import Say
from tests.support.providers import make_node
from tests.support.seats import (
    FAST,
    MLB,
    acting,
    fresh_account,
    fund,
    make_members,
    next_epoch,
    register_model,
    scripts,
    stake,
    until,
)
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration
PASSWORD = "open sesame"
HALF_A_DAY = 43_200


async def tokens(chain: Chain, owner: str) -> int:
    return int(await chain.token.functions.balanceOf(owner).call())


async def test_a_running_node_checks_in_and_claims_for_its_operator(
    calm: Chain, bank: Sender, tmp_path: Path
) -> None:
    model = await register_model(calm, bank)
    node = await make_node(calm, bank, tmp_path / "alpha", [model], limits={"claim_every_s": 1})
    await next_epoch(calm)
    rewards, account, owner = Rewards(calm), node.member.account, str(node.member.operator.address)

    async def checked_in() -> bool:
        return (await rewards.interval(account)).since != 0

    async def fees_count() -> bool:
        return not (await rewards.rebate(owner)).opens

    async def paid() -> bool:
        return await tokens(calm, owner) > 0

    async with node.running():
        await until(checked_in)
        first = await rewards.interval(account)
        await until(fees_count)
        await calm.provider.request("evm_increaseTime", [HALF_A_DAY])
        await calm.provider.request("evm_mine", [])
        await until(paid)
    standing = await rewards.standing(owner)
    assert standing.interval is not None
    assert standing.interval.since >= first.since + HALF_A_DAY
    # Half a day of 50,000 MLB at 3 % a year, nearly doubled for an early operator.
    expected = 50_000 * MLB * 3 // 100 * 2 * HALF_A_DAY // (365 * 86_400)
    assert expected * 99 // 100 < standing.credited[Stream.UPTIME] <= expected * 101 // 100
    assert await tokens(calm, owner) == standing.claimed


async def test_running_nodes_have_inflation_minted_and_once_is_enough(
    calm: Chain, bank: Sender, tmp_path: Path
) -> None:
    model = await register_model(calm, bank)
    homes = tmp_path / "alpha", tmp_path / "beta"
    nodes = [await make_node(calm, bank, home, [model], limits={"claim_every_s": 1}) for home in homes]
    rewards, token = Rewards(calm), calm.token.functions
    pool = calm.addresses.reward_pool

    async def minted() -> int:
        return int(await token.inflationMinted().call())

    await rewards.mint(bank)
    before, held = await minted(), await tokens(calm, pool)
    await calm.provider.request("evm_increaseTime", [10 * EPOCH])
    await calm.provider.request("evm_mine", [])

    async def more() -> bool:
        return await minted() > before

    async with nodes[0].running(), nodes[1].running():
        await until(more)
    added = await minted() - before
    # Whole epochs of inflation, however many nodes had a hand in it.
    assert added >= 10 * (issuable(2 * EPOCH) - issuable(EPOCH)) - 10
    paid = held + added - await tokens(calm, pool)
    assert 0 <= paid <= sum([(await rewards.standing(str(n.member.operator.address))).claimed for n in nodes])


async def test_anybody_mints_by_command_and_again_changes_nothing(
    calm: Chain, bank: Sender, say: Say, tmp_path: Path
) -> None:
    own = await keys(tmp_path, dev_account(0))
    place = (*own, "--network", str(save(calm.network, tmp_path / "network.yaml")), "--json")

    async def does(*arguments: str) -> Any:
        said = await asyncio.to_thread(say, "rewards", *arguments, *place)
        assert said.code == 0, said.err
        return said.json

    await calm.provider.request("evm_increaseTime", [2 * EPOCH])
    await calm.provider.request("evm_mine", [])
    first = await does("mint")
    assert first["minted_mlb"] > 0
    assert (await does("mint")) == {"minted_mlb": 0, "inflation_mlb": first["inflation_mlb"]}
    rebate = await does("lower-rebate")
    # The protocol takes 5 % here, so there is nothing to lower.
    assert rebate == {"before_bps": 500, "after_bps": 500}


async def keys(folder: Path, account: Any) -> tuple[str, ...]:
    (folder / "password").write_text(PASSWORD)
    keystore.create(folder / "key.json", PASSWORD, account, rounds=2)
    return "--keystore", str(folder / "key.json"), "--password-file", str(folder / "password")


async def test_a_model_provider_fetches_its_part_of_the_fees(
    chain: Chain, treasury: Sender, say: Say, network_file: Path, tmp_path: Path
) -> None:
    provider = fresh_account()
    await fund(treasury, chain, provider.address, mlb=10_000 * MLB)
    await stake(chain, Sender(chain, provider, FAST), Role.MODEL_PROVIDER, 10_000 * MLB)
    model = await register_model(chain, treasury, provider=provider, price=10**15)
    own = await keys(tmp_path, provider)

    async def does(*arguments: str) -> Any:
        said = await asyncio.to_thread(
            say, "rewards", *arguments, *own, "--network", str(network_file), "--json"
        )
        assert said.code == 0, said.err
        return said.json

    before = await does("show")
    assert (before["fees_mlb"], before["fees_count"], before["uptime_mlb"]) == (0, False, None)
    first = await does("claim")
    assert first["steps"][0] == "fees count from now on"

    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with client_for(chain) as client, acting(members):
        await (await client.submit(model, IMAGE)).wait(60)
    shown = await does("show")
    assert shown["formula"]["model_fees_wei"] == 10**15
    # Half of 5 % of the fee, at 1,000 MLB a coin; the model has never been flagged.
    assert shown["fees_mlb"] == 10**15 * 5 // 100 * 1_000 // 2
    assert shown["pending_mlb"] >= shown["fees_mlb"] + shown["owed_mlb"]
    held = await tokens(chain, provider.address)
    done = await does("claim")
    assert done["steps"] == ["fees collected", "claimed"]
    assert done["claimed_mlb"] >= shown["pending_mlb"]
    assert await tokens(chain, provider.address) == held + done["claimed_mlb"]
    after = await does("show")
    assert after["fees_mlb"] == 0
    assert after["claimed_mlb"] == done["claimed_mlb"] + first["claimed_mlb"]
    assert after["credited_mlb"]["quality"] == shown["fees_mlb"]
    for_people = await asyncio.to_thread(say, "rewards", "show", *own, "--network", str(network_file))
    assert "quality 100 %" in for_people.out


async def test_an_operator_checks_in_by_command_and_is_told_why_it_cannot(
    chain: Chain, treasury: Sender, say: Say, network_file: Path, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    (member,) = await make_members(chain, treasury, model, scripts(honest=1))
    own = await keys(tmp_path, member.operator)

    async def claims() -> Any:
        arguments = ("rewards", "claim", *own, "--network", str(network_file), "--json")
        return (await asyncio.to_thread(say, *arguments)).json

    assert "checked in" in (await claims())["steps"]
    assert (await Rewards(chain).interval(member.account)).stake == 50_000 * MLB

    async def earned() -> bool:
        return await Rewards(chain).uptime(member.account) > 0

    await until(earned)
    again = await claims()
    assert again["claimed_mlb"] > 0
    owner = Sender(chain, member.operator, FAST)
    await owner.send(chain.tasks.functions.stopServing(model, member.account))
    stopped = await claims()
    assert stopped["refused"] == ["not checked in: the compute account serves no active model"]


async def test_votes_are_collected_once_their_week_is_over(calm: Chain, bank: Sender) -> None:
    voter = fresh_account()
    await fund(bank, calm, voter.address, mlb=10_000 * MLB)
    await stake(calm, Sender(calm, voter, FAST), Role.MODEL_PROVIDER, 10_000 * MLB)
    pool = calm.reward_pool.functions
    await bank.send(pool.setVoteRecorder(bank.address))
    await bank.send(pool.recordVote(voter.address, 1, (await calm.head()).timestamp + 60))
    rewards = Rewards(calm)
    early = await rewards.fetch(bank, voter.address)
    assert "votes collected" not in early.steps
    await calm.provider.request("evm_increaseTime", [8 * 86_400])
    await calm.provider.request("evm_mine", [])
    # A week of 10,000 MLB at 1 % a year, which its budget covers.
    expected = 10_000 * MLB // 100 * 7 // 365
    assert (await rewards.standing(voter.address)).votes == expected
    done = await rewards.fetch(bank, voter.address)
    assert "votes collected" in done.steps
    assert (await rewards.standing(voter.address)).credited[Stream.VOTE] == expected
    again = await rewards.fetch(bank, voter.address)
    assert "votes collected" not in again.steps
