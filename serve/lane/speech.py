"""What a member streams of its answer to one order: as the model makes it, sealed to the order's key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import wire
from mlbridge.protocol.orders712 import Domain
from mlbridge.protocol.payload import ChatOutput, decode_output
from mlbridge.protocol.streams import Kind, Sealer, frame, pieces
from serve.lane.faults import Conduct

_KEPT: Final = 64
"""Speeches that are over and may still be asked for; older ones follow from the output."""


class Speech:
    """The text of one answer as it grows. Any number of readers follow it, each at its own pace.

    over: nothing more will be said.
    """

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._heard = ""
        self._text = ""
        self.over = False
        self._whole = False
        self._more = asyncio.Event()

    def hear(self, piece: str) -> None:
        """The model said more."""
        self._heard += piece
        self._tell(piece)

    def end(self, output: bytes | None) -> None:
        """The model's output payload is there; None: it gave none, and what was said stays without an end."""
        text = None if output is None else text_of(output)
        if not self.over and text is not None and text.startswith(self._heard):
            self._tell(text[len(self._heard) :])
            self._whole = not self.over
        self.over, self._heard = True, ""
        self._more.set()

    def _tell(self, piece: str) -> None:
        if self.over or not piece:
            return
        told = self._conduct.piece(piece, first=not self._text)
        self.over = told is None
        self._text += told or ""
        self._more.set()

    async def frames(self, sealer: Sealer, opening: bytes) -> AsyncIterator[bytes]:
        """All of it on the wire, from the beginning. opening: signed."""
        yield frame(Kind.SEALED, opening)
        shown = 0
        while True:
            fresh = self._text[shown:]
            for piece in pieces(fresh):
                yield frame(Kind.SEALED, sealer.seal(piece))
            shown += len(fresh)
            if shown < len(self._text):
                continue
            if self.over:
                break
            self._more.clear()
            await self._more.wait()
        if self._whole:
            yield frame(Kind.SEALED, sealer.seal("", last=True))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A speech and whose it is. key: of its order."""

    coordinator: str
    account: int
    key: bytes
    speech: Speech


class Speeches:
    """Those of one replica, by order. key: the node's, 32 bytes."""

    def __init__(self, key: bytes, domain: Domain, conduct: Conduct) -> None:
        self._key, self._domain, self._conduct = key, domain, conduct
        self._known: OrderedDict[bytes, _Kept] = OrderedDict()
        self._begun = asyncio.Event()

    def begin(self, order: bytes, coordinator: str, account: int, key: bytes) -> Speech:
        """The speech of an order whose work begins now. coordinator: who may relay it; key: the order's."""
        speech = Speech(self._conduct)
        self._known[order] = _Kept(coordinator, account, key, speech)
        self._begun.set()
        self._begun = asyncio.Event()
        return speech

    def ended(self) -> None:
        """A speech is over: forget the oldest of those, if there are many."""
        over = [order for order, kept in self._known.items() if kept.speech.over]
        for order in over[:-_KEPT]:
            del self._known[order]

    async def frames(self, order: bytes, coordinator: str, wait_s: float) -> AsyncIterator[bytes] | None:
        """An order's speech on the wire for its coordinator; None if it does not begin within `wait_s`.

        Raises MLBridgeError `stream.key`.
        """
        try:
            async with asyncio.timeout(wait_s):
                while order not in self._known:
                    await self._begun.wait()
        except TimeoutError:
            return None
        kept = self._known[order]
        if kept.coordinator != coordinator:
            return None
        return self._sealed(kept.speech, order, kept.account, kept.key)

    def said(self, order: bytes, account: int, key: bytes, output: bytes) -> AsyncIterator[bytes]:
        """The same of an answer that is there already. Raises MLBridgeError `stream.key`."""
        speech = Speech(self._conduct)
        speech.end(output)
        return self._sealed(speech, order, account, key)

    def _sealed(self, speech: Speech, order: bytes, account: int, key: bytes) -> AsyncIterator[bytes]:
        sealer = Sealer(order, account, key)
        opening = wire.sign(sealer.opening, self._domain, self._key).to_bytes()
        return speech.frames(sealer, opening)


def text_of(output: bytes) -> str | None:
    """The text of a chat answer; None: it is none."""
    try:
        told = decode_output("chat", output)
    except MLBridgeError:
        return None
    assert isinstance(told, ChatOutput)  # noqa: S101 - decode_output's promise
    return told.text
