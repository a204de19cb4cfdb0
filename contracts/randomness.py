"""Which randomness source a chain makes safe: pure data, asked before a deployment names one.

The reasons in full: docs/design/randomness.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mlbridge.errors import MLBridgeError


class Source(StrEnum):
    """A contract that implements IRandomnessSource, by its name."""

    PREVRANDAO = "PrevrandaoSource"
    DRAND = "DrandSource"


# RANDAO itself, made by many proposers; and the precompiles of EIP-2537 for drand.
_ETHEREUM: Final = frozenset({Source.PREVRANDAO, Source.DRAND})
_DRAND_ONLY: Final = frozenset({Source.DRAND})

SAFE_SOURCES: Final[dict[int, frozenset[Source]]] = {
    1: _ETHEREUM,  # Ethereum
    11_155_111: _ETHEREUM,  # Sepolia
    560_048: _ETHEREUM,  # Hoodi
    10: _DRAND_ONLY,  # OP Mainnet
    11_155_420: _DRAND_ONLY,  # OP Sepolia
    8_453: _DRAND_ONLY,  # Base
    84_532: _DRAND_ONLY,  # Base Sepolia
    137: _DRAND_ONLY,  # Polygon
    80_002: _DRAND_ONLY,  # Polygon Amoy
    42_161: _DRAND_ONLY,  # Arbitrum One
    421_614: _DRAND_ONLY,  # Arbitrum Sepolia
    31_337: _ETHEREUM,  # anvil: a chain of one's own, where nobody stands to lose
}

_OP_STACK: Final = "its sequencer says which value a block carries"
_POLYGON: Final = "its headers carry no RANDAO"
_ARBITRUM: Final = "its prevrandao is the constant 1"

_WHY_NOT_PREVRANDAO: Final[dict[int, str]] = {
    10: _OP_STACK,
    11_155_420: _OP_STACK,
    8_453: _OP_STACK,
    84_532: _OP_STACK,
    137: _POLYGON,
    80_002: _POLYGON,
    42_161: _ARBITRUM,
    421_614: _ARBITRUM,
}


def require_safe(chain_id: int, source: str) -> Source:
    """The source, if seeds from it cannot be steered on this chain.

    source: the contract's name.
    Raises MLBridgeError `randomness.unknown_source`, `randomness.unknown_chain` or `randomness.unsafe`.
    """
    try:
        wanted = Source(source)
    except ValueError as error:
        raise MLBridgeError(
            "randomness.unknown_source",
            f"There is no randomness source called {source}.",
            hint=f"Choose one of: {', '.join(Source)}.",
            exit_code=2,
            source=source,
        ) from error
    safe = SAFE_SOURCES.get(chain_id)
    if safe is None:
        raise MLBridgeError(
            "randomness.unknown_chain",
            f"Nobody has judged which randomness is safe on chain {chain_id}.",
            hint="Read docs/design/randomness.md, then enter the chain in contracts/randomness.py.",
            exit_code=2,
            chain_id=chain_id,
        )
    if wanted not in safe:
        raise MLBridgeError(
            "randomness.unsafe",
            f"{wanted} is not safe on chain {chain_id}: {_WHY_NOT_PREVRANDAO[chain_id]}.",
            hint=f"Use {' or '.join(sorted(safe))}.",
            exit_code=2,
            chain_id=chain_id,
            source=str(wanted),
        )
    return wanted
