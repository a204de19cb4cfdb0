"""What Prometheus may ask one replica of the gateway, in a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from coordinator.lane.metrics import LaneMetrics

OUTCOMES = ("finalized", "refunded", "cancelled", "failed")
LANES = ("direct", "channel")
SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 20, 45, 90, 180, 300)


class Metrics:
    """Counters start at zero with the process; a task is counted by the replica that carried it."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "mlbridge_gateway_requests", "HTTP requests.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "mlbridge_gateway_request_seconds",
            "From a request to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.tasks = Counter(
            "mlbridge_gateway_tasks", "Tasks decided.", ["outcome", "lane"], registry=registry
        )
        self.cost = Counter("mlbridge_gateway_cost_wei", "What decided tasks cost.", registry=registry)
        self.retries = Counter(
            "mlbridge_gateway_task_retries", "Tries to carry a task that failed.", registry=registry
        )
        self.open = Gauge("mlbridge_gateway_open_tasks", "Tasks that have not ended.", registry=registry)
        self.channel_balance = Gauge(
            "mlbridge_gateway_channel_balance_wei",
            "What the gateway's channel still holds.",
            registry=registry,
        )
        self.channel_sequences = Gauge(
            "mlbridge_gateway_channel_free_sequences",
            "Orders that may be signed before a batch must settle some.",
            registry=registry,
        )
        # Of orders that this replica carries itself, beside its own coordinator.
        self.lane = LaneMetrics(registry)
        for outcome in OUTCOMES:
            for lane in LANES:
                self.tasks.labels(outcome, lane)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """(body, content type) for a scrape with this Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
