"""Serve applications for tests: one that answers, one that never starts, one in the channel lane."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ray import serve
from ray.serve import Application
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from serve.assembly import lane_face
from serve.config import ModelAppConfig
from serve.engines.base import EngineInfo, Hear
from serve.gate import Gate, SingleFlight
from serve.guard import Guard, GuardRules
from serve.http import HttpFace
from serve.metrics import RayRecorder
from serve.service import ModelService


class Echo:
    """Answers with its text and process id."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def __call__(self, request: Request) -> dict[str, Any]:
        return {"text": self._text, "pid": os.getpid(), "path": request.url.path}


class Broken:
    """Fails in its constructor."""

    def __init__(self) -> None:
        raise RuntimeError("the weights are for another machine")


class Parrot:
    """A model of no work: after `seconds` it says what it read."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def start(self) -> None:
        return None

    async def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return b"read " + data

    async def check(self) -> None:
        return None

    def info(self) -> EngineInfo:
        return EngineInfo("parrot", "chat", "none", "none", "cpu", 0)


class LaneSeat:
    """Everything of a replica but the model. `/pid` says who answers, `/raw` runs without an order."""

    async def __init__(self, args: dict[str, Any], seconds: float) -> None:  # type: ignore[misc]
        config = ModelAppConfig.model_validate(args)
        recorder = RayRecorder(config.name)
        gate = Gate(config.slots, config.queue, changed=recorder.in_flight)
        rules = GuardRules(config.chain_id, config.model_id_bytes, frozenset(config.node_keys))
        self._service = ModelService(
            Parrot(seconds), Guard(rules), gate, SingleFlight(1 << 20), recorder, description={}
        )
        lane = await lane_face(config, self._service, gate, recorder)
        self._http = HttpFace(self._service, operator_token=None, lane=lane)

    async def __call__(self, request: Request) -> Response:
        if request.url.path.endswith("/pid"):
            return PlainTextResponse(str(os.getpid()))
        if request.url.path.endswith("/raw"):
            return Response(await self._service.run(await request.body()))
        return await self._http(request)


def build(args: dict[str, Any]) -> Application:
    """`args`: text; or broken; or model (a ModelAppConfig with a lane) and seconds."""
    options: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.1}, "graceful_shutdown_timeout_s": 1}
    if args.get("broken"):
        return serve.deployment(Broken, **options).bind()
    if "model" in args:
        config = ModelAppConfig.model_validate(args["model"])
        room = {"num_replicas": config.replicas, "max_ongoing_requests": config.room_in_serve}
        seat = serve.deployment(LaneSeat, name=config.name, health_check_period_s=1, **options, **room)
        return seat.bind(args["model"], args.get("seconds", 0.0))
    return serve.deployment(Echo, **options).bind(args["text"])
