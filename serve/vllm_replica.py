"""A chat model on vLLM: ray.serve.llm's LLMServer with the guard and the HTTP door inside it.

Inside instead of in an ingress deployment of its own: that saves a hop of 4-8 ms and half a gigabyte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ray.llm._internal.common.callbacks.base import CallbackBase
from ray.serve import Application
from ray.serve.llm import LLMConfig, LLMServer, build_llm_deployment
from starlette.requests import Request
from starlette.responses import Response

from mlbridge.errors import MLBridgeError
from serve.assembly import start
from serve.config import ModelAppConfig
from serve.engines.vllm import (
    Generation,
    Sampling,
    VllmRunner,
    engine_arguments,
    environment,
    gather_stream,
)
from serve.metrics import RayRecorder


class LocalFiles(CallbackBase):  # type: ignore[misc]  # ray is untyped here
    """The model folder is on the node already: saves a worker process that would look for downloads."""

    async def on_before_node_init(self) -> None:
        """Called by ray.serve.llm before the engine starts."""
        self.ctx.run_init_node = False


class GuardedLLMServer(LLMServer):  # type: ignore[misc]  # ray is untyped here
    """One vLLM engine that runs orders."""

    async def __init__(self, llm_config: LLMConfig, *, args: dict[str, Any]) -> None:  # type: ignore[misc]
        await super().__init__(llm_config)
        config = ModelAppConfig.model_validate(args)
        self._name = config.name
        runner = VllmRunner(config.directory, self._continue, super().check_health, device=config.device)
        self._service, self._http = await start(config, runner, RayRecorder(config.name))

    async def __call__(self, request: Request) -> Response:
        """Answers one HTTP request."""
        return await self._http(request)

    async def _start_engine(self) -> None:
        # The base class also starts a telemetry actor, which costs 250 MB and has nobody to report to.
        await self.engine.start()

    async def _continue(
        self, prompt: list[int], sampling: Sampling, spoken: Callable[[int], None] | None
    ) -> Generation:
        from ray.serve.llm.openai_api_models import CompletionRequest, ErrorResponse
        from vllm.sampling_params import StructuredOutputsParams

        schema = sampling.json_schema
        if schema is not None:
            await asyncio.to_thread(require_grammar, schema)
        request = CompletionRequest(
            model=self._name,
            prompt=prompt,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            stop_token_ids=list(sampling.stop_token_ids),
            return_token_ids=True,
            stream=spoken is not None,
            structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        )
        if spoken is not None:
            return await gather_stream(await self.completions(request), spoken, ErrorResponse)
        answer = None
        async for answer in await self.completions(request):
            if isinstance(answer, ErrorResponse):
                raise MLBridgeError("engine.failed", f"vLLM refused: {answer.error.message}")
        if answer is None:
            raise MLBridgeError("engine.failed", "vLLM gave no answer.")
        choice = answer.choices[0]
        return Generation(list(choice.token_ids), str(choice.finish_reason))


def require_grammar(schema: str) -> None:
    """Raises MLBridgeError input.json_schema where vLLM makes no grammar of a JSON schema.

    It asks what vLLM itself asks later, where a request that it refuses looks like any other failure.
    """
    from vllm.exceptions import VLLMValidationError
    from vllm.sampling_params import SamplingParams, StructuredOutputsParams
    from vllm.v1.structured_output.backend_xgrammar import validate_xgrammar_grammar

    try:
        validate_xgrammar_grammar(SamplingParams(structured_outputs=StructuredOutputsParams(json=schema)))
    except VLLMValidationError as error:
        raise MLBridgeError(
            "input.json_schema", f"vLLM makes no grammar of the JSON schema: {error}.", exit_code=2
        ) from error


def build_vllm(config: ModelAppConfig, args: dict[str, Any]) -> Application:
    """The application: one deployment, placed on `num_cpus` CPUs or the given GPUs.

    ray.serve.llm reserves a CPU for the replica and one per worker by default, which two cores with anything
    else on them never have; here the worker's bundle carries everything and the replica nothing.
    """
    on_gpu = config.device == "cuda"
    arguments = engine_arguments(
        config.directory,
        config.device,
        slots=config.slots,
        extra=config.engine_args,
        gpus=config.num_gpus,
    )
    variables = environment(config.device, threads=config.threads, gpus=config.num_gpus)
    bundle = {"GPU": config.num_gpus} if on_gpu else {"CPU": config.num_cpus}
    llm_config = LLMConfig(
        model_loading_config={"model_id": config.name, "model_source": str(config.directory)},
        accelerator_config={"kind": "gpu" if on_gpu else "cpu"},
        placement_group_config={"bundle_per_worker": bundle},
        engine_kwargs=arguments,
        runtime_env={"env_vars": variables},
        callback_config={"callback_class": LocalFiles},
        log_engine_metrics=True,
        deployment_config={
            "num_replicas": config.replicas,
            "max_ongoing_requests": config.room_in_serve,
            "health_check_period_s": config.health_check_period_s,
            "health_check_timeout_s": config.health_check_timeout_s,
            "graceful_shutdown_timeout_s": config.graceful_shutdown_s,
            "ray_actor_options": {"num_cpus": 0},
        },
    )
    return build_llm_deployment(llm_config, bind_kwargs={"args": args}, deployment_cls=GuardedLLMServer)
