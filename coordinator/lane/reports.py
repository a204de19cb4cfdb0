"""Evidence against members goes to the chain: contradictions cost everything, dissents are put on record."""

from __future__ import annotations

import structlog

from contracts import channels
from contracts.errors import ContractError
from contracts.sender import Sender
from coordinator.lane.course import CONTRADICTION, DISSENT
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.runner import Runner
from coordinator.lane.store import LaneStore
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.wire import parse

log = structlog.get_logger(__name__)


class Reporter:
    """Sends what a store holds against members, each once."""

    def __init__(self, runner: Runner, store: LaneStore, sender: Sender, metrics: LaneMetrics) -> None:
        self._runner, self._store, self._sender = runner, store, sender
        self._metrics = metrics
        self._lane = runner.view.lane

    async def step(self) -> bool:
        """Report what is not on chain yet. Raises what a Sender raises, but for refusals."""
        for digest, account, first, second in await self._store.unreported(CONTRADICTION):
            pair = parse(first, Attestation), parse(second, Attestation)
            try:
                await channels.report_contradiction(self._lane, self._sender, *pair)
                self._metrics.reports.labels(CONTRADICTION).inc()
                log.warning("lane_contradiction_reported", account=account, order="0x" + digest.hex())
            except ContractError as error:
                log.warning("lane_report_refused", account=account, reason=error.message)
            await self._store.reported(digest, account, CONTRADICTION)
        for digest, account, first, _ in await self._store.unreported(DISSENT):
            await self._dissent(digest, account, first)
        return False

    async def _dissent(self, digest: bytes, account: int, attested: bytes) -> None:
        row = await self._store.order(digest)
        found = None if row is None else await self._runner.outcome_of(row)
        if found is not None and found.evidence is not None:
            try:
                await channels.report_dissent(
                    self._lane, self._sender, found.evidence, parse(attested, Attestation)
                )
                self._metrics.reports.labels(DISSENT).inc()
                log.warning("lane_dissent_reported", account=account, order="0x" + digest.hex())
            except ContractError as error:
                log.warning("lane_report_refused", account=account, reason=error.message)
        await self._store.reported(digest, account, DISSENT)
