"""JSON bodies that cannot crash the process.

`json.loads` recurses as deep as Python's limit lets it, and a dependency of web3 (py_ecc) raises that limit
to 100,000, which no C stack holds: a body of that many brackets would be a segmentation fault. This parser
stops at 200 levels.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json


class _Bounded(Request):
    async def json(self) -> Any:
        """The body. Raises ValueError, which FastAPI answers with 400."""
        return from_json(await self.body())


class BoundedRoute(APIRoute):
    """A route whose JSON body is nested at most 200 deep; deeper ones are answered with 400."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI asks for it."""
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await handler(_Bounded(request.scope, request.receive))

        return bounded
