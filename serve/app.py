"""Serve applications of this package, as `import_path: serve.app:build` in a Serve YAML."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from serve.config import parse


def build(args: dict[str, Any]) -> Application:
    """The application for one model; `args` are the fields of ModelAppConfig.

    Raises MLBridgeError serve.config.
    """
    config = parse(args)
    if config.engine == "vllm":
        from serve.vllm_replica import build_vllm

        return build_vllm(config, args)
    from serve.replica import ModelReplica

    return serve.deployment(
        ModelReplica,
        name=config.name,
        num_replicas=config.replicas,
        max_ongoing_requests=config.room_in_serve,
        health_check_period_s=config.health_check_period_s,
        health_check_timeout_s=config.health_check_timeout_s,
        graceful_shutdown_timeout_s=config.graceful_shutdown_s,
        ray_actor_options={"num_cpus": config.num_cpus, "num_gpus": config.num_gpus},
    ).bind(args)
