"""The channel lane's arithmetic, messages and trees in mlbridge.protocol against the Solidity libraries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception

from contracts.anvil import CHAIN_ID
from contracts.errors import from_exception
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import inflation, leaves, orders712, race
from mlbridge.protocol.evidence import BASIS, Outcome, split
from mlbridge.protocol.leaves import LedgerLeaf, TaskLeaf
from mlbridge.protocol.merkle import Tree
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, Close, Domain, Message, TaskOrder, Voucher
from mlbridge.protocol.types import Policy
from tests.support.solidity import deployed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HARNESS = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {
    Attestation, ChannelTerms, Close, Outcome, TaskOrder, Voucher
} from "src/interfaces/ChannelTypes.sol";
import {BatchLeaves, LedgerLeaf, LedgerProof, TaskLeaf, TaskProof} from "src/libraries/BatchLeaves.sol";
import {ChannelHashing} from "src/libraries/ChannelHashing.sol";
import {FeeSplit} from "src/libraries/FeeSplit.sol";
import {Inflation} from "src/libraries/Inflation.sol";
import {Race} from "src/libraries/Race.sol";
contract Harness is EIP712 {
    constructor() EIP712("ML Bridge", "1") {}

    function issuable(uint256 elapsed) external pure returns (uint256) {
        return Inflation.issuable(elapsed);
    }

    function TaskOrder_(TaskOrder calldata message) external view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.order(message));
    }
    function Attestation_(Attestation calldata message) external view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.attestation(message));
    }
    function Voucher_(Voucher calldata message) external view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.voucher(message));
    }
    function Close_(Close calldata message) external view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.close(message));
    }
    function channel(ChannelTerms calldata terms) external pure returns (bytes32, bytes32) {
        return (ChannelHashing.channelIn(terms), ChannelHashing.channel(terms));
    }
    function commitment(bytes32 order, uint32 account, bytes32 result, bytes32 salt)
        external pure returns (bytes32)
    {
        return ChannelHashing.commitment(order, account, result, salt);
    }
    function commitments(bytes32[] memory set) external pure returns (bytes32) {
        return ChannelHashing.commitments(set);
    }
    function draw(bytes32 seed, bytes32 channel_, uint32 sequence) external pure returns (bytes32) {
        return ChannelHashing.draw(seed, channel_, sequence);
    }

    function distance(bytes32 draw_, uint32 account) external pure returns (uint256) {
        return Race.distance(draw_, account);
    }
    function first(bytes32 draw_, uint32 a, uint64 weightA, uint32 b, uint64 weightB)
        external pure returns (bool)
    {
        return Race.before(draw_, a, weightA, b, weightB);
    }

    function split(
        uint256 fee, uint256 modelFee, uint256 coordinatorShare, uint256 protocolShare, uint256 seats,
        uint32[] memory winners
    ) external pure returns (Outcome memory outcome) {
        outcome.winners = winners;
        FeeSplit.split(outcome, fee, modelFee, coordinatorShare, protocolShare, seats);
    }
    function amountFor(Outcome memory outcome, address coordinator, uint256 party)
        external pure returns (uint256)
    {
        return BatchLeaves.amountFor(outcome, coordinator, party);
    }

    function hashOfTask(TaskLeaf memory leaf) external pure returns (bytes32) {
        return BatchLeaves.hash(leaf);
    }
    function hashOfEntry(LedgerLeaf memory leaf) external pure returns (bytes32) {
        return BatchLeaves.hash(leaf);
    }
    function taskBroken(TaskLeaf memory a, TaskLeaf memory b, uint256 count) external pure returns (bool) {
        return BatchLeaves.broken(a, b, count);
    }
    function entryBroken(LedgerLeaf memory a, LedgerLeaf memory b, uint256 count, uint256 tasks)
        external pure returns (bool)
    {
        return BatchLeaves.broken(a, b, count, tasks);
    }
    function holdsTask(TaskProof calldata shown, bytes32 root) external pure returns (bool) {
        return BatchLeaves.isIn(shown, root);
    }
    function holdsEntry(LedgerProof calldata shown, bytes32 root) external pure returns (bool) {
        return BatchLeaves.isIn(shown, root);
    }
}
"""

HASHES = [bytes([letter]) * 32 for letter in b"\0\1\2"]
PARTIES = (0, 2, 6, 2**32 - 2, 1 << 160, 1 << 160 | 7)
WEIGHTS = [0, 1, 2, 3, 10**9, 10**9 + 1, 2**48, 2**64 - 1]

