"""The Serve application `node`: who this provider is and how it does, off the data path.

GET /node: the white paper's ComputeNode fields, models, prices and endpoints. GET /node/status: the
agent's status.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ray import serve
from ray.serve import Application
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cluster.capabilities import CAPABILITIES_FILE
from cluster.config import AGENT_NAMESPACE, ProviderConfig
from cluster.files import read_state
from cluster.served import ServedModels

_PATIENCE: Final = 3.0


class NodeFace:
    """Serve constructs it with the application's arguments: config (fields of ProviderConfig),
    capabilities.
    """

    def __init__(self, args: dict[str, Any]) -> None:
        self._config = ProviderConfig.model_validate(args["config"])
        self._served = ServedModels(self._config.home)

    async def __call__(self, request: Request) -> Response:
        """Answer one request; 503 with what is known while the agent does not answer."""
        if request.method != "GET":
            return JSONResponse({"code": "route.method", "message": "Only GET is served here."}, 405)
        try:
            status = await self._status()
        except Exception as error:  # noqa: BLE001 - Ray has many ways to say that an actor is not there
            status = {"state": "unreachable", "problem": f"{type(error).__name__}: {error}"}
        code = 200 if status["state"] in ("running", "unregistered") else 503
        if request.url.path.rstrip("/").endswith("/status"):
            return JSONResponse(status, code)
        return JSONResponse(self.describe(status))

    async def _status(self) -> dict[str, Any]:
        import ray

        actor = ray.get_actor(self._config.agent_name, namespace=AGENT_NAMESPACE)
        async with asyncio.timeout(_PATIENCE):
            status: dict[str, Any] = await actor.status.remote()
        return status

    def describe(self, status: dict[str, Any]) -> dict[str, Any]:
        """The node as the white paper prints it, and how to reach it. Stakes in base units of MLB."""
        config = self._config
        accounts = status.get("stakes", {})
        return {
            "nodeId": status.get("node"),
            "operator": status.get("operator"),
            "capabilities": read_state(config.home / CAPABILITIES_FILE),
            "reputation": max((item["reputation"] for item in accounts.values()), default=0),
            "stakeAmount": str(sum(int(item["bonded"]) for item in accounts.values())),
            "accounts": accounts,
            "name": config.name,
            "chainId": status.get("chain", {}).get("id"),
            "state": status["state"],
            "openAssignments": len(status.get("open_tasks", {})),
            "models": [
                {
                    "id": model.id,
                    "name": model.name,
                    "kind": model.kind,
                    "pricePerInference": str(model.price),
                    "endpoint": config.endpoint + model.route.removeprefix(config.prefix),
                }
                for model in self._served.all().values()
            ],
            "endpoints": {"node": f"{config.endpoint}/node", "status": f"{config.endpoint}/node/status"},
        }


def build(args: dict[str, Any]) -> Application:
    """The application; see NodeFace for `args`."""
    return serve.deployment(
        NodeFace,
        name="node",
        num_replicas=1,
        max_ongoing_requests=32,
        graceful_shutdown_timeout_s=2,
        ray_actor_options={"num_cpus": 0},
    ).bind(args)
