"""The coordinator's HTTP face: tasks in, tasks out, health and metrics. JSON; errors as problem+json.

/openapi.json describes it, and a test holds every answer to that.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Annotated, Any, Final

import uvicorn
from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from coordinator.config import HttpConfig
from coordinator.door import Door
from coordinator.jsonbody import BoundedRoute
from coordinator.lane.http import add_routes
from coordinator.openapi import (
    HEALTH_ANSWERS,
    METRICS_ANSWERS,
    NO_KEY,
    Health,
    Problem,
    complete,
    refusals,
)
from coordinator.problems import problem
from coordinator.submissions import TaskRequest
from mlbridge.errors import MLBridgeError

if TYPE_CHECKING:
    from coordinator.engine import Engine

TITLE: Final = "ML Bridge coordinator"
BIND_S = 20.0
STATUS_BY_CODE = {
    "coordinator.full": 503,
    "coordinator.no_submissions": 503,
    "chain.unreachable": 503,
    "lane.full": 503,
    "lane.interrupted": 503,
    "lane.listeners": 503,
    "lane.no_seed": 503,
    "lane.not_settled": 404,
    "lane.seed": 503,
    "order.paused": 503,
    "order.seed": 503,
    "order.sequence_ahead": 503,
    "coordinator.budget": 402,
    "task.too_expensive": 402,
    "submission.key_reused": 422,
}
STATUS_BY_EXIT = {2: 422, 3: 403, 4: 402, 5: 404, 6: 504}
SAID: Final = {
    400: "The body cannot be read.",
    401: "No bearer token, or another one.",
    402: "The price, the budget or the channel's money is too low.",
    403: "The signature is not the one that it must be.",
    404: "There is no such model, task or order.",
    405: "The route has no such method.",
    408: "The body took too long.",
    413: "The request is too large.",
    422: "The request is wrong, or its idempotency key was used for another one.",
    503: "Full, or the chain is out of reach; Retry-After says how long to wait.",
    504: "Its time is too short.",
}
SIGNED_ANSWERS: Final = refusals(SAID, (400, 402, 403, 404, 405, 408, 413, 422, 503, 504))
TOKEN_ANSWERS: Final = SIGNED_ANSWERS | refusals(SAID, (401,))


def build_app(engine: Engine, token: str) -> FastAPI:
    """The application. token: what `Authorization: Bearer` must carry, see Door."""
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, generate_unique_id_function=_name)

    app.router.route_class = BoundedRoute
    app.add_middleware(Door, token=token)

    @app.post("/v1/tasks", status_code=202, responses=TOKEN_ANSWERS)
    async def submit_task(
        body: TaskRequest,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=128)] = None,
        wait: Annotated[float, Query(ge=0, le=300)] = 0.0,
    ) -> dict[str, Any]:
        if idempotency_key is not None:
            if body.idempotency_key not in (None, idempotency_key):
                raise MLBridgeError(
                    "submission.key_reused",
                    "The header and the body name different idempotency keys.",
                    hint="Send one of them.",
                    exit_code=2,
                )
            body = body.model_copy(update={"idempotency_key": idempotency_key})
        view = await engine.submit(body)
        if wait:
            view = await engine.task(view["task_id"], wait_s=wait)
        response.headers["Location"] = f"/v1/tasks/{view['task_id']}"
        return view

    @app.get("/v1/tasks", responses=TOKEN_ANSWERS)
    async def list_tasks(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        ended: bool | None = None,
        before: Annotated[int | None, Query(ge=0)] = None,
    ) -> dict[str, Any]:
        return {"data": await engine.tasks(limit=limit, ended=ended, before=before)}

    @app.get("/v1/tasks/{task_id}", responses=TOKEN_ANSWERS)
    async def get_task(task_id: str, wait: Annotated[float, Query(ge=0, le=300)] = 0.0) -> dict[str, Any]:
        return await engine.task(task_id.lower(), wait_s=wait)

    @app.get("/v1/status", responses=TOKEN_ANSWERS)
    async def get_status() -> dict[str, Any]:
        return await engine.status()

    @app.get("/healthz", responses=HEALTH_ANSWERS, openapi_extra=NO_KEY)
    async def healthz() -> Response:
        ok = engine.alive
        return JSONResponse({"status": "ok" if ok else "failing"}, status_code=200 if ok else 503)

    @app.get("/readyz", responses=HEALTH_ANSWERS, openapi_extra=NO_KEY)
    async def readyz() -> Response:
        ok = engine.alive and engine.ready
        body = {"status": "ready" if ok else "catching up", "lag_blocks": engine.follow.lag}
        return JSONResponse(body, status_code=200 if ok else 503)

    @app.get("/metrics", responses=METRICS_ANSWERS, response_class=Response, openapi_extra=NO_KEY)
    async def metrics(request: Request) -> Response:
        shards = await engine.metrics_of_shards()
        body, content_type = engine.metrics.exposition(request.headers.get("accept", ""), shards)
        return Response(body, media_type=content_type)

    if engine.lane is not None:
        add_routes(app, engine.lane, SIGNED_ANSWERS)
    _problems(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _name(route: APIRoute) -> str:
    """The operation's id: generators make good method names of it."""
    return route.name


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = get_openapi(title=TITLE, version="1", routes=app.routes)
        app.openapi_schema = complete(found, Problem, Health)
    return app.openapi_schema


