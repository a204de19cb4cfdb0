"""Bodies of requests, read no further than they may go."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import from_json
from starlette.requests import Request

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import MAX_INPUT_BYTES

CBOR: Final = "application/cbor"
MAX_JSON_BYTES: Final = 2 * MAX_INPUT_BYTES


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises MLBridgeError request.too_large as soon as it passes `limit` bytes."""
    announced = request.headers.get("content-length", "0")
    pieces: list[bytes] = []
    size = int(announced) if announced.isdigit() else 0
    if size <= limit:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                break
            pieces.append(piece)
    if size > limit:
        raise MLBridgeError(
            "request.too_large",
            f"The body is larger than {limit} bytes.",
            hint="Put large inputs into storage and submit a reference.",
            exit_code=2,
        )
    return b"".join(pieces)


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object, nested at most 200 deep.

    json.loads recurses as deep as Python's limit, which a dependency of web3 raises beyond what the C stack
    holds: brackets alone would end the replica and its model. Raises MLBridgeError request.json and
    request.too_large.
    """
    body = await read_body(request, MAX_JSON_BYTES)
    try:
        value = from_json(body)
    except ValueError as error:
        raise MLBridgeError("request.json", f"The body is not JSON: {error}.", exit_code=2) from error
    if not isinstance(value, dict):
        raise MLBridgeError("request.json", "The body must be a JSON object.", exit_code=2)
    return value
