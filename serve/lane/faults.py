"""How a member behaves where it could lie. Honest is one of the ways.

The others exist for devnets and tests only, and show that a lie costs its author more than it brings.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.exchange import ClosedSet
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, TaskOrder
from serve.lane.settings import LaneFault

_DENIAL: Final = "No. "


class Conduct:
    """The honest member. computes: whether it runs the model at all."""

    computes = True

    async def begin(self, order: TaskOrder, now: Callable[[], float]) -> None:
        """Before anything is done about an order. now: the chain's time. Raises to refuse."""

    def output(self, kind: str, honest: bytes) -> bytes:
        """The output payload that it claims."""
        return honest

    def piece(self, honest: str, *, first: bool) -> str | None:
        """What it streams for a piece of the model's text; None: nothing more. first: nothing came before."""
        return honest

    def attest(self, honest: Attestation, closed: ClosedSet, *, again: bool) -> Attestation:
        """What it signs when it reveals. again: it attested this order before. Raises to refuse."""
        return honest


class WrongResult(Conduct):
    """Claims another result."""

    def output(self, kind: str, honest: bytes) -> bytes:
        return lie(kind, honest)

    def piece(self, honest: str, *, first: bool) -> str | None:
        return _DENIAL + honest if first else honest


class WrongStream(Conduct):
    """Streams another text than it commits to."""

    def piece(self, honest: str, *, first: bool) -> str | None:
        return _DENIAL + honest if first else honest


class HalfStream(Conduct):
    """Streams one piece and then no more."""

    def piece(self, honest: str, *, first: bool) -> str | None:
        return honest if first else None


class Copier(Conduct):
    """Does no work: binds itself to a guess, and attests whatever it finds in the closed set."""

    computes = False

    def attest(self, honest: Attestation, closed: ClosedSet, *, again: bool) -> Attestation:
        others = [seat.word for seat in closed.seats if seat.account != honest.account and not seat.silent]
        return replace(honest, result=others[0]) if others else honest


class Silent(Conduct):
    """Never commits."""

    async def begin(self, order: TaskOrder, now: Callable[[], float]) -> None:
        raise _mute()


class NoReveal(Conduct):
    """Commits and never reveals."""

    def attest(self, honest: Attestation, closed: ClosedSet, *, again: bool) -> Attestation:
        raise _mute()


class WrongReveal(Conduct):
    """Opens its commitment with another salt."""

    def attest(self, honest: Attestation, closed: ClosedSet, *, again: bool) -> Attestation:
        return replace(honest, salt=secrets.token_bytes(32))


class DoubleSign(Conduct):
    """Attests another result when it is asked a second time."""

    def attest(self, honest: Attestation, closed: ClosedSet, *, again: bool) -> Attestation:
        return replace(honest, result=keccak(honest.result)) if again else honest


class Late(Conduct):
    """Does the work after the deadline."""

    async def begin(self, order: TaskOrder, now: Callable[[], float]) -> None:
        await asyncio.sleep(max(0.0, order.deadline - now()) + 1)


_CONDUCTS: dict[LaneFault, type[Conduct]] = {
    "wrong-result": WrongResult,
    "copy-commitment": Copier,
    "silent": Silent,
    "no-reveal": NoReveal,
    "wrong-reveal": WrongReveal,
    "unbond": WrongResult,
    "double-sign": DoubleSign,
    "late": Late,
    "wrong-stream": WrongStream,
    "half-stream": HalfStream,
}


def conduct_for(fault: LaneFault | None) -> Conduct:
    """The conduct of a provider file's `fault`; honest for None."""
    return Conduct() if fault is None else _CONDUCTS[fault]()


def lie(kind: str, honest: bytes) -> bytes:
    """A well-formed output that says something else; equal truths give equal lies, so that liars agree."""
    try:
        told = payload.decode_output(kind, honest)
    except MLBridgeError:
        return honest + b"\x00"
    if isinstance(told, payload.ClassificationOutput):
        return payload.encode_output(kind, {"label": told.label + 1 if told.label < 9 else 0})
    if isinstance(told, payload.EmbeddingOutput):
        opposite = payload.pack_vector(-value for value in told.vector)
        return payload.encode_output(kind, {"embedding": opposite})
    fields = told.model_dump()
    return payload.encode_output(kind, fields | {"text": _DENIAL + fields["text"]})


def _mute() -> MLBridgeError:
    return MLBridgeError("lane.unavailable", "This member does not answer.")