def _problems(app: FastAPI) -> None:
    async def told(request: Request, error: Exception) -> Response:
        if not isinstance(error, MLBridgeError):
            raise error
        status = STATUS_BY_CODE.get(error.code) or STATUS_BY_EXIT.get(error.exit_code, 400)
        headers = {}
        if status == 503:
            headers["Retry-After"] = str(
                error.context.get("retry_after_s", error.context.get("retry_after", 5))
            )
        facts = {"code": error.code, "hint": error.hint, "detail": error.message, **_plain(error.context)}
        return problem(status, error.code, facts, headers)

    async def invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        errors = [
            {"pointer": "/" + "/".join(str(part) for part in item["loc"]), "detail": item["msg"]}
            for item in error.errors()
        ]
        facts = {
            "code": "http.invalid",
            "detail": f"{errors[0]['pointer']}: {errors[0]['detail']}",
            "hint": "Compare the request with /openapi.json.",
            "errors": errors,
        }
        return problem(422, "http.invalid", facts)

    async def http_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code = "http.not_found" if error.status_code == 404 else f"http.{error.status_code}"
        facts = {"code": code, "detail": str(error.detail), "hint": "See /openapi.json for the routes."}
        return problem(error.status_code, code, facts, dict(error.headers or {}))

    app.add_exception_handler(MLBridgeError, told)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def _plain(context: dict[str, object]) -> dict[str, object]:
    simple = (str, int, float, bool, type(None))
    return {name: value for name, value in context.items() if isinstance(value, simple)}


class HttpServer:
    """uvicorn inside the running event loop."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None]) -> None:
        self._server, self._task = server, task

    @classmethod
    async def start(cls, app: FastAPI, config: HttpConfig) -> HttpServer:
        """Listen and serve. Raises MLBridgeError `http.port` when the port stays taken for 20 s."""
        listening = await _bind(config)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
        )
        task = asyncio.create_task(server.serve(sockets=[listening]), name="coordinator-http")
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.01)
        return cls(server, task)

    async def stop(self) -> None:
        """Answer what is under way, then close."""
        self._server.should_exit = True
        self._server.force_exit = True
        await self._task


async def _bind(config: HttpConfig) -> socket.socket:
    loop = asyncio.get_running_loop()
    until = loop.time() + BIND_S
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    while True:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((config.host, config.port))
        except OSError as error:
            listening.close()
            # A process killed a moment ago may still hold the port.
            if loop.time() >= until:
                raise MLBridgeError(
                    "http.port",
                    f"Port {config.port} on {config.host} is taken ({error.strerror}).",
                    hint="Choose another http.port, or stop what listens there.",
                ) from error
            await asyncio.sleep(0.2)
            continue
        listening.setblocking(False)
        return listening
