"""The gateway's HTTP application: both dialects, health, metrics, OpenAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from coordinator.openapi import HEALTH_ANSWERS, METRICS_ANSWERS, NO_KEY, Health, Problem, complete
from gateway import native, order_routes
from gateway.documents import OpenAIError, OpenAIErrorBody
from gateway.door import Door
from gateway.openai import routes
from gateway.order_documents import MODELS
from gateway.refusals import refusal
from gateway.service import Service
from mlbridge.errors import MLBridgeError

TITLE = "ML Bridge gateway"
PREFLIGHT_S = 600


def build_app(service: Service, *, names_requests: bool = True) -> FastAPI:
    """The application over a running service. names_requests: see Door."""
    app = FastAPI(
        title=TITLE, docs_url=None, redoc_url=None, redirect_slashes=False, generate_unique_id_function=_name
    )
    app.state.service = service
    app.include_router(routes.router)
    app.include_router(native.router)
    app.include_router(order_routes.router)
    _health(app, service)
    _refusals(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    app.add_middleware(
        Door,
        keys=service.keys,
        limiter=service.limiter,
        metrics=service.metrics,
        max_body=service.config.http.max_body,
        names_requests=names_requests,
    )
    if service.config.http.origins:
        # Outermost: a browser asks without a key first, and must be able to read every refusal.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.config.http.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["*"],
            max_age=PREFLIGHT_S,
        )
    return app


def _name(route: APIRoute) -> str:
    """The operation's id: generators make good method names of it."""
    return route.name


def _health(app: FastAPI, service: Service) -> None:
    shown: dict[str, Any] = {"tags": ["Operation"], "openapi_extra": NO_KEY}

    @app.get("/healthz", **shown, responses=HEALTH_ANSWERS)
    async def healthz() -> Response:
        """Whether this replica lives."""
        ok = service.alive
        return JSONResponse({"status": "ok" if ok else "failing"}, status_code=200 if ok else 503)

    @app.get("/readyz", **shown, responses=HEALTH_ANSWERS)
    async def readyz() -> Response:
        """Whether chain and store answer."""
        try:
            ok, why = await service.ready(), ""
        except (MLBridgeError, TimeoutError) as error:
            ok, why = False, str(error) or "the chain does not answer"
        body = {"status": "ready" if ok else "not ready"} | ({"reason": why} if why else {})
        headers = {} if ok else {"Retry-After": "5"}
        return JSONResponse(body, status_code=200 if ok else 503, headers=headers)

    @app.get("/metrics", **shown, responses=METRICS_ANSWERS, response_class=Response)
    async def metrics(request: Request) -> Response:
        """What Prometheus asks of the replica that answers."""
        body, content_type = service.metrics.exposition(request.headers.get("accept", ""))
        return Response(body, media_type=content_type)


def _refusals(app: FastAPI) -> None:
    async def told(request: Request, error: Exception) -> Response:
        if not isinstance(error, MLBridgeError):
            raise error
        return refusal(request.url.path, error)

    async def invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return refusal(request.url.path, _invalid(error))

    async def http_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        answer = refusal(request.url.path, _http(error))
        answer.headers.update(error.headers or {})
        return answer

    app.add_exception_handler(MLBridgeError, told)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def _invalid(error: RequestValidationError) -> MLBridgeError:
    errors = [
        {"pointer": "/" + "/".join(str(part) for part in item["loc"]), "detail": item["msg"]}
        for item in error.errors()
    ]
    fields = [str(part) for part in error.errors()[0]["loc"][1:]]
    return MLBridgeError(
        "http.invalid",
        f"{errors[0]['pointer']}: {errors[0]['detail']}.",
        hint="Compare the request with /openapi.json.",
        exit_code=2,
        errors=errors,
        param=".".join(fields) or None,
    )


def _http(error: HTTPException) -> MLBridgeError:
    code = {404: "http.not_found", 405: "http.method"}.get(error.status_code, "http.refused")
    return MLBridgeError(code, f"{error.detail}.", hint="See /openapi.json for the routes.")


def _document(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of every route."""
    if app.openapi_schema is None:
        found = get_openapi(title=TITLE, version="1", routes=app.routes)
        app.openapi_schema = complete(found, Problem, OpenAIErrorBody, OpenAIError, Health, *MODELS)
    return app.openapi_schema
