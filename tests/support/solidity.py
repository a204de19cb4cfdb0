"""Solidity as it is in contracts/src now, compiled for one test and callable from Python."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from web3 import HTTPProvider, Web3
from web3.contract import Contract

from contracts.anvil import Anvil, free_port

_CONTRACTS: Final = Path(__file__).parents[2] / "contracts"
_OPENZEPPELIN: Final = "@openzeppelin/contracts/"
_IMPORT: Final = re.compile(r'^import [^;]*?"([^"]+)";', re.MULTILINE)


@contextmanager
def deployed(source: str) -> Iterator[Contract]:
    """A contract named Harness, on a chain of its own. Its imports name src/ from contracts/ on."""
    abi, code = _compile(source)
    with Anvil(free_port(), block_time=None) as anvil:
        w3 = Web3(HTTPProvider(anvil.rpc_url))
        sent = w3.eth.send_transaction({"from": w3.eth.accounts[0], "data": f"0x{code}"})  # type: ignore[typeddict-item]
        receipt = w3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1, "the harness was not created"
        yield w3.eth.contract(address=receipt["contractAddress"], abi=abi)


def _compile(source: str) -> tuple[list[object], str]:
    """ABI and creation code."""
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in _sources(source).items()},
        "settings": {
            "evmVersion": "prague",
            "optimizer": {"enabled": True},
            "outputSelection": {"Harness.sol": {"Harness": ["abi", "evm.bytecode.object"]}},
        },
    }
    answer = subprocess.run(
        [str(_CONTRACTS / "tools" / "solc"), "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    output = json.loads(answer.stdout)
    errors = [error["formattedMessage"] for error in output.get("errors", []) if error["severity"] == "error"]
    assert not errors, "\n".join(errors)
    harness = output["contracts"]["Harness.sol"]["Harness"]
    return harness["abi"], harness["evm"]["bytecode"]["object"]


def _sources(source: str) -> dict[str, str]:
    """The harness and everything that it imports, by the names under which solc looks for them."""
    found = {"Harness.sol": source}
    waiting = ["Harness.sol"]
    while waiting:
        name = waiting.pop()
        for target in _IMPORT.findall(found[name]):
            imported = _beside(name, target) if target.startswith(".") else target
            if imported in found:
                continue
            folder = "node_modules/" if imported.startswith(_OPENZEPPELIN) else ""
            found[imported] = (_CONTRACTS / f"{folder}{imported}").read_text(encoding="utf-8")
            waiting.append(imported)
    return found


def _beside(name: str, target: str) -> str:
    parts = name.split("/")[:-1]
    for step in target.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)
