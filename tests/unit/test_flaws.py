"""Every test that docs/design/flaws.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs/design/flaws.md").read_text().splitlines() if line.startswith("| ")][
    1:
]


def test_every_flaw_has_a_test_that_exists() -> None:
    missing = []
    for row in ROWS:
        shown = row.split(" | ")[2]
        named = re.findall(r"((?:`\w+`(?:, )?)+) in ([\w./]+)", shown)
        assert named, row
        for tests, file in named:
            path = ROOT / (file if "/" in file else f"contracts/test/{file}")
            text = path.read_text()
            missing += [
                f"{name} in {file}" for name in re.findall(r"`(\w+)`", tests) if f" {name}(" not in text
            ]
    assert len(ROWS) >= 25
    assert missing == []
