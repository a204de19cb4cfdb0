"""Which files of src/ and test/ a file is made of."""

import hashlib
import re
from functools import cache
from pathlib import Path

IMPORT = re.compile(r'from "(\.[^"]+)"')


def direct(path: Path) -> set[Path]:
    """Files that a file imports itself; packages are left out."""
    return {(path.parent / name).resolve() for name in IMPORT.findall(path.read_text())}


@cache
def reached(path: Path) -> frozenset[Path]:
    """Files that a file imports, and those that they import, and so on."""
    found: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        new = direct(waiting.pop()) - found
        found |= new
        waiting += new
    return frozenset(found)


def fingerprint(*paths: Path) -> str:
    """Changes when one of the files does, or what it imports."""
    every = sorted({path.resolve() for path in paths}.union(*(reached(path) for path in paths)))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in every)).hexdigest()[:12]
