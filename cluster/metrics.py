"""What the agent counts, on Ray's metrics port of its cluster."""

from __future__ import annotations

from typing import Protocol

PHASE_SECONDS = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0]


class Meter(Protocol):
    """Where the agent's measurements go."""

    def assignment(self, outcome: str) -> None:
        """A seat ended; outcome: won, lost, judged, refunded, cancelled, absent, unopened, incorrect,
        malicious.
        """

    def phase(self, phase: str, seconds: float) -> None:
        """execute: run time of the model; commit, reveal: from the phase's start until our transaction is
        mined.
        """

    def earned(self, kind: str, amount: int) -> None:
        """kind: seat (wei), lane (wei of batches), judge (MLB), slash (MLB lost); amount: base units."""

    def lane_order(self, ending: str) -> None:
        """An attested channel order ended; ending: settled (by us), passed, expired."""

    def open_seats(self, count: int) -> None:
        """Assignments in work now."""

    def failure(self, code: str) -> None:
        """Something had to be tried again; code: of the error."""


class NoMeter:
    """Counts nothing."""

    def assignment(self, outcome: str) -> None:
        """See Meter."""

    def phase(self, phase: str, seconds: float) -> None:
        """See Meter."""

    def earned(self, kind: str, amount: int) -> None:
        """See Meter."""

    def lane_order(self, ending: str) -> None:
        """See Meter."""

    def open_seats(self, count: int) -> None:
        """See Meter."""

    def failure(self, code: str) -> None:
        """See Meter."""


class RayMeter:
    """Series named mlbridge_provider_*, each with the provider's name. Only inside a Ray worker.

    Ray exports them as ray_mlbridge_provider_*.
    """

    def __init__(self, provider: str) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        self._provider = {"provider": provider}
        self._assignments = Counter(
            "mlbridge_provider_assignments_total",
            description="Seats that ended, by how",
            tag_keys=("provider", "outcome"),
        )
        self._phases = Histogram(
            "mlbridge_provider_phase_seconds",
            description="Time a phase of an assignment took",
            boundaries=PHASE_SECONDS,
            tag_keys=("provider", "phase"),
        )
        self._earnings = Counter(
            "mlbridge_provider_earnings_total",
            description="Earned or lost: seat and lane in coin, judge and slash in MLB",
            tag_keys=("provider", "kind"),
        )
        self._lane_orders = Counter(
            "mlbridge_provider_lane_orders_total",
            description="Attested channel orders that the agent saw to the end, by how",
            tag_keys=("provider", "ending"),
        )
        self._open = Gauge(
            "mlbridge_provider_open_assignments", description="Assignments in work", tag_keys=("provider",)
        )
        self._failures = Counter(
            "mlbridge_provider_failures_total",
            description="Attempts that had to be repeated, by error code",
            tag_keys=("provider", "code"),
        )

    def assignment(self, outcome: str) -> None:
        """See Meter."""
        self._assignments.inc(tags={**self._provider, "outcome": outcome})

    def phase(self, phase: str, seconds: float) -> None:
        """See Meter."""
        self._phases.observe(max(0.0, seconds), tags={**self._provider, "phase": phase})

    def earned(self, kind: str, amount: int) -> None:
        """See Meter. Whole coins and MLB: Prometheus keeps floats."""
        if amount > 0:
            self._earnings.inc(amount / 10**18, tags={**self._provider, "kind": kind})

    def lane_order(self, ending: str) -> None:
        """See Meter."""
        self._lane_orders.inc(tags={**self._provider, "ending": ending})

    def open_seats(self, count: int) -> None:
        """See Meter."""
        self._open.set(count, tags=self._provider)

    def failure(self, code: str) -> None:
        """See Meter."""
        self._failures.inc(tags={**self._provider, "code": code})
