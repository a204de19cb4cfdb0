"""How a member behaves at the three points where it could lie. Honest is one of the ways.

The others exist for devnets only (`fault:` in the provider file, refused on any other chain) and show that
each lie costs its author more than it brings.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Protocol

from cluster.journal import Bond
from mlbridge.protocol import votes
from mlbridge.protocol.types import RoundKind, Vote
from serve.lane.faults import lie as lie_about


@dataclass(frozen=True, slots=True)
class Opening:
    """What is sent to open a commitment. content: tagged bytes; proof: the salt, then optional evidence."""

    content: bytes
    proof: bytes


class Scene(Protocol):
    """What a member sees of its round. kind: the model's task kind; payload: the honest result or votes."""

    @property
    def kind(self) -> str: ...
    @property
    def round_kind(self) -> RoundKind: ...
    @property
    def payload(self) -> bytes: ...

    async def bond_for(self, payload: bytes) -> Bond:
        """A commitment of this seat to a payload, with a fresh salt."""
        ...

    async def others_commitments(self) -> list[bytes]:
        """Commitments of the other seats on chain now."""
        ...

    async def opening_of(self, commitment: bytes) -> Opening | None:
        """How another seat opened its commitment; None if it has not."""
        ...

    async def unbond(self) -> None:
        """Ask for this operator's whole stake back."""
        ...


class Strategy:
    """The honest member. The faults below override what they do otherwise."""

    name = "honest"
    needs_operator_key = False

    async def bond(self, scene: Scene) -> Bond | None:
        """What to commit to; None: not now. Asked once a seat, then journalled."""
        return await scene.bond_for(scene.payload)

    async def opening(self, scene: Scene, bond: Bond) -> Opening | None:
        """How to open it; None: not now."""
        return Opening(bond.content, bond.salt)

    async def committed(self, scene: Scene) -> None:
        """The commitment is on chain."""


class WrongResult(Strategy):
    """Claims another result, and in votes the opposite of what it found."""

    name = "wrong-result"

    async def bond(self, scene: Scene) -> Bond | None:
        return await scene.bond_for(lie(scene.kind, scene.round_kind, scene.payload))


class CopyCommitment(Strategy):
    """Does no work: copies the first commitment it sees, and later its opening."""

    name = "copy-commitment"

    async def bond(self, scene: Scene) -> Bond | None:
        seen = await scene.others_commitments()
        if not seen:
            return None
        return replace(await scene.bond_for(scene.payload), commitment=seen[0], salt=bytes(32))

    async def opening(self, scene: Scene, bond: Bond) -> Opening | None:
        return await scene.opening_of(bond.commitment)


class Silent(Strategy):
    """Takes the seat and never commits."""

    name = "silent"

    async def bond(self, scene: Scene) -> Bond | None:
        return None


class NoReveal(Strategy):
    """Commits and never opens."""

    name = "no-reveal"

    async def opening(self, scene: Scene, bond: Bond) -> Opening | None:
        return None


class WrongReveal(Strategy):
    """Opens with another salt than it committed with."""

    name = "wrong-reveal"

    async def opening(self, scene: Scene, bond: Bond) -> Opening | None:
        return Opening(bond.content, secrets.token_bytes(32))


class Unbond(WrongResult):
    """Lies, and tries to take its stake away before it is judged."""

    name = "unbond"
    needs_operator_key = True

    async def committed(self, scene: Scene) -> None:
        await scene.unbond()


STRATEGIES: dict[str, type[Strategy]] = {
    kind.name: kind for kind in (WrongResult, CopyCommitment, Silent, NoReveal, WrongReveal, Unbond)
}


def strategy_for(fault: str | None) -> Strategy:
    """The strategy of a provider file's `fault`; honest for None and for faults of the channel lane alone."""
    return STRATEGIES.get(fault or "", Strategy)()


def lie(kind: str, round_kind: RoundKind, honest: bytes) -> bytes:
    """A well-formed payload that says something else; equal truths give equal lies, so that liars agree."""
    if round_kind is RoundKind.VOTE:
        opposite = {Vote.ACCEPT: Vote.REJECT, Vote.REJECT: Vote.ACCEPT, Vote.GREY: Vote.GREY}
        return votes.pack({index: opposite[vote] for index, vote in enumerate(votes.unpack(honest))})
    return lie_about(kind, honest)