words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20).map(Web3.to_checksum_address)
u32 = st.integers(0, 2**32 - 1)
u40 = st.integers(0, 2**40 - 1)
u96 = st.integers(0, 2**96 - 1)
shares = st.integers(0, 2_500)
terms = st.builds(ChannelTerms, addresses, addresses, u32, shares, shares, words)
orders = st.builds(
    TaskOrder, words, u32, u32, words, words, words, st.integers(0, 255), st.sampled_from(Policy), u96, u40
)
messages = st.one_of(
    orders,
    st.builds(Attestation, words, u32, words, words, words),
    st.builds(Voucher, words, u96, u32),
    st.builds(Close, words, u96, u32),
)


@pytest.fixture(scope="module")
def solidity() -> Iterator[Contract]:
    """The libraries, callable."""
    with deployed(HARNESS) as harness:
        yield harness


# ---- inflation ----


@settings(max_examples=80, deadline=None)
@given(
    elapsed=st.one_of(
        st.integers(0, 60 * 365 * 86_400),
        # on both sides of every year's end and of an epoch's
        st.tuples(st.integers(0, 40), st.integers(-301, 301)).map(
            lambda at: max(0, at[0] * 31_536_000 + at[1])
        ),
    )
)
def test_inflation(solidity: Contract, elapsed: int) -> None:
    assert solidity.functions.issuable(elapsed).call() == inflation.issuable(elapsed)


# ---- messages ----


@settings(max_examples=80, deadline=None)
@given(message=messages)
def test_signed_messages(solidity: Contract, message: Message) -> None:
    said = solidity.get_function_by_name(f"{type(message).__name__}_")(message.as_tuple()).call()
    assert said == message.digest(Domain(CHAIN_ID, solidity.address))


@settings(max_examples=40, deadline=None)
@given(channel=terms, four=st.tuples(words, words, words, words), account=u32, size=st.integers(0, 15))
def test_ids_and_commitments(
    solidity: Contract,
    channel: ChannelTerms,
    four: tuple[bytes, bytes, bytes, bytes],
    account: int,
    size: int,
) -> None:
    calls = solidity.functions
    a, b, c, _ = four
    assert calls.channel(channel.as_tuple()).call() == [channel.channel()] * 2
    assert calls.commitment(a, account, b, c).call() == orders712.commitment(a, account, b, c)
    closed = [*four * 4][:size]
    assert calls.commitments(closed).call() == orders712.commitments_root(closed)


# ---- draws ----


@settings(max_examples=80, deadline=None)
@given(
    seed=words,
    channel=words,
    sequence=u32,
    runners=st.lists(
        st.tuples(u32, st.sampled_from(WEIGHTS)), min_size=2, max_size=2, unique_by=lambda one: one[0]
    ),
)
def test_draws(
    solidity: Contract, seed: bytes, channel: bytes, sequence: int, runners: list[tuple[int, int]]
) -> None:
    calls = solidity.functions
    draw = orders712.draw(seed, channel, sequence)
    assert calls.draw(seed, channel, sequence).call() == draw
    (a, weight_a), (b, weight_b) = runners
    assert calls.distance(draw, a).call() == race.distance(draw, a)
    for one in ((a, weight_a, b, weight_b), (b, weight_b, a, weight_a), (a, weight_a, b, weight_a)):
        assert calls.first(draw, *one).call() == race.before(draw, *one)


# ---- fees ----


def _split(*arguments: Any) -> tuple[Outcome | None, str]:
    """What is shared out, or in whose words it is refused."""
    try:
        return split(*arguments), ""
    except MLBridgeError as error:
        return None, str(error.context["reason"])


def _refusal(call: Any) -> str:
    try:
        call.call()
    except Web3Exception as error:
        found = from_exception(error)
        return "" if found is None else found.name
    return ""


@settings(max_examples=150, deadline=None)
@given(
    order=orders,
    channel=terms,
    fee=st.one_of(u96, st.integers(0, 10_000), st.just(BASIS)),
    price=st.one_of(st.integers(0, 10_000), u96),
    seats=st.integers(3, 15),
    winning=st.integers(0, 15),
    provider=addresses,
)
def test_fees(
    solidity: Contract,
    order: TaskOrder,
    channel: ChannelTerms,
    fee: int,
    price: int,
    seats: int,
    winning: int,
    provider: str,
) -> None:
    order = replace(order, max_fee=fee, seats=seats)
    winners = tuple(range(2, 2 + 2 * min(winning, seats), 2))
    call = solidity.functions.split(
        fee, price, channel.coordinator_share, channel.protocol_share, seats, list(winners)
    )
    outcome, reason = _split(order, channel, bytes(32), winners, price, provider)
    assert _refusal(call) == reason
    if outcome is None:
        return
    _, _, *fees, said = call.call()
    assert fees == [
        outcome.model_fee,
        outcome.coordinator_fee,
        outcome.protocol_fee,
        outcome.seat_fee,
        outcome.debit,
    ]
    assert tuple(said) == winners
    assert outcome.debit <= fee
    due = leaves.amounts(outcome, channel.coordinator)
    parties = {*due, leaves.PROTOCOL, leaves.party_of(provider), leaves.party_of(channel.coordinator), 1, 2}
    for party in parties:
        said = solidity.functions.amountFor(outcome.as_tuple(), channel.coordinator, party).call()
        assert said == due.get(party, 0)
    assert sum(due.values()) == outcome.debit


