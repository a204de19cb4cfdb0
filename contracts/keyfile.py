"""Where a machine's configuration says that a key is: an encrypted file, and where its password is."""

from __future__ import annotations

from pathlib import Path

from eth_account.signers.local import LocalAccount
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from contracts import keystore


def resolve_path(value: object, info: ValidationInfo) -> object:
    """`~` is the home directory; a relative path is relative to the file: the context's `base`."""
    if not isinstance(value, str | Path):
        return value
    path = Path(value).expanduser()
    base = (info.context or {}).get("base")
    return str(path if path.is_absolute() or base is None else Path(base) / path)


class KeyFile(BaseModel):
    """An encrypted keystore file and where its password is; the key itself never stands in the YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    keystore: Path = Field(description="path of an encrypted keystore file (eth-account v3)")
    password_env: str | None = Field(
        default=None, min_length=1, description="name of the environment variable that holds the password"
    )
    password_file: Path | None = Field(default=None, description="path of a file that holds the password")

    _paths = field_validator("keystore", "password_file", mode="before")(resolve_path)

    @model_validator(mode="after")
    def _one_password(self) -> KeyFile:
        if (self.password_env is None) == (self.password_file is None):
            raise ValueError("give exactly one of password_env and password_file")
        return self


def load_key(file: KeyFile) -> LocalAccount:
    """The account in a keystore. Raises MLBridgeError `keystore.*`."""
    password = keystore.password_from(env=file.password_env or "", file=file.password_file)
    return keystore.load(file.keystore, password)
