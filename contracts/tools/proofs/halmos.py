"""Symbolic checks: `evidence halmos [PATTERN]`.

Runs each check_ of test/symbolic/ on every path and asks a solver whether a claim can fail (solver.py). A
claim that can, a claim that the solver does not finish, and a path that was cut short all fail. What stands
above each check says for which values it was made; the report repeats it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from contracts.tools.proofs import report
from contracts.tools.proofs.syntax import CONTRACTS

TESTS = CONTRACTS / "test" / "symbolic"
CHECK = re.compile(r"((?:    ///[^\n]*\n)*)    function (check_\w+)\(")
HALMOS = [
    "--root", ".", "--forge-build-out", "out/symbolic", "--no-status",
    "--solver-timeout-assertion", "120000", "--solver-timeout-branching", "200",
]  # fmt: skip
VERDICTS = {0: "holds", 1: "FAILS", 2: "not decided", 3: "stuck", 4: "every path reverts", 5: "error"}


def bounds(source: str) -> dict[str, str]:
    """Check -> the values that it is made for: its own words, or else those of its contract."""
    own = re.search(r"((?:///[^\n]*\n)+)contract ", source)
    shared = _sentence(own.group(1)) if own else ""
    return {name: _sentence(words) or shared for words, name in CHECK.findall(source)}


def _sentence(words: str) -> str:
    lines = [line.strip().removeprefix("///").strip() for line in words.splitlines()]
    text = " ".join(line for line in lines if not line.startswith(("@custom", "@title")))
    return text.removeprefix("@dev ").removeprefix("@notice ").strip()


def _run(pattern: str) -> dict[str, list[dict[str, Any]]]:
    bin_ = Path(os.environ["EVIDENCE_BIN"])
    paths = os.pathsep.join([str(CONTRACTS / "tools"), os.environ["PATH"]])
    environment = {**os.environ, "FOUNDRY_PROFILE": "symbolic", "PATH": paths}
    solver = f"{bin_ / 'python'} {Path(__file__).with_name('solver.py')}"
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [str(bin_ / "halmos"), *HALMOS, "--solver-command", solver, "--json-output", str(answer)]
        subprocess.run([*command, "--match-contract", pattern], cwd=CONTRACTS, env=environment)
        if not answer.exists():
            sys.exit("halmos wrote nothing")
        results: dict[str, list[dict[str, Any]]] = json.loads(answer.read_text())["test_results"]
    return results


def main() -> int:
    pattern = sys.argv[1] if len(sys.argv) > 1 else "Check$"
    results = _run(pattern)
    rows: list[list[str]] = []
    failing = 0
    for place, checks in sorted(results.items()):
        path, contract = place.split(":")
        made_for = bounds((CONTRACTS / path).read_text())
        for check in checks:
            name = check["name"].split("(")[0]
            cut = check["num_bounded_loops"] or 0
            verdict = VERDICTS.get(check["exitcode"], "error") + (f", {cut} loops cut short" if cut else "")
            failing += check["exitcode"] != 0 or cut > 0
            rows.append([contract, name.removeprefix("check_"), made_for.get(name, ""), verdict])
    for row in rows:
        print(f"{row[0]}.{row[1]}: {row[3]}")
    print(f"{len(rows)} checks, {failing} do not hold")
    if not rows:
        sys.exit("no check matches")
    if pattern == "Check$" and not failing:
        version = subprocess.run(
            [str(Path(os.environ["EVIDENCE_BIN"]) / "halmos"), "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        body = [f"{version}, solvers yices 2.6.4 and cvc5 1.4.2: {len(rows)} checks, none can fail.", ""]
        body += report.table(["contract", "claim", "for", "verdict"], rows)
        report.write("halmos", "Symbolic checks", "halmos", body)
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
