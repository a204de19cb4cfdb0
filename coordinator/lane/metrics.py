"""What Prometheus may ask about the channel lane, in the registry of the process that runs it.

A coordinator counts what it carries and everything about batches; a gateway's replica counts the orders that
it carries itself on the same store. Counters start at zero with the process. Seconds are of this machine's
clocks, except payout, which lies between block times.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OUTCOMES = ("decided", "failed")
PHASES = ("commit", "reveal", "late", "post", "payout")
HOWS = ("batch", "alone", "elsewhere", "unpaid")
BATCH_OUTCOMES = ("posted", "final", "void", "refused", "taken_back")
CHALLENGES = ("demand", "strike", "void")
REPORTS = ("contradiction", "dissent")
LANE_QUEUES = ("undecided", "late", "batchable", "batches", "evidence")
OTHER = "other"
REASONS = (
    *(
        f"lane.{name}"
        for name in (
            "full",
            "coordinator",
            "validity",
            "input",
            "funds",
            "sequence_taken",
            "other_offer",
            "seed",
        )
    ),
    *(
        f"order.{name}"
        for name in (
            *("signature", "seed", "channel", "policy", "seats", "params", "input", "epoch", "deadline"),
            *("sequence", "sequence_ahead", "closing", "model", "price", "funds"),
        )
    ),
    "committee.too_few",
    OTHER,
)
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 120, 300, 900, 3600)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


Labelled = Counter | Gauge | Histogram


def fix_labels(*metrics: tuple[Labelled, Iterable[str]]) -> None:
    """Have a series for each value of a metric's one label from the start: a rate needs its zero."""
    for metric, values in metrics:
        for value in values:
            metric.labels(value)


class LaneMetrics:
    """Label values are fixed sets, so every series exists from the start.

    Phases of an order: commit: from its acceptance to its closed set; reveal: from there to its verdict;
    late: from there until no more seats are waited for; post: from its acceptance until its batch is on the
    chain; payout (of a batch): from its posting until it cannot be challenged.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.accepted = Counter("mlbridge_lane_orders_accepted", "Channel orders taken.", registry=registry)
        self.orders = Counter(
            "mlbridge_lane_orders",
            "Channel orders with a verdict, or without any.",
            ["outcome"],
            registry=registry,
        )
        self.refused = Counter(
            "mlbridge_lane_orders_refused", "Channel orders not taken.", ["reason"], registry=registry
        )
        self.settled = Counter(
            "mlbridge_lane_orders_settled",
            "Channel orders whose money is where it belongs.",
            ["how"],
            registry=registry,
        )
        self.verdict = Histogram(
            "mlbridge_lane_verdict_seconds",
            "From an order's acceptance to its verdict.",
            buckets=SECONDS,
            registry=registry,
        )
        self.phase = Histogram(
            "mlbridge_lane_phase_seconds",
            "Phases of channel orders.",
            ["phase"],
            buckets=SECONDS,
            registry=registry,
        )
        self.batches = Counter("mlbridge_lane_batches", "Batches.", ["outcome"], registry=registry)
        self.batch_orders = Histogram(
            "mlbridge_lane_batch_orders", "Orders a batch holds.", buckets=SIZES, registry=registry
        )
        self.batch_age = Histogram(
            "mlbridge_lane_batch_age_seconds",
            "Age of a batch's oldest order when it was made.",
            buckets=SECONDS,
            registry=registry,
        )
        self.challenges = Counter(
            "mlbridge_lane_challenges",
            "Challenges of this coordinator's batches: leaves shown on demand, struck leaves, void batches.",
            ["kind"],
            registry=registry,
        )
        self.reports = Counter(
            "mlbridge_lane_reports",
            "Evidence against members that the chain took.",
            ["kind"],
            registry=registry,
        )
        self.queue = Gauge(
            "mlbridge_lane_queue_depth",
            "What waits in the channel lane, by queue.",
            ["queue"],
            registry=registry,
        )
        fix_labels(
            (self.orders, OUTCOMES),
            (self.refused, REASONS),
            (self.settled, HOWS),
            (self.phase, PHASES),
            (self.batches, BATCH_OUTCOMES),
            (self.challenges, CHALLENGES),
            (self.reports, REPORTS),
            (self.queue, LANE_QUEUES),
        )

    def refuse(self, code: str) -> None:
        """Count an order that is not taken. code: of the error."""
        self.refused.labels(code if code in REASONS else OTHER).inc()

    def took(self, phase: str, seconds: float) -> None:
        """Measure a phase; clocks that differ never make it negative."""
        self.phase.labels(phase).observe(max(0.0, seconds))

    def posted(self, ages: Iterable[float]) -> None:
        """Count a batch that is on the chain. ages: seconds since each of its orders was accepted."""
        self.batches.labels("posted").inc()
        for age in ages:
            self.took("post", age)
