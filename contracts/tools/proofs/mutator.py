"""Small faults that can be put into src/: another operator, another number, a check left out, arguments
swapped."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from contracts.tools.proofs.syntax import CONTRACTS, Node, span, trees, walk

OPERATORS = {
    "+": "-", "-": "+", "*": "/", "/": "*", "%": "/",
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "&&": "||", "||": "&&", "&": "|", "|": "&", "^": "|", "<<": ">>", ">>": "<<",
    "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "^=": "|=", "*=": "/=", "<<=": ">>=", ">>=": "<<=",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault: bytes [start, end) of a file become `after`.

    path: below contracts/; line: from 1; key: stays the same while the function around it does.
    """

    path: str
    start: int
    end: int
    line: int
    kind: str
    before: str
    after: str
    key: str


def mutants(under: str) -> list[Mutant]:
    """All faults that the files below `under` allow, in the order of the source. Interfaces have none."""
    return [
        mutant for path, tree in trees().items() if path.startswith(under) for mutant in _of_file(path, tree)
    ]


def _of_file(path: str, tree: Node) -> Iterator[Mutant]:
    source = (CONTRACTS / path).read_bytes()
    seen: Counter[str] = Counter()
    for contract in tree["nodes"]:
        bodies = contract["nodes"] if contract["nodeType"] == "ContractDefinition" else [contract]
        for body in bodies:
            if body["nodeType"] not in {"FunctionDefinition", "VariableDeclaration", "ModifierDefinition"}:
                continue
            name = f"{contract.get('name', '')}.{body.get('name') or body.get('kind', '')}"
            for start, end, kind, after in _changes(body, source):
                before = source[start:end].decode()
                text = f"{path} {name} {kind} {before} {after}"
                seen[text] += 1
                key = hashlib.sha256(f"{text} {seen[text]}".encode()).hexdigest()[:12]
                line = source.count(b"\n", 0, start) + 1
                yield Mutant(path, start, end, line, kind, before, after, key)


def _changes(body: Node, source: bytes) -> Iterator[tuple[int, int, str, str]]:
    """(first byte, byte after the last, kind, new text)."""
    for node in walk(body):
        kind = node["nodeType"]
        if kind in {"BinaryOperation", "Assignment"} and node["operator"] in OPERATORS:
            left, right = ("leftExpression", "rightExpression") if kind == "BinaryOperation" else (
                "leftHandSide", "rightHandSide",
            )  # fmt: skip
            yield from _between(node, span(node[left])[1], span(node[right])[0], source)
        elif kind == "Literal" and node["kind"] == "number" and node["value"].isdigit():
            start, end = span(node)
            if source[start:end].isdigit():
                yield start, end, "number", "0" if node["value"] == "1" else str(int(node["value"]) + 1)
        elif kind == "IfStatement":
            start, end = span(node["condition"])
            if node["trueBody"]["nodeType"] == "RevertStatement" and not node.get("falseBody"):
                yield *_statement(node, source), "check left out", "{}"
            else:
                yield start, end, "condition", f"!({source[start:end].decode()})"
        elif kind == "ExpressionStatement" and node["expression"]["nodeType"] in {
            "Assignment",
            "FunctionCall",
        }:
            yield *_statement(node, source), "statement left out", "{}"
        elif kind == "FunctionCall" and len(node["arguments"]) > 1:
            first, second = (span(argument) for argument in node["arguments"][:2])
            one, other = source[first[0] : first[1]].decode(), source[second[0] : second[1]].decode()
            if one != other:
                gap = source[first[1] : second[0]].decode()
                yield first[0], second[1], "arguments swapped", f"{other}{gap}{one}"


def _statement(node: Node, source: bytes) -> tuple[int, int]:
    """A statement with its semicolon, which the tree leaves out."""
    start, end = span(node)
    return start, end + (source[end : end + 1] == b";")


def _between(node: Node, start: int, end: int, source: bytes) -> Iterator[tuple[int, int, str, str]]:
    """The operator between two operands; brackets around them lie in between as well."""
    operator: str = node["operator"]
    gap = source[start:end].decode()
    if gap.count(operator) == 1:
        at = start + gap.index(operator)
        yield at, at + len(operator), "operator", OPERATORS[operator]
