"""anvil as a process, and deployments that are cut off, repeated and refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import artifacts
from contracts import deploy as deploy_module
from contracts.anvil import BINARY_ENV, Anvil, dev_account, find_binary, free_port
from contracts.chain import Chain, Endpoint
from contracts.deploy import DEVNET, PUBLIC, deploy
from contracts.network import load_network
from contracts.reads import call, get_parameters
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from tests.integration.conftest import PARAMS
from tests.support.seats import FAST

pytestmark = pytest.mark.integration


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def head(anvil: Anvil) -> int:
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        return (await endpoint.head()).number


def test_anvil_starts_stops_and_keeps_its_state(tmp_path: Path) -> None:
    anvil = Anvil(free_port(), block_time=0.1, state_file=tmp_path / "state" / "chain.json")
    with anvil:
        pid = anvil.pid
        assert pid is not None
        time.sleep(1.0)
        before = asyncio.run(head(anvil))
        assert before > 3
    assert not alive(pid)
    assert not anvil.running
    with anvil:
        assert asyncio.run(head(anvil)) >= before


def test_a_kill_loses_seconds_at_most_even_in_the_middle_of_writing(tmp_path: Path) -> None:
    state = tmp_path / "chain.json"
    anvil = Anvil(free_port(), block_time=0.1, state_file=state)
    anvil.start()
    time.sleep(3.0)
    before = asyncio.run(head(anvil))
    anvil.kill()
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])  # as when the kill came while anvil wrote
    anvil.start()
    assert asyncio.run(head(anvil)) >= before - 30
    anvil.kill()
    state.write_bytes(b"{")
    (tmp_path / "chain.json.copy").unlink()
    with pytest.raises(MLBridgeError) as caught:
        anvil.start()
    assert caught.value.code == "anvil.state"


def test_anvil_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Anvil(free_port()) as anvil:
        with pytest.raises(MLBridgeError) as caught:
            Anvil(anvil.port).start()
        assert caught.value.code == "anvil.port"
        assert str(anvil.port) in caught.value.message
    with pytest.raises(MLBridgeError) as caught:
        Anvil(free_port(), log_file=tmp_path / "log", extra_arguments=("--no-such-flag",)).start()
    assert caught.value.code == "anvil.failed"
    assert "no-such-flag" in (tmp_path / "log").read_text()
    monkeypatch.setenv(BINARY_ENV, str(tmp_path / "none"))
    with pytest.raises(MLBridgeError) as caught:
        find_binary()
    assert caught.value.code == "anvil.missing"
    assert "npm ci" in caught.value.hint


def test_anvil_is_the_leader_of_its_own_group() -> None:
    with Anvil(free_port()) as anvil:
        assert anvil.pid is not None
        assert os.getpgid(anvil.pid) == anvil.pid
        os.kill(anvil.pid, signal.SIGKILL)
        time.sleep(0.2)
        assert not anvil.running


@pytest.mark.parametrize("preset", [DEVNET, PUBLIC], ids=["devnet", "public"])
async def test_presets_deploy_within_the_limits_of_a_real_chain(preset: Any) -> None:
    """No size limit is lifted here: what does not fit a public chain must fail."""
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(0), preset, policy=FAST)
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
            head = await chain.head()
            granted = await chain.logs(0, head.number, addresses=[chain.addresses.authority])
            assert len(granted) == 1


async def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    record, file = tmp_path / "record.json", tmp_path / "net.yaml"
    with Anvil(free_port(), block_time=None) as anvil:
        first = await deploy(
            anvil.rpc_url, dev_account(0), PARAMS, record_file=record, network_file=file, policy=FAST
        )
        blocks = await head(anvil)
        again = await deploy(
            anvil.rpc_url, dev_account(0), PARAMS, record_file=record, network_file=file, policy=FAST
        )
        assert again == first == load_network(file)
        assert await head(anvil) == blocks
        with pytest.raises(MLBridgeError) as caught:
            await deploy(
                anvil.rpc_url, dev_account(0), replace(PARAMS, judge_fee=1), record_file=record, policy=FAST
            )
        assert caught.value.code == "deploy.changed"
    with Anvil(free_port(), block_time=None) as fresh:
        with pytest.raises(MLBridgeError) as caught:
            await deploy(fresh.rpc_url, dev_account(0), PARAMS, record_file=record, policy=FAST)
        assert caught.value.code == "deploy.gone"


@pytest.mark.parametrize("cut_after", range(len(artifacts.NAMES)))
async def test_a_deployment_that_was_cut_off_goes_on(
    tmp_path: Path, cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    create = deploy_module._create
    done = 0

    async def cut(*arguments: Any) -> None:
        nonlocal done
        if done == cut_after:
            raise ConnectionError("cut off")
        await create(*arguments)
        done += 1
        if done == cut_after and cut_after % 2:
            raise ConnectionError("cut off before the record was written")

    with Anvil(free_port(), block_time=None) as anvil:
        monkeypatch.setattr(deploy_module, "_create", cut)
        with pytest.raises(ConnectionError):
            await deploy(anvil.rpc_url, dev_account(0), PARAMS, record_file=record, policy=FAST)
        monkeypatch.setattr(deploy_module, "_create", create)
        network = await deploy(anvil.rpc_url, dev_account(0), PARAMS, record_file=record, policy=FAST)
        async with await Chain.connect(network) as chain:
            assert await call(chain.bridge.functions.taskManager()) == network.addresses.tasks
    assert json.loads(record.read_text())["reserve_funded"]


async def test_a_deployer_that_was_used_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    create = deploy_module._create

    async def cut(endpoint: Any, sender: Sender, contract: str, *rest: Any) -> None:
        if contract == artifacts.REGISTRY:
            await sender.transfer(dev_account(1).address, 1)
            raise ConnectionError("cut off")
        await create(endpoint, sender, contract, *rest)

    with Anvil(free_port(), block_time=None) as anvil:
        monkeypatch.setattr(deploy_module, "_create", cut)
        with pytest.raises(ConnectionError):
            await deploy(anvil.rpc_url, dev_account(0), PARAMS, record_file=record, policy=FAST)
        monkeypatch.setattr(deploy_module, "_create", create)
        with pytest.raises(MLBridgeError) as caught:
            await deploy(anvil.rpc_url, dev_account(0), PARAMS, record_file=record, policy=FAST)
        assert caught.value.code == "deploy.moved"
