"""Headers, debits and statements of batches as bytes: in the store, and between coordinator and attesters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import MAX_DEBITS, BatchStatement, Header
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.leaves import ChannelDebit
from mlbridge.protocol.spelling import Kind, parse, spell

MAX_BYTES: Final = 64 << 10
_DEBIT: Final[tuple[Kind, ...]] = ("word", "debit", 32, 32)
_HEADER: Final[tuple[Kind, ...]] = ("address", 32, 40, 32, 32, "amount", "word", "word", "word", "word")
_STATEMENT: Final[tuple[Kind, ...]] = ("address", 32, 32, "word", "word", "word", "word")


def write_debits(debits: Sequence[ChannelDebit]) -> bytes:
    """Canonical CBOR of a batch's debits."""
    rows = [spell(_DEBIT, (debit.details, debit.debit, debit.start, debit.end)) for debit in debits]
    return encode(rows, max_bytes=MAX_BYTES)


def read_debits(data: bytes) -> tuple[ChannelDebit, ...]:
    """Raises MLBridgeError `message.malformed`."""
    try:
        rows: Any = decode(data, max_bytes=MAX_BYTES, max_depth=2)
        if not 1 <= len(rows) <= MAX_DEBITS:
            raise ValueError("too many or none")
        return tuple(ChannelDebit(*parse(_DEBIT, row)) for row in rows)
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed("debits", error) from error


def write_header(header: Header) -> bytes:
    """Canonical CBOR of a posted batch's header."""
    return encode(spell(_HEADER, header.as_tuple()))


def read_header(data: bytes) -> Header:
    """Raises MLBridgeError `message.malformed`."""
    try:
        return Header(*parse(_HEADER, decode(data, max_depth=1)))
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed("header", error) from error


def write_statement(statement: BatchStatement) -> bytes:
    """Canonical CBOR of what attesters sign."""
    return encode(spell(_STATEMENT, statement.as_tuple()))


def read_statement(data: bytes) -> BatchStatement:
    """Raises MLBridgeError `message.malformed`."""
    try:
        return BatchStatement(*parse(_STATEMENT, decode(data, max_depth=1)))
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed("statement", error) from error


def _malformed(what: str, error: Exception) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The {what} cannot be read: {error}.",
        hint="Build it with mlbridge.protocol.batch_wire.",
        exit_code=2,
    )
