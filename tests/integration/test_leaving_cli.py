"""Leaving by command: an operator takes its stake home, a provider its price up, the team what has vested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from contracts import keystore, reads
from contracts.network import save
from mlbridge.protocol.types import Role
from tests.support.command import Said, saying
from tests.support.lane import PRICE, LaneRig, lane_rig
from tests.support.seats import MLB

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
Command = Callable[..., Awaitable[Said]]


@pytest.fixture
async def rig() -> AsyncIterator[LaneRig]:
    async with lane_rig(members=1, verifiers=0) as made:
        await made.treasury.transfer(made.members[0].operator.address, 10**18)
        yield made


@pytest.fixture
def command(
    rig: LaneRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`mlbridge ... --json` with the key of an account."""
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    network = save(rig.chain.network, tmp_path / "network.yaml")

    async def run(account: LocalAccount, *arguments: str) -> Said:
        file = tmp_path / f"{account.address}.json"
        if not file.exists():
            keystore.create(file, "test", account, rounds=2)
        place = ["--network", str(network), "--keystore", str(file), "--json"]
        with saying(monkeypatch, capsys) as say:
            return await asyncio.to_thread(say, *arguments, *place)

    return run


async def test_an_operator_leaves_with_its_stake(rig: LaneRig, command: Command) -> None:
    operator = rig.members[0].operator
    delay = int(await reads.call(rig.chain.distributor.functions.unbondingDelay()))
    before = (await command(operator, "stake", "show")).json
    assert before["stakes"]["compute"]["bonded_mlb"] == 50_000 * MLB
    assert before["unbonding_delay_s"] == delay
    assert (await command(operator, "stake", "withdraw", "compute")).json["withdrawn_mlb"] == 0

    few = await command(operator, "stake", "unbond", "compute", "1")
    assert (few.code, "minimum" in few.json["error"]["message"]) == (1, True)
    many = (await command(operator, "stake", "unbond", "compute", "50001")).json["error"]
    assert "50,001" in many["message"]
    assert (await command(operator, "stake", "unbond", "everything", "all")).code == 2
    left = (await command(operator, "stake", "unbond", "compute", "all")).json
    assert (left["bonded_mlb"], left["unbonding_mlb"]) == (0, 50_000 * MLB)
    early = (await command(operator, "stake", "withdraw", "compute")).json["error"]
    assert "slashed" in early["hint"]

    await rig.warp(delay + 1)
    paid = (await command(operator, "stake", "withdraw", "compute")).json
    assert paid == {"role": "compute", "withdrawn_mlb": 50_000 * MLB}
    assert (await command(operator, "stake", "withdraw", "compute")).json["withdrawn_mlb"] == 0
    held = await reads.call(rig.chain.token.functions.balanceOf(operator.address))
    assert held == 50_000 * MLB
    assert await reads.stake_of(rig.chain, operator.address, Role.COMPUTE) == 0


async def test_a_provider_changes_its_price(rig: LaneRig, command: Command) -> None:
    model = "0x" + rig.model.hex()
    before = (await command(rig.provider, "model", "price", model, "0.000001")).json
    assert before["price_wei"] == PRICE
    dearer = (await command(rig.provider, "model", "price", model, "0.000003")).json
    assert dearer["price_wei"] == 3 * PRICE
    # A task's payment has the protocol's share on top.
    assert dearer["quote_wei"] - before["quote_wei"] >= 2 * PRICE
    stranger = await command(rig.members[0].operator, "model", "price", model, "0.000001")
    assert stranger.code != 0
    assert (await reads.get_model(rig.chain, rig.model)).price == 3 * PRICE


async def test_anybody_has_the_team_paid_what_has_vested(rig: LaneRig, command: Command) -> None:
    anybody = rig.members[0].operator
    owner = await reads.call(rig.chain.vesting.functions.owner())
    before = int(await reads.call(rig.chain.token.functions.balanceOf(owner)))
    paid = (await command(anybody, "account", "release")).json
    assert paid["owner"] == owner
    after = int(await reads.call(rig.chain.token.functions.balanceOf(owner)))
    assert 0 < paid["released_mlb"] == after - before
