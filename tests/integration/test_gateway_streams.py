"""The gateway on the channel lane, streams first: unmodified clients, real members, coordinator and chain."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio
import yaml
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from contracts.channels import channel_state
from contracts.laneview import LaneView
from coordinator.engine import Engine
from gateway.channel_lane import ChannelLane
from gateway.config import GatewayConfig
from gateway.keys import ApiKey
from gateway.service import Service
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import LaneReceipt
from mlbridge.sdk.lane_verify import verify_receipt
from tests.support.gateways import make_config, make_key, opened, serving
from tests.support.lane_rooms import LaneStage, lane_stage
from tests.support.lane_shop import running
from tests.support.lane_speakers import PIECES, TEXT, Speakers, speakers
from tests.support.seats import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

CLIENTS = Path(__file__).parents[1] / "clients"
DEPOSIT = 10**15
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@dataclass
class Desk:
    """A gateway with a channel, and what is around it. secret: an API key."""

    stage: LaneStage
    server: Speakers
    engine: Engine
    config: GatewayConfig
    secret: str
    service: Service
    client: AsyncOpenAI

    @property
    def model(self) -> str:
        return "0x" + self.stage.rig.model.hex()

    async def stream(self, **more: Any) -> AsyncStream[ChatCompletionChunk]:
        found: AsyncStream[ChatCompletionChunk] = await self.client.chat.completions.create(
            model=self.model,
            messages=HELLO,
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
            **more,
        )
        return found

    async def get(self, path: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.secret}"}
        async with httpx2.AsyncClient(base_url=self.config.local_url, headers=headers, timeout=60) as http:
            return await http.get(path)

    async def key(self) -> ApiKey:
        async with opened(self.config) as keys:
            (found,) = await keys.all()
        return found

    async def balance(self) -> int:
        """Wei in the gateway's channel."""
        lane = self.service._lanes["channel"]
        assert isinstance(lane, ChannelLane)
        channel = await lane._purse.ready(0)
        return (await channel_state(self.stage.rig.lane, channel.id)).balance


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    async with lane_stage(members=3) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", params=["http"])
async def desk(stage: LaneStage, tmp_path: Path, request: Any) -> AsyncIterator[Desk]:
    """request.param: whether the coordinator is asked over HTTP or is a library in the gateway."""
    provider = stage.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    async with (
        speakers(stage.rig, tmp_path / "members") as server,
        running(stage, server, tmp_path) as engine,
    ):
        channel: dict[str, Any] = {
            "coordinator": engine.config.local_url,
            "deposit_wei": DEPOSIT,
            "limit_wei": DEPOSIT,
        }
        if request.param == "library":
            channel["coordinator_file"] = str(tmp_path / "coordinator.yaml")
            told = engine.config.model_dump(mode="json", exclude_none=True)
            (tmp_path / "coordinator.yaml").write_text(yaml.safe_dump(told))
        config = await make_config(tmp_path / "gateway", engine.network, stage.rig.treasury, channel=channel)
        _, secret = await make_key(config)
        async with (
            serving(config) as service,
            AsyncOpenAI(base_url=config.local_url + "/v1", api_key=secret, max_retries=0) as client,
        ):
            made = Desk(stage, server, engine, config, secret, service, client)
            await until(lambda: drawable(service, young=True))
            await stage.rig.advance()
            await until(lambda: drawable(service))
            yield made
    await provider.request("evm_revert", [snapshot])


async def drawable(service: Service, *, young: bool = False) -> bool:
    """Whether the gateway's channel stands, and committees can be drawn for it. young: the former alone."""
    lane = service._lanes["channel"]
    assert isinstance(lane, ChannelLane)
    try:
        await lane._purse.ready(0)
    except MLBridgeError as error:
        return young and error.code == "channel.too_young"
    return True


async def lanes_of(desk: Desk) -> list[str]:
    """Which lane each task of the gateway took."""
    return [task["lane"] for task in (await desk.get("/v1/tasks")).json()["data"]]


async def first_word(stream: AsyncStream[ChatCompletionChunk]) -> str:
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            return chunk.choices[0].delta.content
    raise AssertionError("there was none")


@pytest.mark.parametrize("desk", ["http", "library"], indirect=True)
async def test_the_first_word_comes_before_the_verdict_and_the_proof_with_it(desk: Desk) -> None:
    stream = await desk.stream()
    assert stream.response.headers["x-mlbridge-task-id"].startswith("0x")
    assert await first_word(stream) == PIECES[0]
    assert not desk.server.voice.go.is_set()
    assert desk.server.asked("reveals") == 0
    desk.server.voice.go.set()
    chunks = [chunk async for chunk in stream]
    words = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert PIECES[0] + "".join(words) == TEXT
    *_, finish, last = chunks
    assert finish.choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    proof: Any = last.usage.model_extra["mlbridge"]  # type: ignore[index]
    assert (proof["lane"], proof["confidence"]) == ("channel", 1.0)
    receipt = LaneReceipt.from_bytes((await desk.get(proof["receipts"][0])).content)
    assert (await verify_receipt(receipt, await LaneView.open(desk.stage.rig.lane))).failures == []
    key = await desk.key()
    assert (key.spent, key.reserved) == (int(proof["cost_wei"]), 0)


