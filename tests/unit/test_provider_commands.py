"""`mlbridge provider ...` and the Ray job without processes of a cluster: files, keys, refusals."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner

from cluster import scaffold
from cluster.commands import app as commands
from cluster.config import DEFAULT_BASE_PORT, load_config
from cluster.doctor import Doctor
from cluster.supervisor import Supervisor, only_one, read_supervisor_state
from contracts.chain import Chain
from mlbridge import procs
from mlbridge.cli.run import RECEIPTS
from mlbridge.devnet.accounts import MOST_PROVIDERS
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import PORTS_PER_CLUSTER
from tests.unit.test_provider_config import network_file


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands point the logs elsewhere."""
    yield
    structlog.reset_defaults()


def run(*arguments: str, **env: str) -> Any:
    return CliRunner(env={**os.environ, **env}).invoke(commands, list(arguments))


def test_init_writes_a_file_that_loads_and_keys_that_stay_private(tmp_path: Path) -> None:
    done = run(
        "init", "--dir", str(tmp_path), "--name", "alpha", "--verifier", "25000", "--json",
        MLBRIDGE_OPERATOR_PASSWORD="secret words",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    config = load_config(made["file"])
    assert (config.name, config.stake.compute, config.stake.verifier) == ("alpha", 50_000, 25_000)
    for file in ("node.json", "operator.json", "node.password"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    assert "secret words" not in (tmp_path / "provider.yaml").read_text()
    again = run("init", "--dir", str(tmp_path), MLBRIDGE_OPERATOR_PASSWORD="x")
    assert isinstance(again.exception, MLBridgeError)
    assert again.exception.code == "provider.exists"


def test_init_without_the_cold_key(tmp_path: Path) -> None:
    made = scaffold.write(
        tmp_path, name="hot", network="devnet", base_port=21000, compute=1, verifier=0,
        operator_keystore=None, operator_password=None, with_operator=False,
    )  # fmt: skip
    assert made.operator is None
    assert load_config(made.file).keys.operator is None


def test_status_and_down_of_what_does_not_run(tmp_path: Path) -> None:
    scaffold.write(
        tmp_path, name="hot", network="devnet", base_port=27900, compute=1, verifier=0,
        operator_keystore=None, operator_password=None, with_operator=False,
    )  # fmt: skip
    file = str(tmp_path / "provider.yaml")
    told = run("status", "--config", file, "--json")
    assert json.loads(told.stdout)["supervisor"] is None
    assert "does not run" in run("status", "--config", file).output
    done = run("down", "--config", file)
    assert done.exit_code == 0
    assert "stays in the draw" in done.output
    told = json.loads(run("down", "--config", file, "--json").stdout)
    assert told == {"name": "hot", "was_running": False, "in_draw": True}


def test_up_tells_where_it_serves_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = hot(tmp_path)
    state = {"pid": 7, "url": "http://127.0.0.1:1/node", "state": "running"}
    monkeypatch.setattr("cluster.commands._detach", lambda *_, **__: state)
    told = json.loads(run("up", "--config", str(made), "--detach", "--json").stdout)
    assert told == {"name": "hot", "pid": 7, "url": state["url"]}

    async def over(_: Supervisor) -> None:
        return None

    monkeypatch.setattr(Supervisor, "run", over)
    assert json.loads(run("up", "--config", str(made), "--json").stdout) == {"name": "hot", "stopped": True}


def hot(folder: Path, **changes: object) -> Path:
    """A provider file without the cold key."""
    made = scaffold.write(
        folder, name="hot", network="devnet", base_port=27900, compute=1, verifier=0,
        operator_keystore=None, operator_password=None, with_operator=False,
    )  # fmt: skip
    fields = yaml.safe_load(made.file.read_text()) | changes
    made.file.write_text(yaml.safe_dump(fields))
    return made.file


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_the_doctor_tells_no_key_of_a_node_url_and_no_attempts(tmp_path: Path, as_json: list[str]) -> None:
    network = network_file(tmp_path, 31337)
    secret = "s3cret-key"
    network.write_text(network.read_text().replace("http://127.0.0.1:1", f"http://127.0.0.1:1/v3/{secret}"))
    file = hot(tmp_path / "hot", network=str(network))
    done = run("doctor", "--config", str(file), *as_json)
    assert done.exit_code == 1
    assert "127.0.0.1:1" in done.output
    assert secret not in done.output
    assert "retry" not in done.output


async def test_the_doctor_names_the_nodes_host_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_file(tmp_path, 31337)
    network.write_text(
        network.read_text().replace("http://127.0.0.1:1", "http://user:pass@127.0.0.1:1/v3/key")
    )

    async def connect(_: object) -> None:
        return None

    monkeypatch.setattr(Chain, "connect", connect)
    findings = await Doctor(load_config(hot(tmp_path / "hot", network=str(network)))).examine()
    assert findings[0].detail == "here, chain 31337, at http://127.0.0.1:1"


def test_nothing_that_init_and_run_write_in_a_checkout_can_be_committed(tmp_path: Path) -> None:
    run("init", "--dir", str(tmp_path), MLBRIDGE_OPERATOR_PASSWORD="secret words")
    written = [path.name for path in tmp_path.iterdir()]
    config = load_config(tmp_path / "provider.yaml")
    folders = [f"{config.home.name}/journal.sqlite", f"{RECEIPTS.name}/receipt.json"]
    shown = subprocess.run(
        ["git", "check-ignore", "--no-index", *written, *folders],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(shown.stdout.split()) == sorted(written + folders)


def test_no_default_of_a_provider_is_a_port_of_the_devnet() -> None:
    devnet = range(20_000, 20_000 + (MOST_PROVIDERS + 1) * PORTS_PER_CLUSTER)
    examples = (Path(__file__).parents[2] / "configs" / "providers").glob("*.yaml")
    ports = [DEFAULT_BASE_PORT, *(load_config(file).ray.base_port for file in examples)]
    assert len(ports) > 1
    assert not any(port in devnet or port + PORTS_PER_CLUSTER - 1 in devnet for port in ports)


def test_one_supervisor_a_home(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(MLBridgeError, match="runs already"), only_one(tmp_path):
        raise AssertionError


def test_a_supervisor_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    assert read_supervisor_state(tmp_path) is None
    state = {"pid": os.getpid(), "pid_started": procs.start_time(os.getpid()), "state": "running"}
    (tmp_path / "supervisor.json").write_text(json.dumps(state))
    assert read_supervisor_state(tmp_path) == state
    (tmp_path / "supervisor.json").write_text(json.dumps(state | {"pid_started": 1}))
    assert read_supervisor_state(tmp_path) is None


def test_a_job_that_cannot_start_says_why_and_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cluster.job", "--config", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert json.loads(done.stderr)["error"]["code"] == "config.missing"
