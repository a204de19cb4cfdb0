"""anvil as a process: started, stopped, killed, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from contracts.anvil import BINARY_ENV, Anvil, find_binary, free_port
from contracts.chain import Endpoint
from mlbridge.errors import MLBridgeError

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


async def mined(anvil: Anvil, blocks: int) -> None:
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        await endpoint.provider.request("anvil_mine", [hex(blocks)])


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


def test_however_long_a_chain_runs_nothing_of_it_gathers_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with Anvil(free_port(), block_time=None, log_file=tmp_path / "anvil.log") as anvil:
        asyncio.run(mined(anvil, 1_500))
        left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
        assert left == [], "states of old blocks"


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