# ---- leaves and trees ----


# Small ranges, so that neighbours often fit each other.
small = st.integers(0, 3)
task_leaves = st.builds(
    TaskLeaf, small, st.sampled_from(HASHES), small, small, small, small, st.booleans(), words, words
)
entries = st.builds(LedgerLeaf, small, st.sampled_from(PARTIES), small, small, small, st.booleans())


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[TaskLeaf], list[LedgerLeaf]]:
    """Leaves as an honest coordinator makes them."""
    tasks: list[TaskLeaf] = []
    keys = sorted(draw(st.sets(st.tuples(st.sampled_from(HASHES), u32), min_size=1, max_size=9)))
    for index, (channel, sequence) in enumerate(keys):
        first = not tasks or tasks[-1].channel != channel
        last = index + 1 == len(keys) or keys[index + 1][0] != channel
        debit = draw(st.integers(0, 2**60))
        rank, total = (1, debit) if first else (tasks[-1].rank + 1, tasks[-1].total + debit)
        tasks.append(TaskLeaf(index, channel, sequence, rank, debit, total, last, draw(words), draw(words)))
    ledger: list[LedgerLeaf] = []
    pairs = st.tuples(st.sampled_from(PARTIES), st.integers(0, len(tasks) - 1))
    owed = sorted(draw(st.sets(pairs, min_size=1, max_size=9)))
    for index, (party, task) in enumerate(owed):
        first = not ledger or ledger[-1].party != party
        amount = draw(st.integers(1, 2**60))
        total = amount if first else ledger[-1].total + amount
        last = index + 1 == len(owed) or owed[index + 1][0] != party
        ledger.append(LedgerLeaf(index, party, task, amount, total, last))
    return tasks, ledger


@settings(max_examples=40, deadline=None)
@given(batch=batches())
def test_roots_and_paths(solidity: Contract, batch: tuple[list[TaskLeaf], list[LedgerLeaf]]) -> None:
    calls: Any = solidity.functions
    kinds: tuple[tuple[list[Any], Any, Any], ...] = (
        (batch[0], calls.hashOfTask, calls.holdsTask),
        (batch[1], calls.hashOfEntry, calls.holdsEntry),
    )
    for listed, hashed, holds in kinds:
        tree = Tree([leaf.hash() for leaf in listed])
        for place, leaf in enumerate(listed):
            assert hashed(leaf.as_tuple()).call() == leaf.hash()
            shown = leaf.as_tuple(), tree.path(place)
            assert holds(shown, tree.root).call()
            moved = replace(leaf, index=leaf.index + 1)
            assert not holds((moved.as_tuple(), tree.path(place)), tree.root).call()


@settings(max_examples=40, deadline=None)
@given(batch=batches(), data=st.data())
def test_an_honest_batch_breaks_no_rule(
    solidity: Contract, batch: tuple[list[TaskLeaf], list[LedgerLeaf]], data: st.DataObject
) -> None:
    tasks, ledger = batch
    calls = solidity.functions
    a, b = data.draw(st.sampled_from(tasks)), data.draw(st.sampled_from(tasks))
    assert leaves.task_broken(a, b, len(tasks)) is False
    assert calls.taskBroken(a.as_tuple(), b.as_tuple(), len(tasks)).call() is False
    one, other = data.draw(st.sampled_from(ledger)), data.draw(st.sampled_from(ledger))
    assert leaves.entry_broken(one, other, len(ledger), len(tasks)) is False
    assert calls.entryBroken(one.as_tuple(), other.as_tuple(), len(ledger), len(tasks)).call() is False


@settings(max_examples=120, deadline=None)
@given(a=task_leaves, b=task_leaves, same=st.booleans(), count=st.integers(1, 5))
def test_rules_of_task_leaves(solidity: Contract, a: TaskLeaf, b: TaskLeaf, same: bool, count: int) -> None:
    b = a if same else b
    said = solidity.functions.taskBroken(a.as_tuple(), b.as_tuple(), count).call()
    assert said == leaves.task_broken(a, b, count)


@settings(max_examples=120, deadline=None)
@given(a=entries, b=entries, same=st.booleans(), count=st.integers(1, 5), tasks=st.integers(1, 5))
def test_rules_of_entries(
    solidity: Contract, a: LedgerLeaf, b: LedgerLeaf, same: bool, count: int, tasks: int
) -> None:
    b = a if same else b
    said = solidity.functions.entryBroken(a.as_tuple(), b.as_tuple(), count, tasks).call()
    assert said == leaves.entry_broken(a, b, count, tasks)
