"""The core behind both dialects: from what was asked to decided tasks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from contracts.keyfile import load_key
from coordinator.config import load_config as load_coordinator
from coordinator.lane.beside import LaneBeside
from gateway.book import Book, Mark, Placed, Task
from gateway.carrier import LEASE_S, Carrier
from gateway.catalogue import Catalogue, Model
from gateway.channel_lane import ChannelLane
from gateway.config import GatewayConfig, LaneName
from gateway.direct_lane import DirectLane
from gateway.keys import ApiKey, Choices, Keys
from gateway.lanes import Lane, Order
from gateway.limiter import Limiter
from gateway.metrics import Metrics
from gateway.orders import SignedOrders
from gateway.own_coordinator import OwnDoor
from gateway.purse import Purse
from gateway.store import Store
from gateway.tokens import TokenCounter
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Kind, encode_input
from mlbridge.protocol.types import Policy
from mlbridge.sdk import AsyncClient
from mlbridge.sdk.coordinators import Coordinator, CoordinatorDoor
from mlbridge.sdk.inputs import no_json_schema, spelt

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one request asks for: one or several inputs of one kind for one model.

    fields: of the kind's input, one map a task; deadline_s: seconds from now, None: the gateway's; stream: as
    in Order.
    """

    model: str
    kind: Kind | None
    fields: Sequence[Mapping[str, object]]
    choices: Choices
    deadline_s: int | None = None
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """The tasks of a request. replayed: an earlier request with the same idempotency key made them."""

    tasks: list[Task]
    replayed: bool

    @property
    def ids(self) -> list[str]:
        return [task.id for task in self.tasks]


