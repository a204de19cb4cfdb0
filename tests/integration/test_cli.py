"""The command as a person uses it: what it prints, and one clear sentence with a way out on bad input."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.network import save
from contracts.sender import Sender
from mlbridge.cli import main
from mlbridge.sdk import Receipt
from tests.integration.conftest import DevChain
from tests.support.seats import FAST, Script, acting, make_members, register_model
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration

ZEROS = "0x" + "00" * 32


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Say = Callable[..., Said]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Run `mlbridge ...` in this process; consoles write to what pytest captures."""
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["mlbridge", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    # The command logs to the stderr of its test, which is closed by now.
    structlog.reset_defaults()


@pytest.fixture
def network_file(devchain: DevChain, tmp_path: Path) -> Path:
    network = devchain.network.model_copy(update={"storage_url": f"file://{tmp_path / 'blocks'}"})
    return save(network, tmp_path / "network.yaml")


async def one_task(devchain: DevChain) -> tuple[str, Receipt]:
    """A finalized task of a new model, and its receipt."""
    async with await Chain.connect(devchain.network) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        model = await register_model(chain, treasury)
        members = await make_members(chain, treasury, model, [Script()] * 3)
        async with client_for(chain) as client, acting(members):
            handle = await client.submit(model, IMAGE)
            result = await handle.wait(60)
    return handle.task_id, result.receipt


def test_a_receipt_holds_and_a_changed_one_fails_with_the_reason(
    devchain: DevChain, network_file: Path, tmp_path: Path, say: Say
) -> None:
    task_id, receipt = asyncio.run(one_task(devchain))
    file = tmp_path / "receipt.json"
    receipt.save(file)
    held = say("verify", str(file), "--network", str(network_file), "--no-content", "--json")
    assert held.code == 0, held.err
    assert held.json["failures"] == []
    assert held.json["proved"]
    assert held.json["not_proved"]

    text = json.loads(file.read_text())
    text["payment"]["seat_fee"] = str(int(text["payment"]["seat_fee"]) + 1)
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(text, sort_keys=True, separators=(",", ":")))
    refused = say("verify", str(changed), "--network", str(network_file), "--no-content", "--json")
    assert refused.code == 1
    assert any("seat_fee" in failure for failure in refused.json["failures"])

    shown = say("task", "show", task_id, "--network", str(network_file), "--json")
    assert shown.code == 0
    assert shown.json["status"] == "finalized"
    listed = say("task", "list", "--network", str(network_file), "--json")
    assert task_id in [item["task"] for item in listed.json]


def test_models_and_accounts_are_shown_for_people_and_machines(network_file: Path, say: Say) -> None:
    models = say("model", "list", "--network", str(network_file), "--json")
    assert models.code == 0
    assert isinstance(models.json, list)
    account = say("account", "show", "--network", str(network_file), "--json")
    assert account.code == 0
    assert account.json["balance_wei"] > 0
    for_people = say("account", "show", "--network", str(network_file))
    assert account.json["address"] in for_people.out
    assert "ETH" in for_people.out


BAD: list[tuple[str, list[str], int, str]] = [
    ("no such model", ["run", "no-such-model", "x"], 5, "no-such-model"),
    ("no such task", ["task", "show", ZEROS], 5, ZEROS[:10]),
    ("a task id that is none", ["task", "show", "zebra"], 2, "zebra"),
    ("an address that is none", ["account", "show", "zebra"], 2, "zebra"),
    ("no such receipt", ["verify", "nowhere.json"], 5, "nowhere.json"),
    ("no such model folder", ["model", "publish", "nowhere", "--price", "0.1"], 5, "nowhere"),
    ("an input file that is not there", ["run", "m", "@nowhere.txt"], 2, "nowhere.txt"),
    ("a wrong keystore", ["account", "claim", "--keystore", "nowhere.json"], 3, "nowhere.json"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_gets_one_sentence(
    network_file: Path, say: Say, arguments: list[str], code: int, named: str
) -> None:
    said = say(*arguments, "--network", str(network_file), "--json")
    error = said.json["error"]
    assert named in error["message"]
    assert "\n" not in error["message"]
    assert "Traceback" not in said.err
    assert said.code == code


def test_a_network_that_is_not_there_is_named(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unknown = say("model", "list", "--network", "atlantis", "--json")
    assert unknown.code == 5
    assert "atlantis" in unknown.json["error"]["message"]
    none = say("model", "list", "--json")
    assert none.code == 2
    assert "mlbridge up" in none.json["error"]["hint"]


def test_a_dead_node_and_a_wrong_chain_are_told_apart(devchain: DevChain, tmp_path: Path, say: Say) -> None:
    dead = save(devchain.network.model_copy(update={"rpc_url": "http://127.0.0.1:9"}), tmp_path / "dead.yaml")
    said = say("model", "list", "--network", str(dead), "--json")
    assert said.code != 0
    assert "127.0.0.1:9" in said.json["error"]["message"]
    other = save(devchain.network.model_copy(update={"chain_id": 1}), tmp_path / "other.yaml")
    said = say("model", "list", "--network", str(other), "--json")
    assert said.json["error"]["code"] == "chain.wrong_id"


def test_help_names_every_command(say: Say) -> None:
    said = say("--help")
    for command in ("up", "down", "run", "task", "model", "account", "verify", "provider", "coordinator"):
        assert command in said.out
    assert say("provider", "--help").code == 0
    assert say("no-such-command").code == 2
