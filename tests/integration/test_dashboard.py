"""Every query of every panel and alert is valid PromQL and asks for what is really exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from contracts.chain import Chain
from contracts.sender import Sender
from coordinator.engine import Engine
from mlbridge.protocol.types import Role
from tests.support.coordinators import make_config, request, running
from tests.support.seats import Script, acting, make_members, register_model, scripts, wrong_label

pytestmark = [pytest.mark.integration, pytest.mark.ray]

CONFIGS = Path(__file__).parents[2] / "configs"
DASHBOARD = CONFIGS / "grafana" / "mlbridge-overview.json"
PROMETHEUS = CONFIGS / "prometheus" / "prometheus.yml"
ALERTS = CONFIGS / "prometheus" / "alerts.yml"
# Prometheus adds these to every series that it scrapes.
TARGET_LABELS = {"instance", "job"}
GRAFANA = {"$__rate_interval": "1m", "$__interval": "15s", "$instance": ".*", "$datasource": "prometheus"}
MACRO = re.compile(r"\$\{?(\w+)\}?")


def panels(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in node["panels"]:
        yield panel
        if panel.get("panels"):
            yield from panels(panel)


def queries() -> dict[str, str]:
    """What asks -> PromQL, of the dashboard and of the alert rules."""
    found: dict[str, str] = {}
    for panel in panels(json.loads(DASHBOARD.read_text())):
        for target in panel.get("targets", ()):
            found[f"panel {panel['title']!r} {target['refId']}"] = target["expr"]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            found[f"alert {rule['alert']}"] = rule["expr"]
    return found


def plain(query: str) -> str:
    """The query as Grafana would send it."""
    for macro, value in GRAFANA.items():
        query = query.replace(macro, value)
    assert not MACRO.search(query), f"unknown Grafana variable in {query}"
    return query


def uses(node: Any, inherited: frozenset[str] = frozenset()) -> Iterator[tuple[str, set[str]]]:
    """(metric, labels that the query needs of it) for every selector below `node`.

    inherited: labels by which an expression around it groups or matches.
    """
    parser = promql_parser
    if isinstance(node, parser.VectorSelector):
        yield node.name, {matcher.name for matcher in node.matchers.matchers} | inherited
    elif isinstance(node, parser.MatrixSelector):
        yield from uses(node.vector_selector, inherited)
    elif isinstance(node, parser.Call):
        for argument in node.args:
            needs_le = node.func.name == "histogram_quantile"
            yield from uses(argument, inherited | {"le"} if needs_le else inherited)
    elif isinstance(node, parser.AggregateExpr):
        by = frozenset[str]()
        if node.modifier is not None:
            assert node.modifier.type == parser.AggModifierType.By, (
                "group with `by`, so that labels are named"
            )
            by = frozenset(node.modifier.labels)
        assert inherited <= by or not inherited, f"{sorted(inherited - by)} is grouped away in {node}"
        yield from uses(node.expr, by)
    elif isinstance(node, parser.BinaryExpr):
        on = frozenset[str]()
        if node.modifier is not None and node.modifier.matching is not None:
            on = frozenset(node.modifier.matching.labels)
        yield from uses(node.lhs, inherited | on)
        yield from uses(node.rhs, inherited | on)
    elif isinstance(node, parser.ParenExpr | parser.UnaryExpr | parser.SubqueryExpr):
        yield from uses(node.expr, inherited)
    else:
        assert isinstance(node, parser.NumberLiteral | parser.StringLiteral), (
            f"{type(node)} is not understood"
        )


@pytest.fixture
async def exported(tmp_path: Path, chain: Chain, treasury: Sender) -> dict[str, set[str]]:
    """Metric -> labels of a coordinator that took one task through dissent and judges, as scraped."""
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, scripts(Script(result=wrong_label), honest=2))
    judges = await make_members(chain, treasury, model, scripts(honest=3), role=Role.VERIFIER)
    config = await make_config(tmp_path, chain, treasury)
    async with running(config) as engine, acting([*members, *judges]):
        view = await engine.submit(request(model, deadline_s=60))
        assert (await engine.task(view["task_id"], wait_s=60))["status"] == "finalized"
        return await scrape(engine)


async def scrape(engine: Engine) -> dict[str, set[str]]:
    async with httpx2.AsyncClient() as client:
        text = (await client.get(f"{engine.config.local_url}/metrics")).text
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found.setdefault(one.name, set()).update(one.labels)
    return found


async def test_every_query_asks_for_what_is_exported(exported: dict[str, set[str]]) -> None:
    asked: set[str] = set()
    for where, query in queries().items():
        for metric, labels in uses(promql_parser.parse(plain(query))):
            assert metric in exported, f"{where} asks for {metric}, which nothing exports"
            unknown = labels - exported[metric] - TARGET_LABELS
            assert not unknown, f"{where} uses labels that {metric} lacks: {sorted(unknown)}"
            asked.add(metric)
    shown = {
        "mlbridge_tasks_total",
        "mlbridge_task_phase_seconds_bucket",
        "mlbridge_task_confidence_ratio_bucket",
        "mlbridge_task_rounds_bucket",
        "mlbridge_slashes_total",
        "mlbridge_slashed_mlb_total",
        "mlbridge_gas_used_total",
        "mlbridge_chain_lag_blocks",
        "mlbridge_chain_head_block",
        "mlbridge_reorgs_total",
        "mlbridge_queue_depth",
        "mlbridge_pokes_total",
        "mlbridge_task_payment_wei_total",
        "mlbridge_lane_orders_total",
        "mlbridge_lane_orders_refused_total",
        "mlbridge_lane_orders_settled_total",
        "mlbridge_lane_verdict_seconds_bucket",
        "mlbridge_lane_phase_seconds_bucket",
        "mlbridge_lane_batches_total",
        "mlbridge_lane_batch_orders_bucket",
        "mlbridge_lane_batch_age_seconds_bucket",
        "mlbridge_lane_challenges_total",
        "mlbridge_lane_reports_total",
        "mlbridge_lane_queue_depth",
    }
    assert shown <= asked


def test_label_values_in_queries_are_among_those_exported() -> None:
    from coordinator.lane import metrics as lane
    from coordinator.metrics import OUTCOMES, PHASES, QUEUES
    from mlbridge.protocol.types import Fault

    values = {
        "outcome": {*OUTCOMES, *lane.OUTCOMES, *lane.BATCH_OUTCOMES},
        "phase": {*PHASES, *lane.PHASES},
        "queue": {*QUEUES, *lane.LANE_QUEUES},
        "how": {*lane.HOWS},
        "kind": {*lane.CHALLENGES, *lane.REPORTS},
        "reason": {*lane.REASONS},
        "fault": {fault.name.lower() for fault in Fault},
    }
    for where, query in queries().items():
        for label, value in re.findall(r'(\w+)\s*(?:=|!=)\s*"([^"]*)"', query):
            if label in values:
                assert value in values[label], f"{where}: {label} is never {value}"


@pytest.mark.parametrize(
    "broken",
    ["sum by (le (rate(x[5m]))", 'rate(x{a="b}[5m])', "histogram_quantile(0.5, x[5m])", "sum(rate(x))"],
)
def test_the_parser_refuses_what_prometheus_would(broken: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        promql_parser.parse(broken)


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    shown = [panel for panel in panels(dashboard) if panel["type"] != "row"]
    ids = [panel["id"] for panel in panels(dashboard)]
    assert len(ids) == len(set(ids))
    for panel in shown:
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    variables = {item["name"] for item in dashboard["templating"]["list"]}
    assert variables == {"datasource", "instance"}


def test_prometheus_finds_the_rules_and_the_providers_of_a_devnet() -> None:
    settings = yaml.safe_load(PROMETHEUS.read_text())
    assert [(PROMETHEUS.parent / name).resolve() for name in settings["rule_files"]] == [ALERTS]
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    from coordinator.config import HTTP_PORT
    from mlbridge.rayproc import RayPorts

    assert jobs["mlbridge-coordinator"]["static_configs"][0]["targets"] == [f"127.0.0.1:{HTTP_PORT}"]
    (gateway,) = jobs["mlbridge-gateway"]["static_configs"][0]["targets"]
    assert gateway == f"127.0.0.1:{RayPorts(20_000).http}"
    (listed,) = jobs["mlbridge-providers"]["file_sd_configs"][0]["files"]
    expected = CONFIGS.parent / ".mlbridge" / "devnet" / "prometheus_targets.json"
    assert (PROMETHEUS.parent / listed).resolve() == expected.resolve()
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]
