"""`mlbridge attester` as an operator types it: a key, a place in the set, and signing with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import artifacts, blskey, keystore
from contracts.anvil import free_port
from contracts.network import save
from contracts.sender import Sender
from mlbridge.protocol.types import Role
from tests.support.command import Said, saying
from tests.support.lane import LANE, LaneRig, lane_rig
from tests.support.seats import FAST, fund

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
PASSWORD = "a password"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(keystore.PASSWORD_ENV, PASSWORD)
    monkeypatch.setenv(blskey.PASSWORD_ENV, PASSWORD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(rig: LaneRig, place: Path) -> list[str]:
    """Options that name the network and the first verifier's operator."""
    save(rig.chain.network, place / "network.json")
    keystore.create(place / "operator.json", PASSWORD, rig.verifiers[0].operator, rounds=2)
    return ["--network", str(place / "network.json"), "--keystore", str(place / "operator.json"), "--json"]


async def test_an_operator_joins_signs_and_leaves(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = replace(LANE, attesters=artifacts.BLS_ATTESTATIONS)
    async with lane_rig(members=0, verifiers=1, params=params) as rig:
        options = files(rig, place)
        account, operator = str(rig.verifiers[0].account), Sender(rig.chain, rig.verifiers[0].operator, FAST)
        with saying(monkeypatch, capsys) as say:

            async def said(*arguments: str) -> Said:
                return await asyncio.to_thread(say, *arguments)

            made = await said("attester", "key", "attester.json", "--json")
            assert made.json["file"] == "attester.json"
            key = made.json["key"]
            blskey.create(place / "other.json", PASSWORD, rounds=2)
            assert (await said("attester", "list", *options[:2], "--json")).json == []

            port, store = str(free_port()), f"file://{place}/blocks"
            watch = ["watch", "--once", "--look-only", "--attest", account, "--port", port]
            watch += ["--storage", store, *options]
            without = await said(*watch)
            assert without.json["error"]["code"] == "attesters.no_key"
            assert "attester register" in without.json["error"]["hint"]
            early = await said(*watch, "--bls-keystore", "attester.json")
            assert early.json["error"]["code"] == "attesters.not_member"

            nameless = await said("attester", "register", account, *options)
            assert (nameless.code, nameless.json["error"]["code"]) == (2, "attesters.no_key")
            joined = (
                await said("attester", "register", account, "--bls-keystore", "attester.json", *options)
            ).json
            assert joined["key"] == key
            assert joined["from_epoch"] == await rig.lane.current_epoch() + 1
            (listed,) = (await said("attester", "list", *options[:2], "--json")).json
            assert (listed["account"], listed["key"]) == (int(account), key)

            same = await said("attester", "refresh", account, *options)
            assert same.json["error"]["message"].startswith("Nothing recorded")
            more = 10_000 * 10**18
            await fund(rig.treasury, rig.chain, operator.address, mlb=more)
            await operator.send(rig.chain.token.functions.approve(rig.chain.addresses.distributor, more))
            await operator.send(rig.chain.distributor.functions.stake(int(Role.VERIFIER), more))
            heavier = (await said("attester", "refresh", account, *options)).json
            assert heavier["member"]["weight"] > joined["weight"]

            other = await said(*watch, "--bls-keystore", "other.json")
            assert other.json["error"]["code"] == "attesters.other_key"
            assert (await said(*watch, "--bls-keystore", "attester.json")).code == 0

            left = (await said("attester", "leave", account, *options)).json
            assert left["gone_from_epoch"] == joined["from_epoch"]
            assert (await said("attester", "leave", account, *options)).code == 5


async def test_where_single_signatures_count_nobody_registers(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with lane_rig(members=0, verifiers=1) as rig:
        options = files(rig, place)
        account = str(rig.verifiers[0].account)
        blskey.create(place / "attester.json", PASSWORD, rounds=2)
        with saying(monkeypatch, capsys) as say:
            refused = await asyncio.to_thread(
                say, "attester", "register", account, "--bls-keystore", "attester.json", *options
            )
            assert (refused.code, refused.json["error"]["code"]) == (2, "attesters.not_asked")
            assert f"watch --attest {account}" in refused.json["error"]["hint"]
