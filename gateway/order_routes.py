"""Routes for orders that requesters signed themselves: open to all, because an order bears its signature.

The same as at the coordinator, so that whatever speaks to one speaks to a gateway, and JSON beside it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import ValidationError
from pydantic_core import from_json

from coordinator.lane.http import PREFIX, on_the_wire, read_digest
from coordinator.openapi import CBOR, NO_KEY, PROOF_ANSWER
from gateway.asking import service_of
from gateway.limiter import exceeded
from gateway.order_documents import (
    ORDER_ANSWERS,
    ORDER_BODY,
    ORDER_REFUSALS,
    STREAM_ANSWERS,
    STREAM_BODY,
    LaneTerms,
    SignedOrder,
)
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import Offer, parse_offer
from mlbridge.protocol.streams import FRAMES
from mlbridge.sdk.coordinators import WAIT_S

router = APIRouter(prefix=PREFIX, tags=["Signed orders"])


@router.get("", responses=ORDER_REFUSALS, openapi_extra=NO_KEY)
async def retrieve_lane(request: Request) -> LaneTerms:
    """Whom a channel must name so that its orders are taken here."""
    told = await service_of(request).signed.terms()
    return LaneTerms(
        coordinator=told.coordinator, share=told.share, chain_id=told.chain_id, channels=told.channels
    )


@router.post("/orders", responses=ORDER_ANSWERS, response_class=Response, openapi_extra=ORDER_BODY)
async def create_order(
    request: Request,
    wait: Annotated[float, Query(ge=0, le=WAIT_S, description="Seconds to wait for the verdict.")] = 30.0,
) -> Response:
    """Have an order done that is paid from its requester's own channel; no API key is asked for or charged.

    The same order again, as CBOR or JSON, changes nothing and brings the answer. It has to bring its input: a
    batch shows everybody the order and its signature.
    """
    orders, body = service_of(request).signed, await request.body()
    as_json = _is_json(request)
    offer = _from_json(body) if as_json else parse_offer(body)
    await _count(request, offer)
    told = await orders.told(offer, wait)
    if as_json:
        return JSONResponse((await orders.view(offer, told)).model_dump(mode="json"))
    return Response(told.to_bytes(), media_type=CBOR)


@router.post("/streams", responses=STREAM_ANSWERS, response_class=Response, openapi_extra=STREAM_BODY)
async def stream_order(request: Request) -> Response:
    """Have an order done as by /v1/lane/orders, and read its answer while it is made."""
    orders, offer = service_of(request).signed, parse_offer(await request.body())
    await _count(request, offer)
    return StreamingResponse(on_the_wire(await orders.stream(offer)), media_type=FRAMES)


@router.get(
    "/orders/{digest}/proof",
    responses=PROOF_ANSWER | ORDER_REFUSALS,
    response_class=Response,
    openapi_extra=NO_KEY,
)
async def retrieve_order_proof(
    request: Request, digest: Annotated[str, Path(max_length=80, description="0x hex")]
) -> Response:
    """Where an order stands in its batch."""
    orders = service_of(request).signed
    return Response((await orders.settlement(read_digest(digest))).to_bytes(), media_type=CBOR)


async def _count(request: Request, offer: Offer) -> None:
    """Raises MLBridgeError `rate.exceeded`, or what keeps the order from being its requester's."""
    room = await service_of(request).signed.count(offer)
    request.state.headers.update(room.headers(openai=False))
    if not room.allowed:
        raise exceeded(room, "This requester")


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def _from_json(body: bytes) -> Offer:
    try:
        return SignedOrder.model_validate(from_json(body)).offer()
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in told]) from error
    except ValueError as error:
        raise MLBridgeError("http.invalid", f"The body is no JSON: {error}.", exit_code=2) from error
