"""The invariant campaigns in one run: `evidence invariants --minutes 60 [--workers 2] [--under CONTRACT]`.

Everything is compiled first. Then workers play turns beside each other: a turn is random runs of one
campaign, for a fixed time under a seed of its own, and whoever has played least is next, so that every
campaign gets an equal part of the time. At the end docs/evidence/invariants.md says what was done; what is
cut into slices goes on with `--resume`, as long as the sources are the same. A broken claim stops the run,
names campaign and seed, and leaves the reports as they were. CI runs a small campaign with the tests.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from hashlib import sha256
from typing import TypedDict

from contracts.tools.proofs import report
from contracts.tools.proofs.syntax import CONTRACTS

RESULTS = report.FOLDER / "invariants.json"
CAMPAIGN = re.compile(r"^contract (\w+Test) .*\n(?:.*\n)*?    function invariant_", re.MULTILINE)
PASSED = re.compile(r"\[PASS\] (invariant_\w+)\(\) \(runs: (\d+), calls: (\d+), reverts: (\d+)\)")
DEPTH = 128
TURN_S = 60
# More than anybody plays in one turn: time ends it.
MOST_RUNS = 1_000_000
HOUR = 60
ENOUGH = 1_000_000


class Done(TypedDict):
    """What one campaign has done. turns: seeds 1 to this; calls: also of a run that time cut short."""

    turns: int
    runs: int
    calls: int
    seconds: int


class Run(TypedDict):
    """One run of everything. sources: hash of contracts/src and contracts/test; seconds: of all slices."""

    commit: str
    sources: str
    seconds: int
    workers: int
    campaigns: dict[str, Done]


@dataclass(frozen=True)
class Turn:
    """What forge said of one turn."""

    campaign: str
    seed: int
    runs: int
    calls: int
    seconds: int
    broken: str = ""


def campaigns() -> dict[str, int]:
    """Test contracts that have an invariant -> how many they have."""
    return {
        match.group(1): path.read_text().count("    function invariant_")
        for path in sorted((CONTRACTS / "test").glob("*.t.sol"))
        for match in CAMPAIGN.finditer(path.read_text())
    }


def sources() -> str:
    """What the campaigns run on."""
    paths = [path for part in ("src", "test") for path in sorted((CONTRACTS / part).rglob("*.sol"))]
    return sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _forge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Not the profile default, for which some tests name small numbers.
    merged = {**os.environ, "FOUNDRY_PROFILE": "deep"} | environment
    command = [str(CONTRACTS / "tools" / "forge"), *arguments]
    return subprocess.run(command, cwd=CONTRACTS, env=merged, capture_output=True, text=True)


def _turn(campaign: str, invariants: int, seed: int) -> Turn:
    started = time.monotonic()
    # forge plays the time for each invariant of a contract.
    limit = str(max(1, TURN_S // invariants))
    done = _forge(
        *("test", "--match-contract", f"^{campaign}$", "--match-test", "^invariant_"),
        *("--fuzz-seed", hex(seed)),
        FOUNDRY_INVARIANT_RUNS=str(MOST_RUNS),
        FOUNDRY_INVARIANT_DEPTH=str(DEPTH),
        FOUNDRY_INVARIANT_TIMEOUT=limit,
    )
    passed = PASSED.findall(done.stdout)
    held = not done.returncode and len(passed) == invariants
    return Turn(
        campaign,
        seed,
        sum(int(runs) for _, runs, _, _ in passed),
        sum(int(calls) for _, _, calls, _ in passed),
        round(time.monotonic() - started),
        "" if held else done.stdout[-6000:] + done.stderr[-2000:],
    )


def play(run: Run, names: dict[str, int], seconds: float, workers: int) -> Iterator[Turn]:
    """Turns as they end, until the time is over. A broken claim is the last one."""
    end = time.monotonic() + seconds
    playing: dict[Future[Turn], str] = {}
    with ThreadPoolExecutor(workers) as pool:
        while True:
            while len(playing) < min(workers, len(names)) and time.monotonic() < end:
                idle = [name for name in names if name not in playing.values()]
                name = min(idle, key=lambda name: run["campaigns"][name]["seconds"])
                seed = run["campaigns"][name]["turns"] + 1
                playing[pool.submit(_turn, name, names[name], seed)] = name
            if not playing:
                return
            ended, _ = wait(playing, return_when=FIRST_COMPLETED)
            for future in ended:
                del playing[future]
                turn = future.result()
                if not turn.broken:
                    _count(run["campaigns"][turn.campaign], turn)
                yield turn
                if turn.broken:
                    return


def _count(done: Done, turn: Turn) -> None:
    done["turns"] = turn.seed
    done["runs"] += turn.runs
    done["calls"] += turn.calls
    done["seconds"] += turn.seconds


def _begin(names: dict[str, int], workers: int) -> Run:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=CONTRACTS,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    nothing = {name: Done(turns=0, runs=0, calls=0, seconds=0) for name in names}
    return Run(commit=commit, sources=sources(), seconds=0, workers=workers, campaigns=nothing)


def _resumed(names: dict[str, int]) -> Run:
    if not RESULTS.exists():
        sys.exit("There is no run to go on with. Leave out --resume.")
    run: Run = json.loads(RESULTS.read_text())
    if run["sources"] != sources():
        sys.exit(
            "contracts/src or contracts/test changed since the last run. Leave out --resume: begin anew."
        )
    for name in names:
        run["campaigns"].setdefault(name, Done(turns=0, runs=0, calls=0, seconds=0))
    return run


def written(run: Run) -> list[str]:
    """The report's body."""
    played = run["campaigns"]
    total = sum(done["calls"] for done in played.values())
    minutes = run["seconds"] / 60
    enough = "reached" if minutes >= HOUR or total >= ENOUGH else "not reached yet"
    summary = (
        f"No claim broke in {total} random calls: one run of {minutes:.1f} minutes in {run['workers']}"
        f" workers at commit {run['commit']}, the time shared evenly. Asked for are an hour or {ENOUGH}"
        f" calls: {enough}."
    )
    legend = (
        f"A run is {DEPTH} calls on a fresh deployment; time may cut short the last one of a turn. Each"
        " invariant of a contract has runs of its own. A seed gives the same calls again."
    )
    columns = ["campaign", "invariants", "seeds", "runs x depth", "calls", "seconds", "calls a second"]
    names = campaigns()
    rows = [
        [
            name,
            str(names[name]),
            f"1 to {done['turns']}",
            f"{done['runs']} x {DEPTH}",
            str(done["calls"]),
            str(done["seconds"]),
            str(round(done["calls"] / max(1, done["seconds"]))),
        ]
        for name, done in sorted(played.items())
        if done["turns"]
    ]
    return [summary, "", *report.table(columns, rows), "", legend]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="evidence invariants",
        description="Play every invariant campaign for some time, and write docs/evidence/invariants.md.",
        epilog="For the record: evidence invariants --minutes 60 --workers 2",
    )
    parser.add_argument("--minutes", type=float, default=HOUR, help="start no turn after these (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="campaigns played beside each other")
    parser.add_argument(
        "--under", default="", help="only campaigns whose name holds this; nothing is recorded"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the last run instead of a new one")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers must be 1 or more")
    names = {name: count for name, count in campaigns().items() if options.under in name}
    if not names:
        parser.error(f"no campaign is named like {options.under}; there are {', '.join(campaigns())}")
    run = _resumed(names) if options.resume else _begin(names, options.workers)
    built = _forge("build")
    if built.returncode:
        sys.exit(f"contracts/ does not compile:\n{built.stdout[-4000:]}{built.stderr[-2000:]}")
    started = time.monotonic()
    before = run["seconds"]
    for turn in play(run, names, 60 * options.minutes, options.workers):
        if turn.broken:
            sys.exit(f"{turn.campaign} broke under seed {turn.seed:#x}:\n{turn.broken}")
        run["seconds"] = before + round(time.monotonic() - started)
        print(f"{turn.campaign}, seed {turn.seed}: {turn.runs} runs, {turn.calls} calls", flush=True)
    if options.under:
        return 0
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(run, indent=1, sort_keys=True) + "\n")
    body = written(run)
    print(body[0])
    asked = f"invariants --minutes {options.minutes:g} --workers {options.workers}"
    report.write("invariants", "Campaigns of random calls", asked, body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
