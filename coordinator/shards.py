"""Channel orders shared out among Ray actors behind the coordinator's one name, by requester.

The coordinator's own actor does what must be single: it follows the chain, batches, and recovers. Carrying
orders takes CPU for each, so a machine with more cores has more processes do it, on the same durable store.
A shard that is killed is started again by Ray, and its orders are carried on by whoever is alive.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import ray
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from coordinator.config import ACTOR_NAME, NAMESPACE, CoordinatorConfig, make_private
from coordinator.lane.beside import LaneBeside
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.room import ShardLostError
from coordinator.logs import log_to_file
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.hashing import keccak

log = structlog.get_logger(__name__)

PREFIX: Final = f"{ACTOR_NAME}-shard-"
ASK_S: Final = 2.0
STOP_S: Final = 10.0


class LaneShard:
    """What Ray calls. Every method may be repeated: an order is taken once, whoever is asked."""

    def __init__(self, config_json: str, number: int) -> None:
        config = CoordinatorConfig.model_validate_json(config_json)
        make_private(config.home)
        log_to_file(config.home / "logs" / f"shard-{number}.log")
        self._metrics = LaneMetrics(CollectorRegistry())
        self._beside = LaneBeside(config, self._metrics)

    async def order(self, offer: bytes, wait_s: float) -> bytes:
        """As LaneRoom.order, as it travels."""
        room = await self._beside.room()
        return (await room.order(parse_offer(offer), wait_s)).to_bytes()

    async def look(self) -> dict[str, Any]:
        """{"pid", "metrics": OpenMetrics text}; its lane is open then."""
        await self._beside.room()
        text: bytes = generate_latest(self._metrics.registry)  # type: ignore[no-untyped-call]  # untyped
        return {"pid": os.getpid(), "metrics": text.decode()}

    async def stop(self) -> None:
        """Let go of everything; the process stays until it is killed."""
        await self._beside.close()


class RayShards:
    """As coordinator.lane.room.Shards has it, on the connected cluster."""

    def __init__(self, config: CoordinatorConfig, count: int) -> None:
        """Find or start `count` of them."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._actors = [
            ray.remote(LaneShard)
            .options(
                name=f"{PREFIX}{number}",
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=1000,
                num_cpus=0,
                scheduling_strategy=here,
            )
            .remote(config.model_dump_json(), number)
            for number in range(count)
        ]

    async def order(self, requester: str, offer: bytes, wait_s: float) -> bytes:
        """Hand an order to its requester's shard. Raises ShardLostError, and as LaneRoom.order."""
        number = shard_of(requester, len(self._actors))
        try:
            reference = self._actors[number].order.remote(offer, wait_s)
            told: bytes = await asyncio.wrap_future(reference.future())
        except ray.exceptions.RayActorError as error:
            raise ShardLostError(
                "lane.shard_lost", f"Shard {number} is not there: {type(error).__name__}."
            ) from error
        return told

    async def look(self) -> list[dict[str, Any] | None]:
        """As LaneShard.look of each; None of one that does not answer within 2 s."""
        return list(await asyncio.gather(*(self._one(actor) for actor in self._actors)))

    async def _one(self, actor: Any) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(ASK_S):
                found: dict[str, Any] = await asyncio.wrap_future(actor.look.remote().future())
        except (TimeoutError, ray.exceptions.RayError) as error:
            log.info("shard_silent", reason=type(error).__name__)
            return None
        return found


def start_shards(config: CoordinatorConfig) -> RayShards | None:
    """As many as a coordinator's file says, and no more; None for none."""
    count = 0 if config.lane is None else config.lane.shards
    end_shards(beyond=count)
    return RayShards(config, count) if count else None


def shard_of(requester: str, count: int) -> int:
    """The shard of a requester (0x address): always the same one, which thus knows all of its orders."""
    return int.from_bytes(keccak(bytes.fromhex(requester[2:]))[:8], "big") % count


def end_shards(*, beyond: int = 0) -> None:
    """End the shards of the connected cluster whose number is at least `beyond`."""
    for named in list_named_actors(all_namespaces=True):
        name = str(named["name"])
        if named["namespace"] != NAMESPACE or not name.startswith(PREFIX):
            continue
        if int(name.removeprefix(PREFIX)) < beyond:
            continue
        actor = ray.get_actor(name, namespace=NAMESPACE)
        try:
            ray.get(actor.stop.remote(), timeout=STOP_S)
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError) as error:
            log.warning("shard_did_not_stop", shard=name, reason=type(error).__name__)
        ray.kill(actor)
