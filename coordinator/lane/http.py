"""The lane's routes for requesters: open to all, because an order bears its requester's signature."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import structlog
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

from coordinator.lane.room import LaneRoom
from coordinator.openapi import (
    CBOR,
    FRAMES_ANSWER,
    NO_KEY,
    OFFER_BODY,
    PROOF_ANSWER,
    TOLD_ANSWER,
    Answers,
)
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.streams import FRAMES, Kind, frame

log = structlog.get_logger(__name__)

PREFIX = "/v1/lane"
LONGEST_WAIT_S = 120.0


def add_routes(app: FastAPI, room: LaneRoom, refusals: Answers) -> None:
    """GET /v1/lane, POST /v1/lane/orders and streams, GET /v1/lane/orders/{digest}/proof.

    refusals: what /openapi.json says of how they refuse.
    """
    asks: dict[str, Any] = {"response_class": Response, "openapi_extra": OFFER_BODY | NO_KEY}

    @app.get(PREFIX, responses=refusals, openapi_extra=NO_KEY)
    async def lane() -> dict[str, Any]:
        return room.terms()

    @app.post(PREFIX + "/orders", responses=TOLD_ANSWER | refusals, **asks)
    async def order(
        request: Request, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 30.0
    ) -> Response:
        told = await room.order(parse_offer(await request.body()), wait)
        return Response(told.to_bytes(), media_type=CBOR)

    @app.post(PREFIX + "/streams", responses=FRAMES_ANSWER | refusals, **asks)
    async def stream(request: Request) -> Response:
        frames = await room.stream(parse_offer(await request.body()))
        return StreamingResponse(on_the_wire(frames), media_type=FRAMES)

    @app.get(
        PREFIX + "/orders/{digest}/proof",
        responses=PROOF_ANSWER | refusals,
        response_class=Response,
        openapi_extra=NO_KEY,
    )
    async def proof(digest: str) -> Response:
        return Response((await room.settlement(read_digest(digest))).to_bytes(), media_type=CBOR)


def read_digest(text: str) -> bytes:
    """An order's digest from a path. Raises MLBridgeError `lane.unknown_order`."""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise MLBridgeError(
            "lane.unknown_order", "An order's digest is 0x and 64 hex digits.", exit_code=5
        ) from error


async def on_the_wire(frames: AsyncGenerator[tuple[Kind, bytes], None]) -> AsyncGenerator[bytes, None]:
    """A stream that breaks simply ends: its requester asks for the verdict in the ordinary way."""
    async with aclosing(frames):
        try:
            async for kind, payload in frames:
                yield frame(kind, payload)
        except MLBridgeError as error:
            log.info("lane_stream_broke", reason=error.message)
