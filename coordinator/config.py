"""A coordinator's one YAML file, checked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

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
from coordinator.database import database_url
from coordinator.lane.settings import LaneConfig
from mlbridge.console import MAX_PRICE_WEI
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import PORTS_PER_CLUSTER
from mlbridge.yamlfile import load_file, parse_fields

HTTP_PORT = 8546
ACTOR_NAME = "mlbridge-coordinator"
NAMESPACE = "mlbridge"
ROOM = "coordinator"


class Section(BaseModel):
    """A part of a file: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def make_private(folder: Path) -> None:
    """Create a folder, unless it is there, that only its owner may enter: for tokens and a database."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def check_store_url(value: str | None) -> str | None:
    """The URL of a store, unchanged. Raises ValueError, for pydantic, when it is none."""
    if value is not None:
        try:
            database_url(value)
        except MLBridgeError as error:
            raise ValueError(f"{error.message} {error.hint}") from error
    return value


def resolve_network(value: object, info: ValidationInfo) -> object:
    """A network's name as it is; the path of its file relative to the file that names it."""
    if isinstance(value, str) and (os.sep in value or value.endswith((".yaml", ".yml", ".json"))):
        return resolve_path(value, info)
    return value


class HttpConfig(Section):
    """Where the actor's HTTP server listens. It speaks plain HTTP: put a proxy with TLS before it."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=HTTP_PORT, ge=1, le=65535, description="TCP port")
    token_file: Path | None = Field(
        default=None, description="path of the bearer token; made at the first start if it is not there"
    )

    _paths = field_validator("token_file", mode="before")(resolve_path)


class PokeConfig(Section):
    """Moving stalled tasks on, for their tips."""

    enabled: bool = Field(default=True, description="false: never send a poke")
    jitter_s: float = Field(
        default=2.0, ge=0, description="a step waits up to this long, so that coordinators do not race"
    )
    retry_s: float = Field(default=15.0, gt=0, description="seconds before the same step is tried again")
    require_profit: bool = Field(
        default=True, description="false: poke although the tip does not cover the gas"
    )
    own_always: bool = Field(
        default=True, description="true: tasks paid by this coordinator are poked whatever it costs"
    )
    max_in_flight: int = Field(default=8, ge=1, le=256, description="pokes under way at once")


class SubmissionConfig(Section):
    """Tasks that clients submit and this coordinator's key pays."""

    enabled: bool = Field(default=True, description="false: refuse every submission")
    queue_limit: int = Field(default=256, ge=1, description="most submissions that may wait")
    max_in_flight: int = Field(default=16, ge=1, le=256, description="submissions under way at once")
    max_task_wei: int | None = Field(
        default=MAX_PRICE_WEI, ge=0, description="most wei a task may cost; null: no limit"
    )
    daily_wei: int | None = Field(default=None, ge=0, description="most wei to pay within 24 hours")
    deadline_s: int = Field(
        default=600, ge=1, description="seconds until the deadline of a task that names none"
    )
    claim_wei: int | None = Field(
        default=10**16, ge=1, description="refunds of at least this much are claimed; null: never"
    )


class RayConfig(Section):
    """A Ray cluster of one's own, or one to join."""

    mode: Literal["own", "join"] = Field(
        default="own", description="own (start a cluster) or join (use one that runs)"
    )
    address: str | None = Field(default=None, description="host:port of the cluster to join")
    token_file: Path | None = Field(default=None, description="path of the token of the cluster to join")
    base_port: int = Field(
        default=19000,
        ge=1024,
        le=65536 - PORTS_PER_CLUSTER,
        description=f"first of {PORTS_PER_CLUSTER} ports in a row, best below 32768",
    )
    num_cpus: int = Field(default=1, ge=1, description="CPU cores that the cluster may use")
    object_store_memory: int = Field(
        default=100 * 2**20, ge=80 * 2**20, description="bytes, at least 83886080"
    )
    include_dashboard: bool = Field(
        default=True, description="false saves 250 MB, and the Jobs API is missing"
    )
    haproxy: bool = Field(
        default=False, description="true: faster HTTP ingress for what Serve runs here (160 MB more)"
    )
    start_timeout_s: float = Field(default=120, gt=0, description="seconds that a start may take")

    _paths = field_validator("token_file", mode="before")(resolve_path)

    @model_validator(mode="after")
    def _join_is_complete(self) -> RayConfig:
        if self.mode == "join" and self.address is None:
            raise ValueError("mode join also needs address")
        return self


class CoordinatorConfig(Section):
    """Everything about one coordinator."""

    name: str = Field(
        default="coordinator",
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
        description="1 to 31 lower-case letters, digits and hyphens",
    )
    network: str = Field(min_length=1, description="a network's name, or the path of its file")
    home: Path = Field(description="directory for the store, logs and state")
    store: str | None = Field(
        default=None, description="sqlite:///path or postgresql://...; default: a SQLite file in home"
    )
    key: KeyFile | None = Field(
        default=None,
        description="the key that pays for tasks and pokes; without it the coordinator only follows",
    )
    storage_url: str | None = Field(
        default=None, description="file:///path or kubo://host:port; default: the network's"
    )
    receipts: bool = Field(default=True, description="build and keep the receipt of every ended task")
    lane: LaneConfig | None = Field(
        default=None, description="the channel lane; null: this coordinator takes no channel orders"
    )
    http: HttpConfig = Field(default_factory=HttpConfig)
    pokes: PokeConfig = Field(default_factory=PokeConfig)
    submissions: SubmissionConfig = Field(default_factory=SubmissionConfig)
    ray: RayConfig = Field(default_factory=RayConfig)

    _paths = field_validator("home", mode="before")(resolve_path)

    _network_path = field_validator("network", mode="before")(resolve_network)

    _store_url = field_validator("store")(check_store_url)

    @property
    def store_url(self) -> str:
        """The store's URL; a SQLite file in `home` unless one is given."""
        return self.store or f"sqlite:///{self.home / 'coordinator.db'}"

    @property
    def http_token_file(self) -> Path:
        """Where the bearer token of the HTTP server is."""
        return self.http.token_file or self.home / "http.token"

    @property
    def local_url(self) -> str:
        """Where this machine reaches the HTTP server."""
        host = "127.0.0.1" if self.http.host in ("0.0.0.0", "::") else self.http.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.http.port}"

    def load_network(self) -> Network:
        """The network, with storage as this coordinator reaches it. Raises MLBridgeError `network.*`."""
        network = load_network(self.network)
        return network.model_copy(update={"storage_url": self.storage_url}) if self.storage_url else network


def load_config(path: str | Path) -> CoordinatorConfig:
    """The coordinator file at `path`; relative paths in it are relative to it.

    Raises MLBridgeError `config.missing`, `config.unreadable` or `config.invalid`: field, bad value, way out.
    """
    return load_file(CoordinatorConfig, path, ROOM, examples=f"configs/{ROOM}")


def parse_config(
    data: dict[str, Any], *, base: Path | None = None, source: str = "The coordinator file"
) -> CoordinatorConfig:
    """Validate a coordinator file's fields; relative paths are below `base`. Raises `config.invalid`."""
    return parse_fields(CoordinatorConfig, data, base=base, source=source)
