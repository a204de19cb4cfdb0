"""What an author of a case with planted wrong results works by: chain of secrets, lot, bent input.

See docs/design/verdict.md, "Decoys", and contracts/src/libraries/DecoyMath.sol, whose lot this is.
"""

from __future__ import annotations

from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.payload import (
    ChatInput,
    ClassificationInput,
    EmbeddingInput,
    decode_input,
    encode_input,
)

CANDIDATES: Final = 3
_BASIS: Final = 10_000
_RATE: Final = 5_000
_GREYS: Final = 17


def anchor_of(root: bytes, length: int) -> bytes:
    """What an author commits to: the root hashed `length` times. root: 32 random bytes."""
    word = root
    for _ in range(length):
        word = keccak(word)
    return word


def next_secret(root: bytes, length: int, anchor: bytes) -> bytes | None:
    """What hashes to an anchor in the chain of a root; None if it is not of this chain, or its beginning."""
    word = root
    for _ in range(length):
        above = keccak(word)
        if above == anchor:
            return word
        word = above
    return None


def is_decoy(secret: bytes, seed: bytes) -> bool:
    """Whether whoever holds this secret in a case of this seed brings a wrong result."""
    return int.from_bytes(keccak(secret + seed), "big") % _BASIS < _RATE


def bend(payload: bytes, seed: bytes, turn: int = 0) -> bytes:
    """The input whose result a decoy brings instead: the same for all decoys of a case.

    turn: 0, or the first number whose result differs from the right one. Raises MLBridgeError `payload.*`.
    """
    word = keccak(seed + turn.to_bytes(32, "big"))
    given = decode_input(payload)
    if isinstance(given, EmbeddingInput):
        return encode_input(given.kind, given.model_copy(update={"text": f"{given.text} {word.hex()}"}))
    if isinstance(given, ChatInput):
        *earlier, last = given.messages
        said = last.model_copy(update={"content": f"{last.content} {word.hex()}"})
        return encode_input(given.kind, given.model_copy(update={"messages": [*earlier, said]}))
    if isinstance(given, ClassificationInput):
        image = [(grey + word[place % len(word)]) % _GREYS for place, grey in enumerate(given.image)]
        return encode_input(given.kind, given.model_copy(update={"image": image}))
    raise MLBridgeError("payload.kind", f"An input of kind {given.kind} cannot be bent.")
