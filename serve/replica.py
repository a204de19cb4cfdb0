"""The Ray Serve deployment of a torch model: engine, guard and HTTP in one process.

In one process because a hop between deployments costs more than a small model's run.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serve.config import ModelAppConfig


class ModelReplica:
    """One copy of the model. Serve constructs it with the application's arguments as a plain dict."""

    async def __init__(self, args: dict[str, Any]) -> None:  # type: ignore[misc]  # Serve awaits constructors
        from serve.assembly import start, torch_runner
        from serve.metrics import RayRecorder

        config = ModelAppConfig.model_validate(args)
        self._service, self._http = await start(config, torch_runner(config), RayRecorder(config.name))

    async def __call__(self, request: Request) -> Response:
        """Answers one HTTP request."""
        return await self._http(request)

    async def check_health(self) -> None:
        """Serve's health check: the engine must answer as it did at the start."""
        await self._service.check()
