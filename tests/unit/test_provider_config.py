"""The provider file: what it takes, and what it says when it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.config import FAULTS, ProviderConfig, load_config, parse_config
from contracts.network import Addresses, Network, save
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role

EXAMPLES = sorted((Path(__file__).parents[2] / "configs" / "providers").glob("*.yaml"))


def fields(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "alpha",
        "network": "devnet",
        "home": "state",
        "keys": {"node": {"keystore": "node.json", "password_env": "ALPHA_PASSWORD"}},
        "models": [{"model": "*"}],
    }
    return base | changes


def network_file(folder: Path, chain_id: int) -> Path:
    where = {name: f"0x{index:040x}" for index, name in enumerate(Addresses.model_fields, 1)}
    network = Network(
        name="here", chain_id=chain_id, rpc_url="http://127.0.0.1:1", addresses=Addresses(**where),
        storage_url="file:///a",
    )  # fmt: skip
    return save(network, folder / "network.yaml")


def test_the_least_file_has_sensible_defaults(tmp_path: Path) -> None:
    config = parse_config(fields(), base=tmp_path)
    assert config.home == tmp_path / "state"
    assert config.keys.node.keystore == tmp_path / "node.json"
    assert config.local_url == "http://127.0.0.1:15009"
    assert config.agent_name == "mlbridge-agent"
    assert config.stake.amounts() == {}
    assert config.fault is None


def test_paths_are_relative_to_the_file_and_home_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    file = tmp_path / "sub" / "provider.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(fields(home="~/state", network="../network.yaml")))
    config = load_config(file)
    assert config.home == Path("/somewhere/state")
    assert Path(config.network).resolve() == tmp_path / "network.yaml"


def test_stakes_are_whole_tokens_by_role() -> None:
    config = parse_config(fields(stake={"compute": 50_000, "verifier": "0.5"}))
    assert config.stake.amounts() == {Role.COMPUTE: 50_000 * 10**18, Role.VERIFIER: 5 * 10**17}


def test_a_joined_cluster_keeps_providers_apart() -> None:
    ray = {"mode": "join", "address": "127.0.0.1:20000", "token_file": "t", "http_port": 8000}
    config = parse_config(fields(ray=ray, advertise={"host": "gpu.example", "port": 443}))
    assert config.local_url == "http://127.0.0.1:8000/p/alpha"
    assert config.endpoint == "http://gpu.example:443/p/alpha"
    assert config.agent_name == "mlbridge-agent-alpha"


@pytest.mark.parametrize(
    ("changes", "told", "hint"),
    [
        (
            {"ray": {"base_port": 70000}},
            r"ray.base_port is 70000: .*less than or equal to 65236",
            "first of 300",
        ),
        ({"ray": {"num_cpu": 2}}, "ray.num_cpu is not a known field", "Did you mean num_cpus?"),
        ({"colour": 1}, "colour is not a known field", "Known fields here: name, network"),
        ({"models": []}, r"models is \[\]", "list of"),
        ({"models": [{"model": "0x12"}]}, r"models\[0\].model is '0x12': a model id is", "a model id"),
        ({"models": [{"model": "*", "replicas": 0}]}, r"models\[0\].replicas is 0", "1 to 64"),
        ({"stake": {"compute": -1}}, "stake.compute is -1", "at least 50000"),
        ({"name": "Über"}, "name is 'Über'", "lower-case"),
        ({"ray": {"mode": "join"}}, "ray: mode join also needs address and token_file and http_port", ""),
        ({"fault": "lying"}, "fault is 'lying'", "wrong-result"),
        ({"keys": {}}, "keys.node is missing", "hot key"),
        ({"limits": {"concurrent_tasks": "many"}}, "limits.concurrent_tasks is 'many'", "assignments"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_the_way_out(
    changes: dict[str, Any], told: str, hint: str
) -> None:
    with pytest.raises(MLBridgeError, match=told) as failure:
        parse_config(fields(**changes))
    assert hint in failure.value.hint
    assert failure.value.exit_code == 2
    assert "\n" not in str(failure.value)


def test_several_problems_are_counted() -> None:
    with pytest.raises(MLBridgeError, match="1 more after this one"):
        parse_config(fields(name="", fault="x"))


@pytest.mark.parametrize(
    "node",
    ["0x" + "ab" * 32, {"keystore": 7, "password_env": "P", "key": "0x" + "ab" * 32}, {"keystore": "n"}],
)
def test_what_stands_below_keys_is_never_repeated(node: object) -> None:
    with pytest.raises(MLBridgeError, match=r"keys\.node") as failure:
        parse_config(fields(keys={"node": node}))
    assert "abab" not in str(failure.value.to_dict())


def test_a_missing_empty_or_broken_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(MLBridgeError, match="no provider file") as missing:
        load_config(tmp_path / "none.yaml")
    assert "provider init" in missing.value.hint
    for text, told in (("", "holds no fields"), ("a: [", "cannot be read"), ("- 1", "holds no fields")):
        file = tmp_path / "p.yaml"
        file.write_text(text)
        with pytest.raises(MLBridgeError, match=told):
            load_config(file)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_off_the_devnet(tmp_path: Path, fault: str) -> None:
    main = parse_config(fields(fault=fault, network=str(network_file(tmp_path, 1))))
    with pytest.raises(MLBridgeError, match="for devnets") as failure:
        main.load_network()
    assert failure.value.code == "config.fault"
    devnet = parse_config(fields(fault=fault, network=str(network_file(tmp_path, 31337))))
    assert devnet.load_network().chain_id == 31337


def test_the_providers_own_storage_replaces_the_networks(tmp_path: Path) -> None:
    file = str(network_file(tmp_path, 1))
    assert parse_config(fields(network=file)).load_network().storage_url == "file:///a"
    own = parse_config(fields(network=file, storage_url="kubo://127.0.0.1:5001"))
    assert own.load_network().storage_url == "kubo://127.0.0.1:5001"


def test_every_field_says_what_it_takes() -> None:
    def walk(model: Any, path: str) -> list[str]:
        silent = []
        for name, field in model.model_fields.items():
            inner = field.annotation if hasattr(field.annotation, "model_fields") else None
            if inner is not None:
                silent += walk(inner, f"{path}{name}.")
            elif not field.description:
                silent.append(path + name)
        return silent

    assert walk(ProviderConfig, "") == []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_are_valid(file: Path) -> None:
    config = load_config(file)
    assert config.fault is None
    assert config.stake.amounts()


def test_there_are_examples() -> None:
    assert {file.stem for file in EXAMPLES} >= {"laptop", "gpu-box"}
