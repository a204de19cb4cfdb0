"""The comments in src/ that have slither pass over a place."""

import re
from dataclasses import dataclass

from contracts.tools.proofs.syntax import CONTRACTS

# What slither itself reads. An end belongs to its start.
SILENCE = re.compile(r"^\s*//\s*slither-disable-(?:next-line|start)\s*([a-zA-Z0-9_,-]+)")
# NatSpec says what a function is for, so it is no reason why a finding is no fault.
REASON = re.compile(r"^\s*//(?!/)(?!\s*slither-)\s*\S")


@dataclass(frozen=True)
class Silence:
    """One detector at one place.

    path: below contracts/; line: of the comment, from 1; explained: a reason stands right before it.
    """

    detector: str
    path: str
    line: int
    explained: bool


def silences(path: str, source: str) -> list[Silence]:
    """Those of one file, in the order of its lines. A comment that names two detectors counts for each."""
    lines = source.splitlines()
    return [
        Silence(detector, path, number + 1, bool(number and REASON.match(lines[number - 1])))
        for number, line in enumerate(lines)
        if (found := SILENCE.match(line))
        for detector in found[1].split(",")
    ]


def of_sources() -> list[Silence]:
    """Those of all files below src/, in the order of their paths."""
    paths = sorted((CONTRACTS / "src").rglob("*.sol"))
    return [
        silence for path in paths for silence in silences(str(path.relative_to(CONTRACTS)), path.read_text())
    ]
