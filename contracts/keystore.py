"""Encrypted key files (eth-account v3). Keys and passwords never reach a log or an error message."""

from __future__ import annotations

import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.network import write_whole
from mlbridge.errors import MLBridgeError

PASSWORD_ENV = "MLBRIDGE_PASSWORD"  # noqa: S105 - a variable's name


def password_from(
    password: str | None = None, *, env: str = PASSWORD_ENV, file: str | Path | None = None
) -> str:
    """The password: the argument, else the file's first line, else the environment variable named env.

    Raises MLBridgeError `keystore.no_password`.
    """
    if password is not None:
        return password
    if file is not None:
        try:
            lines = Path(file).read_text().splitlines()
        except OSError as error:
            raise MLBridgeError(
                "keystore.no_password",
                f"The password file {file} cannot be read ({error.strerror}).",
                exit_code=3,
            ) from error
        return lines[0] if lines else ""
    value = os.environ.get(env)
    if value is None:
        raise MLBridgeError(
            "keystore.no_password",
            "The keystore needs a password and none was given.",
            hint=f"Name a password file or set {env}.",
            exit_code=3,
        )
    return value


def create(
    path: str | Path, password: str, account: LocalAccount | None = None, *, rounds: int | None = None
) -> str:
    """Write a new key (or the given one) to a new file readable by its owner only. Returns the address.

    rounds: scrypt work factor, a power of two; only tests lower it. Raises MLBridgeError `keystore.exists`:
    a key file is never overwritten.
    """
    target = Path(path)
    if target.exists():
        raise MLBridgeError(
            "keystore.exists",
            f"There is a keystore at {target} already.",
            hint="Choose another path, or move the old file away if its key is no longer needed.",
        )
    signer: LocalAccount = account or Account.create()
    write_whole(target, json.dumps(signer.encrypt(password, iterations=rounds)), mode=0o600)
    return str(signer.address)


def address_of(path: str | Path) -> str:
    """The address that a keystore names, without a password.

    Raises MLBridgeError `keystore.missing`/`.invalid`.
    """
    from eth_utils.address import to_checksum_address

    data = _read(Path(path))
    try:
        return str(to_checksum_address(str(data["address"])))
    except (KeyError, ValueError) as error:
        raise _invalid(Path(path)) from error


def load(
    path: str | Path,
    password: str | None = None,
    *,
    password_file: str | Path | None = None,
    password_env: str = PASSWORD_ENV,
) -> LocalAccount:
    """The account in a keystore; the password as in `password_from`.

    Raises MLBridgeError `keystore.missing`, `keystore.invalid`, `keystore.wrong_password` or
    `keystore.open` (others may read the file).
    """
    key = open_file(path, 3, password, password_file=password_file, password_env=password_env)
    account: LocalAccount = Account.from_key(key)
    return account


def open_file(
    path: str | Path,
    version: int,
    password: str | None = None,
    *,
    password_file: str | Path | None = None,
    password_env: str = PASSWORD_ENV,
) -> bytes:
    """The 32 bytes in a keystore of a version: 3, or 4 for BLS secrets (ERC-2335). Raises as `load`."""
    source = Path(path)
    data = _read(source)
    if data.get("version", 3) != version:
        raise _invalid(source, version)
    secret = password_from(password, env=password_env, file=password_file)
    mode = source.stat().st_mode & 0o077
    if mode and os.name == "posix":
        raise MLBridgeError(
            "keystore.open",
            f"The keystore {source} can be read by others.",
            hint=f"Run `chmod 600 {source}`.",
            exit_code=3,
        )
    try:
        return bytes(Account.decrypt(data, secret))
    except ValueError as error:
        if str(error) in ("MAC mismatch", "Checksum mismatch"):
            raise MLBridgeError(
                "keystore.wrong_password", f"The password does not open the keystore {source}.", exit_code=3
            ) from None
        raise _invalid(source, version) from None
    # eth_account says NotImplementedError for a version, cipher or key derivation that it does not know.
    except (KeyError, TypeError, NotImplementedError):
        raise _invalid(source, version) from None


def _read(path: Path) -> dict[str, object]:
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise MLBridgeError(
            "keystore.missing",
            f"The keystore {path} cannot be read ({error.strerror}).",
            hint="Create it first, or correct the path.",
            exit_code=3,
        ) from error
    except ValueError as error:
        raise _invalid(path) from error
    if not isinstance(data, dict):
        raise _invalid(path)
    return data


def _invalid(path: Path, version: int = 3) -> MLBridgeError:
    return MLBridgeError("keystore.invalid", f"{path} is not a v{version} keystore.", exit_code=3)