async def test_what_the_verdict_takes_back_is_an_error_and_charged_to_nobody(desk: Desk) -> None:
    for account in desk.server.speakers:
        desk.server.behave(account, "wrong-stream")
    stream = await desk.stream()
    assert await first_word(stream) == "No. " + PIECES[0]
    desk.server.voice.go.set()
    with pytest.raises(openai.APIError) as caught:
        async for _ in stream:
            pass
    assert caught.value.code == "answer.overruled"
    key = await desk.key()
    assert (key.spent, key.reserved) == (0, 0)
    task = (await desk.get("/v1/tasks/" + stream.response.headers["x-mlbridge-task-id"])).json()
    assert (task["status"], task["cost_wei"], task["result"]) == ("failed", "0", None)
    # Who attested what instead is proved.
    receipt = LaneReceipt.from_bytes((await desk.get(task["receipt"])).content)
    assert (await verify_receipt(receipt, await LaneView.open(desk.stage.rig.lane))).failures == []


async def test_a_stream_without_a_verdict_is_an_error_and_nothing_is_paid(desk: Desk) -> None:
    liar = next(iter(desk.server.speakers))
    desk.server.behave(liar, "wrong-result")
    before = await desk.balance()
    desk.server.voice.go.set()
    with pytest.raises(openai.APIError) as caught:
        async for _ in await desk.stream():
            pass
    assert caught.value.code == "answer.none"
    key = await desk.key()
    assert (key.spent, key.reserved) == (0, 0)
    assert await desk.balance() == before


WAITS: list[dict[str, Any]] = [
    {"extra_body": {"mlbridge": {"verified": "wait"}}},
    {"extra_headers": {"x-mlbridge-verified": "wait"}},
]


@pytest.mark.parametrize("asked", WAITS, ids=["body", "header"])
async def test_who_waits_for_the_verdict_has_nothing_streamed(desk: Desk, asked: dict[str, Any]) -> None:
    for account in desk.server.speakers:
        desk.server.behave(account, "wrong-stream")
    desk.server.voice.go.set()
    stream = await desk.stream(**asked)
    words = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(words) == TEXT
    assert desk.server.asked("streams") == 0


async def test_a_client_that_hangs_up_finds_its_answer_later(desk: Desk) -> None:
    stream = await desk.stream()
    assert await first_word(stream) == PIECES[0]
    await stream.close()
    desk.server.voice.go.set()
    task = (await desk.get("/v1/tasks/" + stream.response.headers["x-mlbridge-task-id"] + "?wait=60")).json()
    assert (task["status"], task["result"]["text"]) == ("finalized", TEXT)


async def test_a_stop_ends_what_is_shown(desk: Desk) -> None:
    desk.server.voice.told = 3
    stream = await desk.stream(stop=[", y"])
    assert await first_word(stream) == "Hello"
    desk.server.voice.go.set()
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ""


async def test_a_header_that_nobody_knows_what_to_do_with_is_refused(desk: Desk) -> None:
    with pytest.raises(openai.BadRequestError, match="x-mlbridge-verified can only be `wait`"):
        await desk.stream(extra_headers={"x-mlbridge-verified": "later"})


async def test_litellm_chats_and_streams_on_the_channel_lane(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would ask a server for prices
    import litellm

    desk.server.voice.go.set()
    asked: dict[str, Any] = {
        "model": f"openai/{desk.model}",
        "messages": HELLO,
        "max_tokens": 8,
        "api_base": desk.config.local_url + "/v1",
        "api_key": desk.secret,
        "max_retries": 0,
    }
    whole: Any = await litellm.acompletion(**asked)
    assert whole.choices[0].message.content == TEXT
    pieces: Any = await litellm.acompletion(**asked, stream=True, stream_options={"include_usage": True})
    found = [piece async for piece in pieces]
    assert "".join(piece.choices[0].delta.content or "" for piece in found if piece.choices) == TEXT
    assert found[-1].usage.completion_tokens == 3
    assert await lanes_of(desk) == ["channel", "channel"]


async def test_openai_for_node_chats_and_streams_on_the_channel_lane(desk: Desk) -> None:
    desk.server.voice.go.set()
    done = await asyncio.create_subprocess_exec(
        "node",
        "openai.mjs",
        desk.model,
        cwd=CLIENTS,
        env=os.environ | {"OPENAI_BASE_URL": desk.config.local_url + "/v1", "OPENAI_API_KEY": desk.secret},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await asyncio.wait_for(done.communicate(), 120)
    assert done.returncode == 0, complaint.decode()
    found = json.loads(told)
    assert found["text"] == found["streamed"] == TEXT
    assert found["finish"] == ["stop"]
    assert found["usage"]["mlbridge"]["lane"] == found["streamUsage"]["mlbridge"]["lane"] == "channel"
    assert found["refused"]["code"] == "model_not_found"
