"""The node key as a seat of the channel lane uses it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from mlbridge.protocol.orders712 import Domain

_SALT_LABEL: Final = b"mlb lane salt"


@dataclass(frozen=True)
class Signer:
    """The node key (32 bytes) and what it signs for."""

    key: bytes
    domain: Domain

    def salt(self, order: bytes, account: int) -> bytes:
        """The salt of a commitment: secret like the key, and the same however often it is made.

        With deterministic models and signatures even a lost store leads to the same words again.
        """
        seat = order + account.to_bytes(4, "big")
        return hashlib.blake2b(seat, key=self.key, person=_SALT_LABEL, digest_size=32).digest()
