"""The command as a person uses it: what it prints, and one clear sentence with a way out on bad input."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.network import save
from contracts.sender import Sender
from mlbridge.cli.inputs import build_input
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import Receipt
from tests.integration.conftest import DevChain
from tests.support.command import Say
from tests.support.seats import FAST, Script, acting, make_members, register_model
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration

ZEROS = "0x" + "00" * 32


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
    ("a price that is none", ["run", "m", "x", "--max-price", "nan"], 2, "--max-price"),
    ("a price of too many digits", ["run", "m", "x", "--max-price", "1e-19"], 2, "--max-price"),
    ("a price beyond everything", ["run", "m", "x", "--max-price", "1e99999999"], 2, "--max-price"),
    ("an endless price", ["run", "m", "x", "--max-price", "inf"], 2, "--max-price"),
    ("a fee below nothing", ["model", "publish", ".", "--price=-1"], 2, "--price"),
    ("no such command", ["mine"], 2, "mine"),
    ("no such option", ["task", "list", "--most", "3"], 2, "--most"),
    ("an argument that is missing", ["task", "show"], 2, "TASK"),
    ("a number that is none", ["task", "list", "--limit", "many"], 2, "--limit"),
    ("markup", ["run", "[/nope]", "x"], 5, "[/nope]"),
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
    for_people = say(*arguments, "--network", str(network_file))
    assert named in for_people.err
    assert "Traceback" not in for_people.err
    assert for_people.code == code


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


def test_a_network_s_name_is_no_markup(say: Say) -> None:
    said = say("model", "list", "--network", "[/nope]")
    assert (said.code, "[/nope]" in said.err) == (5, True)


INPUTS = [
    ("chat", "[1,2]", "input.not_messages"),
    ("chat", '[{"x": 1}]', "input.not_messages"),
    ("classification", "inf " * 64, "input.not_an_image"),
    ("classification", "nan " * 64, "input.not_an_image"),
    ("classification", "seven", "input.not_an_image"),
    ("sorcery", "x", "input.unknown_kind"),
]


@pytest.mark.parametrize(("kind", "text", "code"), INPUTS)
def test_inputs_that_no_model_takes(kind: str, text: str, code: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        build_input(kind, text, max_tokens=8)
    assert (caught.value.code, caught.value.exit_code) == (code, 2)


def test_a_devnet_that_never_ran(say: Say, tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "devnet")]
    assert say("reset", *home, "--json").json["reset"] is False
    (tmp_path / "devnet" / "logs").mkdir(parents=True)
    (tmp_path / "devnet" / "logs" / "chain.log").write_text("one\ntwo\n")
    assert say("logs", "chain", "-n", "1", *home, "--json").json["lines"] == ["two"]
    assert say("logs", "chain", "--follow", *home, "--json").json["error"]["code"] == "usage.invalid"
    assert say("logs", "nothing", *home, "--json").json["error"]["code"] == "devnet.no_log"
    (tmp_path / "devnet" / "plan.json").write_text('{"home": 3')
    for command in (["status"], ["up", "--detach"]):
        broken = say(*command, *home, "--json")
        assert broken.json["error"]["code"] == "devnet.bad_plan"
        assert broken.code == 2
    assert say("reset", *home, "--json").json["error"]["code"] == "devnet.not_confirmed"
    assert say("reset", *home, "--yes", "--json").json["reset"] is True
    assert list((tmp_path / "devnet").iterdir()) == []


def test_help_names_every_command(say: Say) -> None:
    said = say("--help")
    for command in ("up", "down", "run", "task", "model", "account", "verify", "provider", "coordinator"):
        assert command in said.out
    assert say("provider", "--help").code == 0
    for group in ("task", "model", "account"):
        assert "completion" not in say(group, "--help").out
    assert say("no-such-command").code == 2
