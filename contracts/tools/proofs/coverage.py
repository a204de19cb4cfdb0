"""Lines and branches of src/ that the tests reach: `evidence coverage [--read]`.

Fails below 95 % of either. Fuzz tests and campaigns run short, gas tests and simulations not at all: they run
other bytecode, or the same again. --read takes what the last run wrote.
"""

import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field

from contracts.tools.proofs import report
from contracts.tools.proofs.syntax import CONTRACTS

LCOV = CONTRACTS / "out" / "coverage.lcov"
LEAST = 95.0
# A bound on gas; what coverage counts is not optimised.
SKIPPED = "test_AnyNumberOfQuietEpochsIsShort"


@dataclass
class Reached:
    """Of one file: line -> times, and the line of each branch -> whether it was taken."""

    lines: dict[int, int] = field(default_factory=dict)
    branches: list[tuple[int, bool]] = field(default_factory=list)

    def counts(self) -> tuple[int, int, int, int]:
        """Lines reached and all of them, branches reached and all of them."""
        taken = sum(taken for _, taken in self.branches)
        return sum(times > 0 for times in self.lines.values()), len(self.lines), taken, len(self.branches)


def parse(lcov: str) -> dict[str, Reached]:
    """Files of src/ -> what was reached, from an lcov report."""
    files: dict[str, Reached] = defaultdict(Reached)
    current = ""
    for line in lcov.splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            current = value
        elif kind == "DA" and current.startswith("src/"):
            number, times = value.split(",")[:2]
            files[current].lines[int(number)] = int(times)
        elif kind == "BRDA" and current.startswith("src/"):
            number, _, _, taken = value.split(",")
            files[current].branches.append((int(number), taken not in {"-", "0"}))
    return dict(files)


def _run() -> None:
    environment = {
        **os.environ,
        "FOUNDRY_OUT": "out/coverage",
        "FOUNDRY_CACHE_PATH": "cache/coverage",
        "FOUNDRY_FUZZ_RUNS": "16",
        "FOUNDRY_INVARIANT_RUNS": "2",
    }
    command = [str(CONTRACTS / "tools" / "forge"), "coverage", "--report", "lcov", "--report-file", str(LCOV)]
    command += ["--no-match-path", "test/sim/*", "--no-match-contract", "Gas", "--no-match-test", SKIPPED]
    subprocess.run(command, cwd=CONTRACTS, env=environment, check=True, stdout=subprocess.DEVNULL)


def _share(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def main() -> int:
    if "--read" not in sys.argv:
        _run()
    files = parse(LCOV.read_text())
    total = [sum(column) for column in zip(*(reached.counts() for reached in files.values()), strict=True)]
    rows = []
    for path, reached in sorted(files.items()):
        lines, all_lines, branches, all_branches = reached.counts()
        missing = sorted({n for n, times in reached.lines.items() if not times})
        untaken = sorted({n for n, taken in reached.branches if not taken})
        if missing or untaken:
            print(f"{path}: lines {missing}, branches at {untaken}")
            shares = [f"{_share(lines, all_lines):.1f} %", f"{_share(branches, all_branches):.1f} %"]
            named = [", ".join(map(str, missing)), ", ".join(map(str, untaken))]
            rows.append([path.removeprefix("src/"), *shares, *named])
    of_lines, of_branches = _share(total[0], total[1]), _share(total[2], total[3])
    said = f"{of_lines:.2f} % of {total[1]} lines, {of_branches:.2f} % of {total[3]} branches"
    print(said)
    body = [
        f"{said}, in {len(files)} files; {LEAST:.0f} % of each at least. Files without a line here: 100 %.",
        "",
    ]
    body += report.table(
        ["file of src/", "lines", "branches", "lines not reached", "branches not taken, at"], rows
    )
    report.write("coverage", "What the tests reach", "coverage", body)
    return 0 if min(of_lines, of_branches) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
