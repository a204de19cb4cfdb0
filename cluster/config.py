"""A provider's one YAML file, checked before anything starts."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from contracts.keyfile import KeyFile, resolve_path
from contracts.network import Network, load_network
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from mlbridge.rayproc import PORTS_PER_CLUSTER, RayPorts
from mlbridge.yamlfile import load_file, parse_fields
from serve.config import DEVNET_CHAIN_ID
from serve.lane.settings import LaneFault

FaultName = LaneFault
FAULTS: tuple[str, ...] = get_args(FaultName)
# Below the devnet's, whose coordinator and providers have 20000 and up, and Linux's outgoing connections.
DEFAULT_BASE_PORT = 15000
MLB = 10**18
AGENT_NAMESPACE = "mlbridge"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Keys(_Section):
    """node: the hot key that commits and reveals. operator: the cold key that staked; only needed to
    register, unjail and stop serving, and never loaded by an honest agent."""

    node: KeyFile = Field(description="the hot key: keystore and password_env or password_file")
    operator: KeyFile | None = Field(default=None, description="the cold key; leave it out once registered")


class Stake(_Section):
    """Whole MLB to bond per role; 0: do not take part in that role."""

    compute: Decimal = Field(default=Decimal(0), ge=0, max_digits=28, description="MLB, at least 50000 or 0")
    verifier: Decimal = Field(default=Decimal(0), ge=0, max_digits=28, description="MLB, at least 25000 or 0")

    def amounts(self) -> dict[Role, int]:
        """Base units of MLB (18 decimals) by role, roles without stake left out."""
        wanted = {Role.COMPUTE: self.compute, Role.VERIFIER: self.verifier}
        return {role: int(amount * MLB) for role, amount in wanted.items() if amount > 0}


class ServedModel(_Section):
    """A model to serve, and with what."""

    model: str = Field(
        min_length=1, description='a model id (0x and 64 hex digits), a name, or "*" for every model'
    )
    engine: Literal["torch", "vllm"] | None = Field(
        default=None, description="torch or vllm; default: the manifest's"
    )
    replicas: int = Field(default=1, ge=1, le=64, description="processes that run this model, 1 to 64")
    num_cpus: float = Field(default=0.1, ge=0, description="CPU cores a replica reserves; a fraction is fine")
    num_gpus: float = Field(default=0, ge=0, description="GPUs a replica reserves; a fraction is fine")
    max_ongoing: int = Field(default=4, ge=1, description="tasks a replica runs at once")

    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="arguments of the engine, for vllm: max_model_len and the like"
    )

    @field_validator("model")
    @classmethod
    def _id_in_lower_case(cls, value: str) -> str:
        if value.lower().startswith("0x"):
            if not re.fullmatch(r"0x[0-9a-f]{64}", value.lower()):
                raise ValueError("a model id is 0x and 64 hex digits")
            return value.lower()
        return value


class RayConfig(_Section):
    """This provider's own Ray cluster, or one to join."""

    mode: Literal["own", "join"] = Field(
        default="own", description="own (start a cluster) or join (use one that runs)"
    )
    address: str | None = Field(default=None, description="host:port of the cluster to join")
    token_file: Path | None = Field(default=None, description="path of the token of the cluster to join")
    http_port: int | None = Field(
        default=None, ge=1, le=65535, description="Serve's HTTP port of the cluster to join"
    )
    base_port: int = Field(
        default=DEFAULT_BASE_PORT,
        ge=1024,
        le=65536 - PORTS_PER_CLUSTER,
        description=f"first of {PORTS_PER_CLUSTER} ports in a row, best below 32768",
    )
    num_cpus: int = Field(default=2, ge=1, description="CPU cores the cluster may use")
    num_gpus: int | None = Field(
        default=None, ge=0, description="GPUs the cluster may use; default: what the models reserve"
    )
    object_store_memory: int = Field(
        default=100 * 2**20, ge=80 * 2**20, description="bytes, at least 83886080"
    )
    include_dashboard: bool = Field(
        default=False, description="true also starts Ray's dashboard (250 MB more)"
    )
    haproxy: bool = Field(default=False, description="true: faster HTTP ingress by HAProxy (160 MB more)")
    start_timeout_s: float = Field(default=120, gt=0, description="seconds a start may take")

    _paths = field_validator("token_file", mode="before")(resolve_path)

    @model_validator(mode="after")
    def _join_is_complete(self) -> RayConfig:
        missing = [name for name in ("address", "token_file", "http_port") if getattr(self, name) is None]
        if self.mode == "join" and missing:
            raise ValueError(f"mode join also needs {' and '.join(missing)}")
        return self


class Limits(_Section):
    """How much of the machine and of the chain's time the provider takes."""

    concurrent_tasks: int = Field(default=4, ge=1, description="assignments worked on at once")
    execute_timeout_s: float = Field(default=300, gt=0, description="seconds one execution may take")
    free_disk_gb: float = Field(default=2, ge=0, description="GB that must stay free on the disk of home")
    any_model_gb: float = Field(
        default=20, ge=0, description='GB that all models chosen only by "*" may take together'
    )
    commit_margin_s: float = Field(
        default=1, ge=0, description="seconds before its deadline a commit is given up"
    )
    poke: Literal["all", "own", "none"] = Field(
        default="all", description="move stalled tasks on: all of the models served, own (seated in), none"
    )
    poke_after_s: float = Field(default=3, ge=0, description="seconds others get to move a task on first")
    claim_every_s: float = Field(default=600, ge=1, description="seconds between claims of rewards")
    drain_timeout_s: float = Field(default=180, ge=0, description="seconds `down` waits for work in flight")


