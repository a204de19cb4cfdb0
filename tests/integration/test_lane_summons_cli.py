"""A requester whose coordinator is gone: it summons the seats by command, and has its answer and its bond."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account

from contracts import artifacts, keystore, summons
from contracts.network import HOME_ENV, save
from contracts.reads import ModelInfo
from contracts.sender import Sender
from mlbridge.protocol import orders712
from mlbridge.protocol.hashing import keccak, result_digest
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.payload import encode_output
from mlbridge.protocol.wire import sign
from mlbridge.sdk import AsyncClient
from tests.support.command import Said, saying
from tests.support.lane import LANE
from tests.support.lane_scene import Scene, lane_scene
from tests.support.seats import FAST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
NUMBERS = " ".join(str(index % 17) for index in range(64))
OUTPUT = encode_output("classification", {"label": 7})
NOBODY = "http://127.0.0.1:9"
KEY = "first-try"


async def manifest_of_a_classifier(self: AsyncClient, model: ModelInfo) -> Any:
    """Scripted models have none."""
    return SimpleNamespace(kind="classification")


async def commit_all(scene: Scene, order: bytes) -> list[int]:
    """Every summoned seat commits by its node key; the seats."""
    state = await summons.summoned(scene.rig.lane, order)
    result = result_digest(scene.world.domain.chain_id, order, keccak(OUTPUT))
    for account in state.seats:
        node = next(member.node for member in scene.rig.members if member.account == account)
        word = orders712.commitment(order, account, result, salt_of(order, account))
        await summons.commit(scene.rig.lane, Sender(scene.rig.chain, node, FAST), order, account, word)
    return list(state.seats)


async def open_all(scene: Scene, order: bytes, seats: list[int]) -> None:
    """They open to the closed set."""
    world, lane = scene.world, scene.rig.lane
    root = orders712.commitments_root(await summons.commitments(lane, order))
    result = result_digest(world.domain.chain_id, order, keccak(OUTPUT))
    for account in seats:
        said = Attestation(order, account, result, salt_of(order, account), root)
        signed = sign(said, world.domain, world.keys[account])
        await summons.open_seat(lane, scene.rig.treasury, signed, b"\0" + OUTPUT)


def salt_of(order: bytes, account: int) -> bytes:
    return keccak(order + account.to_bytes(4, "big"))


async def test_an_order_without_a_coordinator_is_answered_by_its_seats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(AsyncClient, "manifest", manifest_of_a_classifier)
    monkeypatch.setenv(HOME_ENV, str(tmp_path / "mine"))
    monkeypatch.setenv("MLBRIDGE_PASSWORD", "test")
    monkeypatch.chdir(tmp_path)
    async with lane_scene() as scene:
        await scene.refresh()
        rig, lane = scene.rig, scene.rig.lane
        requester = Account.from_key(scene.world.requester_key)
        keystore.create(tmp_path / "requester.json", "test", requester, rounds=2)
        network = save(rig.chain.network, tmp_path / "network.yaml")
        place = ["--network", str(network), "--keystore", str(tmp_path / "requester.json"), "--json"]
        channel, model = "0x" + scene.world.terms(0).channel().hex(), "0x" + rig.model.hex()

        with saying(monkeypatch, capsys) as say:

            async def said(*arguments: str) -> Said:
                return await asyncio.to_thread(say, *arguments, *place)

            # Whoever was told where the coordinator is keeps that; the coordinator itself is not asked.
            paid = await said("channel", "top-up", channel, "--amount", "0.1", "--coordinator", NOBODY)
            assert paid.code == 0, paid.out
            pay = ["run", model, NUMBERS, "--lane", "channel", "--channel", channel, "--deadline", "2"]
            lost = await said(*pay, "--idempotency-key", KEY)
            assert lost.code != 0
            (kept,) = (await said("channel", "orders", channel)).json
            assert (kept["sequence"], kept["idempotency_key"]) == (0, KEY)
            order = bytes.fromhex(kept["order"][2:])

            unknown = (await said("channel", "summon", "never-signed")).json["error"]
            assert (unknown["code"], "channel orders" in unknown["hint"]) == ("channel.no_order", True)
            priced = (await said("channel", "summon", KEY)).json["error"]
            assert priced["code"] == "summons.bond_unknown"
            assert priced["bond_wei"] > LANE.summons_deposit
            dear = await said("channel", "summon", KEY, "--max-bond", "0.000001")
            assert (dear.code, dear.json["error"]["code"]) == (4, "price.too_high")

            asked = (await said("channel", "summon", KEY, "--max-bond", "0.1")).json
            assert (asked["order"], asked["status"], asked["output"]) == (kept["order"], "open", None)
            again = (await said("channel", "summon", kept["order"], "--max-bond", "0.1")).json
            assert again == asked
            assert len(await lane.events(artifacts.SUMMONS, "SeatsSummoned")) == 1

            seats = await commit_all(scene, order)
            assert seats == asked["seats"]
            assert (await said("channel", "summon", KEY)).json["committed"] == seats
            await open_all(scene, order, seats)
            answered = (await said("channel", "summon", KEY, "--wait", "30")).json
            assert (answered["output"]["label"], answered["confidence"]) == (7, 1.0)
            checked = (
                await asyncio.to_thread(say, "verify", answered["receipt"], "--offline", "--json")
            ).json
            assert checked["ok"]
            (done,) = (await said("channel", "orders", channel)).json
            assert done["state"] == "done"

            await summons.close(lane, rig.treasury, order)
            due = await summons.owed(lane, requester.address)
            assert due >= LANE.summons_deposit
            assert (await said("account", "claim")).json["wei"] == due
            assert await summons.owed(lane, requester.address) == 0
