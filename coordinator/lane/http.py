"""The lane's routes for requesters: open to all, because an order bears its requester's signature."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response

from coordinator.lane.room import LaneRoom
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import parse_offer

PREFIX = "/v1/lane"
CBOR = "application/cbor"
LONGEST_WAIT_S = 120.0


def add_routes(app: FastAPI, room: LaneRoom) -> None:
    """GET /v1/lane, POST /v1/lane/orders, GET /v1/lane/orders/{digest}/proof."""

    @app.get(PREFIX)
    async def lane() -> dict[str, Any]:
        return room.terms()

    @app.post(PREFIX + "/orders")
    async def order(
        request: Request, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 30.0
    ) -> Response:
        told = await room.order(parse_offer(await request.body()), wait)
        return Response(told.to_bytes(), media_type=CBOR)

    @app.get(PREFIX + "/orders/{digest}/proof")
    async def proof(digest: str) -> Response:
        try:
            raw = bytes.fromhex(digest.removeprefix("0x"))
        except ValueError as error:
            raise MLBridgeError(
                "lane.unknown_order", "An order's digest is 0x and 64 hex digits.", exit_code=5
            ) from error
        return Response((await room.settlement(raw)).to_bytes(), media_type=CBOR)
