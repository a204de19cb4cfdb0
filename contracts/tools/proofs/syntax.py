"""The syntax trees of src/, as the compiler parses them."""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parents[2]

Node = dict[str, Any]


@cache
def trees() -> dict[str, Node]:
    """Path below contracts/ -> its tree. Raises CalledProcessError when a source does not parse."""
    parser = Path(__file__).with_suffix(".mjs")
    answer = subprocess.run(["node", str(parser)], check=True, stdout=subprocess.PIPE)
    parsed: dict[str, Node] = json.loads(answer.stdout)
    return parsed


def walk(node: Any) -> Iterator[Node]:
    """Every node of a tree, parents first, in the order of the source."""
    if isinstance(node, dict):
        if "nodeType" in node:
            yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def span(node: Node) -> tuple[int, int]:
    """First byte of a node in its file, and the first one after it."""
    start, length, _ = node["src"].split(":")
    return int(start), int(start) + int(length)
