"""The answer of an order while it is made: sealed by the member that streams it, to the order's own key.

The requester makes an X25519 key for one order and binds it in the order's paramsDigest, so whoever swaps it
breaks the requester's signature. The streamer answers with a key of its own, signed by its node key
(`StreamOpening`); what both keys share encrypts the stream, so only these two can read or write it. Frames
are counted and the last one says so: a frame that is lost, moved, repeated or added is seen.
docs/design/channel-lane.md, "Streaming".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.agreed import cipher_of, new_secret, public_of
from mlbridge.protocol.answers import MAX_TOLD
from mlbridge.protocol.orders712 import Message

FRAMES: Final = "application/octet-stream"
MAX_PIECE_BYTES: Final = 8 << 10
"""Most UTF-8 bytes of text in one frame."""
PADDING: Final = 32
"""Frames are filled up to a multiple of this, because the lengths of single tokens betray the text."""
MAX_FRAME_BYTES: Final = MAX_PIECE_BYTES + 1024
MAX_STREAM_BYTES: Final = 8 << 20
"""Most bytes of a whole stream on its way through a coordinator: an output has at most 1 MiB of text."""

_LABEL: Final = b"mlbridge lane stream 1"
_COUNTER_BYTES: Final = 11
_HEAD_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class StreamOpening(Message):
    """What the streamer's node key signs at the beginning of a stream. key: its X25519 public key.

    Without it a coordinator could make up a stream itself: anybody can encrypt to the order's key.
    """

    TYPE: ClassVar[str] = "StreamOpening(bytes32 order,uint32 account,bytes32 key)"
    order: bytes
    account: int
    key: bytes


class Sealer:
    """The streamer's side of one stream."""

    def __init__(self, order: bytes, account: int, theirs: bytes, *, secret: bytes | None = None) -> None:
        """theirs: the order's key; secret: ours, None: a new one. Raises MLBridgeError `stream.key`."""
        secret = secret or new_secret()
        self.opening = StreamOpening(order, account, public_of(secret))
        self._cipher = _cipher(secret, theirs, self.opening, theirs)
        self._count = 0

    def seal(self, text: str, *, last: bool = False) -> bytes:
        """The next frame. Raises MLBridgeError `stream.piece` for more than MAX_PIECE_BYTES."""
        data = text.encode()
        if len(data) > MAX_PIECE_BYTES:
            raise MLBridgeError("stream.piece", f"A piece has at most {MAX_PIECE_BYTES} bytes.")
        plain = len(data).to_bytes(2, "big") + data
        plain += bytes(-len(plain) % PADDING)
        sealed = self._cipher.encrypt(_nonce(self._count, last), plain, None)
        self._count += 1
        return bytes([last]) + sealed


class Opener:
    """The requester's side of one stream; who signed the opening is for its caller to check."""

    def __init__(self, secret: bytes, opening: StreamOpening) -> None:
        """secret: of the order's key. Raises MLBridgeError `stream.key`."""
        self._cipher = _cipher(secret, opening.key, opening, public_of(secret))
        self._count = 0
        self.ended = False

    def open(self, frame: bytes) -> str:
        """The text of the next frame; `ended` is set by the last one.

        Raises MLBridgeError `stream.broken` for anything but that frame, and for what follows the last.
        """
        if self.ended:
            raise _broken("something follows its end")
        if not 0 < len(frame) <= MAX_FRAME_BYTES or frame[0] > 1:
            raise _broken("a frame has another form")
        last = frame[0] == 1
        try:
            plain = self._cipher.decrypt(_nonce(self._count, last), frame[1:], None)
        except InvalidTag as error:
            raise _broken(f"frame {self._count} is not the one that was sealed") from error
        self._count += 1
        length = int.from_bytes(plain[:2], "big")
        data, padding = plain[2 : 2 + length], plain[2 + length :]
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise _broken("a piece is no text") from error
        if len(data) != length or len(plain) % PADDING or any(padding):
            raise _broken("a piece is not filled up as it must be")
        self.ended = last
        return text


def pieces(text: str) -> Iterator[str]:
    """Text in parts that fit a frame."""
    step = MAX_PIECE_BYTES // 4  # of UTF-8 a character has at most four bytes
    for start in range(0, len(text), step):
        yield text[start : start + step]


def _cipher(secret: bytes, theirs: bytes, opening: StreamOpening, order_key: bytes) -> ChaCha20Poly1305:
    info = _LABEL + opening.account.to_bytes(4, "big") + order_key + opening.key
    try:
        return cipher_of(secret, theirs, salt=opening.order, info=info)
    except ValueError as error:
        raise MLBridgeError("stream.key", "The other side's key cannot be used.", exit_code=2) from error


def _nonce(count: int, last: bool) -> bytes:
    return count.to_bytes(_COUNTER_BYTES, "big") + bytes([last])


def _broken(why: str) -> MLBridgeError:
    return MLBridgeError(
        "stream.broken",
        f"The stream cannot be read on: {why}.",
        hint="Wait for the verdict, which brings the whole answer.",
    )


# ---- on the wire ----


class Kind(IntEnum):
    """What a frame on the wire holds. SEALED: of the member, its signed opening first; TOLD: the answer of
    the coordinator (mlbridge.protocol.answers), which ends the stream.
    """

    SEALED = 1
    TOLD = 2


_LIMITS: Final = {Kind.SEALED: MAX_FRAME_BYTES, Kind.TOLD: MAX_TOLD}


def frame(kind: Kind, payload: bytes) -> bytes:
    """A frame: its kind (one byte), the payload's length (four, big-endian), the payload."""
    return bytes([kind]) + len(payload).to_bytes(4, "big") + payload


class FrameReader:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """The frames that are whole now. Raises MLBridgeError `stream.broken` for what is none."""
        self._rest += data
        found: list[tuple[Kind, bytes]] = []
        while len(self._rest) >= _HEAD_BYTES:
            try:
                kind = Kind(self._rest[0])
            except ValueError as error:
                raise _broken("a frame is of no known kind") from error
            end = _HEAD_BYTES + int.from_bytes(self._rest[1:_HEAD_BYTES], "big")
            if end - _HEAD_BYTES > _LIMITS[kind]:
                raise _broken("a frame is too long")
            if len(self._rest) < end:
                break
            found.append((kind, bytes(self._rest[_HEAD_BYTES:end])))
            del self._rest[:end]
        return found
