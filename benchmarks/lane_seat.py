"""A member's Serve application in the lane's benchmark: a real seat around a sleeping engine or a real model.

`/raw` runs the model without an order, for whoever asks it directly; `/node` is the member's page.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ray import serve
from ray.serve import Application
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.payload import ClassificationInput, decode_input, encode_input, encode_output
from serve.assembly import lane_face, torch_runner
from serve.config import ModelAppConfig
from serve.engines.base import EngineInfo, Hear
from serve.gate import Gate, SingleFlight
from serve.guard import Guard, GuardRules
from serve.http import HttpFace
from serve.metrics import RayRecorder
from serve.service import ModelService
from serve.worker import Runner

SLEEPS_MS: Final = (0, 50, 200, 1000)
SLOTS: Final = 256
"""Runs at once, as an engine that batches has them: sleeping needs no core."""


def sleeping_input(sleep_ms: int, number: int) -> bytes:
    """An input of its own for each number: its first pixel says how long the model takes."""
    digits = [number >> 4 * place & 15 for place in range(63)]
    return encode_input("classification", {"image": [SLEEPS_MS.index(sleep_ms), *digits]})


class Sleeper:
    """A model whose time is known: it sleeps, and says a label that follows from its input."""

    async def start(self) -> None:
        return None

    async def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        told = decode_input(data)
        assert isinstance(told, ClassificationInput)
        if told.image[0]:
            await asyncio.sleep(SLEEPS_MS[told.image[0]] / 1000)
        return encode_output("classification", {"label": keccak(data)[0] % 10})

    async def check(self) -> None:
        return None

    def info(self) -> EngineInfo:
        return EngineInfo("sleep", "classification", "none", "none", "cpu", 0)


class BenchSeat:
    """Everything of a replica, with one more route."""

    async def __init__(self, args: dict[str, Any], page: dict[str, Any]) -> None:  # type: ignore[misc]
        config = ModelAppConfig.model_validate(args)
        self._page = page
        recorder = RayRecorder(config.name)
        real = config.kind == "chat"
        runner: Runner = torch_runner(config) if real else Sleeper()
        await runner.start()
        gate = Gate(config.slots if real else SLOTS, config.queue, changed=recorder.in_flight)
        rules = GuardRules(config.chain_id, config.model_id_bytes, frozenset(config.node_keys))
        self._service = ModelService(
            runner, Guard(rules), gate, SingleFlight(1 << 20), recorder, description={}
        )
        lane = await lane_face(config, self._service, gate, recorder)
        self._http = HttpFace(self._service, operator_token=None, lane=lane)

    async def __call__(self, request: Request) -> Response:
        if request.url.path.endswith("/raw"):
            return Response(await self._service.run(await request.body()))
        if request.url.path.endswith("/node"):
            return JSONResponse(self._page)
        return await self._http(request)


def build(args: dict[str, Any]) -> Application:
    """args: model (a ModelAppConfig with a lane) and page (what its node says)."""
    config = ModelAppConfig.model_validate(args["model"])
    return serve.deployment(
        BenchSeat,
        name=config.name,
        max_ongoing_requests=4 * SLOTS,
        ray_actor_options={"num_cpus": 0.1},
        graceful_shutdown_timeout_s=1,
    ).bind(args["model"], args["page"])
