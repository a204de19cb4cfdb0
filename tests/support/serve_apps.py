"""Serve applications for tests: one that answers, one that never starts."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application
from starlette.requests import Request


class Echo:
    """Answers with its text and process id."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def __call__(self, request: Request) -> dict[str, Any]:
        import os

        return {"text": self._text, "pid": os.getpid(), "path": request.url.path}


class Broken:
    """Fails in its constructor."""

    def __init__(self) -> None:
        raise RuntimeError("the weights are for another machine")


def build(args: dict[str, Any]) -> Application:
    """`args`: text, or broken."""
    options: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.1}, "graceful_shutdown_timeout_s": 1}
    if args.get("broken"):
        return serve.deployment(Broken, **options).bind()
    return serve.deployment(Echo, **options).bind(args["text"])
