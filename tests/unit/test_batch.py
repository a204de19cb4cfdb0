"""Batches: what is built, stored, read back, and found wrong; against the chain in integration tests."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.lane.watching import _any_leaf
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import Batch, Header, build, debits_hash
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.leaves import ChannelDebit, party_of
from mlbridge.protocol.merkle import Tree, root_of
from mlbridge.protocol.watch import MOST_DEMANDS, Challenge, Report, Rules, examine, omitted
from tests.support.settled import World

WORLD = World.made(channels=3)
SETTLED = [
    WORLD.settled(sequence, channel=channel, seats=3 + channel % 2)
    for channel, sequences in enumerate([(0, 1, 3), (7,), (2, 60)])
    for sequence in sequences
]
FLOORS = {
    WORLD.terms(0).channel(): 0,
    WORLD.terms(1).channel(): 7,
    WORLD.terms(2).channel(): 1,
}


def made() -> tuple[Batch, list[ChannelDebit]]:
    return build(WORLD.coordinator, SETTLED, FLOORS)


def header(batch: Batch, debits: list[ChannelDebit]) -> Header:
    data = batch_data.digest(batch_data.to_bytes(batch))
    pot = sum(debit.debit for debit in debits)
    roots = batch.tasks.root, batch.ledger.root, data, debits_hash(debits)
    sizes = len(batch.items), len(batch.entries)
    return Header(WORLD.coordinator, WORLD.epoch, WORLD.now + 30, *sizes, pot, *roots)


def examined(batch: Batch, debits: list[ChannelDebit], **changes: object) -> Report:
    rules = replace(Rules(WORLD.facts, 600, 3, WORLD.seeds), **changes)  # type: ignore[arg-type]
    return examine(header(batch, debits), debits, batch, rules)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_every_path_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    tree = Tree(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    assert root_of(leaves[place], tree.path(place)) == tree.root
    assert root_of(keccak(leaves[place]), tree.path(place)) != tree.root


def test_a_tree_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        Tree([])


def test_leaves_are_sorted_numbered_and_summed_up() -> None:
    batch, debits = made()
    leaves = [item.leaf for item in batch.items]
    assert [leaf.index for leaf in leaves] == list(range(6))
    assert [leaf.key for leaf in leaves] == sorted(leaf.key for leaf in leaves)
    for channel, floor in FLOORS.items():
        own = [leaf for leaf in leaves if leaf.channel == channel]
        debit = next(debit for debit in debits if debit.channel(WORLD.coordinator) == channel)
        assert [leaf.rank for leaf in own] == list(range(1, len(own) + 1))
        assert [leaf.last for leaf in own] == [*[False] * (len(own) - 1), True]
        assert own[-1].total == sum(leaf.debit for leaf in own) == debit.debit
        assert (debit.start, debit.end) == (floor, own[-1].sequence + 1)
    channels = [debit.channel(WORLD.coordinator) for debit in debits]
    assert channels == sorted(channels)


def test_the_ledger_pays_what_is_debited() -> None:
    batch, debits = made()
    assert [entry.key for entry in batch.entries] == sorted(entry.key for entry in batch.entries)
    claims = {party: batch.entries[place].total for party, place in batch.claims().items()}
    assert sum(claims.values()) == sum(debit.debit for debit in debits)
    assert claims[party_of(WORLD.coordinator)] == sum(outcome.coordinator_fee for _, outcome in SETTLED)
    assert claims[0] == sum(outcome.protocol_fee for _, outcome in SETTLED)
    for account in WORLD.keys:
        won = sum(outcome.seat_fee for _, outcome in SETTLED if account in outcome.winners)
        assert claims.get(account, 0) == won


def test_the_same_orders_give_the_same_batch() -> None:
    shuffled = list(SETTLED)
    random.Random(3).shuffle(shuffled)  # noqa: S311 - any other order
    again = build(WORLD.coordinator, shuffled, FLOORS)
    assert again == made()
    assert batch_data.to_bytes(again[0]) == batch_data.to_bytes(made()[0])


def test_hashes_are_solidity_s() -> None:
    batch, debits = made()
    plain = [(debit.details, debit.debit, debit.start, debit.end) for debit in debits]
    assert debits_hash(debits) == keccak(abi_encode(["(bytes32,uint88,uint32,uint32)[]"], [plain]))
    leaf, entry = batch.items[2].leaf, batch.entries[3]
    task = "(uint32,bytes32,uint32,uint32,uint88,uint88,bool,bytes32,bytes32)"
    assert leaf.hash() == keccak(keccak(abi_encode([task], [leaf.as_tuple()])))
    line = "(uint32,uint256,uint32,uint96,uint96,bool)"
    assert entry.hash() == keccak(keccak(abi_encode([line], [entry.as_tuple()])))
    head = header(batch, debits)
    kinds = "(address,uint32,uint40,uint32,uint32,uint96,bytes32,bytes32,bytes32,bytes32)"
    assert head.batch_id() == keccak(abi_encode([kinds], [head.as_tuple()]))


def test_stored_bytes_are_read_back() -> None:
    batch, _ = made()
    data = batch_data.to_bytes(batch)
    assert batch_data.from_bytes(data) == batch
    assert batch_data.digest(data) == hashlib.sha256(data).digest()
    assert all(cid.startswith("ba") for cid in batch_data.cids(batch_data.digest(data)))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"tasks": []},
        {"entries": []},
        {"entries": [[0, bytes(32), 0, bytes(12), bytes(12), 1]]},
        {"entries": [[0, bytes(31), 0, bytes(12), bytes(12), True]]},
        {"entries": [[2**32, bytes(32), 0, bytes(12), bytes(12), True]]},
        {"entries": 5},
        {"terms": []},
        {"tasks": [[1, 2, 3]]},
    ],
    ids=str,
)
def test_other_bytes_are_no_batch(change: dict[str, object]) -> None:
    fields = decode(batch_data.to_bytes(made()[0]))
    assert isinstance(fields, dict)
    with pytest.raises(MLBridgeError) as caught:
        batch_data.from_bytes(encode(fields | change))
    assert caught.value.code == "batch.unreadable"


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_is_another_batch_or_none(place: int, change: int) -> None:
    data = bytearray(batch_data.to_bytes(made()[0]))
    data[place % len(data)] ^= change
    try:
        read = batch_data.from_bytes(bytes(data))
    except MLBridgeError as error:
        caught = error.code
    else:
        caught = "batch.unreadable" if read != made()[0] else "the same"
    assert caught == "batch.unreadable"


@pytest.mark.parametrize("value", [[1], 5, "batch", None, {}], ids=str)
def test_other_values_are_no_batch(value: object) -> None:
    with pytest.raises(MLBridgeError) as caught:
        batch_data.from_bytes(encode(value))
    assert caught.value.code == "batch.unreadable"


def test_terms_that_nothing_uses_are_another_spelling() -> None:
    fields = decode(batch_data.to_bytes(made()[0]))
    assert isinstance(fields, dict)
    fields["terms"].append(fields["terms"][0])
    with pytest.raises(MLBridgeError, match="not spelt"):
        batch_data.from_bytes(encode(fields))


def test_what_cannot_be_a_batch() -> None:
    with pytest.raises(MLBridgeError, match="at least one"):
        build(WORLD.coordinator, [], {})
    with pytest.raises(MLBridgeError, match="given twice"):
        build(WORLD.coordinator, [SETTLED[0], SETTLED[0]], FLOORS)
    far = WORLD.settled(64)
    for orders, floor in (([far], 0), ([SETTLED[0]], 1), ([SETTLED[0], WORLD.settled(65)], 0)):
        with pytest.raises(MLBridgeError, match="where its channel can settle"):
            build(WORLD.coordinator, orders, {WORLD.terms(0).channel(): floor})
    build(WORLD.coordinator, [SETTLED[0], far], {WORLD.terms(0).channel(): 0})


def test_an_honest_batch_has_no_fault() -> None:
    batch, debits = made()
    assert examined(batch, debits) == Report(())
    assert omitted(header(batch, debits), debits, batch, [evidence for evidence, _ in SETTLED]) == []


def test_without_a_seed_committees_wait() -> None:
    batch, debits = made()
    assert examined(batch, debits, seeds={}) == Report((), tuple(range(6)))


def test_other_leaves_than_those_posted_are_hidden_ones() -> None:
    batch, debits = made()
    rules = Rules(WORLD.facts, 600, 3, WORLD.seeds)
    posted = header(batch, debits)
    less = Batch(batch.items, batch.entries[:-1])
    for other, listed in ((less, debits), (batch, debits[:-1])):
        with pytest.raises(MLBridgeError) as caught:
            examine(posted, listed, other, rules)
        assert caught.value.code == "batch.hidden"


def test_leaves_that_are_not_there_are_demanded() -> None:
    batch, debits = made()
    posted = replace(header(batch, debits), tasks=7, entries=len(batch.entries) + 1)
    rules = Rules(WORLD.facts, 600, 3, WORLD.seeds)
    demanded = [
        fault.arguments
        for fault in examine(posted, debits, batch, rules).faults
        if fault.challenge is Challenge.DEMAND
    ]
    assert demanded == [(False, 6), (True, len(batch.entries))]


def test_a_header_that_names_more_leaves_than_there_can_be_fills_no_memory() -> None:
    batch, debits = made()
    honest = header(batch, debits)
    most = 2**32 - 1
    for posted in (replace(honest, tasks=most), replace(honest, entries=most)):
        faults = examine(posted, debits, batch, Rules(WORLD.facts, 600, 3, WORLD.seeds)).faults
        assert sum(fault.challenge is Challenge.DEMAND for fault in faults) == MOST_DEMANDS
    asked = {(False, 0)}
    small = replace(honest, tasks=1, entries=1)
    assert {_any_leaf(small, asked) for _ in range(20)} == {(True, 0)}
    assert _any_leaf(replace(honest, tasks=most, entries=most), asked) not in asked


def test_evidence_that_is_not_the_leaf_s_is_demanded() -> None:
    batch, debits = made()
    item = batch.items[2]
    for wrong in (
        replace(item, evidence=replace(item.evidence, result=keccak(b"other"))),
        replace(item, outcome=replace(item.outcome, seat_fee=1)),
    ):
        items = (*batch.items[:2], wrong, *batch.items[3:])
        faults = examined(Batch(items, batch.entries), debits).faults
        assert [(fault.challenge, fault.arguments) for fault in faults] == [(Challenge.DEMAND, (False, 2))]


def test_an_order_left_out_can_be_settled_alone() -> None:
    held = WORLD.evidence(WORLD.order(2))
    elsewhere = WORLD.evidence(WORLD.order(4))
    batch, debits = made()
    faults = omitted(header(batch, debits), debits, batch, [held, elsewhere])
    assert [(fault.challenge, fault.arguments[2]) for fault in faults] == [(Challenge.OMITTED, 2)]
