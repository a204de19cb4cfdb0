"""The Ray Serve deployment: service and HTTP application in one process, because a hop costs milliseconds."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from coordinator.logs import log_to_file
from gateway.config import APP_NAME, GatewayConfig
from gateway.http import build_app
from gateway.service import Service
from mlbridge.errors import MLBridgeError

MAX_ONGOING = 10_000  # requests wait for verdicts; the open_tasks limit is what refuses
HEALTH_S = 5.0
DRAIN_S = 10.0


class GatewayReplica:
    """One process that answers requests. config: the fields of GatewayConfig as JSON."""

    async def __init__(self, config: str) -> None:  # type: ignore[misc]  # Serve awaits constructors
        settings = GatewayConfig.model_validate_json(config)
        log_to_file(settings.home / "logs" / "gateway.log")
        self._service = await Service.start(settings)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """What Serve answers with, asked for once the service runs."""
        return build_app(self._service, names_requests=False)

    async def check_health(self) -> None:
        """Serve's health check: replaces a replica whose background has ended."""
        if not self._service.alive:
            raise MLBridgeError("gateway.dead", "The gateway's background has ended.")

    async def __del__(self) -> None:
        """Serve awaits it."""
        service: Service | None = getattr(self, "_service", None)  # None where the constructor failed
        if service is not None:
            await service.stop()


def build(config: GatewayConfig) -> Application:
    """The application. It asks for no CPU: it waits more than it works, and a small cluster may have one."""
    deployment: Any = serve.deployment(
        serve.ingress()(GatewayReplica),
        name=APP_NAME,
        num_replicas=config.replicas,
        max_ongoing_requests=MAX_ONGOING,
        health_check_period_s=HEALTH_S,
        graceful_shutdown_timeout_s=DRAIN_S,
        ray_actor_options={"num_cpus": 0},
    )
    application: Application = deployment.bind(config.model_dump_json())
    return application
