"""Network files: found by name or path, checked, written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import network as module
from contracts.anvil import dev_account
from contracts.deploy import DEVNET, PUBLIC, SALT, plan_addresses
from contracts.network import Network, load_network, save, write_whole
from mlbridge.errors import MLBridgeError


@pytest.fixture
def example() -> Network:
    return Network(
        name="example",
        chain_id=7,
        rpc_url="http://127.0.0.1:1",
        addresses=plan_addresses(dev_account(3).address, "five"),
        confirmations=2,
        start_block=9,
        block_time=0.5,
        storage_url="file:///tmp/blocks",
    )


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_saved_networks_load_again(example: Network, tmp_path: Path, suffix: str) -> None:
    path = save(example, tmp_path / "deep" / f"example.{suffix}")
    assert load_network(path) == example
    assert load_network(str(path)) == example


def test_names_are_looked_up_in_order(
    example: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(module.HOME_ENV, str(tmp_path / "home"))
    save(example, tmp_path / "home" / "networks" / "mine.yaml")
    assert load_network("mine") == example
    nearer = example.model_copy(update={"chain_id": 8})
    save(nearer, tmp_path / "configs" / "networks" / "mine.json")
    assert load_network("mine") == nearer
    with pytest.raises(MLBridgeError) as caught:
        load_network("yours")
    assert caught.value.code == "network.unknown"
    assert "mine" in caught.value.hint
    assert caught.value.exit_code == 5


def test_the_environment_overrides_the_node(
    example: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(example, tmp_path / "n.yaml")
    monkeypatch.setenv(module.RPC_ENV, "http://elsewhere:1")
    assert load_network(path).rpc_url == "http://elsewhere:1"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("name: x", "chain_id"),
        ("- 1", "dict"),
        ("name: [", "cannot be read"),
        ("name: x\nchain_id: 1\nrpc_url: a\naddresses: {token: '0x12'}", "addresses.token"),
    ],
)
def test_bad_files_name_the_field(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(MLBridgeError) as caught:
        load_network(path)
    assert caught.value.code == "network.invalid"
    assert word in caught.value.message


def test_the_devnet_file_names_the_addresses_that_a_devnet_gets() -> None:
    path = Path(module.__file__).parent.parent / "configs" / "networks" / "devnet.yaml"
    network = load_network(path)
    assert network.addresses == plan_addresses(dev_account(0).address, SALT)
    assert network.chain_id == 31337


@pytest.mark.parametrize("preset", [DEVNET, PUBLIC])
def test_presets_keep_the_rules_that_the_contracts_demand(preset: object) -> None:
    assert preset in (DEVNET, PUBLIC)
    params = DEVNET if preset is DEVNET else PUBLIC
    rules = params.parameters
    assert rules.min_task_time > rules.commit_window > 0
    assert rules.max_task_time < params.unbonding_delay
    assert 3 <= rules.first_judge_seats <= rules.last_judge_seats <= 15
    assert len(rules.as_tuple()) == 13


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "f"
    write_whole(target, "old")

    def refuse(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_whole(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
