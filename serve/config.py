"""The arguments of a model application: plain values, as they stand in a Serve YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Kind
from serve.guard import node_keys
from serve.lane.settings import LaneSettings

DEVNET_CHAIN_ID: Final = 31337


class ModelAppConfig(BaseModel):
    """One model on one provider.

    name: what people call it; model_id: 0x and 64 hex digits, from the registry; directory: the model folder;
    node_keys: addresses whose orders are run; operator_token: opens the OpenAI-compatible routes.
    slots: runs at once in a replica (more than 1 only with vllm on a GPU); queue: how many wait before 503.
    exec_class_id: 0x and 64 hex digits; a machine of another class then refuses to start.
    num_cpus, num_gpus: what Ray reserves per replica; threads: what torch uses.
    engine_args: vLLM engine arguments; lane: None: no seat in the channel lane. Times in seconds, memory in
    bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    model_id: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")]
    chain_id: Annotated[int, Field(ge=1)]
    directory: Path
    kind: Kind
    engine: Literal["torch", "vllm"] = "torch"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    node_keys: Annotated[list[str], Field(min_length=1, max_length=16)]
    operator_token: SecretStr | None = None
    exec_class_id: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")] | None = None

    replicas: Annotated[int, Field(ge=1)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 1.0
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    slots: Annotated[int, Field(ge=1, le=1024)] = 1
    queue: Annotated[int, Field(ge=0, le=10_000)] = 16
    result_cache_bytes: Annotated[int, Field(ge=0)] = 16 << 20
    order_max_validity_s: Annotated[int, Field(ge=1)] = 3600
    order_skew_s: Annotated[int, Field(ge=0, le=60)] = 5
    health_check_period_s: Annotated[float, Field(gt=0)] = 10.0
    health_check_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    stuck_after_s: Annotated[float, Field(gt=0)] = 600.0
    graceful_shutdown_s: Annotated[float, Field(ge=0)] = 20.0
    engine_args: dict[str, Any] = Field(default_factory=dict)
    lane: LaneSettings | None = None

    @field_validator("node_keys")
    @classmethod
    def _checksummed(cls, value: list[str]) -> list[str]:
        return sorted(node_keys(value))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.slots != 1 and (self.engine == "torch" or self.device == "cpu"):
            raise ValueError(
                "only vllm on a GPU batches without changing answers: leave slots at 1, raise replicas"
            )
        if self.engine == "vllm" and self.kind != "chat":
            raise ValueError("the vllm engine serves chat models")
        if self.device == "cuda" and self.num_gpus == 0:
            raise ValueError("device cuda needs num_gpus, or Ray hides the GPUs from the replica")
        if self.lane is not None and self.lane.fault is not None and self.chain_id != DEVNET_CHAIN_ID:
            raise ValueError("a fault is for devnets: elsewhere it costs the provider its stake")
        return self

    @property
    def model_id_bytes(self) -> bytes:
        """The model id as 32 bytes."""
        return bytes.fromhex(self.model_id[2:])

    @property
    def room_in_serve(self) -> int:
        """max_ongoing_requests: more than the gate holds, so that it is the gate that refuses, in words.

        In the channel lane each order may have a second request, which streams its answer.
        """
        held = self.slots + self.queue
        return (held if self.lane is None else 2 * held) + 16


def parse(args: dict[str, Any]) -> ModelAppConfig:
    """The arguments of an application, checked. Raises MLBridgeError serve.config."""
    try:
        return ModelAppConfig.model_validate(args)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise MLBridgeError(
            "serve.config",
            f"The application's arguments are wrong: {lines}.",
            hint="See ModelAppConfig in serve/config.py.",
            exit_code=2,
        ) from None