class Service:
    """One replica's core, made by `start`."""

    def __init__(
        self,
        config: GatewayConfig,
        store: Store,
        client: AsyncClient,
        lanes: Mapping[str, Lane],
        metrics: Metrics,
        own: LaneBeside | None = None,
        door: Coordinator | None = None,
    ) -> None:
        self.config, self._store, self._lanes, self._own = config, store, lanes, own
        self._client = client
        self.metrics = metrics
        self.keys = Keys(store)
        self.catalogue = Catalogue(client)
        self.tokens = TokenCounter(client, self.catalogue)
        self.limiter = Limiter(config.limits.rate)
        self._signed = None if door is None else SignedOrders(client, door, self.limiter)
        self.book = Book(store, carrier=uuid.uuid4().hex, lease_s=LEASE_S)
        self.carrier = Carrier(self.book, lanes, self.metrics)

    @classmethod
    async def start(cls, config: GatewayConfig) -> Service:
        """Open store, key and lanes, and carry on what an earlier replica left.

        Raises MLBridgeError `network.*`, `keystore.*`, `store.*`. A chain that does not answer is no error:
        readiness says so.
        """
        account = load_key(config.key)
        file = None if config.channel is None else config.channel.coordinator_file
        metrics = Metrics()
        own = None if file is None else LaneBeside(load_coordinator(file), metrics.lane)
        client = AsyncClient(
            config.load_network(),
            account,
            channel_book=config.home / "channels.db",
            coordinator=CoordinatorDoor if own is None else partial(OwnDoor, own),
        )
        if config.channel is not None and client.network.lane is None:
            raise MLBridgeError(
                "lane.not_deployed",
                f"Network {client.network.name} has no channel lane, and the gateway's file has one.",
                hint="Take the section channel out of its file.",
                exit_code=2,
            )
        store = await Store.open(config)
        lanes: dict[str, Lane] = {"direct": DirectLane(client, claim_wei=config.tasks.claim_wei)}
        door: Coordinator | None = None
        if config.channel is not None:
            lock, url = config.home / "channel.lock", config.channel.coordinator
            purse = Purse(client, config.channel, metrics, name=config.name, lock=lock)
            lanes["channel"] = ChannelLane.start(purse, config.channel)
            # Each request that waits for a verdict holds a connection; SignedOrders says how many wait.
            door = CoordinatorDoor(url, connections=None) if own is None else OwnDoor(own, url)
        service = cls(config, store, client, lanes, metrics, own, door)
        service.carrier.start()
        log.info("gateway_started", network=client.network.name, address=account.address)
        return service

    async def stop(self) -> None:
        """Let go of everything; tasks under way are carried on by whoever starts next."""
        await self.carrier.stop()
        self.tokens.close()
        for lane in self._lanes.values():
            await lane.close()
        if self._signed is not None:
            await self._signed.close()
        if self._own is not None:
            await self._own.close()
        await self._client.close()
        await self._store.close()

    @property
    def alive(self) -> bool:
        """Whether the background runs."""
        return self.carrier.alive

    @property
    def signed(self) -> SignedOrders:
        """Orders that requesters pay themselves. Raises MLBridgeError `lane.none`."""
        if self._signed is None:
            raise _no_lane("channel")
        return self._signed

    async def ready(self) -> bool:
        """Whether chain and store answer. Raises MLBridgeError what keeps it from serving."""
        async with asyncio.timeout(5):
            await (await self._client.chain()).head()
            await self.book.count_open()
        return True

    # ---- what requests want ----

    async def place(self, key: ApiKey, wish: Wish, mark: Mark | None) -> Placement:
        """Have a wish's tasks carried; with a known mark, those of the first request.

        Raises MLBridgeError `model.unknown`, `openai.kind`, `payload.*`, `input.json_schema`,
        `policy.mismatch`, `lane.none`, `lane.policy`, `price.too_high`, `budget.exceeded`, `gateway.full`,
        `idempotency.mismatch` or what a lane raises.
        """
        if mark is not None:
            known = await self.book.marked(mark)
            if known is not None:
                return Placement(known, replayed=True)
        model = await self.catalogue.find(wish.model)
        choices = wish.choices.over(key.choices)
        kind = _kind(model, wish)
        _require_schemas(model, wish)
        if choices.policy not in (None, model.policy):
            raise MLBridgeError(
                "policy.mismatch",
                f"Model {model.name} has the policy {model.policy}, not {choices.policy}.",
                hint="Choose another model or policy.",
                exit_code=2,
                param="policy",
            )
        lane = self._lane(choices, model)
        orders = [self._order(model, kind, fields, choices, wish) for fields in wish.fields]
        offers = await asyncio.gather(*(self._lanes[lane].offer(order) for order in orders))
        placed = [Placed(offer, lane, wish.model, model.id, kind) for offer in offers]
        tasks, new = await self.book.accept(
            key.id, placed, mark=mark, open_limit=self.config.limits.open_tasks
        )
        if new:
            for task in tasks:
                self.carrier.carry(task)
        return Placement(tasks, replayed=not new)

    def _lane(self, choices: Choices, model: Model) -> LaneName:
        """The lane of a task. Raises MLBridgeError `lane.none` or `lane.policy`."""
        exact = model.info.policy is Policy.EXACT
        lane = choices.lane or (self.config.lane if exact else "direct")
        if lane not in self._lanes:
            raise _no_lane(lane)
        if lane == "channel" and not exact:
            raise MLBridgeError(
                "lane.policy",
                f"Results of {model.name} are compared within a tolerance, and the channel lane compares bit"
                " for bit.",
                hint="Leave the lane out, or choose the direct lane.",
                exit_code=2,
                param="lane",
            )
        return lane

    def _order(
        self,
        model: Model,
        kind: Kind,
        fields: Mapping[str, object],
        choices: Choices,
        wish: Wish,
    ) -> Order:
        rules = self.config.tasks
        limit = rules.max_price_wei
        if choices.max_price_wei is not None:
            limit = min(limit, choices.max_price_wei)
        return Order(
            model=model,
            payload=encode_input(kind, spelt(fields)),
            seats=choices.seats or rules.seats,
            max_price_wei=limit,
            deadline_s=wish.deadline_s or rules.deadline_s,
            stream=wish.stream and kind == "chat",
        )

    async def receipt(self, task: Task) -> str | None:
        """A task's receipt, with what the chain has come to prove since; None: it has none yet."""
        lane = self._lanes.get(task.lane)
        if task.receipt is None or lane is None:
            return task.receipt
        proved = await lane.proof(task.receipt)
        if proved != task.receipt:
            await self.book.keep_receipt(task.id, proved)
        return proved

    async def cancel(self, key: ApiKey, task_id: str) -> Task:
        """Take a task back before its committee can be known. Raises MLBridgeError when it is too late."""
        task = await self.book.get(task_id, key_id=key.id)
        if task.decided:
            raise MLBridgeError(
                "task.ended", f"The task was {task.status} already.", hint="GET it for its outcome."
            )
        await self._lanes[task.lane].cancel(task.offer)
        return (await self.carrier.decided([task.id], self.config.limits.wait_s))[0]


def _no_lane(lane: LaneName) -> MLBridgeError:
    return MLBridgeError(
        "lane.none",
        f"This gateway has no {lane} lane.",
        hint="Leave the lane out, or ask the gateway's operator for it.",
        exit_code=2,
        param="lane",
    )


def _kind(model: Model, wish: Wish) -> Kind:
    kind = model.kind or wish.kind
    if kind is None:
        raise MLBridgeError(
            "payload.kind",
            f"The kind of model {model.name}'s inputs is not known here: its manifest is out of reach.",
            hint="Name the kind in the input.",
            exit_code=2,
        )
    if wish.kind not in (None, kind):
        raise MLBridgeError(
            "openai.kind",
            f"The model {model.name} does {kind}, not {wish.kind}.",
            hint="GET /v1/models says what each model does.",
            exit_code=2,
            param="model",
        )
    return kind


def _require_schemas(model: Model, wish: Wish) -> None:
    known = model.takes.json_schema
    if known or all(fields.get("json_schema") is None for fields in wish.fields):
        return
    if known is None:
        raise MLBridgeError(
            "input.json_schema",
            f"Whether the model {model.name} can hold its answer to a JSON schema is not known here: its "
            "manifest is out of reach.",
            hint="Ask again in a minute, or leave the schema out.",
            exit_code=2,
        )
    raise no_json_schema(model.name)
