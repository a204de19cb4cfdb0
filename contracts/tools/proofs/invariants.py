"""The invariant campaigns, for as long as one likes: `evidence invariants --minutes N [--under CONTRACT]`.

Each turn gives every campaign a number of random runs under a seed of its own, and
docs/evidence/invariants.json keeps what was done, so the next slice goes on from there. A broken claim
stops it and names the seed; nothing is counted then. CI runs a small campaign of one seed with the tests.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from typing import TypedDict

from contracts.tools.proofs import report
from contracts.tools.proofs.syntax import CONTRACTS

RESULTS = report.FOLDER / "invariants.json"
CAMPAIGN = re.compile(r"^contract (\w+Test) .*\n(?:.*\n)*?    function invariant_", re.MULTILINE)
PASSED = re.compile(r"\[PASS\] (invariant_\w+)\(\) \(runs: (\d+), calls: (\d+), reverts: (\d+)\)")
RUNS = 96
DEPTH = 128
ENOUGH = 1_000_000


class Done(TypedDict):
    """What one campaign has done so far. A seed gives the same calls again."""

    turns: int
    runs: int
    calls: int
    seconds: int


def campaigns() -> list[str]:
    """Test contracts that have an invariant."""
    found = [
        match.group(1)
        for path in sorted((CONTRACTS / "test").glob("*.t.sol"))
        for match in CAMPAIGN.finditer(path.read_text())
    ]
    return sorted(set(found))


def _turn(campaign: str, seed: int) -> tuple[int, int]:
    """Runs and calls of one turn. Exits when a claim breaks."""
    # Not the profile default, for which some tests name small numbers.
    environment = {**os.environ, "FOUNDRY_PROFILE": "deep"}
    environment |= {"FOUNDRY_INVARIANT_RUNS": str(RUNS), "FOUNDRY_INVARIANT_DEPTH": str(DEPTH)}
    command = [str(CONTRACTS / "tools" / "forge"), "test", "--match-contract", f"^{campaign}$"]
    command += ["--match-test", "^invariant_", "--fuzz-seed", hex(seed)]
    done = subprocess.run(command, cwd=CONTRACTS, env=environment, capture_output=True, text=True)
    passed = PASSED.findall(done.stdout)
    if done.returncode or not passed:
        sys.exit(f"{campaign} broke under seed {seed:#x}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    return sum(int(runs) for _, runs, _, _ in passed), sum(int(calls) for _, _, calls, _ in passed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="evidence invariants")
    parser.add_argument("--minutes", type=float, default=0, help="start no turn after these; 0: only report")
    parser.add_argument("--under", default="", help="only campaigns whose name holds this")
    options = parser.parse_args()
    known: dict[str, Done] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    end = time.monotonic() + 60 * options.minutes
    names = [name for name in campaigns() if options.under in name]
    while time.monotonic() < end:
        # Whoever has played least is next, so that every campaign gets its part.
        name = min(names, key=lambda name: known[name]["seconds"] if name in known else 0)
        done = known.setdefault(name, Done(turns=0, runs=0, calls=0, seconds=0))
        started = time.monotonic()
        runs, calls = _turn(name, done["turns"] + 1)
        done["turns"] += 1
        done["runs"] += runs
        done["calls"] += calls
        done["seconds"] += round(time.monotonic() - started)
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        print(f"{name}: {done['calls']} calls in {done['seconds']} s", flush=True)
    total = sum(done["calls"] for done in known.values())
    print(f"{total} calls without a break, of {ENOUGH} that are asked for")
    columns = ["campaign", "seeds", "runs", "calls", "seconds"]
    rows = [
        [name, f"1 to {done['turns']}", str(done["runs"]), str(done["calls"]), str(done["seconds"])]
        for name, done in sorted(known.items())
    ]
    body = [f"{total} calls without a break, in runs of {DEPTH}; {ENOUGH} are asked for.", ""]
    body += report.table(columns, rows)
    report.write("invariants", "Campaigns of random calls", "invariants --minutes N", body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
