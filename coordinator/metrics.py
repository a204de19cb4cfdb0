"""What Prometheus may ask the coordinator, in a registry of its own.

Counters and histograms start at zero with the process, as Prometheus expects (`rate` and `increase` handle a
reset); each event is counted when it is first stored, so a restart counts nothing twice. An event that a
reorganisation takes back stays counted, and its replacement is counted too: mlbridge_reorgs_total says when.
Phases are measured between block times, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from coordinator.lane.metrics import LaneMetrics, fix_labels
from coordinator.store import Change
from coordinator.task import RoundState, TaskState
from mlbridge.protocol.types import Fault, RoundKind, TaskStatus

PHASES = ("assign", "commit", "reveal", "verdict", "judges", "total")
OUTCOMES = ("finalized", "refunded", "cancelled")
POKE_OUTCOMES = ("sent", "lost", "skipped", "unprofitable", "failed")
LOOPS = (
    *("follow", "poke", "submit", "receipt", "claim", "lane", "lane-members", "lane-gauges", "lane-batch"),
    *("lane-report", "lane-retention", "lane-seed"),
)
QUEUES = ("submissions", "pokes", "receipts", "tasks")
GAS_STEPS = ("submit", "poke", "claim")
SUBMISSION_OUTCOMES = ("accepted", "repeated", "refused", "sent", "failed")
SECONDS = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
RATIOS = (0.5, 0.6, 0.667, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0)
WEI_PER_MLB = 10**18
NO_SHARDS: Mapping[str, str] = MappingProxyType({})


class Metrics:
    """The coordinator's metrics. Label values are fixed sets, so every series exists from the start."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.tasks = Counter("mlbridge_tasks", "Tasks that ended.", ["outcome"], registry=registry)
        self.submitted = Counter("mlbridge_tasks_submitted", "Tasks seen on chain.", registry=registry)
        self.phase = Histogram(
            "mlbridge_task_phase_seconds",
            "Time of a task's phases between block times; total: submission to end.",
            ["phase"],
            buckets=SECONDS,
            registry=registry,
        )
        self.confidence = Histogram(
            "mlbridge_task_confidence_ratio",
            "Weight share of the delivered result of finalized tasks.",
            buckets=RATIOS,
            registry=registry,
        )
        self.rounds = Histogram(
            "mlbridge_task_rounds", "Rounds a task took.", buckets=(1, 2, 3, 4), registry=registry
        )
        self.redraws = Counter("mlbridge_redraws", "Draws that replaced silent members.", registry=registry)
        self.escalations = Counter("mlbridge_escalations", "Tasks handed to judges.", registry=registry)
        self.slashes = Counter("mlbridge_slashes", "Stakes slashed.", ["fault"], registry=registry)
        self.slashed = Counter("mlbridge_slashed_mlb", "Stake taken, in MLB.", registry=registry)
        self.payment = Counter(
            "mlbridge_task_payment_wei", "Payment of tasks seen on chain.", registry=registry
        )
        self.tips = Counter("mlbridge_tips_wei", "Tips paid to whoever moved a task on.", registry=registry)
        self.gas = Counter(
            "mlbridge_gas_used", "Gas of this coordinator's transactions.", ["step"], registry=registry
        )
        self.pokes = Counter("mlbridge_pokes", "Pokes considered.", ["outcome"], registry=registry)
        self.submissions = Counter(
            "mlbridge_submissions",
            "Submissions by clients of this coordinator.",
            ["outcome"],
            registry=registry,
        )
        self.reorgs = Counter("mlbridge_reorgs", "Chain reorganisations undone.", registry=registry)
        self.anomalies = Counter(
            "mlbridge_anomalies", "Events that the transition table forbids.", registry=registry
        )
        self.failures = Counter(
            "mlbridge_loop_failures",
            "Passes of a loop that failed and are tried again.",
            ["loop"],
            registry=registry,
        )
        self.head = Gauge("mlbridge_chain_head_block", "Newest block of the chain node.", registry=registry)
        self.lag = Gauge(
            "mlbridge_chain_lag_blocks",
            "Blocks between the chain's head and the last applied.",
            registry=registry,
        )
        self.queue = Gauge("mlbridge_queue_depth", "What waits, by queue.", ["queue"], registry=registry)
        self.balance = Gauge(
            "mlbridge_coordinator_balance_wei", "Native coin of the coordinator's key.", registry=registry
        )
        self.started = Gauge(
            "mlbridge_coordinator_start_time_seconds",
            "Start of this process, unix seconds.",
            registry=registry,
        )
        self.lane = LaneMetrics(registry)
        fix_labels(
            (self.tasks, OUTCOMES),
            (self.phase, PHASES),
            (self.slashes, tuple(fault.name.lower() for fault in Fault)),
            (self.gas, GAS_STEPS),
            (self.pokes, POKE_OUTCOMES),
            (self.submissions, SUBMISSION_OUTCOMES),
            (self.queue, QUEUES),
            (self.failures, LOOPS),
        )

    def exposition(self, accept: str, shards: Mapping[str, str] = NO_SHARDS) -> tuple[bytes, str]:
        """(body, content type) for a scrape with this Accept header.

        shards: OpenMetrics text by shard; their series have the label shard.
        """
        encode, content_type = choose_encoder(accept)
        return encode(_Merged(self.registry, shards)), content_type

    def record(self, changes: Iterable[Change]) -> None:
        """Count and measure what newly stored events changed."""
        for change in changes:
            self._record(change.before, change.after)

    def _record(self, before: TaskState | None, after: TaskState) -> None:
        if before is None:
            self.submitted.inc()
            self.payment.inc(after.reward)
            return
        self.tips.inc(after.tips - before.tips)
        for slash in after.slashes[len(before.slashes) :]:
            self.slashes.labels(Fault(slash.fault).name.lower()).inc()
            self.slashed.inc(slash.amount / WEI_PER_MLB)
        if after.status is TaskStatus.ESCALATED and before.status is not TaskStatus.ESCALATED:
            self.escalations.inc()
        for phase, seconds in phases(before, after):
            self.phase.labels(phase).observe(seconds)
        self.redraws.inc(_redraws(after) - _redraws(before))
        if after.status.terminal and not before.status.terminal:
            self.tasks.labels(after.status.name.lower()).inc()
            if after.rounds:
                self.rounds.observe(len(after.rounds))
            if after.confidence is not None:
                self.confidence.observe(after.confidence / 10_000)


