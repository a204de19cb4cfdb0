"""The lane's desk in the agent: keeps the replicas' view, answers summonses, sees to what the seat earns."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

import structlog

from cluster.context import Context
from cluster.lane.answerer import Answerer, Pace
from cluster.lane.earnings import Earnings, Seat
from cluster.lane.evidence import Collector
from cluster.lane.execution import run_model
from cluster.lane.follower import LaneFollower
from cluster.lane.peers import Peers
from contracts.lane import Lane
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from serve.lane.signer import Signer
from serve.lane.store import LaneStore
from serve.lane.view import ViewWriter

log = structlog.get_logger()

_EARN_EVERY_S: Final = 5.0


class LaneDesk:
    """Create with `open`, once the node's accounts are known; then `run`."""

    def __init__(self, context: Context, lane: Lane, account: int) -> None:
        config, network = context.config, context.chain.network
        view = config.lane_view_path
        self._context = context
        self._writer = ViewWriter(view)
        self._store = LaneStore(config.lane_store_path)
        self._peers = Peers(config.lane.peers)
        collector = Collector(self._store, view, self._peers, lane.domain)
        self._follower = LaneFollower(
            lane,
            self._writer,
            account,
            confirmations=network.confirmations,
            poll_s=_poll_s(network.block_time),
        )
        self._earnings = Earnings(
            lane,
            context.sender,
            Seat(account, config.lane.settle_margin_s, (context.operator, context.sender.address)),
            writer=self._writer,
            store=self._store,
            content=context.store,
            collector=collector,
            meter=context.meter,
        )
        self._answerer = (
            None if lane.summons is None else _answerer(context, lane, account, self._store, collector)
        )
        self._problem: str | None = None

    @classmethod
    def open(cls, context: Context) -> Self | None:
        """None where the network has no channel lane, or the provider neither takes part in it nor can be
        summoned: anybody may record the weight of an account, so who takes no orders is summoned too.
        """
        addresses = context.chain.network.lane
        account = next((one for one, role in context.accounts.items() if role is Role.COMPUTE), None)
        if addresses is None or account is None:
            return None
        if not context.config.lane.join and addresses.summons is None:
            return None
        return cls(context, Lane(context.chain, addresses), account)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follower.run())
                group.create_task(self._earn())
                if self._answerer is not None:
                    group.create_task(self._answerer.run())
        finally:
            await self._peers.close()
            self._store.close()
            self._writer.close()

    async def _earn(self) -> None:
        while True:
            if self._follower.caught_up:
                try:
                    # Whoever takes no orders has no weight recorded, and is drawn the less.
                    joins = self._context.config.lane.join
                    await self._earnings.round(list(self._context.served.all()) if joins else [])
                    self._problem = None
                except MLBridgeError as error:
                    self._problem = str(error)
                    log.warning("lane_earnings_failed", code=error.code, problem=error.message)
            await asyncio.sleep(_EARN_EVERY_S)

    def status(self) -> dict[str, Any]:
        """JSON-ready: orders by ending (`open`: not known yet), whether the view is up to date, problems.

        summonses: the last step of each of late, by order.
        """
        answerer = self._answerer
        return {
            "caught_up": self._follower.caught_up,
            "orders": self._store.endings(),
            "summonses": {} if answerer is None else answerer.status(),
            "problem": self._follower.problem or self._problem or (answerer and answerer.problem),
        }


def _answerer(
    context: Context, lane: Lane, account: int, store: LaneStore, collector: Collector
) -> Answerer | None:
    if lane.summons is None:
        return None
    block_s = context.chain.network.block_time
    return Answerer(
        lane,
        context.sender,
        account,
        run=lambda shown, left: run_model(context, shown, account, left),
        store=store,
        signer=Signer(bytes(context.key.key), lane.domain),
        collector=collector,
        content=context.store,
        meter=context.meter,
        pace=Pace(
            margin_s=context.config.limits.commit_margin_s + 2 * block_s,
            turn_s=max(1.0, 2 * block_s),
            poll_s=_poll_s(block_s),
        ),
    )


def _poll_s(block_s: float) -> float:
    return min(2.0, max(0.1, block_s / 2))
