"""OpenAI's routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from coordinator.jsonbody import BoundedRoute
from gateway.asking import choices_of, key_of, mark_of, service_of, waits_for_verdict
from gateway.book import Task
from gateway.catalogue import Model
from gateway.documents import (
    ASK_HEADERS,
    OPENAI_ANSWERS,
    STREAM_HEADERS,
    STREAMED_ANSWERS,
    ModelCard,
    ModelList,
)
from gateway.openai import answers
from gateway.openai.answers import CHAT, COMPLETION, Shape
from gateway.openai.outcomes import require, running
from gateway.openai.requests import ChatBody, CompletionBody, EmbeddingBody
from gateway.openai.streams import Line, Stream
from gateway.service import Placement, Service, Wish
from mlbridge.protocol.payload import Kind

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=BoundedRoute)


@router.post("/chat/completions", responses=STREAMED_ANSWERS, openapi_extra=STREAM_HEADERS)
async def create_chat_completion(request: Request, body: ChatBody) -> Response:
    """Continue a conversation: a verified answer, whole or as a stream."""
    return await _generate(request, body, CHAT)


@router.post("/completions", responses=STREAMED_ANSWERS, openapi_extra=STREAM_HEADERS)
async def create_completion(request: Request, body: CompletionBody) -> Response:
    """Answer a prompt, as a conversation of one message."""
    return await _generate(request, body, COMPLETION)


@router.post("/embeddings", responses=OPENAI_ANSWERS, openapi_extra=ASK_HEADERS)
async def create_embedding(request: Request, body: EmbeddingBody) -> Response:
    """Verified embeddings of one or several texts; each text is a task."""
    service = service_of(request)
    placement = await _place(request, body, "embedding", body.inputs())
    tasks = await _answered(service, placement)
    tokens = await service.tokens.count(body.model, answers.texts_of(body.inputs()))
    found = answers.embeddings(
        tasks,
        body.model,
        as_base64=body.encoding_format == "base64",
        dimensions=body.dimensions,
        prompt_tokens=tokens,
    )
    return JSONResponse(found, headers=_headers(tasks, placement))


@router.get("/models", responses=OPENAI_ANSWERS)
async def list_models(request: Request) -> ModelList:
    """The models that can be asked."""
    key_of(request).allow("read")
    return ModelList(data=[_card(model) for model in await service_of(request).catalogue.models()])


@router.get("/models/{model:path}", responses=OPENAI_ANSWERS)
async def retrieve_model(request: Request, model: str) -> ModelCard:
    """One model, by name or id."""
    key_of(request).allow("read")
    return _card(await service_of(request).catalogue.find(model))


async def _generate(request: Request, body: ChatBody | CompletionBody, shape: Shape) -> Response:
    service = service_of(request)
    stops, inputs = body.stops, body.inputs()
    placement = await _place(request, body, "chat", inputs)
    tokens = await service.tokens.count(body.model, answers.texts_of(inputs))
    if body.stream:
        line = Line(
            shape=shape,
            model=body.model,
            stops=stops,
            include_usage=body.include_usage,
            prompt_tokens=tokens,
            wait_s=service.config.limits.wait_s,
        )
        return await _streamed(service, placement, line)
    tasks = await _answered(service, placement)
    answer = shape.answer(tasks, body.model, stops, tokens)
    return JSONResponse(answer, headers=_headers(tasks, placement))


async def _place(
    request: Request,
    body: ChatBody | CompletionBody | EmbeddingBody,
    kind: Kind,
    inputs: Sequence[dict[str, object]],
) -> Placement:
    key = key_of(request)
    key.allow("inference")
    waits = waits_for_verdict(request)
    reads_along = not isinstance(body, EmbeddingBody) and body.reads_along and not waits
    wish = Wish(body.model, kind, inputs, choices_of(request, body.mlbridge), stream=reads_along)
    placement = await service_of(request).place(key, wish, mark_of(request, body.model_dump(mode="json")))
    if placement.replayed and not all(task.decided for task in placement.tasks):
        raise running(placement.tasks)
    return placement


async def _answered(service: Service, placement: Placement) -> list[Task]:
    """The tasks with their answers. Raises MLBridgeError `task.timeout`, `answer.none`."""
    wait_s = service.config.limits.wait_s
    tasks = await service.carrier.decided(placement.ids, wait_s)
    require(tasks, wait_s)
    return tasks


async def _streamed(service: Service, placement: Placement, line: Line) -> Response:
    stream = Stream(service.carrier, placement.tasks[0], line)
    task = await stream.first(service.config.limits.hold_s)
    if task.decided:
        require([task], line.wait_s)
    headers = _headers([task], placement) | {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream.events(), media_type="text/event-stream", headers=headers)


def _headers(tasks: Sequence[Task], placement: Placement) -> dict[str, str]:
    replayed = {"Idempotent-Replayed": "true"} if placement.replayed else {}
    return answers.proof_headers(tasks) | replayed


def _card(model: Model) -> ModelCard:
    told: dict[str, Any] = {
        "model_id": model.id,
        "kind": model.kind,
        "json_schema": model.takes.json_schema,
        "policy": model.policy,
        "provider": model.info.provider,
        "fee_wei": str(model.info.price),
    }
    return ModelCard.model_validate({"id": model.name or model.id, "mlbridge": told})
