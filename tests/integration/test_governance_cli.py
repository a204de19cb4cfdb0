"""`mlbridge gov` as a person uses it, on a real chain."""

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
import yaml

from contracts import keystore
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import MLB
from contracts.network import save
from contracts.proposals import id_text
from mlbridge.cli import main
from tests.support.governed import GRANTED, GUARDIAN, Governed, settle_in, until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def governed() -> Iterator[Governed]:
    with Anvil(free_port(), block_time=None, accounts=20) as anvil:
        yield Governed(anvil, asyncio.run(settle_in(anvil)))


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def say(
    governed: Governed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Run `mlbridge gov ...` on the governed network, in this process."""
    file = save(governed.network, tmp_path / "network.yaml")
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["mlbridge", "gov", *arguments, "--network", str(file)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    structlog.reset_defaults()


def wait_until(governed: Governed, moment: int) -> None:
    async def work() -> None:
        async with await Chain.connect(governed.network) as chain:
            await until(chain, moment)

    asyncio.run(work())


def test_the_command_from_proposal_to_change(
    governed: Governed, tmp_path: Path, say: Callable[..., Said]
) -> None:
    written = {
        "description": "Judges earn eleven",
        "category": "economic",
        "calls": [{"contract": "RewardDistributor", "function": "setJudgeFee", "arguments": [11 * MLB]}],
    }
    file = tmp_path / "proposal.yaml"
    file.write_text(yaml.safe_dump(written))
    proposed = say("propose", str(file), "--json")
    assert proposed.code == 0, proposed.err
    facts = proposed.json
    assert (facts["state"], facts["category"]) == ("pending", "economic")
    early = say("vote", facts["proposal"], "for", "--json")
    assert early.code == 1
    assert early.json["error"]["code"] == "contract.GovernorUnexpectedProposalState"
    wait_until(governed, facts["vote_opens"] + 1)
    voted = say("vote", facts["proposal"], "for", "--reason", "They work", "--json")
    assert voted.json["weight"] == 80 * 10**6 * MLB
    wait_until(governed, facts["vote_closes"] + 1)
    queued = say("queue", facts["proposal"], "--json")
    assert say("execute", facts["proposal"], "--json").json["error"]["code"] == "contract.TimelockUnmet"
    wait_until(governed, queued.json["executable_from"])
    assert say("execute", facts["proposal"], "--json").json["state"] == "executed"
    shown = say("show", facts["proposal"], "--json").json
    assert (shown["state"], shown["for"]) == ("executed", 80 * 10**6 * MLB)
    assert shown["calls"][0]["to"] == governed.network.addresses.distributor
    for_people = say("show", facts["proposal"])
    assert "80,000,000 MLB" in for_people.out
    listed = say("list", "--json").json
    assert listed[0]["proposal"] == facts["proposal"]
    assert "Judges earn eleven" in say("list").out
    assert say("check", "--json").json == {"ok": True, "wrong": []}


def test_the_command_for_a_guardian_and_a_holder(
    governed: Governed, tmp_path: Path, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "open")
    stored = tmp_path / "guardian.json"
    keystore.create(stored, "open", account=dev_account(GUARDIAN), rounds=2)
    file = tmp_path / "proposal.json"
    file.write_text(json.dumps({"description": "A small gift", "calls": [{"to": GRANTED, "value": 10**18}]}))
    proposed = say("propose", str(file), "--json")
    assert proposed.json["category"] == "ecosystem"
    vetoed = say("veto", proposed.json["proposal"], "--keystore", str(stored), "--json")
    assert vetoed.json["state"] == "canceled", vetoed.err
    again = say("veto", proposed.json["proposal"], "--keystore", str(stored))
    assert again.code == 1
    assert "canceled" in again.err
    assert say("pause", "--json").json["error"]["code"] == "contract.NotGuardian"
    delegated = say("delegate", "--json").json
    assert delegated["votes_mlb"] == 80 * 10**6 * MLB
    assert say("enrol", "--json").json["error"]["code"] == "contract.StakeBelowMinimum"


@pytest.mark.parametrize(
    ("arguments", "written", "named"),
    [
        (["show", "zebra"], None, "zebra"),
        (["show", "0x01"], None, id_text(1)),
        (["delegate", "zebra"], None, "zebra"),
        (["propose"], {"description": "x", "calls": []}, "calls"),
        (["propose"], {"description": "x", "category": "war", "calls": [{"to": GRANTED}]}, "war"),
        (["propose"], {"description": "x", "calls": [{"contract": "No", "function": "f"}]}, "No"),
        (["propose"], {"description": "x", "calls": [{"contract": "MLBridge", "function": "f"}]}, "f"),
        (["propose"], {"description": "x", "calls": [{"to": GRANTED, "function": "f"}]}, "to"),
        (["propose"], {"description": "x", "calls": [{"to": GRANTED, "data": "0xz"}]}, "0xz"),
        (
            ["propose"],
            {
                "description": "x",
                "calls": [{"contract": "RewardDistributor", "function": "setJudgeFee", "arguments": ["a"]}],
            },
            "setJudgeFee",
        ),
        (
            ["propose"],
            {"description": "x", "calls": [{"contract": "RewardDistributor", "function": "setJudgeFee"}]},
            "1 arguments",
        ),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str],
    written: dict[str, Any] | None,
    named: str,
    tmp_path: Path,
    say: Callable[..., Said],
) -> None:
    if written is not None:
        file = tmp_path / "bad.json"
        file.write_text(json.dumps(written))
        arguments = [*arguments, str(file)]
    said = say(*arguments, "--json")
    assert said.code in (2, 5)
    assert named in said.json["error"]["message"]
