"""`mlbridge deploy` as a person and a machine type it, on real chains that stand in for the public ones."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import artifacts, create3, keystore
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain, Endpoint
from contracts.chain_profile import SHIPPED, shipped_profiles
from contracts.deploy import DEVNET, deploy
from contracts.handover import check_governance
from contracts.network import Network, load_network
from contracts.reads import call
from tests.support.command import Say
from tests.support.seats import FAST

pytestmark = pytest.mark.integration
PASSWORD = "a password"


def chain_like(chain_id: int, *extra: str, hardfork: str = "osaka") -> Anvil:
    """Osaka holds transactions to the cap of EIP-7825."""
    return Anvil(free_port(), block_time=None, chain_id=chain_id, hardfork=hardfork, extra_arguments=extra)


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keystore of the first development account, as a deployer on a public chain would have one."""
    monkeypatch.setenv(keystore.PASSWORD_ENV, PASSWORD)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "deployer.json"
    keystore.create(file, PASSWORD, dev_account(0), rounds=2)
    return file


async def height(anvil: Anvil) -> int:
    async with await Endpoint.open(anvil.rpc_url) as endpoint:
        return (await endpoint.head()).number


async def powers(network: Network) -> list[str]:
    async with await Chain.connect(network) as chain:
        return await check_governance(chain)


@pytest.mark.parametrize("name", [profile.name for profile in shipped_profiles()])
def test_every_chain_of_this_release_takes_the_whole_deployment(name: str, key: Path, say: Say) -> None:
    """The contracts accept the figures of the chain's file; at the same addresses everywhere."""
    data = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    with chain_like(data["chain_id"]) as anvil:
        options = ["--network", name, "--rpc-url", anvil.rpc_url, "--keystore", str(key), "--json"]
        made = say("deploy", *options, "--with", "channels,reviews,governance")
        assert made.code == 0, made.err + made.out
        network = load_network(Path("deployments") / f"{name}.json")
        assert made.json["chain_id"] == network.chain_id == data["chain_id"]
        assert made.json["file"] == f"deployments/{name}.json"
        assert network.confirmations == data["confirmations"]
        assert network.drand_relays == tuple(data.get("drand_relays", ()))
        assert network.named() | {"PrevrandaoSource": "", "DrandSource": ""} == {
            row: create3.contract_address(dev_account(0).address, "mlbridge", row) for row in network.named()
        } | {"PrevrandaoSource": "", "DrandSource": ""}
        assert network.lane is not None
        source = data["deploy"]["lane"].get("source", "PrevrandaoSource")
        assert (network.lane.drand_source is None) == (source == "PrevrandaoSource")
        assert asyncio.run(powers(network)) == []
        before = asyncio.run(height(anvil))
        assert say("deploy", *options, "--with", "channels,reviews,governance").code == 0
        assert asyncio.run(height(anvil)) == before, "a second run sends nothing"


