"""Problem documents (RFC 9457): how the coordinator's HTTP face says no."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

PROBLEM = "application/problem+json"


def problem(
    status: int, title: str, facts: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    """A problem document. facts: code, detail, hint and whatever machines may want to know."""
    body = {"type": "about:blank", "title": title, "status": status, **facts}
    return JSONResponse(body, status_code=status, headers=headers, media_type=PROBLEM)
