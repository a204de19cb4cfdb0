"""Every test that docs/design/flaws.md and docs/evidence/poco.md name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "least"), [("docs/design/flaws.md", 25), ("docs/evidence/poco.md", 37)], ids=["flaws", "poco"]
)
def test_every_row_names_tests_that_exist(page: str, least: int) -> None:
    rows = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| ")][1:]
    missing = []
    for row in rows:
        shown = row.split(" | ")[2]
        named = re.findall(r"((?:`\w+`(?:, )?)+) in ([\w./]+)", shown)
        assert named, row
        for tests, file in named:
            path = ROOT / (file if file.startswith("tests/") else f"contracts/test/{file}")
            text = path.read_text()
            missing += [
                f"{name} in {file}" for name in re.findall(r"`(\w+)`", tests) if f" {name}(" not in text
            ]
    assert len(rows) >= least
    assert missing == []
