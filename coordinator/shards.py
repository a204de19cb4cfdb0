"""Channel orders shared out among Ray actors behind the coordinator's one name, by requester.

The coordinator's own actor does what must be single: it follows the chain, batches, and recovers. Carrying
orders takes CPU for each, so a machine with more cores has more processes do it, on the same durable store.
A shard that is killed is started again by Ray, and its orders are carried on by whoever is alive.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter
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
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.hashing import keccak

log = structlog.get_logger(__name__)

PREFIX: Final = f"{ACTOR_NAME}-shard-"
ASIDE: Final = 64
"""Calls to a shard for which there is room beside orders."""
MOST_WAITING: Final = 128
"""Requests of one requester that wait for verdicts; a channel has 64 orders under way at most."""
PATIENCE_S: Final = 5.0
"""Seconds beyond its wait after which a shard is taken for lost."""
FRESH_S: Final = 1.0
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
        """As LaneRoom.order, as it travels. Raises ShardLostError too, while its lane cannot be opened."""
        try:
            room = await self._beside.room()
        except Exception as error:
            log.warning("shard_not_open", reason=str(error), exc_info=not isinstance(error, MLBridgeError))
            raise ShardLostError("lane.shard_lost", f"It cannot open its lane: {error}") from error
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

    def __init__(self, config: CoordinatorConfig, count: int, max_in_flight: int) -> None:
        """Start `count` of them. max_in_flight: orders that each carries at most."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        # Names of their own, so that nobody finds those of an earlier start, with what its file said.
        start = secrets.token_hex(4)
        self._actors = [
            ray.remote(LaneShard)
            .options(
                name=f"{PREFIX}{start}-{number}",
                namespace=NAMESPACE,
                lifetime="detached",
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=2 * max_in_flight + ASIDE,
                num_cpus=0,
                scheduling_strategy=here,
            )
            .remote(config.model_dump_json(), number)
            for number in range(count)
        ]
        self._waiting: Counter[str | int] = Counter()
        # Those that are under way, and as many that are told at once that there is no room.
        self._most_of_shard = 2 * max_in_flight
        self._looked: tuple[float, list[dict[str, Any] | None]] = (float("-inf"), [])
        self._looking = asyncio.Lock()

    async def order(self, requester: str, offer: bytes, wait_s: float) -> bytes:
        """Hand an order to its requester's shard.

        Raises ShardLostError, MLBridgeError `lane.full`, and as LaneRoom.order.
        """
        number = shard_of(requester, len(self._actors))
        full = self._waiting[requester] >= MOST_WAITING or self._waiting[number] >= self._most_of_shard
        if full:
            raise MLBridgeError(
                "lane.full",
                "Too many requests wait for their verdicts already.",
                hint="Ask once for each order, and again when it was answered.",
                retry_after_s=1,
            )
        self._waiting.update((requester, number))
        try:
            async with asyncio.timeout(wait_s + PATIENCE_S):
                reference = self._actors[number].order.remote(offer, wait_s)
                told: bytes = await asyncio.wrap_future(reference.future())
        except MLBridgeError:
            raise
        except (ray.exceptions.RayError, TimeoutError) as error:
            raise ShardLostError(
                "lane.shard_lost", f"Shard {number} does not answer: {type(error).__name__}."
            ) from error
        finally:
            self._waiting.subtract((requester, number))
            self._waiting += Counter()  # drops those at zero
        return told

    async def look(self) -> list[dict[str, Any] | None]:
        """As LaneShard.look of each, of a second ago at most; None of one that does not answer within 2 s."""
        async with self._looking:
            if time.monotonic() - self._looked[0] > FRESH_S:
                found = await asyncio.gather(*(self._one(actor) for actor in self._actors))
                self._looked = time.monotonic(), list(found)
        return self._looked[1]

    async def _one(self, actor: Any) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(ASK_S):
                found: dict[str, Any] = await asyncio.wrap_future(actor.look.remote().future())
        except (TimeoutError, MLBridgeError, ray.exceptions.RayError) as error:
            log.info("shard_silent", reason=type(error).__name__)
            return None
        return found


def start_shards(config: CoordinatorConfig) -> RayShards | None:
    """As many as a coordinator's file says, and none of an earlier start; None for none."""
    end_shards()
    if config.lane is None or not config.lane.shards:
        return None
    return RayShards(config, config.lane.shards, config.lane.max_in_flight)


def shard_of(requester: str, count: int) -> int:
    """The shard of a requester (0x address): always the same one, which thus knows all of its orders."""
    return int.from_bytes(keccak(bytes.fromhex(requester[2:]))[:8], "big") % count


def end_shards() -> None:
    """End all shards of the connected cluster; their orders are taken up by whoever is alive."""
    listed = list_named_actors(all_namespaces=True)
    names = [str(one["name"]) for one in listed if one["namespace"] == NAMESPACE]
    found = [_found(name) for name in names if name.startswith(PREFIX)]
    actors = [actor for actor in found if actor is not None]
    stopping = [actor.stop.remote() for actor in actors]
    if stopping:
        _, late = ray.wait(stopping, num_returns=len(stopping), timeout=STOP_S)
        if late:
            log.warning("shards_did_not_stop", count=len(late))
    for actor in actors:
        ray.kill(actor)


def _found(name: str) -> Any | None:
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None  # gone since it was listed
