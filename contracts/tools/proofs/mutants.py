"""Whether the tests notice small faults: `evidence mutants [--minutes N] [--size N] [--under
src/libraries]`.

A seeded sample of mutator.py's faults; each is put into a copy of the project, and the tests that import
its file directly are run (where none does: all that import it at all). One failing test kills it.
docs/evidence/mutants.json keeps every answer, so a run goes on where the last one stopped; a survivor is
run again once a test has changed. mutants_explained.json says why a survivor is no gap: it changes nothing
that anybody can see.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from contracts.tools.proofs import report
from contracts.tools.proofs.coverage import SKIPPED
from contracts.tools.proofs.imports import direct, reached
from contracts.tools.proofs.mutator import Mutant, mutants
from contracts.tools.proofs.syntax import CONTRACTS

RESULTS = report.FOLDER / "mutants.json"
EXPLAINED = Path(__file__).with_name("mutants_explained.json")
PROJECT = CONTRACTS / "out" / "mutants"
SEED = 20_240
SECONDS = 240
# Bytecode of abi/, simulations and campaigns say nothing about one line, or take too long to.
SLOW = re.compile(r"Gas|Invariant|/sim/|/symbolic/|Toolchain")


def sample(under: str, size: int) -> list[Mutant]:
    """The same faults every time. A change of one function moves its own faults in and out, hardly others."""
    chosen = sorted(mutants(under), key=_lot)[:size]
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.start))


def _lot(mutant: Mutant) -> str:
    return hashlib.sha256(f"{SEED} {mutant.key}".encode()).hexdigest()


def tests_of(path: str) -> list[str]:
    """Test files, below contracts/, that a fault in a file is shown to."""
    target = (CONTRACTS / path).resolve()
    tests = [test for test in sorted((CONTRACTS / "test").rglob("*.t.sol")) if not SLOW.search(str(test))]
    named = [test for test in tests if target in direct(test)]
    found = named or [test for test in tests if target in reached(test)]
    return [str(test.relative_to(CONTRACTS)) for test in found]


@cache
def cost(path: str) -> int:
    """Files that must be compiled to test one."""
    return len(frozenset().union(*(reached(CONTRACTS / test) for test in tests_of(path))))


def _prepare() -> None:
    """A project of its own, so that nothing here changes the sources. What was compiled before is kept."""
    PROJECT.mkdir(parents=True, exist_ok=True)
    for folder in ("src", "test"):
        shutil.rmtree(PROJECT / folder, ignore_errors=True)
        shutil.copytree(CONTRACTS / folder, PROJECT / folder, ignore=shutil.ignore_patterns("*.py"))
    for name in ("tools", "abi", "foundry.toml", "node_modules"):
        link = PROJECT / name
        if not link.exists():
            link.symlink_to(CONTRACTS / name)


def _forge() -> str:
    command = ["node", str(CONTRACTS / "tools" / "bin.mjs"), "forge"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _test(forge: str, tests: list[str]) -> str:
    """killed, survived, invalid (does not compile) or endless, as the project stands."""
    pattern = tests[0] if len(tests) == 1 else "{" + ",".join(tests) + "}"
    command = [
        forge,
        "test",
        "--root",
        str(PROJECT),
        "--match-path",
        pattern,
        "--no-match-test",
        SKIPPED,
        "--fail-fast",
    ]
    try:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "endless"
    if done.returncode == 0:
        return "survived"
    said = done.stdout + done.stderr
    if "Compiler run failed" in said or "Error (" in said:
        return "invalid"
    if "[FAIL" not in said:
        raise RuntimeError(f"forge said neither yes nor no:\n{said[-2000:]}")
    return "killed"


def _answer(forge: str, mutant: Mutant, tests: list[str]) -> str:
    place = PROJECT / mutant.path
    source = (CONTRACTS / mutant.path).read_bytes()
    place.write_bytes(source[: mutant.start] + mutant.after.encode() + source[mutant.end :])
    try:
        return _test(forge, tests)
    finally:
        place.write_bytes(source)


def _fingerprint(tests: list[str]) -> str:
    texts = [(PROJECT / test).read_bytes() for test in tests]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


def main() -> int:
    parser = argparse.ArgumentParser(prog="evidence mutants")
    parser.add_argument(
        "--minutes", type=float, default=0, help="start no mutant after these; 0: only report"
    )
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--under", default="src/libraries")
    options = parser.parse_args()
    chosen = sample(options.under, options.size)
    known: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    end = time.monotonic() + 60 * options.minutes
    if options.minutes:
        _prepare()
        forge = _forge()
        sound: set[tuple[str, ...]] = set()
        # Those whose tests need the fewest files first: they take seconds, others minutes.
        for mutant in sorted(chosen, key=lambda mutant: (cost(mutant.path), mutant.path, mutant.start)):
            tests = tests_of(mutant.path)
            print_ = _fingerprint(tests)
            before = known.get(mutant.key)
            if before and (before["answer"] != "survived" or before["tests"] == print_):
                continue
            if time.monotonic() > end:
                break
            if tuple(tests) not in sound:
                if _test(forge, tests) != "survived":
                    sys.exit(f"{tests} fail without any fault")
                sound.add(tuple(tests))
            answer = _answer(forge, mutant, tests)
            print(
                f"{mutant.path}:{mutant.line} {mutant.kind} {mutant.before!r} -> {mutant.after!r}: {answer}",
                flush=True,
            )
            known[mutant.key] = {
                "path": mutant.path, "line": mutant.line, "kind": mutant.kind,
                "before": mutant.before, "after": mutant.after, "answer": answer, "tests": print_,
            }  # fmt: skip
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    return _report(chosen, known, options.under)


def _report(chosen: list[Mutant], known: dict[str, dict[str, Any]], under: str) -> int:
    explained: dict[str, str] = json.loads(EXPLAINED.read_text())
    done = [(mutant, known[mutant.key]["answer"]) for mutant in chosen if mutant.key in known]
    counts = Counter(answer for _, answer in done)
    valid = len(done) - counts["invalid"]
    caught = counts["killed"] + counts["endless"]
    survivors = [mutant for mutant, answer in done if answer == "survived"]
    open_ = [mutant for mutant in survivors if mutant.key not in explained]
    real = valid - (len(survivors) - len(open_))
    said = (
        f"{len(done)} of {len(chosen)} mutants of {under} run: {counts['invalid']} do not compile, "
        f"{caught} killed, {len(survivors)} survive, {len(survivors) - len(open_)} of them explained; "
        f"score {100 * caught / real if real else 0:.1f} %"
    )
    print(said)
    for mutant in open_:
        print(f"survives: {mutant.key} {mutant.path}:{mutant.line} {mutant.before!r} -> {mutant.after!r}")
    rows = [
        [
            mutant.path,
            str(mutant.line),
            f"`{mutant.before}`",
            f"`{mutant.after}`",
            explained.get(mutant.key, "open"),
        ]
        for mutant in survivors
    ]
    body = [f"{said}. Seed {SEED}; every answer is in mutants.json.", "", "Survivors:", ""]
    body += report.table(["file", "line", "was", "became", "why no test can notice"], rows)
    report.write("mutants", "Small faults, and whether a test notices", "mutants --minutes N", body)
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