def test_a_dry_run_tells_what_would_be_and_sends_nothing(
    key: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(keystore.PASSWORD_ENV)
    with chain_like(84_532) as anvil:
        options = ["--network", "base-sepolia", "--rpc-url", anvil.rpc_url, "--keystore", str(key)]
        shown = say("deploy", *options, "--with", "channels", "--dry-run", "--json")
        assert shown.code == 0, shown.out
        assert asyncio.run(height(anvil)) == 0
        assert not Path("deployments").exists()
        names = [item["name"] for item in shown.json["contracts"]]
        assert names[0] == artifacts.FACTORY
        assert {"Settlement", "DrandSource"} <= set(names)
        assert not {"MLBridgeGovernor", "PrevrandaoSource"} & set(names)
        assert not any(item["stands"] for item in shown.json["contracts"])
        assert shown.json["cost_wei"] == shown.json["gas"] * shown.json["gas_price_wei"] > 0
        for_people = say("deploy", *options, "--dry-run")
        assert "MLBridgeToken" in for_people.out
        assert "treasury" in for_people.err


def test_parts_are_added_by_later_runs(key: Path, say: Say) -> None:
    with chain_like(80_002) as anvil:
        options = ["--network", "amoy", "--rpc-url", anvil.rpc_url, "--keystore", str(key), "--json"]
        core = say("deploy", *options)
        assert core.code == 0, core.out
        assert core.json["lane"] is None
        assert core.json["governance"] is None
        lane = say("deploy", *options, "--with", "channels").json
        assert lane["addresses"] == core.json["addresses"]
        reviews = say("deploy", *options, "--with", "reviews").json
        assert reviews["lane"] == lane["lane"]
        assert reviews["reviews"]["appeals"] != reviews["reviews"]["escrow"]
        whole = say("deploy", *options, "--with", "channels,governance").json
        assert (whole["lane"], whole["reviews"]) == (lane["lane"], reviews["reviews"])
        assert asyncio.run(powers(load_network("deployments/amoy.json"))) == []
        # governance rules now, and a run that does not ask for it does not forget it
        assert say("deploy", *options).json["governance"] == whole["governance"]


def test_governance_comes_to_a_deployment_by_its_file(key: Path, tmp_path: Path, say: Say) -> None:
    with chain_like(31_337) as anvil:
        file = tmp_path / "devnet.yaml"
        asyncio.run(deploy(anvil.rpc_url, dev_account(0), DEVNET, network_file=file, policy=FAST))
        said = say("deploy", "--network", str(file), "--with", "governance", "--json")
        assert said.code == 0, said.out
        network = load_network(file)
        assert network.governance is not None
        assert asyncio.run(powers(network)) == []
        assert say("gov", "check", "--network", str(file)).code == 0
        refused = say("deploy", "--network", str(file), "--with", "channels", "--json")
        assert refused.json["error"]["code"] == "deploy.deployed"


def test_what_cannot_be_is_said_before_anything_is_sent(key: Path, tmp_path: Path, say: Say) -> None:
    def refused(network: str, *more: str) -> Any:
        said = say("deploy", "--network", network, "--keystore", str(key), "--json", *more)
        assert said.code != 0
        return said.json["error"]

    unsafe = yaml.safe_load((SHIPPED / "arbitrum.yaml").read_text())
    unsafe["deploy"]["lane"]["source"] = "PrevrandaoSource"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(unsafe))
    assert refused(str(tmp_path / "mine.yaml"))["code"] == "randomness.unsafe"
    assert refused("nowhere")["code"] == "network.unknown"
    assert refused("base", "--with", "everything")["code"] == "deploy.unknown_part"
    with chain_like(1) as anvil:
        wrong = refused("sepolia", "--rpc-url", anvil.rpc_url)
        assert wrong["code"] == "deploy.wrong_chain"
        assert "chain 1" in wrong["message"]
        poor = tmp_path / "poor.json"
        keystore.create(poor, PASSWORD, dev_account(50), rounds=2)
        said = say(
            "deploy", "--network", "ethereum", "--rpc-url", anvil.rpc_url, "--key", str(poor), "--json"
        )
        assert said.json["error"]["code"] == "wallet.empty"
        assert asyncio.run(height(anvil)) == 0
    without_key = say("deploy", "--network", "ethereum", "--json")
    assert without_key.json["error"]["code"] == "account.none"


def test_a_chain_without_what_its_file_says_is_refused(key: Path, say: Say) -> None:
    options = ["--keystore", str(key), "--with", "channels", "--json"]
    with chain_like(8_453, hardfork="cancun") as old:
        said = say("deploy", "--network", "base", "--rpc-url", old.rpc_url, *options)
        assert said.json["error"]["code"] == "deploy.unsafe"
        assert "EIP-2537" in said.json["error"]["message"]
    with chain_like(1, "--gas-limit", "6000000") as small:
        said = say("deploy", "--network", "ethereum", "--rpc-url", small.rpc_url, *options)
        assert said.json["error"]["code"] == "deploy.unsafe"
        assert "a block of chain 1" in said.json["error"]["message"]


def test_an_owner_that_is_not_the_deployer_gets_its_share(key: Path, tmp_path: Path, say: Say) -> None:
    data = yaml.safe_load((SHIPPED / "sepolia.yaml").read_text())
    data["deploy"]["owners"] = {"treasury": "timelock", "liquidity": dev_account(7).address}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data))
    with chain_like(11_155_111) as anvil:
        file = str(tmp_path / "out.json")
        said = say(
            "deploy", "--network", str(tmp_path / "mine.yaml"), "--rpc-url", anvil.rpc_url, "--key", str(key),
            "--out", file, "--yes", "--with", "channels,governance",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert said.out.strip() == file
        assert "Create3Factory" in said.err
        network = load_network(file)
        assert network.governance is not None
        timelock = network.governance.timelock
        assert asyncio.run(share(network, dev_account(7).address)) == 10**8 * 10**18
        assert asyncio.run(share(network, timelock)) == 35 * 10**7 * 10**18
        assert network.deployment is not None
        assert network.deployment.parameters["treasury"] == timelock


async def share(network: Network, owner: str) -> int:
    async with await Chain.connect(network) as chain:
        return int(await call(chain.token.functions.balanceOf(owner)))
