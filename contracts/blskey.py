"""Encrypted files of BLS secrets (ERC-2335, version 4). Secrets and passwords never reach a log or an error.

Such a file names its key as `pubkey`: 96 bytes, compressed, because keys of attesters are in G2.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Final

from eth_keyfile.keyfile import create_keyfile_json

from contracts import bls, keystore
from contracts.network import write_whole
from mlbridge.errors import MLBridgeError

PASSWORD_ENV: Final = "MLBRIDGE_BLS_PASSWORD"  # noqa: S105 - a variable's name
_VERSION: Final = 4


def create(
    path: str | Path, password: str, secret: bytes | None = None, *, rounds: int | None = None
) -> bytes:
    """Write a new secret (or the given one) to a new file readable by its owner only. Returns the key.

    rounds: scrypt work factor, a power of two; only tests lower it. Raises MLBridgeError `keystore.exists`.
    """
    target = Path(path)
    if target.exists():
        raise MLBridgeError(
            "keystore.exists",
            f"There is a keystore at {target} already.",
            hint="Choose another path, or move the old file away if its key is no longer needed.",
        )
    chosen = secret or bls.new_secret()
    key = bls.public_key(chosen)
    data = create_keyfile_json(chosen, _clean(password), _VERSION, kdf="scrypt", iterations=rounds)
    data |= {"pubkey": bls.compress_key(key).hex(), "description": "ML Bridge attester"}
    write_whole(target, json.dumps(data), mode=0o600)
    return key


def load(
    path: str | Path,
    password: str | None = None,
    *,
    password_file: str | Path | None = None,
    password_env: str = PASSWORD_ENV,
) -> bytes:
    """The secret in a file, 32 bytes; the password as in `keystore.password_from`. Raises `keystore.*`."""
    given = keystore.password_from(password, env=password_env, file=password_file)
    secret = keystore.open_file(path, _VERSION, _clean(given).decode())
    try:
        bls.public_key(secret)
    except ValueError as error:
        raise MLBridgeError("keystore.invalid", f"{path} holds no BLS secret.", exit_code=3) from error
    return secret


def _clean(password: str) -> bytes:
    """As ERC-2335 wants it: NFKD, without control characters."""
    text = unicodedata.normalize("NFKD", password)
    return "".join(char for char in text if unicodedata.category(char) != "Cc").encode()
