"""A case with planted wrong results, played by command from the authors' list to its settlement."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from contracts import keystore, reads
from contracts.anvil import dev_account
from contracts.errors import ContractError
from contracts.network import HOME_ENV, save
from contracts.reads import ModelInfo
from contracts.sender import Sender
from mlbridge.protocol.payload import decode_output, encode_input
from mlbridge.protocol.types import Role, Vote
from mlbridge.sdk import AsyncClient
from tests.support.command import Said, saying
from tests.support.reviewed import panel_for, reviewed_chain
from tests.support.seats import (
    FAST,
    MLB,
    Script,
    acting,
    honest_label,
    make_members,
    register_model,
    scripts,
    until,
)
from tests.support.tasks import HONEST, IMAGE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
LAZY = Script(vote=lambda _own, _candidate: Vote.ACCEPT)
NUMBERS = " ".join(map(str, IMAGE["image"]))  # type: ignore[call-overload]


async def manifest_of_a_classifier(self: AsyncClient, model: ModelInfo) -> Any:
    """Scripted models have none."""
    return SimpleNamespace(kind="classification")


def label_of(fields: dict[str, object]) -> int:
    """What the model says to an input."""
    payload = encode_input("classification", {"image": fields["image"]})
    return decode_output("classification", honest_label(payload)).label


async def test_a_case_of_decoys_from_its_authors_to_its_settlement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    monkeypatch.setenv(HOME_ENV, str(tmp_path / "mine"))
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    async with reviewed_chain(storage=tmp_path / "store", calm=True) as court:
        bank = Sender(court, dev_account(0), FAST)
        model = await register_model(court, bank)
        name = "0x" + model.hex()
        writers = await make_members(court, bank, model, scripts(honest=3), role=Role.VERIFIER, mlb=25_000)
        network = save(court.network, tmp_path / "network.yaml")
        with saying(monkeypatch, capsys) as say:

            async def said(account: LocalAccount, *arguments: str) -> Said:
                file = tmp_path / f"{account.address}.json"
                if not file.exists():
                    keystore.create(file, "test", account, rounds=2)
                place = ["--network", str(network), "--keystore", str(file), "--json"]
                return await asyncio.to_thread(say, "decoys", *arguments, *place)

            async def does(account: LocalAccount, *arguments: str) -> Any:
                done = await said(account, *arguments)
                assert done.code == 0, done.out
                return done.json

            anybody = dev_account(0)
            stranger = (await said(anybody, "enlist", name)).json["error"]
            assert stranger["code"] == "decoys.no_verifier"
            for place, writer in enumerate(writers):
                listed = await does(writer.operator, "enlist", name, "--length", "5")
                assert (listed["account"], listed["authors"]) == (writer.account, place + 1)
            judges = await panel_for(court, bank, model, [HONEST] * 4 + [LAZY])
            assert (await does(anybody, "fund", "1000"))["funds_mlb"] == 1_000 * MLB
            assert (await said(anybody, "show", "7")).json["error"]["code"] == "decoys.unknown"

            opened = await does(anybody, "open", name, NUMBERS)
            case = str(opened["case"])
            assert (opened["phase"], f"decoys draw {case}" in opened["next"]) == ("armed", True)

            async def past() -> bool:
                return (await court.head()).number > opened["until"]

            await until(past)
            drawn = await does(anybody, "draw", case)
            assert sorted(drawn["authors"]) == sorted(writer.account for writer in writers)
            assert (await does(anybody, "draw", case)) == drawn
            early = (await said(anybody, "panel", case)).json["error"]
            assert "after" in early["message"]

            right = label_of(IMAGE)
            decoys = []
            for writer in writers:
                turn, yours = 0, (await does(writer.operator, "show", case))["yours"]
                assert yours["account"] == writer.account
                if yours["decoy"]:
                    decoys.append(writer.account)
                    while label_of(yours["input"]) == right:
                        turn += 1
                        yours = (await does(writer.operator, "show", case, "--turn", str(turn)))["yours"]
                else:
                    assert yours["input"]["image"] == IMAGE["image"]
                result = f'{{"label": {label_of(yours["input"])}}}'
                unread = (await said(writer.operator, "bring", case, "seven")).json["error"]
                assert (unread["code"], "JSON" in unread["hint"]) == ("input.unreadable", True)
                brought = await does(writer.operator, "bring", case, result)
                assert writer.account in brought["brought"]
                assert await does(writer.operator, "bring", case, result) == brought
            nobody = await said(judges[0].operator, "bring", case, '{"label": 1}')
            assert nobody.json["error"]["code"] == "decoys.not_drawn"

            called = await does(anybody, "panel", case)
            assert called["phase"] == "judging"
            review = bytes.fromhex(called["panel"][2:])

            async def seated() -> bool:
                try:
                    await bank.send(court.tasks.functions.assign(review))
                except ContractError:
                    return False
                return True

            async def voted() -> bool:
                return bool((await does(anybody, "show", case))["phase"] == "opening")

            await until(seated)
            async with acting(judges):
                await until(voted)
            early = (await said(anybody, "settle", case)).json["error"]
            assert "after" in early["message"]
            for writer in writers:
                shown = await does(writer.operator, "reveal", case)
                assert await does(writer.operator, "reveal", case) == shown
            assert sorted(shown["decoys"]) == sorted(decoys)
            assert sorted(shown["rejected"]) == sorted(decoys)

            before = await reads.stake_of(court, judges[4].operator.address, Role.VERIFIER)
            settled = await does(anybody, "settle", case)
            # Only who accepted without looking is fined, five fees for each decoy.
            assert (settled["phase"], settled["careless"]) == ("ended", len(decoys))
            left = await reads.stake_of(court, judges[4].operator.address, Role.VERIFIER)
            assert before - left == 5 * len(decoys) * settled["fee_mlb"]
            assert await does(anybody, "settle", case) == settled
            paid = [await court.token.functions.balanceOf(w.operator.address).call() for w in writers]
            assert paid == [settled["fee_mlb"]] * 3
            assert (await does(writers[0].operator, "retire", name))["authors"] == 2
