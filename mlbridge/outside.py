"""HTTP answers of machines that nobody vouches for: bounded in size, in time and in depth.

httpx2 alone would unpack and keep whatever is sent, for as long as a byte comes now and then; and json.loads
recurses as deep as Python's limit, which a dependency of web3 raises beyond what the C stack holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from pydantic_core import from_json

from mlbridge.errors import MLBridgeError

_PLAIN: Final = "identity"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: HTTP status, header fields by their names in lower case, the body as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, nested at most 200 deep. Raises ValueError."""
        return from_json(self.body)


async def ask(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    max_bytes: int,
    patience_s: float,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The whole answer to a request; redirections are not followed.

    max_bytes: of its body; patience_s: seconds until its last byte. Raises MLBridgeError `outside.silent`
    (no answer, or not all of it in time) or `outside.unreadable` (too long, packed, or no HTTP URL).
    """
    sent = {"Accept-Encoding": _PLAIN, **(headers or {})}
    try:
        async with (
            asyncio.timeout(patience_s),
            client.stream(method, url, content=content, headers=sent, follow_redirects=False) as answer,
        ):
            if answer.headers.get("content-encoding", _PLAIN).lower() != _PLAIN:
                raise _unreadable("it is packed")
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > max_bytes:
                    raise _unreadable(f"it has more than {max_bytes} bytes")
            return Answer(answer.status_code, {**answer.headers}, bytes(body))
    except (httpx2.HTTPError, TimeoutError) as error:
        raise MLBridgeError("outside.silent", f"No whole answer came ({type(error).__name__}).") from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise _unreadable(f"there is no such URL ({error})") from error


def _unreadable(why: str) -> MLBridgeError:
    return MLBridgeError("outside.unreadable", f"The answer cannot be read: {why}.")
