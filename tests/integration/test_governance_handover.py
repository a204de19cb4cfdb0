"""Handing every power over: cut off anywhere it goes on, and what somebody else holds is found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from contracts import handover
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import DAY, DEVNET, deploy
from contracts.governance_deploy import deploy_governance
from contracts.governance_params import PUBLIC_GOVERNANCE, GovernanceParams
from contracts.handover import check_governance
from contracts.network import Network
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from tests.support.seats import FAST

pytestmark = pytest.mark.integration

# Transactions sent before the cut: between contracts; before roles; among the timelock's and the
# AccessManager's; before the deployer gives up its last power.
CUTS = (1, 3, 5, 8, 11)
QUICK = replace(FAST, poll_s=0.01)


def test_a_hand_over_that_was_cut_off_anywhere_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asyncio.run(_cut_everywhere(monkeypatch))


async def _cut_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(0), DEVNET, policy=FAST)
        async with await Chain.connect(network) as chain:
            for cut_at in CUTS:
                before = await chain.provider.request("evm_snapshot", [])
                await _cut_and_go_on(chain, cut_at, monkeypatch)
                await chain.provider.request("evm_revert", [before])


async def _cut_and_go_on(chain: Chain, cut_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, send = 0, Sender.send_call

    async def cut(self: Sender, *arguments: Any, **named: Any) -> Any:
        nonlocal sent
        if sent == cut_at:
            raise ConnectionError("cut off")
        sent += 1
        return await send(self, *arguments, **named)

    async def hand_over(params: GovernanceParams = PUBLIC_GOVERNANCE) -> Network:
        return await deploy_governance(chain.network, dev_account(0), params, policy=FAST)

    monkeypatch.setattr(Sender, "send_call", cut)
    with pytest.raises(ConnectionError):
        await hand_over()
    assert sent >= cut_at
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
    assert caught.value.code == "deploy.changed"


def test_a_power_that_somebody_else_holds_is_found() -> None:
    asyncio.run(_second_administrator())


async def _second_administrator() -> None:
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(0), DEVNET, policy=FAST)
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
            handover.addresses_of(network)
        assert none.value.code == "governance.none"
