"""What two sides alone can read: X25519 between them, HKDF-SHA256, ChaCha20-Poly1305."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32

Cipher = ChaCha20Poly1305


def new_secret() -> bytes:
    """A secret X25519 key, 32 bytes."""
    return secrets.token_bytes(KEY_BYTES)


def new_key() -> tuple[bytes, bytes]:
    """(secret, public) X25519 key, 32 bytes each."""
    secret = new_secret()
    return secret, public_of(secret)


def public_of(secret: bytes) -> bytes:
    """The public key of a secret one."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def cipher_of(secret: bytes, theirs: bytes, *, salt: bytes, info: bytes) -> Cipher:
    """What encrypts between the owner of a secret key and that of a public one.

    salt, info: what the key is for, the same on both sides. Raises ValueError for a public key that cannot be
    used, also where the result would be the same whatever the secret.
    """
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(theirs))
    return ChaCha20Poly1305(HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(shared))
