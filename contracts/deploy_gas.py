"""What creating our contracts takes, known before anything is sent: an upper bound from their code alone."""

from __future__ import annotations

from functools import cache
from typing import Final

from contracts import artifacts

_TRANSACTION: Final = 21_000
_CREATIONS: Final = 2 * 32_000  # the contract in between, and ours
_CODE_BYTE: Final = 200
_WORD: Final = 2 * 2 + 6 + 3 * 3  # EIP-3860 twice, one hash, three copies
# Writes of constructors and of the factory.
_CONSTRUCTOR: Final = 900_000
# EIP-7623: calldata costs this much a token at least, four tokens a byte that is not zero.
_FLOOR: Final = 10


def creation_gas(code: bytes) -> int:
    """Upper bound of the gas with which the factory makes a contract. code: with arguments."""
    zeros = code.count(b"\0")
    tokens = zeros + 4 * (len(code) - zeros)
    words = (len(code) + 31) // 32
    memory = 3 * (3 * words + words * words // 512)
    work = 4 * tokens + _CREATIONS + _CODE_BYTE * len(code) + _WORD * words + memory + _CONSTRUCTOR
    return _TRANSACTION + max(work, _FLOOR * tokens)


@cache
def largest_creation() -> tuple[str, int]:
    """The contract that takes most, and its upper bound, with room for arguments."""
    names = (*artifacts.NAMES, *artifacts.LANE_NAMES, *artifacts.VERDICT_NAMES, *artifacts.GOVERNANCE_NAMES)
    bounds = {name: creation_gas(artifacts.load(name).bytecode + b"\xff" * 4_096) for name in names}
    name = max(bounds, key=lambda key: bounds[key])
    return name, bounds[name]
