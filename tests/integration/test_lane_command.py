"""Channels by command: open, pay, check, watch, close - against a real coordinator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts import keystore
from contracts.laneview import LaneView
from contracts.network import HOME_ENV
from contracts.reads import ModelInfo
from mlbridge.sdk import AsyncClient, LaneReceipt
from mlbridge.storage import LocalStore
from tests.support.command import Said, saying
from tests.support.lane import CHALLENGE
from tests.support.lane_rooms import LaneStage
from tests.support.lane_servers import seat_server
from tests.support.lane_shop import running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

NUMBERS = " ".join(str(index % 17) for index in range(64))


async def manifest_of_a_classifier(self: AsyncClient, model: ModelInfo) -> Any:
    """Scripted models have none."""
    return SimpleNamespace(kind="classification")


async def test_a_channel_by_command(
    stage: LaneStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    monkeypatch.setenv(HOME_ENV, str(tmp_path / "mine"))
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    monkeypatch.chdir(tmp_path)
    keystore.create(tmp_path / "requester.json", "test", stage.requester, rounds=2)
    (tmp_path / "requester.password").write_text("test\n")
    view = await LaneView.open(stage.rig.lane)
    content = LocalStore(tmp_path / "content")
    async with seat_server(stage.rig, view, content) as server, running(stage, server, tmp_path) as engine:
        place = ["--network", str(tmp_path / "network.json"), "--json"]
        whose = ["--keystore", str(tmp_path / "requester.json")]
        whose += ["--password-file", str(tmp_path / "requester.password")]
        channel, model = "0x" + stage.terms.channel().hex(), "0x" + stage.rig.model.hex()
        url = engine.config.local_url

        with saying(monkeypatch, capsys) as say:

            async def said(*arguments: str) -> Said:
                return await asyncio.to_thread(say, *arguments)

            fresh = (await said("channel", "open", url, "--deposit", "0.5", *place, *whose)).json
            assert fresh["balance_wei"] == str(5 * 10**17)
            listed = (await said("channel", "list", *place, *whose)).json
            assert [row["id"] for row in listed] == [channel, fresh["id"]]
            # Where the older one's coordinator is, this machine must be told once.
            pay = ["run", model, NUMBERS, "--lane", "channel", "--channel", channel]
            lost = await said(*pay, *place, *whose)
            assert lost.json["error"]["code"] == "channel.no_url"
            topped = await said(
                "channel", "top-up", channel, "--amount", "0.1", "--coordinator", url, *place, *whose
            )
            assert topped.code == 0
            shown = (await said("channel", "show", channel, *place, *whose)).json
            assert shown["url"] == url

            answer = (await said(*pay, *place, *whose)).json
            assert answer["confidence"] == 1.0
            assert answer["output"]["label"] in range(10)
            # A classifier streams nothing: its answer comes with the verdict as ever.
            streamed = await said(*pay, "--stream", *place[:2], *whose)
            assert (streamed.code, streamed.out.strip()) == (0, str(answer["output"]["label"]))
            direct = await said("run", model, NUMBERS, "--stream", *place[:2], *whose)
            assert direct.code == 2
            receipt = answer["receipt"]
            alone = await said("verify", receipt, "--offline", *place)
            assert (alone.code, alone.json["ok"]) == (0, True)
            online = (await said("verify", receipt, *place)).json
            assert online["ok"]
            assert len(online["not_proved"]) < len(alone.json["not_proved"]) + 1

            async def floor() -> int:
                return int((await said("channel", "show", channel, *place, *whose)).json["floor"])

            while await floor() == 0:  # noqa: ASYNC110 - the coordinator posts its batch meanwhile
                await asyncio.sleep(0.1)
            # The file named no batch; now it does, and says itself how far its money is.
            placed = (await said("verify", receipt, "--update", *place)).json
            assert placed["ok"]
            assert any("can be challenged until" in line for line in placed["not_proved"])
            kept = LaneReceipt.load(receipt)
            assert kept.batch is not None
            assert any(f"leaf {kept.batch.leaf.index} of batch" in line for line in placed["proved"])
            assert (await said("verify", receipt, "--offline", *place)).json["ok"]
            seen = await said("watch", "--once", "--look-only", *place)
            assert seen.code == 0
            assert '"what": "ok"' in seen.out
            await stage.rig.warp(CHALLENGE + 10)
            final = (await said("verify", receipt, *place)).json
            assert any("cannot be challenged any more" in line for line in final["proved"])
            closing = (await said("channel", "close", channel, *place, *whose)).json
            assert closing["due_at"] is not None
            assert (await said("channel", "show", channel, *place, *whose)).json["state"] == "closing"
