"""What a devnet consists of, decided before anything starts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cluster.config import FAULTS
from mlbridge.devnet.accounts import MOST_PROVIDERS
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import PORTS_PER_CLUSTER, RayPorts

MODELS = ("minilm", "digits", "smollm2")
EXACT = ("digits", "smollm2")
PLAN_FILE = "plan.json"
COMMITTEE = 3
CLUSTERS_PER_CORE = 2  # a Ray head with replicas idles at about a quarter of a core


class Plan(BaseModel):
    """One devnet. Times in seconds; faults: provider number (from 1) -> behaviour.

    engine: of the chat model; gpu: whether that engine runs on the GPU, of which each provider has a part;
    reviews: whether heavy slashes wait for an appeal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path
    providers: int
    models: tuple[str, ...]
    faults: dict[int, str]
    shared_ray: bool
    engine: str
    gpu: bool = False
    reviews: bool = False
    block_time: float
    commit_window: int
    reveal_window: int
    epoch: int
    base_port: int
    ray_base_port: int

    @property
    def chain_port(self) -> int:
        return self.base_port

    @property
    def coordinator_port(self) -> int:
        return self.base_port + 1

    @property
    def verifier_port(self) -> int:
        """Where the verifier signs batches of the channel lane."""
        return self.base_port + 2

    @property
    def coordinator_url(self) -> str:
        return f"http://127.0.0.1:{self.coordinator_port}"

    @property
    def verifier_url(self) -> str:
        return f"http://127.0.0.1:{self.verifier_port}"

    @property
    def rpc_url(self) -> str:
        return f"http://127.0.0.1:{self.chain_port}"

    @property
    def network_file(self) -> Path:
        return self.home / "network.yaml"

    @property
    def blocks(self) -> Path:
        """The content store that the devnet's machines share."""
        return self.home / "blocks"

    @property
    def gpu_share(self) -> float:
        """Each provider's part of the one GPU, rounded down."""
        return 100 // self.providers / 100

    def ray_port(self, cluster: int) -> int:
        """First port of a Ray cluster; 0 is the coordinator's, providers count from 1."""
        return self.ray_base_port + cluster * PORTS_PER_CLUSTER

    @property
    def gateway_port(self) -> int:
        """Serve's ingress on the coordinator's cluster, where the gateway runs."""
        return RayPorts(self.ray_port(0)).http

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def gateway_key_file(self) -> Path:
        """Holds an API key of the gateway, for whoever runs this devnet."""
        return self.home / "gateway" / "api.key"

    @property
    def channel_models(self) -> tuple[str, ...]:
        """Those whose results are compared bit for bit, which the channel lane takes."""
        return tuple(name for name in self.models if name in EXACT)

    def provider_url(self, number: int) -> str:
        """Where a provider's node answers, numbers from 1; on a shared cluster below a path of its own."""
        if self.shared_ray:
            return f"{self.gateway_url}/p/{self.provider_name(number)}"
        return f"http://127.0.0.1:{RayPorts(self.ray_port(number)).http}"

    def provider_name(self, number: int) -> str:
        return f"provider-{number}"


def read_plan(home: Path) -> Plan | None:
    """The plan of the devnet in `home`, None without one. Raises MLBridgeError `devnet.bad_plan`."""
    file = home / PLAN_FILE
    try:
        return Plan.model_validate_json(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise MLBridgeError(
            "devnet.bad_plan",
            f"The plan of the devnet, {file}, cannot be read: it was damaged or made by another version.",
            hint="Forget that devnet and start again: mlbridge reset",
            exit_code=2,
        ) from error


def parse_fault(text: str) -> tuple[int, str]:
    """`wrong-result@2` -> (2, "wrong-result"). Raises MLBridgeError `devnet.bad_fault`."""
    match = re.fullmatch(r"([a-z-]+)@(\d+)", text)
    if match is None or match[1] not in FAULTS or int(match[2]) < 1:
        raise MLBridgeError(
            "devnet.bad_fault",
            f"--fault takes BEHAVIOUR@PROVIDER, not {text!r}.",
            hint=f"Behaviours: {', '.join(FAULTS)}. Providers count from 1: --fault wrong-result@2",
            exit_code=2,
        )
    return int(match[2]), match[1]


def make_plan(
    home: Path,
    *,
    providers: int | None,
    models: list[str] | None,
    faults: list[str],
    shared_ray: bool | None,
    engine: str | None,
    block_time: float,
    commit_window: int,
    reveal_window: int,
    base_port: int,
    ray_base_port: int,
    reviews: bool = False,
) -> Plan:
    """Fill in what was not asked for, and refuse what cannot work.

    With a liar there must be enough others to judge it: six providers by default, in one Ray cluster where
    the machine is small. Raises MLBridgeError `devnet.*`.
    """
    wrong = dict(parse_fault(fault) for fault in faults)
    count = providers if providers is not None else (2 * COMMITTEE if wrong else COMMITTEE)
    if not COMMITTEE <= count <= MOST_PROVIDERS:
        raise MLBridgeError(
            "devnet.bad_providers",
            f"--providers takes {COMMITTEE} to {MOST_PROVIDERS}, not {count}.",
            hint="A committee has three seats, each of another provider.",
            exit_code=2,
        )
    beyond = sorted(number for number in wrong if number > count)
    if beyond:
        raise MLBridgeError(
            "devnet.bad_fault",
            f"--fault names provider {beyond[0]}, but there are only {count}.",
            hint=f"Use --providers {beyond[0]} or more.",
            exit_code=2,
        )
    chosen = tuple(models) if models else (("digits",) if wrong else MODELS)
    unknown = [name for name in chosen if name not in MODELS]
    if unknown:
        raise MLBridgeError(
            "devnet.unknown_model",
            f"There is no demo model {unknown[0]!r}.",
            hint=f"--models takes a list of: {','.join(MODELS)}",
            exit_code=2,
        )
    shared = shared_ray if shared_ray is not None else count > CLUSTERS_PER_CORE * (os.cpu_count() or 1)
    chosen_engine, gpu = _engine(engine, shared=shared)
    return Plan(
        home=home,
        providers=count,
        models=chosen,
        faults=wrong,
        shared_ray=shared,
        engine=chosen_engine,
        gpu=gpu,
        block_time=block_time,
        commit_window=commit_window,
        reveal_window=reveal_window,
        epoch=5,
        base_port=base_port,
        ray_base_port=ray_base_port,
        reviews=reviews,
    )


def _engine(asked: str | None, *, shared: bool) -> tuple[str, bool]:
    """The chat model's engine, and whether it runs on the GPU.

    vLLM by itself only where its build for GPUs is installed and there is one. Raises MLBridgeError
    `engine.missing` or `devnet.shared_gpu`.
    """
    from cluster.capabilities import gpus
    from serve.execclass import no_vllm, vllm_package

    package = vllm_package()
    gpu = package == "vllm" and bool(gpus())
    if asked is None:
        return ("vllm", True) if gpu and not shared else ("torch", False)
    if asked == "torch":
        return asked, False
    if package is None:
        raise no_vllm()
    if gpu and shared:
        raise MLBridgeError(
            "devnet.shared_gpu",
            "vLLM on a GPU needs a Ray cluster for each provider: the shared one has no GPU.",
            hint="Add --own-ray, or fewer providers, or --engine torch.",
            exit_code=2,
        )
    return asked, gpu