class LaneConfig(_Section):
    """The provider's part in the channel lane, where the network has one."""

    join: bool = Field(default=True, description="false: take no orders of the channel lane")
    coordinators: tuple[str, ...] | None = Field(
        default=None, description="addresses of the coordinators to work for; default: any"
    )
    seat_fee: int | None = Field(
        default=None,
        ge=0,
        description="least wei for one seat of an order; default: what the direct lane pays",
    )
    contract_requesters: bool = Field(
        default=False,
        description="true: also work for contract accounts, which can take back what they signed",
    )
    settle_margin_s: float = Field(
        default=60, ge=0, description="seconds after its deadline until a withheld order is settled alone"
    )
    peers: tuple[str, ...] = Field(
        default=(), description="other providers' /node URLs, asked for attestations of withheld orders"
    )


class Advertise(_Section):
    """Where others reach GET /node."""

    host: str = Field(default="127.0.0.1", min_length=1, description="host name or address others use")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="port others use; default: Serve's HTTP port"
    )
    listen: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")


class ProviderConfig(_Section):
    """Everything about one provider node."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", description="1 to 31 lower-case letters, digits and hyphens"
    )
    network: str = Field(min_length=1, description="a network's name, or the path of its file")
    home: Path = Field(description="directory for journal, logs and state")
    keys: Keys
    stake: Stake = Field(default_factory=Stake)
    models: tuple[ServedModel, ...] = Field(min_length=1, description='list of {model: "*"} or {model: name}')
    ray: RayConfig = Field(default_factory=RayConfig)
    storage_url: str | None = Field(
        default=None, description="file:///path or kubo://host:port; default: the network's"
    )
    limits: Limits = Field(default_factory=Limits)
    advertise: Advertise = Field(default_factory=Advertise)
    lane: LaneConfig = Field(default_factory=LaneConfig)
    bandwidth_mbps: float | None = Field(default=None, gt=0, description="your uplink in Mbit/s")
    fault: FaultName | None = Field(default=None, description=f"devnet only: one of {', '.join(FAULTS)}")

    _paths = field_validator("home", mode="before")(resolve_path)

    @field_validator("network", mode="before")
    @classmethod
    def _network_path(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and (os.sep in value or value.endswith((".yaml", ".yml", ".json"))):
            return str(resolve_path(value, info))
        return value

    @property
    def journal_path(self) -> Path:
        return self.home / "journal.sqlite"

    @property
    def lane_store_path(self) -> Path:
        return self.home / "lane.sqlite"

    @property
    def lane_view_path(self) -> Path:
        return self.home / "lane-view.sqlite"

    @property
    def http_port(self) -> int:
        """Serve's HTTP port on this machine."""
        return self.ray.http_port if self.ray.http_port is not None else RayPorts(self.ray.base_port).http

    @property
    def prefix(self) -> str:
        """Before the routes of this provider's applications; tells providers on a shared cluster apart."""
        return f"/p/{self.name}" if self.ray.mode == "join" else ""

    @property
    def local_url(self) -> str:
        """Where this machine reaches this provider's applications."""
        return f"http://127.0.0.1:{self.http_port}{self.prefix}"

    @property
    def endpoint(self) -> str:
        """Where others reach them."""
        return f"http://{self.advertise.host}:{self.advertise.port or self.http_port}{self.prefix}"

    @property
    def agent_name(self) -> str:
        """Name of the agent actor on its Ray cluster."""
        return "mlbridge-agent" if self.ray.mode == "own" else f"mlbridge-agent-{self.name}"

    def load_network(self) -> Network:
        """The network, storage as this provider reaches it.

        Raises MLBridgeError `network.*`, or `config.fault` for a fault off the devnet.
        """
        network = load_network(self.network)
        if self.fault is not None and network.chain_id != DEVNET_CHAIN_ID:
            raise MLBridgeError(
                "config.fault",
                f"fault: {self.fault} is for devnets (chain id {DEVNET_CHAIN_ID}), "
                f"and network {network.name} is chain {network.chain_id}.",
                hint="Remove the line `fault` from the provider file: a lying provider loses its stake.",
                exit_code=2,
            )
        return network.model_copy(update={"storage_url": self.storage_url}) if self.storage_url else network


def load_config(path: str | Path) -> ProviderConfig:
    """The provider file at `path`.

    Raises MLBridgeError `config.missing`, `config.unreadable` or `config.invalid`: field, bad value, way out.
    """
    return load_file(
        ProviderConfig,
        path,
        "provider",
        examples="configs/providers",
        start="Write one with: mlbridge provider init",
    )


def parse_config(
    data: dict[str, Any], *, base: Path | None = None, source: str = "The provider file"
) -> ProviderConfig:
    """Validate the fields of a provider file; relative paths are below `base`.

    Raises MLBridgeError `config.invalid`.
    """
    return parse_fields(ProviderConfig, data, base=base, source=source)
