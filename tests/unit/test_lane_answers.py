"""What coordinators tell requesters and attesters: one spelling, strictly read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Settlement, Told
from mlbridge.protocol.batch import Batch, Header, build, debits_hash
from mlbridge.protocol.batch_wire import (
    read_debits,
    read_header,
    read_statement,
    write_debits,
    write_header,
    write_statement,
)
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.evidence import SeatProof
from mlbridge.protocol.leaves import ChannelDebit
from mlbridge.protocol.orders712 import Attestation, Domain
from mlbridge.protocol.signatures import address_of
from mlbridge.protocol.wire import sign
from tests.support.settled import World

KEY = b"k" * 32
words = st.binary(min_size=32, max_size=32)
seats = st.lists(
    st.builds(SeatProof, st.integers(0, 2**32 - 1), words, st.sampled_from([b"", b"\x01" * 65])), max_size=15
)


@given(
    result=words,
    confidence=st.integers(0, 10_000),
    seats=seats,
    output=st.one_of(st.binary(max_size=300), st.text(max_size=60)),
)
def test_a_verdict_is_read_as_it_was_told(
    result: bytes, confidence: int, seats: list[SeatProof], output: bytes | str
) -> None:
    told = Told("decided", result, confidence, tuple(seats), output)
    assert Told.from_bytes(told.to_bytes()) == told


def test_an_open_and_a_failed_order_are_read_as_told() -> None:
    domain, word = Domain(1, address_of(KEY)), bytes(32)
    said = tuple(sign(Attestation(word, n, word, word, word), domain, KEY) for n in range(16))
    for told in (
        Told("open"),
        Told("failed", reason="no verdict"),
        Told("failed", reason="the seats disagree", attested=said),
    ):
        assert Told.from_bytes(told.to_bytes()) == told


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "open", "result": bytes(32)},
        {"state": "failed"},
        {"state": "failed", "reason": 7},
        {"state": "failed", "reason": "", "attested": 7},
        {"state": "failed", "reason": "", "attested": [b"no attestation"]},
        {"state": "failed", "reason": "", "attested": [b""] * 17},
        {"state": "failed", "attested": []},
        {"state": "failed", "reason": "", "result": b""},
        {"state": "settled"},
        {"state": "decided", "result": bytes(32), "confidence": 1, "seats": []},
        {"state": "decided", "result": bytes(31), "confidence": 1, "seats": [], "output": b""},
        {"state": "decided", "result": bytes(32), "confidence": 1 << 16, "seats": [], "output": b""},
        {"state": "decided", "result": bytes(32), "confidence": True, "seats": [], "output": b""},
        {"state": "decided", "result": bytes(32), "confidence": 1, "seats": [[1, b"", b""]], "output": b""},
        {"state": "decided", "result": bytes(32), "confidence": 1, "seats": [], "output": 7},
        [],
        "open",
    ],
)
def test_anything_else_is_refused(fields: object) -> None:
    with pytest.raises(MLBridgeError) as caught:
        Told.from_bytes(encode(fields))
    assert caught.value.code == "message.malformed"


def read_or_code(reader: Callable[[bytes], Told | Settlement], data: bytes) -> bytes | str:
    """What was read, written again; or why not."""
    try:
        return reader(data).to_bytes()
    except MLBridgeError as error:
        return error.code


@given(st.binary(max_size=200))
def test_bytes_have_one_meaning_or_none(data: bytes) -> None:
    assert read_or_code(Told.from_bytes, data) in (data, "message.malformed")
    assert read_or_code(Settlement.from_bytes, data) in (data, "message.malformed")


def header_of(batch: Batch, debits: list[ChannelDebit], world: World) -> Header:
    """As if it had been posted."""
    pot = sum(debit.debit for debit in debits)
    sizes = len(batch.items), len(batch.entries)
    roots = batch.tasks.root, batch.ledger.root, bytes(32), debits_hash(debits)
    return Header(world.coordinator, world.epoch, world.now, *sizes, pot, *roots)


def test_batches_travel_and_are_kept_as_they_are() -> None:
    world = World.made()
    settled = [world.settled(sequence) for sequence in range(3)]
    batch, debits = build(world.coordinator, settled, {world.terms().channel(): 0})
    header = header_of(batch, debits, world)
    assert read_header(write_header(header)) == header
    assert read_debits(write_debits(debits)) == tuple(debits)
    statement = batch.statement(world.coordinator, bytes(32), debits)
    assert read_statement(write_statement(statement)) == statement
    for place, item in enumerate(batch.items):
        path = tuple(batch.tasks.path(place))
        found = Settlement(header, item.leaf, path, item.outcome)
        assert Settlement.from_bytes(found.to_bytes()) == found


def test_a_settlement_with_another_spelling_is_refused() -> None:
    world = World.made()
    batch, debits = build(world.coordinator, [world.settled(0)], {world.terms().channel(): 0})
    item = batch.items[0]
    good = Settlement(header_of(batch, debits, world), item.leaf, (), item.outcome)
    fields = decode(good.to_bytes(), max_bytes=1 << 16)
    assert isinstance(fields, dict)
    for changed in (
        {**fields, "path": [bytes(32)] * 33},
        {**fields, "leaf": fields["leaf"][:-1]},
        {**fields, "extra": 1},
        {**fields, "header": b""},
    ):
        with pytest.raises(MLBridgeError):
            Settlement.from_bytes(encode(changed))
    wide = replace(item.leaf, debit=2**88)
    with pytest.raises(OverflowError):
        replace(good, leaf=wide).to_bytes()


def test_an_address_has_one_spelling() -> None:
    world = World.made()
    batch, debits = build(world.coordinator, [world.settled(0)], {world.terms().channel(): 0})
    written = decode(write_header(header_of(batch, debits, world)))
    assert isinstance(written, list)
    for text in (world.coordinator, world.coordinator.lower()):
        with pytest.raises(MLBridgeError) as caught:
            read_header(encode([text, *written[1:]]))
        assert caught.value.code == "message.malformed"
