"""The end of a summons: the order is settled by what its seats opened, and the fees become due."""

from __future__ import annotations

import time
from typing import Final

from cluster.lane.earnings import DONE, SETTLE_GAS
from cluster.lane.evidence import Collector, of_summons, seat_fee, settles
from cluster.metrics import Meter
from contracts import channels, summons
from contracts.errors import ContractError
from contracts.events import as_int
from contracts.lane import Lane
from contracts.sender import Sender
from contracts.summons import Shown, Summoned
from mlbridge.protocol import orders712

OVER: Final = frozenset({"gone", "refuted", "shown", "ended", "settled", "expired", "no verdict"})
"""Steps after which nothing is left to do, unless the chain takes something back."""

_CLOSE_GAS: Final = 150_000
_PUNISH_GAS: Final = 150_000  # for each seat that was silent


class Turns:
    """Whose turn it is to do what one seat does for all. turn_s: seconds for each before it."""

    def __init__(self, account: int, turn_s: float) -> None:
        self._account = account
        self._turn_s = turn_s
        self._since: dict[tuple[bytes, str], float] = {}

    def up(self, shown: Shown, what: str, state: Summoned) -> bool:
        """Whether it is ours; asked for the first time, it is the first seat's."""
        since = self._since.setdefault((shown.digest, what), time.monotonic())
        return time.monotonic() - since >= state.seats.index(self._account) * self._turn_s

    def forget(self, digest: bytes) -> None:
        """Of an order that is over."""
        self._since = {turn: since for turn, since in self._since.items() if turn[0] != digest}


class Closing:
    """Done for one Compute account, where its own part is worth the gas."""

    def __init__(
        self,
        lane: Lane,
        sender: Sender,
        account: int,
        collector: Collector,
        meter: Meter,
        turns: Turns,
    ) -> None:
        self._lane = lane
        self._sender = sender
        self._account = account
        self._collector = collector
        self._meter = meter
        self._turns = turns

    async def close(self, shown: Shown, state: Summoned, answered: int) -> str:
        """End a summons that is through, as its fees are owed only then; settle the order first."""
        step = await self.settle(shown, state)
        silent = len(state.seats) - answered.bit_count()
        gas = _CLOSE_GAS + _PUNISH_GAS * silent
        mine = answered >> state.seats.index(self._account) & 1
        if not mine or state.fee < gas * await self._gas_price() or not self._turns.up(shown, "close", state):
            return step if step not in OVER else "waiting for somebody to close it"
        await summons.close(self._lane, self._sender, shown.digest)
        return "closed"

    async def settle(self, shown: Shown, state: Summoned) -> str:
        """Have the channel pay the seats that opened, by what they opened."""
        lane, order, digest = self._lane, shown.order.message, shown.digest
        if not state.opened >> state.seats.index(self._account) & 1:
            return "ended"
        if (await channels.channel_state(lane, order.channel)).settled(order.sequence):
            return "settled"
        words = await summons.commitments(lane, digest)
        root = orders712.commitments_root(words)
        opened = await summons.opened(lane, digest, root, first=shown.block)
        told = {signed.message.account: signed for signed in opened}
        ours = told.get(self._account)
        if ours is None:
            return "waiting for the chain node to return what was opened"
        evidence = of_summons(shown, words, told, ours.message.result)
        view = self._collector.view_of(order.model_id)
        if not settles(evidence, view):
            return "no verdict"
        if seat_fee(evidence, view) < SETTLE_GAS * await self._gas_price():
            return "waiting for gas to be cheaper"
        if not self._turns.up(shown, "settle", state):
            return "waiting for its turn to settle"
        try:
            await channels.settle(lane, self._sender, evidence)
        except ContractError as error:
            if error.name not in DONE:
                raise
            return "settled" if error.name == "AlreadySettled" else "expired"
        self._meter.lane_order("settled")
        return "settled"

    async def _gas_price(self) -> int:
        return as_int(await self._lane.chain.provider.request("eth_gasPrice"))
