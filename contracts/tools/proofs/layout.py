"""Where each deployed contract keeps what: `evidence layout [--write] [--built]`.

docs/evidence/layout.json holds the layout of every contract of abi/, as the compiler tells it. A deployed
contract reads its own storage for ever, and a module runs on the storage of the contract that calls it, so a
layout must not move unseen: the check fails on any difference, and where a module's layout is not how the
TaskManager's begins. --write takes the present layout; --built reads what tools/export_abi.mjs has compiled.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from contracts.tools.proofs.report import FOLDER
from contracts.tools.proofs.syntax import CONTRACTS

COMMITTED = FOLDER / "layout.json"
RELEASE = CONTRACTS / "out" / "abi"
OWN = CONTRACTS / "out" / "layout"
# What a module's code runs on.
CALLER = "TaskManager"

Layout = dict[str, list[str]]


def _build() -> Path:
    command = [
        str(CONTRACTS / "tools" / "forge"),
        "build",
        "src",
        "--quiet",
        "--extra-output",
        "storageLayout",
    ]
    place = {"FOUNDRY_OUT": str(OWN), "FOUNDRY_CACHE_PATH": str(CONTRACTS / "cache" / "layout")}
    subprocess.run(command, cwd=CONTRACTS, env={**os.environ, **place}, check=True)
    return OWN


def _plain(name: str) -> str:
    """A type's name without the numbers that the compiler gives its parts."""
    return re.sub(r"\)\d+(?=_|,|\)|$)", ")", name)


def lines(storage: dict[str, Any]) -> list[str]:
    """One line for each variable, and below it those of the structs that it is made of."""
    types: dict[str, Any] = storage["types"] or {}

    def described(entry: dict[str, Any], depth: int, within: tuple[str, ...]) -> list[str]:
        place = f"{'  ' * depth}{entry['slot']}+{entry['offset']}"
        found = [f"{place} {entry['label']}: {_plain(entry['type'])}"]
        for name in _structs(entry["type"], types):
            if name not in within:
                for member in types[name]["members"]:
                    found += described(member, depth + 1, (*within, name))
        return found

    return [line for entry in storage["storage"] for line in described(entry, 0, ())]


def _structs(name: str, types: dict[str, Any]) -> list[str]:
    """Structs that a type is or holds."""
    kind = types[name]
    if "members" in kind:
        return [name]
    inner = [kind[key] for key in ("base", "value") if key in kind]
    return [struct for part in inner for struct in _structs(part, types)]


def layouts(out: Path) -> Layout:
    """Contract -> its layout, of every contract that abi/ names and src/ holds."""
    found: Layout = {}
    for committed in sorted((CONTRACTS / "abi").glob("*.json")):
        artifact = out / f"{committed.stem}.sol" / committed.name
        built = json.loads(artifact.read_text()) if artifact.exists() else None
        if built is None or not next(iter(built["metadata"]["settings"]["compilationTarget"])).startswith(
            "src/"
        ):
            continue
        if "storageLayout" not in built:
            sys.exit(f"{artifact} has no storage layout: build it first")
        found[committed.stem] = lines(built["storageLayout"])
    return found


def differing_modules(found: Layout) -> list[str]:
    """Modules that would read the caller's storage wrongly. One may know the first of its variables alone."""
    modules = [name for name in found if name.endswith("Module")]
    return [name for name in modules if found[name] != found[CALLER][: len(found[name])]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="evidence layout")
    parser.add_argument("--write", action="store_true", help="commit to the present layout")
    parser.add_argument("--built", action="store_true", help="read the release build as it lies in out/abi")
    options = parser.parse_args()
    found = layouts(RELEASE if options.built else _build())
    modules = differing_modules(found)
    for name in modules:
        print(f"{name} does not keep its variables where {CALLER} does")
    if options.write:
        FOLDER.mkdir(parents=True, exist_ok=True)
        COMMITTED.write_text(json.dumps(found, indent=1) + "\n")
    committed: Layout = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    moved = [name for name in sorted(found | committed) if found.get(name) != committed.get(name)]
    for name in moved:
        before, now = committed.get(name, []), found.get(name, [])
        print(f"{name} moved:")
        print("".join(f"  - {line}\n" for line in before if line not in now), end="")
        print("".join(f"  + {line}\n" for line in now if line not in before), end="")
    print(f"{len(found)} contracts, {len(moved)} moved, {len(modules)} modules out of place")
    return 1 if moved or modules else 0


if __name__ == "__main__":
    sys.exit(main())
