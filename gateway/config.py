"""A gateway's one YAML file, checked before anything starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

import limits
from pydantic import Field, field_validator, model_validator

from contracts.keyfile import KeyFile, resolve_path
from contracts.network import Network, Url, load_network
from coordinator.config import RayConfig as ClusterConfig
from coordinator.config import Section, check_store_url, resolve_network
from mlbridge.console import MAX_PRICE_WEI
from mlbridge.rayproc import RayPorts
from mlbridge.yamlfile import load_file, parse_fields

ROOM: Final = "gateway"
APP_NAME: Final = "mlbridge-gateway"
NAMESPACE: Final = "mlbridge"
LaneName = Literal["direct", "channel"]
_ORIGIN: Final = re.compile(r"https?://[^/?#\s]+")


def check_rate(value: str) -> str:
    """A rate as `600/minute`, unchanged. Raises ValueError when it is none."""
    try:
        limits.parse(value)
    except ValueError as error:
        raise ValueError("a rate reads like 600/minute or 10/second") from error
    return value


class HttpConfig(Section):
    """Ray Serve's HTTP ingress. It speaks plain HTTP: put a proxy with TLS before it."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="TCP port; default: ray.base_port + 9; needed with mode join",
    )
    max_body: int = Field(default=2**20, ge=1024, description="most bytes of a request")
    origins: tuple[str, ...] = Field(
        default=(),
        description="web pages whose scripts may ask, as https://portal.example; *: every page",
    )

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin[:80]!r} is no origin: scheme, host and port, without a path")
        return value


class LimitConfig(Section):
    """What a client may have at most."""

    rate: str = Field(default="600/minute", description="requests a key, for keys that name no rate")
    open_tasks: int = Field(default=256, ge=1, description="most tasks under way; more are told 503")
    wait_s: float = Field(default=300, gt=0, le=3600, description="seconds a request waits for its verdict")
    hold_s: float = Field(
        default=20, gt=0, description="seconds a stream waits for its first token before it begins to comment"
    )

    _rate = field_validator("rate")(check_rate)


class TaskConfig(Section):
    """What a task is where neither the request nor its key says."""

    lane: LaneName | None = Field(
        default=None, description="direct or channel, of exact models; null: channel where this file has one"
    )
    seats: int | None = Field(default=None, ge=3, le=15, description="committee size; null: the network's")
    max_price_wei: int = Field(default=MAX_PRICE_WEI, ge=0, description="most wei that any task may cost")
    deadline_s: int = Field(default=600, ge=1, description="seconds until the deadline of a task")
    claim_wei: int | None = Field(
        default=10**16, ge=1, description="refunds of at least this much are claimed; null: never"
    )


class ChannelConfig(Section):
    """The channel lane: a deposit to one coordinator, from which signed orders are paid."""

    coordinator: Url = Field(description="URL of the coordinator to pay through")
    coordinator_file: Path | None = Field(
        default=None,
        description="that coordinator's file, where the gateway runs beside it and may sign with its key: "
        "orders then take one hop less",
    )
    deposit_wei: int = Field(
        default=10**17, ge=1, description="what the channel is filled up to once half of it is spent"
    )
    limit_wei: int = Field(
        default=10**18, ge=1, description="most that is ever deposited in one channel; raise it to go on"
    )
    order_s: int = Field(
        default=60, ge=5, le=600, description="seconds that one committee has; another is asked after it"
    )

    _paths = field_validator("coordinator_file", mode="before")(resolve_path)


class RayConfig(ClusterConfig):
    """The cluster that the gateway runs on: its own, or one to join, as the coordinator's."""

    haproxy: bool = Field(default=True, description="false: slower HTTP ingress that needs 160 MB less")


class GatewayConfig(Section):
    """Everything about one gateway."""

    name: str = Field(
        default=ROOM,
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
        description="1 to 31 lower-case letters, digits and hyphens",
    )
    network: str = Field(min_length=1, description="a network's name, or the path of its file")
    home: Path = Field(description="directory for the store, logs and state")
    store: str | None = Field(
        default=None, description="sqlite:///path or postgresql://...; default: a SQLite file in home"
    )
    key: KeyFile = Field(description="the key that pays for tasks, and signs orders of the channel lane")
    storage_url: str | None = Field(
        default=None, description="file:///path or kubo://host:port; default: the network's"
    )
    replicas: int = Field(default=1, ge=1, le=64, description="processes that answer requests")
    http: HttpConfig = Field(default_factory=HttpConfig)
    limits: LimitConfig = Field(default_factory=LimitConfig)
    tasks: TaskConfig = Field(default_factory=TaskConfig)
    channel: ChannelConfig | None = Field(
        default=None, description="the channel lane; null: every task takes the direct lane"
    )
    ray: RayConfig = Field(default_factory=RayConfig)

    _paths = field_validator("home", mode="before")(resolve_path)
    _network_path = field_validator("network", mode="before")(resolve_network)
    _store_url = field_validator("store")(check_store_url)

    @model_validator(mode="after")
    def _port_is_known(self) -> GatewayConfig:
        if self.ray.mode == "join" and self.http.port is None:
            raise ValueError("ray.mode join also needs http.port: where that cluster's Serve listens")
        return self

    @model_validator(mode="after")
    def _lane_is_there(self) -> GatewayConfig:
        if self.tasks.lane == "channel" and self.channel is None:
            raise ValueError("tasks.lane channel also needs the section channel")
        return self

    @property
    def lane(self) -> LaneName:
        """Of a task where neither request nor key chooses one."""
        return self.tasks.lane or ("direct" if self.channel is None else "channel")

    @property
    def store_url(self) -> str:
        """The store's URL; a SQLite file in `home` unless one is given."""
        return self.store or f"sqlite:///{self.home / 'gateway.db'}"

    @property
    def http_port(self) -> int:
        """Where Serve listens."""
        return self.http.port or RayPorts(self.ray.base_port).http

    @property
    def local_url(self) -> str:
        """Where this machine reaches the gateway."""
        host = "127.0.0.1" if self.http.host in ("0.0.0.0", "::") else self.http.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.http_port}"

    def load_network(self) -> Network:
        """The network, with storage as this gateway reaches it. Raises MLBridgeError `network.*`."""
        network = load_network(self.network)
        return network.model_copy(update={"storage_url": self.storage_url}) if self.storage_url else network


def load_config(path: str | Path) -> GatewayConfig:
    """The gateway file at `path`; relative paths in it are relative to it. Raises `config.*`."""
    return load_file(GatewayConfig, path, ROOM, examples=f"configs/{ROOM}")


def parse_config(data: dict[str, Any], *, base: Path | None = None) -> GatewayConfig:
    """Validate a gateway file's fields; relative paths are below `base`. Raises `config.invalid`."""
    return parse_fields(GatewayConfig, data, base=base, source="The gateway file")
