"""Every parameter is reachable by a proposal, or stands in the table of what is fixed, with a reason."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from contracts import artifacts, fixed, roles
from contracts.deploy_params import DeployParams, LaneParams, ReviewParams
from contracts.governance_params import GovernanceParams

SOURCES = Path(__file__).resolve().parents[2] / "contracts" / "src"
IMMUTABLE = re.compile(r"^\s+[\w.]+ [\w ]*\bimmutable (\w+)", re.MULTILINE)
TABLE = {(row.source, name) for row in fixed.FIXED for name in row.names} | {
    (source, name) for source, names in fixed.NEIGHBOURS.items() for name in names
}


def immutables() -> list[tuple[str, str]]:
    """(source, name) of everything in the sources that its constructor alone sets."""
    return [
        (path.stem, name)
        for path in sorted(SOURCES.rglob("*.sol"))
        for name in IMMUTABLE.findall(path.read_text())
    ]


def test_the_sources_are_read_as_they_are_written() -> None:
    words = sum(len(re.findall(r"\bimmutable\b\s+\w+\s*[;=]", p.read_text())) for p in SOURCES.rglob("*.sol"))
    assert len(immutables()) == words > 80


def test_every_immutable_stands_in_the_table_once_and_nothing_else_does() -> None:
    found = immutables()
    assert set(found) == TABLE
    assert len(found) == len(TABLE)


@pytest.mark.parametrize("params", [DeployParams, LaneParams, ReviewParams, GovernanceParams])
def test_every_parameter_of_a_deployment_is_reachable_or_fixed_for_a_reason(params: type) -> None:
    for field in fields(params):
        homes = [field.name in home for home in (fixed.SETTERS, fixed.IMMUTABLES, fixed.BEGINNINGS)]
        assert sum(homes) == 1, field.name


def test_the_functions_named_are_governed_and_the_values_named_are_there() -> None:
    governed = {(rule.contract, rule.function) for rule in roles.RULES}
    governed |= {(artifacts.GOVERNOR, name) for name in roles.GOVERNOR_RULES}
    assert set(fixed.SETTERS.values()) <= governed | {(artifacts.TIMELOCK, "updateDelay")}
    assert roles.function_abi(artifacts.TIMELOCK, "updateDelay")
    assert set(fixed.IMMUTABLES.values()) <= TABLE


def test_each_is_fixed_for_a_reason_in_a_sentence() -> None:
    assert all(row.why.endswith(".") for row in fixed.FIXED)
