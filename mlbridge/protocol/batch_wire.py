"""Headers, debits and statements of batches as bytes: in the store, and between coordinator and attesters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eth_utils.address import to_checksum_address

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import MAX_DEBITS, BatchStatement, Header
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.leaves import ChannelDebit

MAX_BYTES: Final = 64 << 10
_POT, _DEBIT = 12, 11


def write_debits(debits: Sequence[ChannelDebit]) -> bytes:
    """Canonical CBOR of a batch's debits."""
    rows = [[debit.details, debit.debit.to_bytes(_DEBIT, "big"), debit.start, debit.end] for debit in debits]
    return encode(rows, max_bytes=MAX_BYTES)


def read_debits(data: bytes) -> tuple[ChannelDebit, ...]:
    """Raises MLBridgeError `message.malformed`."""
    try:
        rows: Any = decode(data, max_bytes=MAX_BYTES, max_depth=2)
        if not 1 <= len(rows) <= MAX_DEBITS:
            raise ValueError("too many or none")
        return tuple(
            ChannelDebit(_word(details), _wide(debit, _DEBIT), _number(start), _number(end))
            for details, debit, start, end in rows
        )
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed("debits", error) from error


def write_header(header: Header) -> bytes:
    """Canonical CBOR of a posted batch's header."""
    row = list(header.as_tuple())
    row[5] = header.pot.to_bytes(_POT, "big")
    return encode(row)


def read_header(data: bytes) -> Header:
    """Raises MLBridgeError `message.malformed`."""
    try:
        coordinator, epoch, posted_at, tasks, entries, pot, *roots = _list(data)
        numbers = _number(epoch), _number(posted_at, 40), _number(tasks), _number(entries), _wide(pot, _POT)
        return Header(str(to_checksum_address(coordinator)), *numbers, *map(_word, roots))
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed("header", error) from error


def write_statement(statement: BatchStatement) -> bytes:
    """Canonical CBOR of what attesters sign."""
    return encode(list(statement.as_tuple()))


def read_statement(data: bytes) -> BatchStatement:
    """Raises MLBridgeError `message.malformed`."""
    try:
        coordinator, tasks, entries, *roots = _list(data)
        return BatchStatement(
            str(to_checksum_address(coordinator)), _number(tasks), _number(entries), *map(_word, roots)
        )
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed("statement", error) from error


def _list(data: bytes) -> list[Any]:
    row = decode(data, max_depth=1)
    if not isinstance(row, list):
        raise ValueError("it is no list")
    return row


def _word(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != 32:
        raise ValueError("a member is not 32 bytes")
    return value


def _wide(value: object, size: int) -> int:
    if not isinstance(value, bytes) or len(value) != size:
        raise ValueError(f"a member is not {size} bytes")
    return int.from_bytes(value, "big")


def _number(value: object, bits: int = 32) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise ValueError(f"a number is not of {bits} bits")
    return value


def _malformed(what: str, error: Exception) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The {what} cannot be read: {error}.",
        hint="Build it with mlbridge.protocol.batch_wire.",
        exit_code=2,
    )
