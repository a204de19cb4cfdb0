"""Measurements of a replica on Ray's metrics port."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

LATENCY_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0]


class RayRecorder:
    """A service's Recorder. Every series carries the model's name."""

    def __init__(self, model: str) -> None:
        self._model = {"model": model}
        self._requests = Counter(
            "mlbridge_serve_requests_total",
            description="Requests by outcome: ok or the error's code",
            tag_keys=("model", "outcome"),
        )
        self._latency = Histogram(
            "mlbridge_serve_latency_seconds",
            description="Time from a request's arrival to its answer",
            boundaries=LATENCY_BOUNDARIES,
            tag_keys=("model",),
        )
        self._in_flight = Gauge(
            "mlbridge_serve_in_flight", description="Runs under way and waiting", tag_keys=("model",)
        )

    def in_flight(self, count: int) -> None:
        """See Recorder."""
        self._in_flight.set(count, tags=self._model)

    def finished(self, outcome: str, seconds: float) -> None:
        """See Recorder."""
        self._requests.inc(tags={**self._model, "outcome": outcome})
        self._latency.observe(seconds, tags=self._model)
