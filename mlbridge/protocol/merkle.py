"""The trees of a batch: neighbours are hashed in ascending order, an odd one goes up as it is.

Leaves come hashed twice, so no inner node can pass for one; OpenZeppelin's MerkleProof checks the paths.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlbridge.protocol.hashing import keccak


class Tree:
    """A tree over hashed leaves (32 bytes each), at least one."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ValueError("a tree has at least one leaf")
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_above(self._levels[-1]))

    @property
    def root(self) -> bytes:
        """32 bytes."""
        return self._levels[-1][0]

    def path(self, index: int) -> list[bytes]:
        """The siblings from a leaf to the root."""
        found = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                found.append(level[sibling])
            index //= 2
        return found


def root_of(leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a hashed leaf and its path lead to."""
    for sibling in path:
        leaf = _pair(leaf, sibling)
    return leaf


def _above(level: list[bytes]) -> list[bytes]:
    pairs = [_pair(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return pairs + level[len(pairs) * 2 :]


def _pair(a: bytes, b: bytes) -> bytes:
    return keccak(a + b if a < b else b + a)
