"""The lane's desk in the agent: keeps the replicas' view, and sees to what the seat earns."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

import structlog

from cluster.context import Context
from cluster.lane.earnings import Earnings, Seat
from cluster.lane.evidence import Collector
from cluster.lane.follower import LaneFollower
from cluster.lane.peers import Peers
from contracts.lane import Lane
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
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
        self._follower = LaneFollower(
            lane,
            self._writer,
            account,
            confirmations=network.confirmations,
            poll_s=min(2.0, max(0.1, network.block_time / 2)),
        )
        self._earnings = Earnings(
            lane,
            context.sender,
            Seat(account, config.lane.settle_margin_s),
            writer=self._writer,
            store=self._store,
            content=context.store,
            collector=Collector(self._store, view, self._peers, lane.domain),
            meter=context.meter,
        )
        self._problem: str | None = None

    @classmethod
    def open(cls, context: Context) -> Self | None:
        """None where the network has no channel lane or the provider takes no part in it."""
        addresses = context.chain.network.lane
        account = next((one for one, role in context.accounts.items() if role is Role.COMPUTE), None)
        if addresses is None or account is None or not context.config.lane.join:
            return None
        return cls(context, Lane(context.chain, addresses), account)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follower.run())
                group.create_task(self._earn())
        finally:
            await self._peers.close()
            self._store.close()
            self._writer.close()

    async def _earn(self) -> None:
        while True:
            if self._follower.caught_up:
                try:
                    await self._earnings.round(list(self._context.served.all()))
                    self._problem = None
                except MLBridgeError as error:
                    self._problem = str(error)
                    log.warning("lane_earnings_failed", code=error.code, problem=error.message)
            await asyncio.sleep(_EARN_EVERY_S)

    def status(self) -> dict[str, Any]:
        """JSON-ready: orders by ending (`open`: not known yet), whether the view is up to date, problems."""
        return {
            "caught_up": self._follower.caught_up,
            "orders": self._store.endings(),
            "problem": self._follower.problem or self._problem,
        }
