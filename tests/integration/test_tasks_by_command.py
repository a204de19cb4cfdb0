"""Paying by command: which model a name means, how much at most, never twice, and what is left to see."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from contracts import keystore, reads
from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.network import save
from contracts.reads import ModelInfo
from contracts.rpc import RpcUnreachableError
from contracts.sender import Sender
from mlbridge.console import parse_ether
from mlbridge.models import Manifest
from mlbridge.sdk import AsyncClient
from tests.integration.conftest import DevChain
from tests.integration.test_cli import one_task
from tests.support.command import Say
from tests.support.gateways import manifest_of
from tests.support.seats import FAST, Script, fresh_account, fund, make_members, register_model

pytestmark = pytest.mark.integration


async def manifest_of_a_classifier(self: AsyncClient, model: ModelInfo) -> Any:
    """Scripted models have none."""
    exec_class = {"engine": "torch", "threads": 1}
    facts = {"kind": "classification", "licence": "MIT", "exec_class": exec_class, "files": []}
    return SimpleNamespace(kind="classification", model_dump=lambda mode: dict(facts))


@pytest.mark.parametrize(
    ("text", "wei"),
    [("0.1", 10**17), ("1e-18", 1), ("123456789012.000000000000000001", 123456789012 * 10**18 + 1)],
)
def test_prices_are_exact(text: str, wei: int) -> None:
    assert parse_ether(text, "--price") == wei


async def shared_name(devchain: DevChain, name: str) -> list[str]:
    """Three models of one name, of three providers; their ids, oldest first."""
    async with await Chain.connect(devchain.network) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        models = [await register_model(chain, treasury, name=name, price=10**15 * n) for n in (1, 2, 3)]
    return ["0x" + model.hex() for model in models]


def test_a_name_belongs_to_its_oldest_model_and_a_second_one_is_told(
    devchain: DevChain, network_file: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"[/{secrets.token_hex(4)}]"  # also a name that must not be read as markup
    oldest, *others = asyncio.run(shared_name(devchain, name))
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    shown = say("model", "show", name, "--network", str(network_file), "--json")
    assert shown.json["id"] == oldest
    assert all(other in shown.json["warnings"][0] for other in others)
    by_id = say("model", "show", others[0], "--network", str(network_file), "--json")
    assert by_id.json["warnings"] == []
    for_people = say("model", "show", name, "--network", str(network_file))
    assert oldest in for_people.out
    assert f"warning: 3 models are called {name}" in for_people.err
    assert name in say("model", "list", "--network", str(network_file)).out


def test_nobody_pays_more_than_the_default_by_accident(
    devchain: DevChain, network_file: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dear, _ = asyncio.run(shared_name(devchain, f"dear-{secrets.token_hex(4)}"))
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    refused = say("run", dear, "digit:7", "--network", str(network_file), "--json")
    error = refused.json["error"]
    assert (refused.code, error["code"]) == (4, "price.too_high")
    assert f"--max-price 0.00{error['price_wei'] // 10**15}" in error["hint"]
    assert "[default: 0.001]" in say("run", "--help").out


def test_a_schema_reaches_the_task_or_is_refused_before_anything_is_paid(
    devchain: DevChain, network_file: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dear, _ = asyncio.run(shared_name(devchain, f"held-{secrets.token_hex(4)}"))
    (tmp_path / "schema.json").write_text('{"title": "Mood", "enum": ["good", "bad"]}')

    def outcome(kind: str, engine: str, *command: str) -> tuple[int, str]:
        async def manifest(self: AsyncClient, model: ModelInfo) -> Manifest:
            return manifest_of(kind, "held", engine)

        monkeypatch.setattr(AsyncClient, "manifest", manifest)
        said = say(*command, "--network", str(network_file), "--json")
        return said.code, said.json["error"]["code"]

    file = str(tmp_path / "schema.json")
    for command in (("run", dear, "hi"), ("task", "submit", dear, "hi")):
        held = (*command, "--json-schema", file)
        assert outcome("chat", "torch", *held) == (2, "input.json_schema")
        assert outcome("chat", "torch", *command) == (4, "price.too_high")
        assert outcome("chat", "vllm", *held) == (4, "price.too_high")
        assert outcome("chat", "vllm", *command, "--json-schema", '{"pattern":"a"}') == (
            2,
            "input.json_schema",
        )
        assert outcome("embedding", "torch", *held) == (2, "input.json_schema")
    on_channel = ("run", dear, "hi", "--lane", "channel", "--json-schema", file)
    assert outcome("embedding", "torch", *on_channel) == (2, "input.json_schema")


async def a_served_model(devchain: DevChain) -> tuple[str, LocalAccount]:
    """A model that three idle members serve, and an account that can pay."""
    account = fresh_account()
    async with await Chain.connect(devchain.network) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        model = await register_model(chain, treasury)
        await make_members(chain, treasury, model, [Script()] * 3)
        await fund(treasury, chain, account.address)
    return "0x" + model.hex(), account


def test_a_run_that_is_cut_off_is_taken_up_again_without_paying_twice(
    devchain: DevChain, network_file: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, account = asyncio.run(a_served_model(devchain))
    keystore.create(tmp_path / "key.json", "secret", account, rounds=2)
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "secret")
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    original = Sender._wait
    common = ["--network", str(network_file), "--keystore", str(tmp_path / "key.json"), "--json"]

    async def lost(self: Sender, pending: Any) -> Any:
        await original(self, pending)
        raise RpcUnreachableError("http://node.example", "gone")

    monkeypatch.setattr(Sender, "_wait", lost)
    cut = say("run", model, "digit:7", "--idempotency-key", "[/my] key", *common)
    monkeypatch.setattr(Sender, "_wait", original)
    error = cut.json["error"]
    assert error["code"] == "chain.unreachable"
    assert f"mlbridge task wait {error['task']}" in error["hint"]
    assert error["task"] in cut.err  # printed before anything was paid
    assert "--idempotency-key '[/my] key'" in cut.err
    paid = say("account", "show", account.address, "--network", str(network_file), "--json").json
    again = say("task", "submit", model, "digit:7", "--idempotency-key", error["idempotency_key"], *common)
    assert again.json["task"] == error["task"]
    left = say("account", "show", account.address, "--network", str(network_file), "--json").json
    assert left["balance_wei"] == paid["balance_wei"]
    waiting = say("task", "wait", error["task"], "--timeout", "0.1", *common)
    assert waiting.json["error"]["code"] == "task.timeout"


def test_a_devnet_s_treasury_funds_new_operators_and_no_other_one_does(
    devchain: DevChain, network_file: Path, say: Say, tmp_path: Path
) -> None:
    operator, node = fresh_account(), fresh_account()
    keystore.create(tmp_path / "operator.json", "secret", operator, rounds=2)
    names = [str(tmp_path / "operator.json"), node.address]
    here = ["--network", str(network_file), "--json"]
    given = say("account", "fund", *names, "--eth", "0.5", "--mlb", "50000", *here).json["funded"]
    assert [item["address"] for item in given] == [operator.address, node.address]
    for account in (operator, node):
        shown = say("account", "show", account.address, *here).json
        assert (shown["balance_wei"], shown["balance_mlb"]) == (5 * 10**17, 50_000 * 10**18)
    assert say("account", "fund", "zebra", *here).json["error"]["code"] == "account.bad_address"
    assert say("account", "fund", node.address, "--mlb", "x", *here).json["error"]["message"].endswith("'x'.")
    save(devchain.network.model_copy(update={"chain_id": 1}), tmp_path / "main.yaml")
    refused = say("account", "fund", node.address, "--network", str(tmp_path / "main.yaml"), "--json")
    assert refused.json["error"]["code"] == "account.no_treasury"


def test_ended_tasks_keep_their_requester_and_price(
    devchain: DevChain, network_file: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contract may forget what a task that ended was; the event of its submission does not."""
    task_id, receipt = asyncio.run(one_task(devchain))
    original = reads.get_task

    async def forgetful(chain: Chain, task: bytes, block: Any = "latest") -> Any:
        found = await original(chain, task, block)
        empty: Any = {"requester": "0x" + "00" * 20, "reward": 0, "input_hash": bytes(32), "deadline": 0}
        return replace(found, **empty) if found.status.terminal else found

    monkeypatch.setattr(reads, "get_task", forgetful)
    expected = (receipt.task.requester, receipt.task.payment, receipt.task.deadline)
    shown = say("task", "show", task_id, "--network", str(network_file), "--json").json
    listed = say("task", "list", "--network", str(network_file), "--json").json
    for found in (shown, next(item for item in listed if item["task"] == task_id)):
        assert (found["requester"], found["reward_wei"], found["deadline"]) == expected
