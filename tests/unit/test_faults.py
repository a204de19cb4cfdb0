"""Each way to lie differs from honesty at exactly its own point."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cluster.config import FAULTS
from cluster.faults import STRATEGIES, Opening, Strategy, lie, strategy_for
from cluster.journal import Bond
from mlbridge.protocol import payload as schemas
from mlbridge.protocol import votes
from mlbridge.protocol.types import RoundKind, Vote

LABEL = schemas.encode_output("classification", {"label": 9})


@dataclass
class FakeScene:
    kind: str = "classification"
    round_kind: RoundKind = RoundKind.RESULT
    payload: bytes = LABEL
    seen: list[bytes] = field(default_factory=list)
    opened: dict[bytes, Opening] = field(default_factory=dict)
    unbonded: int = 0

    async def bond_for(self, payload: bytes) -> Bond:
        return Bond(b"t" * 32, 0, 4, b"\0" + payload, payload.ljust(32, b"d")[:32], b"s" * 32, b"c" * 32)

    async def others_commitments(self) -> list[bytes]:
        return self.seen

    async def opening_of(self, commitment: bytes) -> Opening | None:
        return self.opened.get(commitment)

    async def unbond(self) -> None:
        self.unbonded += 1


async def test_honest() -> None:
    scene, honest = FakeScene(), strategy_for(None)
    bond = await honest.bond(scene)
    assert bond is not None
    assert bond.content == b"\0" + LABEL
    assert await honest.opening(scene, bond) == Opening(bond.content, bond.salt)
    await honest.committed(scene)
    assert scene.unbonded == 0


def test_every_configured_fault_has_a_strategy() -> None:
    assert set(STRATEGIES) | {"double-sign", "late", "wrong-stream", "half-stream"} == set(FAULTS)
    assert all(strategy_for(name).name == STRATEGIES.get(name, Strategy).name for name in FAULTS)
    assert [name for name in FAULTS if strategy_for(name).needs_operator_key] == ["unbond"]


@pytest.mark.parametrize("name", ["wrong-result", "unbond"])
async def test_a_wrong_result_is_well_formed_and_opens_properly(name: str) -> None:
    scene, liar = FakeScene(), strategy_for(name)
    bond = await liar.bond(scene)
    assert bond is not None
    told = schemas.decode_output("classification", bond.content[1:])
    assert told.label != 9
    assert await liar.opening(scene, bond) == Opening(bond.content, bond.salt)
    await liar.committed(scene)
    assert scene.unbonded == (name == "unbond")


async def test_silence_and_half_silence() -> None:
    scene = FakeScene()
    honest = await Strategy().bond(scene)
    assert honest is not None
    assert await strategy_for("silent").bond(scene) is None
    assert await strategy_for("no-reveal").bond(scene) == honest
    assert await strategy_for("no-reveal").opening(scene, honest) is None


async def test_a_wrong_reveal_keeps_the_content_and_changes_the_salt() -> None:
    scene, liar = FakeScene(), strategy_for("wrong-reveal")
    bond = await liar.bond(scene)
    assert bond is not None
    opening = await liar.opening(scene, bond)
    assert opening is not None
    assert opening.content == bond.content
    assert opening.proof != bond.salt


async def test_a_copy_waits_for_a_victim_and_for_its_opening() -> None:
    scene, copier = FakeScene(), strategy_for("copy-commitment")
    assert await copier.bond(scene) is None
    scene.seen = [b"v" * 32, b"w" * 32]
    bond = await copier.bond(scene)
    assert bond is not None
    assert bond.commitment == b"v" * 32
    assert await copier.opening(scene, bond) is None
    scene.opened[b"v" * 32] = Opening(b"\0victim", b"salt of the victim")
    assert await copier.opening(scene, bond) == scene.opened[b"v" * 32]


def test_lies_agree_with_each_other_and_with_the_schema() -> None:
    vector = schemas.encode_output("embedding", {"embedding": schemas.pack_vector([0.5, -1.0])})
    chat = schemas.encode_output("chat", {"token_ids": [1, 2], "text": "Yes.", "finish_reason": "stop"})
    for kind, honest in (("classification", LABEL), ("embedding", vector), ("chat", chat)):
        told = lie(kind, RoundKind.RESULT, honest)
        assert told == lie(kind, RoundKind.RESULT, honest) != honest
        schemas.decode_output(kind, told)
    assert lie("chat", RoundKind.RESULT, b"nonsense") != b"nonsense"


def test_a_liar_votes_the_opposite() -> None:
    honest = votes.pack({0: Vote.ACCEPT, 1: Vote.REJECT, 2: Vote.GREY})
    told = votes.unpack(lie("embedding", RoundKind.VOTE, honest))
    assert told[:3] == [Vote.REJECT, Vote.ACCEPT, Vote.GREY]
