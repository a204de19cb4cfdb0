"""Whether everything public in src/ is documented: `evidence natspec`.

Contracts need a title or a sentence, and so does whatever can be called from outside, is emitted, reverted
with or decoded: functions, getters, events, errors, structs, enums. Named parameters and members need a
@param each, return values a @return; the only value of a view is what its sentence is about. A function that
implements a documented one has its words, as for the compiler.
"""

import re
import sys
from collections.abc import Iterator

from contracts.tools.proofs.syntax import CONTRACTS, Node, span, trees

KINDS = {
    "EventDefinition": "event",
    "ErrorDefinition": "error",
    "StructDefinition": "struct",
    "EnumDefinition": "enum",
    "FunctionDefinition": "function",
    "VariableDeclaration": "getter",
}
TAG = re.compile(r"@(\w+)\s*(\S*)")


def _words(node: Node, lines: list[str]) -> str:
    """What stands above a node; the tree has it of everything but variables."""
    if node["nodeType"] != "VariableDeclaration":
        text: str = (node.get("documentation") or {}).get("text", "")
        return text
    above = node["line"] - 1
    while above > 0 and lines[above - 1].lstrip().startswith("///"):
        above -= 1
    return "\n".join(line.strip().removeprefix("///") for line in lines[above : node["line"] - 1])


def _parameters(node: Node) -> list[Node]:
    if node["nodeType"] == "StructDefinition":
        return list(node["members"])
    return list(node.get("parameters", {}).get("parameters", []))


def _named(node: Node) -> list[str]:
    return [parameter["name"] for parameter in _parameters(node) if parameter["name"]]


def _signature(node: Node) -> tuple[str, int]:
    """Name and number of parameters: overloads in src/ differ in the latter."""
    return node["name"], len(_parameters(node))


def _public(node: Node) -> bool:
    """Whether a node of a contract can be seen from outside; a constructor is called by whoever deploys."""
    if node["nodeType"] == "FunctionDefinition":
        return node["kind"] == "constructor" or node.get("visibility") in {"external", "public"}
    if node["nodeType"] == "VariableDeclaration":
        return bool(node["visibility"] == "public")
    return node["nodeType"] in KINDS


def missing(node: Node, text: str) -> list[str]:
    """What the documentation of a node lacks."""
    tags = TAG.findall(text)
    lacks = [] if text.strip() else ["words"]
    said = {name for tag, name in tags if tag == "param"}
    if node["nodeType"] != "VariableDeclaration":
        lacks += [f"@param {name}" for name in _named(node) if name not in said]
    returned = len(node.get("returnParameters", {}).get("parameters", []))
    told = sum(tag == "return" for tag, _ in tags)
    only = returned == 1 and node.get("stateMutability") in {"view", "pure"}
    if told < returned and not only:
        lacks.append(f"@return ({told} of {returned})")
    return lacks


class Sources:
    """Contracts by name, with what they take over from the contracts below them."""

    def __init__(self, parsed: dict[str, Node]) -> None:
        self.files = parsed
        self.contracts = {
            node["name"]: node
            for tree in parsed.values()
            for node in tree["nodes"]
            if node["nodeType"] == "ContractDefinition"
        }

    def implements(self, contract: Node, node: Node) -> bool:
        """Whether a contract of src/ below declares the function; then that one is looked at."""
        for base in contract["baseContracts"]:
            below = self.contracts.get(base["baseName"]["name"])
            if below is None:
                continue
            for other in below["nodes"]:
                if other["nodeType"] != "FunctionDefinition" or other["name"] != node["name"]:
                    continue
                if node["nodeType"] == "VariableDeclaration" or _signature(other) == _signature(node):
                    return True
            if self.implements(below, node):
                return True
        return False

    def failing(self) -> Iterator[tuple[str, int, str, list[str]]]:
        """(file, line, what, what it lacks) of everything public that is not fully documented."""
        for path, tree in self.files.items():
            source = (CONTRACTS / path).read_bytes()
            lines = source.decode().split("\n")
            for contract, node in _members(tree):
                node["line"] = source.count(b"\n", 0, span(node)[0]) + 1
                text = _words(node, lines)
                inherits = (
                    contract is not None
                    and node.get("kind") != "constructor"
                    and (not text or "@inheritdoc" in text)
                )
                if contract is not None and inherits and self.implements(contract, node):
                    continue
                lacks = missing(node, text)
                if lacks:
                    kind = KINDS.get(node["nodeType"], "contract")
                    name = node.get("name") or node.get("kind", "")
                    yield path, node["line"], f"{kind} {name}", lacks


def _members(tree: Node) -> Iterator[tuple[Node | None, Node]]:
    for node in tree["nodes"]:
        if node["nodeType"] == "ContractDefinition":
            yield None, node
            for member in node["nodes"]:
                if _public(member):
                    yield node, member
        elif node["nodeType"] in {"StructDefinition", "EnumDefinition", "ErrorDefinition", "EventDefinition"}:
            yield None, node


def main() -> int:
    sources = Sources(trees())
    failing = list(sources.failing())
    for path, line, what, lacks in failing:
        print(f"{path}:{line}: {what}: {', '.join(lacks)}")
    print(f"{len(failing)} of the public names of {len(sources.files)} files lack documentation")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
