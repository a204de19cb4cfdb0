"""Canonical CBOR (RFC 8949 section 4.2.1) of whatever is hashed: one value, one spelling.

Values: None, bool, int (-2^64 to 2^64-1), float, str, bytes, lists and maps with text keys. Text keys only:
for them the key order of RFC 8949 (bytewise) and that of RFC 7049 (length first, as in cbor2) are the same.
Tags, undefined, other simple values and indefinite lengths are refused: they add spellings, no meaning.
"""

from __future__ import annotations

from typing import Final

import cbor2

from mlbridge.errors import MLBridgeError

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 16

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INT_LIMIT: Final = 1 << 64
_SIMPLE_VALUES: Final = {20: "false", 21: "true", 22: "null"}
_FLOATS: Final = 0xF9
"""First bytes from here on begin a float."""
_WHOLE: Final = bytes(
    1 if first < 0x18 or 0x20 <= first < 0x38 or first in (0xF4, 0xF5, 0xF6)
    else 1 + (first & 31) if 0x40 <= first < 0x58 or 0x60 <= first < 0x78
    else 0
    for first in range(256)
)  # fmt: skip
"""Bytes of an item whose first byte says all about its length; 0 for any other."""


def encode(obj: object, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> bytes:
    """The canonical encoding of obj. Tuples encode as lists.

    Raises MLBridgeError `encoding.type`, `encoding.too_deep` or `encoding.too_large`.
    """
    in_order = _check(obj, max_depth)
    try:
        # Sorting takes several times as long as writing.
        data = bytes(cbor2.dumps(obj, canonical=not in_order))
    except (cbor2.CBOREncodeError, UnicodeError) as error:
        raise MLBridgeError("encoding.type", f"The value has no canonical encoding: {error}.") from error
    if len(data) > max_bytes:
        raise _too_large(len(data), max_bytes)
    return data


def decode(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_items: int | None = None
) -> object:
    """The value whose canonical encoding is exactly data.

    max_items: most members of all lists and maps together: small ones cost half a microsecond a byte. Raises
    MLBridgeError `encoding.too_large`, `encoding.too_deep`, `encoding.too_many`, `encoding.truncated`,
    `encoding.trailing`, `encoding.duplicate_key`, `encoding.type` (tags, keys that are not text)
    or `encoding.not_canonical`.
    """
    if len(data) > max_bytes:
        raise _too_large(len(data), max_bytes)
    data = bytes(data)
    walk = _Walk(_INT_LIMIT * len(data) if max_items is None else max_items)
    end = _skip(data, 0, max_depth, walk)
    if end != len(data):
        raise MLBridgeError("encoding.trailing", f"{len(data) - end} bytes follow the encoded value.")
    try:
        value: object = cbor2.loads(data)
    except (cbor2.CBORDecodeError, UnicodeError) as error:
        raise MLBridgeError("encoding.not_canonical", f"The bytes are not valid CBOR: {error}.") from error
    # The walk has fixed structure, heads and key order; what is left are float widths.
    if walk.floats and cbor2.dumps(value, canonical=True) != data:
        raise MLBridgeError("encoding.not_canonical", "A float is not in its shortest form.")
    return value


class _Walk:
    """left: members that lists and maps may still have; floats: whether any float was met."""

    __slots__ = ("floats", "left")

    def __init__(self, left: int) -> None:
        self.left, self.floats = left, False


def _check(obj: object, depth: int) -> bool:
    """Whether the value is written canonically as it stands: maps in the order of their keys, no float."""
    kind = type(obj)
    if kind is bytes or kind is str or obj is None or kind is bool:
        return True
    if kind is float:
        return False
    if kind is int:
        if not -_INT_LIMIT <= obj < _INT_LIMIT:  # type: ignore[operator]
            raise MLBridgeError("encoding.type", f"The integer {obj!r} needs more than 64 bits.")
        return True
    if not isinstance(obj, (list, tuple, dict)):
        raise MLBridgeError(
            "encoding.type", f"A {kind.__name__} cannot be encoded.", hint="Convert it first."
        )
    if depth == 0:
        raise _too_deep()
    in_order = True
    if isinstance(obj, dict):
        previous = ""
        for place, (key, value) in enumerate(obj.items()):
            if type(key) is not str:
                raise MLBridgeError("encoding.type", f"Map keys must be text, not {key!r}.")
            follows = key.isascii() and (len(previous), previous) < (len(key), key)
            in_order &= follows or (place == 0 and key == "")
            in_order &= _check(value, depth - 1)
            previous = key
    else:
        for value in obj:
            in_order &= _check(value, depth - 1)
    return in_order


def _skip(data: bytes, start: int, depth: int, walk: _Walk) -> int:
    """Walk the item at start, holding its heads, keys, depth and lengths to the rules; where it ends."""
    major, argument, at = _head(data, start)
    if major in (_BYTES, _TEXT):
        if argument > len(data) - at:
            raise _truncated()
        return at + argument
    if major in (_UINT, _NEGATIVE, _SIMPLE):
        walk.floats |= data[start] >= _FLOATS
        return at
    if depth == 0:
        raise _too_deep()
    walk.left -= argument
    if walk.left < 0:
        raise MLBridgeError("encoding.too_many", "The value has too many members.")
    if major == _ARRAY:
        for _ in range(argument):
            at = _next(data, at, depth - 1, walk)
        return at
    previous = b""
    for _ in range(argument):
        key_start = at
        if at >= len(data) or data[at] >> 5 != _TEXT:
            _head(data, at)
            raise MLBridgeError("encoding.type", "A map key is not text.")
        at = _next(data, at, 0, walk)
        key = data[key_start:at]
        if key <= previous:
            if key == previous:
                raise MLBridgeError("encoding.duplicate_key", f"The map key {key[1:40]!r} appears twice.")
            raise MLBridgeError("encoding.not_canonical", f"The map key {key[1:40]!r} is out of order.")
        previous = key
        at = _next(data, at, depth - 1, walk)
    return at


def _next(data: bytes, at: int, depth: int, walk: _Walk) -> int:
    """As `_skip`, quicker for the many items whose first byte says it all."""
    if at < len(data) and (length := _WHOLE[data[at]]):
        if length > len(data) - at:
            raise _truncated()
        return at + length
    return _skip(data, at, depth, walk)


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument, position after the head) of the item at `at`."""
    if at >= len(data):
        raise _truncated()
    major, info = data[at] >> 5, data[at] & 31
    if major == _TAG:
        raise MLBridgeError("encoding.type", "Tagged values are not allowed.")
    if major == _SIMPLE and info not in (25, 26, 27) and info not in _SIMPLE_VALUES:
        raise MLBridgeError("encoding.type", f"The simple value {info} is not allowed.")
    if info < 24:
        return major, info, at + 1
    if info > 27:
        raise MLBridgeError("encoding.not_canonical", "Indefinite or reserved lengths are not allowed.")
    width = 1 << (info - 24)
    end = at + 1 + width
    if end > len(data):
        raise _truncated()
    argument = int.from_bytes(data[at + 1 : end], "big")
    if major == _SIMPLE:
        return major, argument, end
    if argument < (24 if width == 1 else 1 << (4 * width)):
        raise MLBridgeError("encoding.not_canonical", "A length or integer is not in its shortest form.")
    return major, argument, end


def _too_large(size: int, limit: int) -> MLBridgeError:
    return MLBridgeError("encoding.too_large", f"The encoding has {size} bytes, more than {limit}.")


def _too_deep() -> MLBridgeError:
    return MLBridgeError("encoding.too_deep", "The value nests too deeply.")


def _truncated() -> MLBridgeError:
    return MLBridgeError("encoding.truncated", "The bytes end in the middle of a value.")
