"""The table of roles holds every governed function of the sources, and its page says what it says."""

from __future__ import annotations

import re
from pathlib import Path

from contracts import artifacts, roles
from contracts.proposals import Category

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "contracts" / "src"
FUNCTION = re.compile(r"function\s+(\w+)\s*\([^)]*\)([^{;]*)\{")


def functions_with(modifier: str, *files: Path) -> set[str]:
    """Names of the functions in the sources whose heads carry a modifier."""
    found = set()
    for file in files or tuple(SOURCES.rglob("*.sol")):
        for name, head in FUNCTION.findall(file.read_text()):
            if re.search(rf"\b{modifier}\b", head):
                found.add(name)
    return found


def managed_contracts() -> list[str]:
    """Contracts that ask an AccessManager. The modules do so for the task manager only."""
    return [
        artifact.name
        for artifact in artifacts.load_known()
        if artifact.name not in (artifacts.TASK_MODULE, artifacts.SERVING_MODULE)
        and any(item["type"] == "function" and item["name"] == "authority" for item in artifact.abi)
    ]


def test_the_sources_are_read_as_they_are_written() -> None:
    assert {"pause", "setParameters", "setJudgeFee"} <= functions_with("restricted")
    assert "submitTask" not in functions_with("restricted")


def test_every_restricted_function_is_in_the_table_and_nothing_else() -> None:
    restricted = functions_with("restricted")
    expected = {
        (name, item["name"])
        for name in managed_contracts()
        for item in artifacts.load(name).abi
        if item["type"] == "function" and item["name"] in restricted
    }
    assert {name for _, name in expected} == restricted, "a restricted function that no deployed contract has"
    assert {(rule.contract, rule.function) for rule in roles.RULES} == expected
    assert len(roles.RULES) == len(expected)


def test_every_function_by_proposal_only_is_in_the_table() -> None:
    governor = SOURCES / "MLBridgeGovernor.sol"
    ours = functions_with("onlyGovernance", governor, *(SOURCES / "governance").glob("*.sol"))
    openzeppelin = {"relay", "setLateQuorumVoteExtension", "setProposalGuardian", "updateTimelock"}
    assert set(roles.GOVERNOR_RULES) == ours | openzeppelin


def test_openzeppelin_has_no_other_function_by_proposal_only() -> None:
    base = ROOT / "contracts" / "node_modules" / "@openzeppelin" / "contracts" / "governance"
    parts = ("Votes", "CountingSimple", "PreventLateQuorum", "TimelockControl", "ProposalGuardian")
    files = [base / "Governor.sol", *(base / "extensions" / f"Governor{part}.sol" for part in parts)]
    assert functions_with("onlyGovernance", *files) <= set(roles.GOVERNOR_RULES)


def test_roles_have_one_meaning() -> None:
    assert (
        len({role.id for role in roles.ROLES}) == len({role.name for role in roles.ROLES}) == len(roles.ROLES)
    )
    assert {rule.role for rule in roles.RULES} <= set(roles.ROLES)
    assert roles.ADMIN.holders == (artifacts.TIMELOCK,)
    assert all(rule.category is not Category.ECOSYSTEM for rule in roles.RULES), "grants are plain transfers"


def test_what_needs_a_waiting_time_is_not_held_by_anybody_who_need_not_wait() -> None:
    """Only pausing new work may happen at once."""
    for rule in roles.RULES:
        if artifacts.GOVERNOR in rule.role.holders:
            assert rule.function == "pause"


def test_the_page_is_what_the_tables_say() -> None:
    page = ROOT / "docs" / "design" / "roles.md"
    assert page.read_text() == roles.render(), "run: python -m contracts.roles > docs/design/roles.md"
