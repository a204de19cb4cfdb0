"""What is counted and measured of a task's course."""

from __future__ import annotations

from hypothesis import given
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from coordinator.lane.metrics import LaneMetrics
from coordinator.metrics import PHASES, Metrics, phases
from coordinator.state import advance
from coordinator.store import Change
from coordinator.task import TaskState
from mlbridge.protocol.types import Fault
from tests.support.coordinator_walks import ADDRESS, Scribe, chains, digest

TASK = digest(1)


def recorded(scribe: Scribe) -> Metrics:
    metrics, state = Metrics(), None
    for event in scribe.written:
        after = advance(state, event)
        metrics.record([Change(state, after, event)])
        state = after
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"{name}{labels} is not exported"
    return found


def finalized() -> Scribe:
    scribe = Scribe(block=10)

    def say(blocks: int, name: str, **args: object) -> None:
        scribe.next_block(blocks)
        scribe.log(TASK, name, **args)

    say(
        0,
        "TaskSubmitted",
        requester=ADDRESS,
        modelId=digest(7),
        inputData="0x00",
        reward=10**15,
        deadline=9,
        seats=3,
        randomnessBlock=12,
    )
    say(
        3,
        "CommitteeDrawn",
        round=0,
        kind=0,
        accounts=[2, 4, 6],
        weights=[1, 1, 1],
        commitDeadline=99,
        seed=digest(0),
    )
    say(0, "TipPaid", to=ADDRESS, amount=10**12)
    for account in (2, 4, 6):
        say(1, "ResultCommitted", account=account, round=0, commitment=digest(account))
    say(0, "RevealOpened", round=0, revealDeadline=99)
    for account in (2, 4, 6):
        say(1, "ResultRevealed", account=account, round=0, digest=digest(1), result="0x00")
    say(0, "TaskFinalized", digest=digest(1), account=2, round=0, confidence=9_500, winners=[2, 4, 6])
    say(0, "Slashed", account=9, fault=int(Fault.UNOPENED), amount=5 * 10**18, basisPoints=1000)
    say(0, "RoundClosed", round=0, passed=True, dissent=False, winner=digest(1), confidence=9_500)
    return scribe


def test_a_finalized_task_is_counted_and_measured() -> None:
    metrics = recorded(finalized())
    assert value(metrics, "mlbridge_tasks_submitted_total") == 1
    assert value(metrics, "mlbridge_tasks_total", outcome="finalized") == 1
    assert value(metrics, "mlbridge_tasks_total", outcome="refunded") == 0
    assert value(metrics, "mlbridge_task_payment_wei_total") == 10**15
    assert value(metrics, "mlbridge_tips_wei_total") == 10**12
    assert value(metrics, "mlbridge_slashes_total", fault="unopened") == 1
    assert value(metrics, "mlbridge_slashed_mlb_total") == 5
    assert value(metrics, "mlbridge_task_confidence_ratio_sum") == 0.95
    assert value(metrics, "mlbridge_task_rounds_sum") == 1
    # blocks of the walk are two seconds apart
    expected = {"assign": 6, "commit": 6, "reveal": 6, "verdict": 0, "total": 18}
    for phase, seconds in expected.items():
        assert value(metrics, "mlbridge_task_phase_seconds_count", phase=phase) == 1
        assert value(metrics, "mlbridge_task_phase_seconds_sum", phase=phase) == seconds
    assert value(metrics, "mlbridge_task_phase_seconds_count", phase="judges") == 0


def test_a_review_has_judges_and_no_first_committee() -> None:
    scribe = Scribe(block=10)
    submitted = {"requester": ADDRESS, "modelId": digest(7), "inputData": "0x00", "reward": 0, "deadline": 9}
    scribe.log(TASK, "TaskSubmitted", **submitted, seats=3, randomnessBlock=12)
    scribe.log(TASK, "ResultRevealed", account=2, round=0, digest=digest(1), result="0x00")
    scribe.log(TASK, "JudgesEarmarked", model=1, amount=300)
    scribe.next_block(3)
    seats = {"accounts": [3, 5, 7], "weights": [1, 1, 1], "commitDeadline": 99, "seed": digest(0)}
    scribe.log(TASK, "CommitteeDrawn", round=1, kind=1, **seats)
    scribe.next_block(2)
    scribe.log(TASK, "RevealOpened", round=1, revealDeadline=99)
    ended = {"digest": digest(0), "account": 0, "round": 1, "confidence": 9_500, "winners": []}
    scribe.log(TASK, "TaskFinalized", **ended)
    metrics = recorded(scribe)
    assert value(metrics, "mlbridge_task_phase_seconds_sum", phase="total") == 10
    assert value(metrics, "mlbridge_task_phase_seconds_sum", phase="judges") == 4


@given(chains())
def test_phases_are_known_and_never_negative(events: list) -> None:  # type: ignore[type-arg]
    states: dict[str, TaskState] = {}
    for event in events:
        before = states.get(event.task_id)
        after = states[event.task_id] = advance(before, event)
        if before is not None:
            for phase, seconds in phases(before, after):
                assert phase in PHASES
                assert seconds >= 0


def test_both_expositions_carry_every_series_from_the_start() -> None:
    metrics = Metrics()
    text, plain_type = metrics.exposition("text/plain")
    assert plain_type.startswith("text/plain")
    names = {
        sample.name for family in text_string_to_metric_families(text.decode()) for sample in family.samples
    }
    assert {"mlbridge_tasks_total", "mlbridge_queue_depth", "mlbridge_task_rounds_bucket"} <= names
    _, open_type = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert open_type.startswith("application/openmetrics-text")


def test_shards_are_told_apart_in_one_exposition() -> None:
    metrics, texts = Metrics(), {}
    metrics.lane.accepted.inc()
    for shard in ("0", "1"):
        of_shard = LaneMetrics(CollectorRegistry())
        of_shard.accepted.inc(2)
        texts[shard] = generate_latest(of_shard.registry).decode()
    for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        text = metrics.exposition(accept, texts)[0].decode()
        assert len([line for line in text.splitlines() if line.startswith("# TYPE mlbridge_lane_queue")]) == 1
        assert 'mlbridge_lane_orders_accepted_total{shard="0"} 2.0' in text
        assert 'mlbridge_lane_orders_accepted_total{shard="1"} 2.0' in text
        assert "mlbridge_lane_orders_accepted_total 1.0" in text
    families = list(text_string_to_metric_families(metrics.exposition("text/plain", texts)[0].decode()))
    assert len(families) == len({family.name for family in families})
