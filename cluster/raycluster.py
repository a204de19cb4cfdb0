"""The Ray cluster a provider runs on: its own head, or one that somebody else runs on this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cluster.config import ProviderConfig
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import HeadSpec, RayHead, port_answers, run_driver


class Cluster(Protocol):
    """Blocking calls; async callers use `asyncio.to_thread`."""

    @property
    def owned(self) -> bool:
        """Whether stopping the provider stops the cluster."""
        ...

    @property
    def logs(self) -> Path | None:
        """Where its processes write while it runs; None for a cluster that is not ours."""
        ...

    def start(self) -> bool:
        """Make sure it runs; True if it ran already. Raises MLBridgeError `ray.*`."""
        ...

    def alive(self) -> bool:
        """Whether it runs and answers."""
        ...

    def run(self, module: str, request: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Run a driver on it; see `rayproc.run_driver`."""
        ...

    def stop(self) -> None:
        """End it if it is ours, leaving nothing behind."""
        ...

    def memory(self) -> int:
        """Bytes its processes hold (PSS); 0 for a cluster that is not ours."""
        ...


class OwnCluster:
    """One head of this provider alone: its trust domain."""

    owned = True

    def __init__(self, config: ProviderConfig) -> None:
        self.head = RayHead(head_spec(config))

    @property
    def logs(self) -> Path:
        return self.head.spec.logs

    def start(self) -> bool:
        return self.head.start()

    def alive(self) -> bool:
        return self.head.alive()

    def run(self, module: str, request: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        return self.head.run(module, request, timeout=timeout)

    def stop(self) -> None:
        self.head.stop()

    def memory(self) -> int:
        return self.head.memory()


class JoinedCluster:
    """A cluster that runs already. Whoever holds its token runs code on it, so share one only with
    yourself.
    """

    owned = False
    logs = None

    def __init__(self, config: ProviderConfig) -> None:
        self._address = config.ray.address or ""
        self._token_file = config.ray.token_file

    def start(self) -> bool:
        if not self.alive():
            raise MLBridgeError(
                "ray.unreachable",
                f"No Ray cluster answers at {self._address}.",
                hint="Start it, or set ray.mode to own.",
            )
        return True

    def alive(self) -> bool:
        host, _, port = self._address.rpartition(":")
        return port.isdigit() and port_answers(int(port), host)

    def run(self, module: str, request: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        return run_driver(module, request, self._environment(), timeout=timeout)

    def _environment(self) -> dict[str, str]:
        dropped = ("RAY_", "PYTHONDONTWRITEBYTECODE")
        env = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self._token_file)}
        return env | token | {"RAY_ADDRESS": self._address}

    def stop(self) -> None:
        """Nothing: it is not ours."""

    def memory(self) -> int:
        return 0


def head_spec(config: ProviderConfig) -> HeadSpec:
    """The head of a provider's own cluster."""
    ray = config.ray
    reserved = math.ceil(sum(model.replicas * model.num_gpus for model in config.models))
    return HeadSpec(
        name=config.name,
        state_dir=config.home / "ray",
        base_port=ray.base_port,
        num_cpus=ray.num_cpus,
        num_gpus=ray.num_gpus if ray.num_gpus is not None else reserved,
        object_store_memory=ray.object_store_memory,
        include_dashboard=ray.include_dashboard,
        haproxy=ray.haproxy,
        start_timeout=ray.start_timeout_s,
    )


def open_cluster(config: ProviderConfig) -> Cluster:
    """The cluster of a provider, not started yet."""
    return OwnCluster(config) if config.ray.mode == "own" else JoinedCluster(config)
