"""Static analysis with every detector: `evidence slither`.

A finding that stays needs a reason. Where the place decides whether there is a fault, the reason stands in
the source, in the comment before slither's own `slither-disable-next-line` or `slither-disable-start`. Where
one reason serves many places, it stands in tools/proofs/slither.json, which names findings by detector,
contract, function and variable, not by line: high and medium ones one by one, lower ones also by pattern.
A finding without a reason fails, and so does a reason that no finding needs any more.
"""

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from contracts.tools.proofs import report
from contracts.tools.proofs.silences import Silence, of_sources
from contracts.tools.proofs.syntax import CONTRACTS

REASONS = Path(__file__).with_suffix(".json")
SERIOUS = {"High", "Medium"}
OUT = Path("out") / "slither"
# The name under which slither lists comments that silence nothing.
IDLE = "unused-ignore-directive"


def _analyse() -> list[dict[str, Any]]:
    """Compile src/ and let slither look at it; what lies in node_modules is not ours."""
    environment = {**os.environ, "PATH": f"{CONTRACTS / 'tools'}{os.pathsep}{os.environ['PATH']}"}
    build = {"FOUNDRY_OUT": str(OUT), "FOUNDRY_CACHE_PATH": "cache/slither"}
    command = [
        "forge",
        "build",
        "src",
        "--force",
        "--build-info",
        "--build-info-path",
        str(OUT / "build-info"),
    ]
    subprocess.run(command, cwd=CONTRACTS, env={**environment, **build}, check=True)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        slither = [str(Path(os.environ["EVIDENCE_BIN"]) / "slither"), ".", "--json", str(answer)]
        slither += ["--foundry-ignore-compile", "--foundry-compile-all", "--foundry-out-directory", str(OUT)]
        slither += ["--filter-paths", "node_modules", "--warn-unused-ignores"]
        done = subprocess.run(slither, cwd=CONTRACTS, env=environment, capture_output=True, text=True)
        if not answer.exists():
            sys.exit(f"slither wrote nothing:\n{done.stderr[-4000:]}")
        said = json.loads(answer.read_text())
    if not said["success"]:
        sys.exit(f"slither failed: {said['error']}")
    findings: list[dict[str, Any]] = said["results"].get("detectors", [])
    return findings


def idle(findings: list[dict[str, Any]]) -> list[str]:
    """Comments of src/ that silence nothing, as "path:line detector". OpenZeppelin has some of its own."""
    unused = [one for finding in findings if finding["check"] == IDLE for one in finding["unused_ignores"]]
    # slither may list one twice.
    places = {
        (Path(one["file"]), one["line"], detector) for one in unused for detector in one["unused_detectors"]
    }
    return [
        f"{path.relative_to(CONTRACTS)}:{line} {detector}"
        for path, line, detector in sorted(places)
        if path.is_relative_to(CONTRACTS / "src")
    ]


def _name(finding: dict[str, Any]) -> str:
    """Contract.function.variable, as far as the finding is about one."""
    if not finding["elements"]:
        return ""
    names: list[str] = []
    element: dict[str, Any] | None = finding["elements"][0]
    while element:
        if element["type"] != "node":
            names.insert(0, element["name"])
        element = element.get("type_specific_fields", {}).get("parent")
    return ".".join(names)


def judge(
    findings: list[tuple[str, str, str]], reasons: list[dict[str, Any]]
) -> tuple[list[tuple[str, str, str]], list[str], list[str]]:
    """What is wrong: findings without a reason, reasons without a finding, patterns over serious findings.

    A finding is (impact, detector, name).
    """
    needed: set[tuple[int, str]] = set()
    open_: list[tuple[str, str, str]] = []
    wide: list[str] = []
    for impact, check, name in findings:
        covered = [
            (number, pattern)
            for number, reason in enumerate(reasons)
            if reason["check"] == check
            for pattern in reason["names"]
            if fnmatch.fnmatchcase(name, pattern)
        ]
        if not covered:
            open_.append((impact, check, name))
        needed.update(covered)
        wide += [f"{check} {p}" for _, p in covered if impact in SERIOUS and p != name]
    stale = [
        f"{reason['check']} {pattern}"
        for number, reason in enumerate(reasons)
        for pattern in reason["names"]
        if (number, pattern) not in needed
    ]
    return open_, stale, wide


def main() -> int:
    raw = _analyse()
    findings = [
        (finding["impact"], finding["check"], _name(finding)) for finding in raw if finding["check"] != IDLE
    ]
    reasons: list[dict[str, Any]] = json.loads(REASONS.read_text())
    silences = of_sources()
    open_, stale, wide = judge(findings, reasons)
    wrong = [f"no reason: {impact} {check} {name}" for impact, check, name in sorted(set(open_))]
    wrong += [f"no such finding any more: {what}" for what in [*stale, *idle(raw)]]
    wrong += [f"a serious finding must be named, not matched: {what}" for what in sorted(set(wide))]
    wrong += [f"no reason before {s.path}:{s.line}: {s.detector}" for s in silences if not s.explained]
    print(*wrong, f"{len(findings)} findings, {len(silences)} passed over, {len(wrong)} complaints", sep="\n")
    if not wrong:
        _report(findings, reasons, silences)
    return 1 if wrong else 0


def _report(
    findings: list[tuple[str, str, str]], reasons: list[dict[str, Any]], silences: list[Silence]
) -> None:
    version = subprocess.run(
        [str(Path(os.environ["EVIDENCE_BIN"]) / "slither"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    counts = Counter(impact for impact, _, _ in findings)
    impacts: dict[str, str] = {check: impact for impact, check, _ in findings}
    order = ["High", "Medium", "Low", "Informational", "Optimization"]
    body = [
        f"slither {version}, all detectors, over src/; findings inside OpenZeppelin are left out.",
        "",
    ]
    body += report.table(
        ["impact", "findings", "mended or explained"], [[i, str(counts[i]), "all"] for i in order]
    )
    body += [
        "",
        f"Not counted are {len(silences)} places where a `slither-disable` comment in the source has slither "
        "pass over a finding. The comment before it says why that is no fault:",
        "",
    ]
    places = Counter((silence.detector, silence.path) for silence in silences)
    body += report.table(
        ["detector", "file", "places"],
        [[detector, path, str(count)] for (detector, path), count in sorted(places.items())],
    )
    body += ["", "Why each finding that is counted is no fault:", ""]
    grouped: dict[str, list[list[str]]] = defaultdict(list)
    for reason in reasons:
        impact = impacts[reason["check"]]
        names = ", ".join(f"`{name}`" for name in reason["names"])
        grouped[impact].append([impact, reason["check"], names, reason["reason"]])
    rows = [row for impact in order for row in grouped[impact]]
    body += report.table(["impact", "detector", "where", "reason"], rows)
    report.write("slither", "Static analysis", "slither", body)


if __name__ == "__main__":
    sys.exit(main())
