"""The lane's routes of a replica."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mlbridge.protocol.exchange import HEADER, MAX_BODY_BYTES
from mlbridge.protocol.fetching import MAX_REQUEST_BYTES
from mlbridge.protocol.streams import FRAMES
from serve.bodies import CBOR, read_body
from serve.lane.member import LaneMember

_DIGESTS_BYTES: Final = 64 << 10

Handler = Callable[[Request], Awaitable[Response]]


class LaneFace:
    """Answers with canonical CBOR; see mlbridge.protocol.exchange."""

    def __init__(self, member: LaneMember) -> None:
        self._member = member
        self.routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/lane/orders"): self._orders,
            ("POST", "/v1/lane/reveals"): self._reveals,
            ("POST", "/v1/lane/attestations"): self._attestations,
            ("POST", "/v1/lane/answers"): self._answers,
            ("POST", "/v1/lane/streams"): self._streams,
        }

    async def _orders(self, request: Request) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        return Response(await self._member.orders(request.headers.get(HEADER), body), media_type=CBOR)

    async def _reveals(self, request: Request) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        return Response(await self._member.reveals(request.headers.get(HEADER), body), media_type=CBOR)

    async def _attestations(self, request: Request) -> Response:
        body = await read_body(request, _DIGESTS_BYTES)
        return Response(await self._member.attestations(body), media_type=CBOR)

    async def _answers(self, request: Request) -> Response:
        body = await read_body(request, MAX_REQUEST_BYTES)
        return Response(await self._member.answers(body), media_type=CBOR)

    async def _streams(self, request: Request) -> Response:
        body = await read_body(request, _DIGESTS_BYTES)
        frames = await self._member.stream(request.headers.get(HEADER), body)
        return StreamingResponse(frames, media_type=FRAMES)
