"""A coordinator that shares channel orders out among Ray actors, one of which is killed in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import yaml
from eth_account.signers.local import LocalAccount
from prometheus_client.parser import text_string_to_metric_families

from contracts import artifacts, channels, keystore
from contracts.anvil import free_port
from contracts.laneview import LaneView
from contracts.network import save
from contracts.sender import Sender
from coordinator import supervisor
from coordinator.client import ask
from coordinator.config import CoordinatorConfig, parse_config
from coordinator.shards import shard_of
from mlbridge.protocol.answers import Told
from mlbridge.protocol.exchange import NO_PARAMETERS, Offer
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import ChannelTerms, TaskOrder
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import sign
from mlbridge.storage import LocalStore
from tests.support.lane_rooms import DEPOSIT, FEE, QUICK, LaneStage
from tests.support.lane_servers import SeatServer, seat_server
from tests.support.seats import FAST, fresh_account, fund, honest_label

pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

BASE_PORT = 17300
SHARDS = 2
UP_S = 300.0


@dataclass
class Requester:
    """One with a channel to the coordinator."""

    account: LocalAccount
    terms: ChannelTerms
    sequence: int = 0


@dataclass
class Exchange:
    """The coordinator's file, its members, and a requester for each shard."""

    stage: LaneStage
    server: SeatServer
    view: LaneView
    config: CoordinatorConfig
    file: Path
    requesters: list[Requester] = field(default_factory=list)

    async def command(self, *arguments: str) -> Any:
        def run() -> str:
            done = subprocess.run(
                [sys.executable, "-m", "coordinator.commands", *arguments, "--config", str(self.file)],
                capture_output=True, text=True, timeout=UP_S, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        return json.loads(await asyncio.to_thread(run))

    async def status(self) -> dict[str, Any]:
        return await asyncio.to_thread(ask, self.config, "GET", "/v1/status", timeout_s=10)

    async def order(self, of: Requester) -> Told:
        """The requester's next order, to its end; sent again as a client does."""
        image = list(of.sequence.to_bytes(64, "big"))
        payload = encode_input("classification", {"image": image})
        order = TaskOrder(
            channel=of.terms.channel(),
            sequence=of.sequence,
            epoch=await self.view.drawing_epoch(of.terms.opened_in),
            model_id=self.stage.rig.model,
            input_digest=payload_root(payload),
            params_digest=NO_PARAMETERS,
            seats=3,
            policy=Policy.EXACT,
            max_fee=FEE,
            deadline=int(self.view.now()) + 120,
        )
        of.sequence += 1
        signed = sign(order, self.stage.rig.lane.domain, bytes(of.account.key))
        body = Offer(signed, of.terms, payload).to_bytes()
        url = f"{self.config.local_url}/v1/lane/orders?wait=30"
        async with httpx2.AsyncClient(timeout=60) as http:
            while True:
                answer = await http.post(url, content=body, headers={"Content-Type": "application/cbor"})
                assert answer.status_code == httpx2.codes.OK, answer.text
                told = Told.from_bytes(answer.content)
                if told.state != "open":
                    assert told.output == honest_label(payload)
                    return told

    async def decided(self) -> dict[str, float]:
        """Orders that came to a verdict, by shard; "": in the coordinator's own process."""
        async with httpx2.AsyncClient(timeout=10) as http:
            text = (await http.get(f"{self.config.local_url}/metrics")).text
        return {
            sample.labels.get("shard", ""): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "mlbridge_lane_orders_total" and sample.labels["outcome"] == "decided"
        }


async def until(check: Callable[[], Awaitable[bool]], timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await check():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.2)


@pytest_asyncio.fixture(loop_scope="module")
async def exchange(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Exchange]:
    rig = stage.rig
    requesters = [await requester_of(stage, shard) for shard in range(SHARDS)]
    await rig.advance()
    network = rig.chain.network.model_copy(
        update={"lane": rig.lane.addresses, "storage_url": f"file://{tmp_path / 'content'}"}
    )
    save(network, tmp_path / "network.json")
    (tmp_path / "password").write_text("test\n")
    keystore.create(tmp_path / "key.json", "test", stage.coordinator, rounds=2)
    view = await LaneView.open(rig.lane)
    async with seat_server(rig, view, LocalStore(tmp_path / "content")) as server:
        config = parse_config(
            {
                "network": str(tmp_path / "network.json"),
                "home": str(tmp_path / "home"),
                "key": {"keystore": str(tmp_path / "key.json"), "password_file": str(tmp_path / "password")},
                "http": {"port": free_port()},
                "ray": {"base_port": BASE_PORT, "num_cpus": 1, "include_dashboard": False},
                "pokes": {"enabled": False},
                "receipts": False,
                "lane": QUICK | {"members": server.nodes, "attesters": server.verifiers, "shards": SHARDS},
            }
        )
        file = tmp_path / "coordinator.yaml"
        file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
        made = Exchange(stage, server, view, config, file, requesters)
        try:
            await made.command("up", "--detach", "--timeout", str(UP_S - 20), "--json")
            yield made
        finally:
            await made.command("down", "--json")
            assert supervisor.head_of(config).pids() == set()


async def requester_of(stage: LaneStage, shard: int) -> Requester:
    """One whose orders are that shard's, with a channel."""
    rig = stage.rig
    account = fresh_account()
    while shard_of(account.address, SHARDS) != shard:
        account = fresh_account()
    await fund(rig.treasury, rig.chain, account.address, coins=10 * DEPOSIT)
    terms = await channels.open_channel(
        rig.lane, Sender(rig.chain, account, FAST), str(stage.coordinator.address),
        deposit=DEPOSIT, salt=bytes(32), share=300,
    )  # fmt: skip
    return Requester(account, terms)


async def test_orders_are_shared_out_and_a_killed_shard_loses_none(exchange: Exchange) -> None:
    lane = exchange.stage.rig.lane
    first, second = exchange.requesters
    pids = (await exchange.status())["shards"]
    assert len(set(pids)) == SHARDS
    assert None not in pids
    told = await asyncio.gather(*(exchange.order(of) for of in (first, first, second)))
    assert {one.state for one in told} == {"decided"}

    async def is_counted() -> bool:
        return await exchange.decided() == {"": 0, "0": 2, "1": 1}

    await until(is_counted)

    for seat in exchange.server.seats.values():
        seat.ways.delay_s = 3.0
    asked = sum(seat.seen["orders"] for seat in exchange.server.seats.values())
    under_way = asyncio.create_task(exchange.order(first))

    async def is_asked() -> bool:
        return sum(seat.seen["orders"] for seat in exchange.server.seats.values()) >= asked + 3

    await until(is_asked)
    os.kill(pids[0], signal.SIGKILL)
    # The other shard goes on, and the order of the dead one is answered.
    assert (await exchange.order(second)).state == "decided"
    assert (await under_way).state == "decided"

    async def is_back() -> bool:
        found = (await exchange.status())["shards"]
        return None not in found and found[0] != pids[0] and found[1] == pids[1]

    await until(is_back)
    assert (await exchange.order(first)).state == "decided"

    # One process batches for all of them: every order is paid, and once.
    async def settled() -> bool:
        passed = [await lane.events(artifacts.CHANNELS, "Debited", topic_of(of)) for of in (first, second)]
        return [max((event.args["to"] for event in found), default=0) for found in passed] == [4, 2]

    await until(settled)
    for of in (first, second):
        state = await channels.channel_state(lane, of.terms.channel())
        debits = await lane.events(artifacts.CHANNELS, "Debited", topic_of(of))
        spans = sorted((event.args["from"], event.args["to"]) for event in debits)
        assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
        assert state.deposited - state.balance == sum(event.args["amount"] for event in debits)
        assert 0 < state.deposited - state.balance <= of.sequence * FEE


def topic_of(of: Requester) -> str:
    return "0x" + of.terms.channel().hex()