def phases(before: TaskState, after: TaskState) -> list[tuple[str, float]]:
    """(phase, seconds) of every phase that this change completed.

    assign: submission to first committee; commit: a round's draw to its reveal window; reveal: from there to
    its last opening; verdict: from there to the tally; judges: last opening before them to the end; total.
    """
    found: list[tuple[str, float]] = []
    if after.rounds and not before.rounds:
        found.append(("assign", after.rounds[0].drawn_at - after.submitted_at))
    known = {item.number: item for item in before.rounds}
    for item in after.rounds:
        found.extend(_round_phases(known.get(item.number), item))
    if after.finished_at is not None and before.finished_at is None:
        found.append(("total", after.finished_at - after.submitted_at))
        first = next((item for item in after.rounds if item.judges), None)
        if first is not None:
            before_them = [item.last_reveal_at for item in after.rounds if not item.judges]
            ruled_from = before_them[-1] if before_them else None  # a review has judges only
            found.append(("judges", after.finished_at - (ruled_from or first.drawn_at)))
    return found


def _round_phases(before: RoundState | None, after: RoundState) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    if before is None:
        return found
    if after.opened_at is not None and before.opened_at is None:
        found.append(("commit", after.opened_at - after.drawn_at))
    if after.closed_at is not None and before.closed_at is None:
        opened = after.opened_at if after.opened_at is not None else after.closed_at
        last = after.last_reveal_at if after.last_reveal_at is not None else opened
        found.append(("reveal", last - opened))
        found.append(("verdict", after.closed_at - last))
    return found


def _redraws(state: TaskState) -> int:
    return sum(item.draws - 1 for item in state.rounds if item.kind in (RoundKind.RESULT, RoundKind.VOTE))


class _Merged:
    """A registry and the texts of others, each family once: what an encoder reads."""

    def __init__(self, registry: CollectorRegistry, shards: Mapping[str, str]) -> None:
        self._registry, self._shards = registry, shards

    def collect(self) -> Iterable[Metric]:
        found = {family.name: family for family in self._registry.collect()}
        for shard, text in self._shards.items():
            families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # untyped
            for family in families:
                known = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                known.samples += [
                    sample._replace(labels={**sample.labels, "shard": shard}) for sample in family.samples
                ]
        return found.values()
