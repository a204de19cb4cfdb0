"""Receipts as bytes and files: canonical JSON, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.network import write_whole
from mlbridge.errors import MLBridgeError


class Part(BaseModel):
    """A part of a receipt: unknown fields and other types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ReceiptFile(Part):
    """A whole receipt, of either lane."""

    def to_bytes(self) -> bytes:
        """Canonical JSON: UTF-8, keys sorted, no white space."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse. Raises MLBridgeError `receipt.invalid`, which names the field."""
        try:
            # JSON mode: lists become tuples, but no other type is bent to fit
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise MLBridgeError(
                "receipt.invalid",
                f"The receipt is not valid: {where}: {first['msg']}.",
                hint="It was damaged or made by another version.",
                exit_code=2,
                field=where,
            ) from error

    def save(self, path: str | Path) -> None:
        """Write it to a file."""
        write_whole(Path(path), self.to_bytes().decode())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file. Raises MLBridgeError `receipt.missing` or `receipt.invalid`."""
        try:
            return cls.from_bytes(Path(path).read_bytes())
        except OSError as error:
            raise MLBridgeError(
                "receipt.missing", f"The receipt {path} cannot be read ({error.strerror}).", exit_code=5
            ) from error
