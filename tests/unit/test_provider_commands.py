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
from typer.testing import CliRunner

from cluster import scaffold
from cluster.commands import app as commands
from cluster.config import load_config
from cluster.supervisor import only_one, read_supervisor_state
from mlbridge import procs
from mlbridge.errors import MLBridgeError


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
