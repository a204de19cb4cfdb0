"""Symbolic checks: `evidence halmos [PATTERN]`.

Runs each check_ of test/symbolic/ on every path and asks a solver whether a claim can fail (solver.py). A
claim that can, a claim that the solver does not finish, and a loop that was cut short all fail; @custom:cut
names the claim that rules a longer loop out. What stands above each check says for which values it was
made; the report repeats it. docs/evidence/halmos.json keeps the answers, so contracts may be checked one by
one.
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
from contracts.tools.proofs.imports import fingerprint
from contracts.tools.proofs.syntax import CONTRACTS

CUT = re.compile(r"@custom:cut (check_\w+)")
TESTS = CONTRACTS / "test" / "symbolic"
CHECK = re.compile(r"((?:    ///[^\n]*\n)*)    function (check_\w+)\(")
HALMOS = [
    "--root", ".", "--forge-build-out", "out/symbolic", "--no-status",
    "--solver-timeout-assertion", "120000", "--solver-timeout-branching", "200",
]  # fmt: skip
CUT_SHORT = ", a loop cut short"
RESULTS = report.FOLDER / "halmos.json"
VERDICTS = {0: "holds", 1: "FAILS", 2: "not decided", 3: "stuck", 4: "every path reverts", 5: "error"}


def bounds(source: str) -> dict[str, str]:
    """Check -> the values that it is made for: its own words, or else those of its contract."""
    own = re.search(r"((?:///[^\n]*\n)+)contract ", source)
    shared = _sentence(own.group(1)) if own else ""
    return {name: _sentence(words) or shared for words, name in CHECK.findall(source)}


def lemmas(source: str) -> dict[str, str]:
    """Check whose loops are cut short -> the check that shows that they never turn more often."""
    tagged = ((name, CUT.search(words)) for words, name in CHECK.findall(source))
    return {name: found.group(1) for name, found in tagged if found}


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


def _judge(place: str, checks: list[dict[str, Any]]) -> list[list[str]]:
    """Claim, what it was made for and verdict, of each check of a contract."""
    source = (CONTRACTS / place.split(":")[0]).read_text()
    made_for, relied = bounds(source), lemmas(source)
    held = {check["name"].split("(")[0] for check in checks if check["exitcode"] == 0}
    rows = []
    for check in checks:
        name = check["name"].split("(")[0]
        verdict = VERDICTS.get(check["exitcode"], "error")
        if check["num_bounded_loops"]:
            lemma = relied.get(name, "")
            verdict += f", with {lemma.removeprefix('check_')}" if lemma in held else CUT_SHORT
        rows.append([name.removeprefix("check_"), made_for.get(name, ""), verdict])
    return rows


def _holds(row: list[str]) -> bool:
    return row[2].startswith("holds") and CUT_SHORT not in row[2]


def main() -> int:
    pattern = sys.argv[1] if len(sys.argv) > 1 else "Check$"
    results = _run(pattern)
    known: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for place, checks in results.items():
        path, contract = place.split(":")
        known[contract] = {"of": fingerprint(CONTRACTS / path), "checks": _judge(place, checks)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    present = {path.name.removesuffix(".t.sol"): path for path in sorted(TESTS.glob("*.t.sol"))}
    stale = [name for name, path in present.items() if known.get(name, {}).get("of") != fingerprint(path)]
    rows = [[name, *row] for name in present if name not in stale for row in known[name]["checks"]]
    failing = [row for row in rows if not _holds(row[1:])]
    for row in failing:
        print(f"{row[0]}.{row[1]}: {row[3]}")
    said = f"{len(rows) - len(failing)} claims hold, {len(failing)} do not"
    said += f"; to be checked again: {', '.join(stale)}" if stale else ""
    print(said)
    body = [f"halmos 0.3.3 with yices 2.6.4 and cvc5 1.4.2. {said}.", ""]
    body += report.table(["contract", "claim", "for", "verdict"], rows)
    report.write("halmos", "Symbolic checks", "halmos", body)
    return 1 if failing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
