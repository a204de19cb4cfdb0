"""The lane's routes for requesters: open to all, because an order bears its requester's signature."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import structlog
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

from coordinator.lane.room import LaneRoom
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.streams import FRAMES, Kind, frame

log = structlog.get_logger(__name__)

PREFIX = "/v1/lane"
CBOR = "application/cbor"
LONGEST_WAIT_S = 120.0


def add_routes(app: FastAPI, room: LaneRoom) -> None:
    """GET /v1/lane, POST /v1/lane/orders and streams, GET /v1/lane/orders/{digest}/proof."""

    @app.get(PREFIX)
    async def lane() -> dict[str, Any]:
        return room.terms()

    @app.post(PREFIX + "/orders")
    async def order(
        request: Request, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 30.0
    ) -> Response:
        told = await room.order(parse_offer(await request.body()), wait)
        return Response(told.to_bytes(), media_type=CBOR)

    @app.post(PREFIX + "/streams")
    async def stream(request: Request) -> Response:
        frames = await room.stream(parse_offer(await request.body()))
        return StreamingResponse(_on_the_wire(frames), media_type=FRAMES)

    @app.get(PREFIX + "/orders/{digest}/proof")
    async def proof(digest: str) -> Response:
        try:
            raw = bytes.fromhex(digest.removeprefix("0x"))
        except ValueError as error:
            raise MLBridgeError(
                "lane.unknown_order", "An order's digest is 0x and 64 hex digits.", exit_code=5
            ) from error
        return Response((await room.settlement(raw)).to_bytes(), media_type=CBOR)


async def _on_the_wire(frames: AsyncGenerator[tuple[Kind, bytes], None]) -> AsyncGenerator[bytes, None]:
    """A stream that breaks simply ends: its requester asks for the verdict in the ordinary way."""
    async with aclosing(frames):
        try:
            async for kind, payload in frames:
                yield frame(kind, payload)
        except MLBridgeError as error:
            log.info("lane_stream_broke", reason=error.message)
