"""mlbridge.protocol against the Solidity libraries themselves, compiled and run on anvil."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import Web3
from web3.contract import Contract

from contracts.anvil import CHAIN_ID
from mlbridge.protocol import hashing
from mlbridge.protocol.content import inline, reference
from mlbridge.protocol.tally import clip, tally_results, tally_votes
from mlbridge.protocol.types import RoundKind, Seat
from mlbridge.protocol.unixfs import cid_of
from tests.support.solidity import deployed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HARNESS = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;
import {Ballot} from "src/interfaces/IBallotBox.sol";
import {Verdict} from "src/interfaces/Types.sol";
import {Hashing} from "src/libraries/Hashing.sol";
import {Tally} from "src/libraries/Tally.sol";
contract Harness {
    function verdict(Ballot memory ballot) external pure returns (Verdict memory found) {
        Tally.verdict(ballot, found);
    }
    function clip(uint256[] memory weights) external pure returns (uint256[] memory clipped) {
        (clipped,) = Tally.clip(weights);
    }
    function taskId(Hashing.TaskSpec memory spec) external pure returns (bytes32) {
        return Hashing.taskId(spec);
    }
    function digest(bytes32 task, bytes32 root) external view returns (bytes32) {
        return Hashing.digest(task, root);
    }
    function commitment(
        address tasks, bytes32 task, uint8 round, uint32 account, bytes32 result, bytes32 salt
    ) external view returns (bytes32) {
        return Hashing.commitment(tasks, task, round, account, result, salt);
    }
    function seed(bytes32 randomness, bytes32 task, uint256 round, uint256 redraw)
        external pure returns (bytes32)
    {
        return Hashing.seed(randomness, task, round, redraw);
    }
    function root(bytes calldata content) external pure returns (bytes32) {
        return Hashing.payloadRoot(content);
    }
}
"""


@pytest.fixture(scope="module")
def solidity() -> Iterator[Contract]:
    """The libraries, callable."""
    with deployed(HARNESS) as harness:
        yield harness


DIGESTS = [bytes([letter]) * 32 for letter in b"\0ab"]
words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20).map(Web3.to_checksum_address)
weights = st.one_of(
    st.integers(0, 2**48 - 1), st.integers(0, 5), st.integers(0, 47).map(lambda bit: 1 << bit), st.just(7)
)


@st.composite
def packed_votes(draw: st.DrawFn, favourite: int) -> bytes:
    """Any uint32, often with the same vote in every place so that something passes."""
    uniform = sum(favourite << (2 * i) for i in range(15))
    bits = draw(st.one_of(st.just(uniform), st.just(uniform), st.integers(0, 2**32 - 1)))
    return bits.to_bytes(32, "big")


@st.composite
def rounds(draw: st.DrawFn, values: st.SearchStrategy[bytes]) -> list[Seat]:
    """Up to 15 seats, most of them revealed."""
    size = draw(st.integers(3, 15))
    return [
        Seat(2, draw(weights), True, draw(st.integers(0, 9)) > 0, False, draw(values)) for _ in range(size)
    ]


def ballot(
    kind: RoundKind, seats: list[Seat], judges: bool, candidates: dict[int, bytes]
) -> tuple[object, ...]:
    """contracts/src/interfaces/IBallotBox.sol, Ballot."""
    digests = [candidates.get(i, bytes(32)) for i in range(max(candidates, default=-1) + 1)]
    opened = [seat.value for seat in seats if seat.revealed]
    # Whoever opened first leads, not always the first seat.
    leading = opened[len(seats) % len(opened)] if opened else bytes(32)
    agreeing = [seat.revealed and seat.value == leading for seat in seats]
    return (
        int(kind),
        judges,
        0,
        sum(1 << i for i, seat in enumerate(seats) if seat.revealed),
        sum(1 << i for i, agrees in enumerate(agreeing) if agrees),
        leading,
        sum(1 << i for i in candidates),
        [seat.weight for seat in seats],
        [bytes(32) if agrees else seat.value for seat, agrees in zip(seats, agreeing, strict=True)],
        digests,
    )


@settings(max_examples=300, deadline=None)
@given(seats=rounds(st.sampled_from([DIGESTS[1], DIGESTS[1], *DIGESTS])))
def test_result_rounds(solidity: Contract, seats: list[Seat]) -> None:
    verdict = tally_results(seats)
    said = solidity.functions.verdict(ballot(RoundKind.RESULT, seats, False, {})).call()
    assert tuple(said) == (verdict.passed, verdict.dissent, verdict.winner, verdict.confidence, 0, 0)


@settings(max_examples=400, deadline=None)
@given(data=st.data(), judges=st.booleans())
def test_vote_rounds(solidity: Contract, data: st.DataObject, judges: bool) -> None:
    favourite = data.draw(st.integers(0, 3))
    seats = data.draw(rounds(packed_votes(favourite)))
    last = 14 if judges else len(seats) - 1
    candidates = data.draw(st.dictionaries(st.integers(0, last), words, max_size=15))
    verdict = tally_votes(seats, candidates, judges)
    said = solidity.functions.verdict(ballot(RoundKind.VOTE, seats, judges, candidates)).call()
    assert tuple(said) == (
        verdict.passed,
        verdict.dissent,
        verdict.winner,
        verdict.confidence,
        verdict.accepted,
        verdict.rejected,
    )


@settings(max_examples=200, deadline=None)
@given(drawn=st.lists(weights, max_size=15))
def test_clip(solidity: Contract, drawn: list[int]) -> None:
    assert solidity.functions.clip(drawn).call() == clip(drawn)


@settings(max_examples=50, deadline=None)
@given(
    manager=addresses,
    requester=addresses,
    four=st.tuples(words, words, words, words),
    deadline=st.integers(0, 2**256 - 1),
    payment=st.integers(0, 2**256 - 1),
    seats=st.integers(0, 255),
    round_=st.integers(0, 255),
    account=st.integers(0, 2**32 - 1),
)
def test_hashes(
    solidity: Contract,
    manager: str,
    requester: str,
    four: tuple[bytes, bytes, bytes, bytes],
    deadline: int,
    payment: int,
    seats: int,
    round_: int,
    account: int,
) -> None:
    a, b, c, d = four
    calls = solidity.functions
    spec = (CHAIN_ID, manager, requester, a, b, deadline, payment, seats, c)
    assert calls.taskId((d, *spec)).call() == hashing.task_id(*spec)
    assert calls.digest(a, b).call() == hashing.result_digest(CHAIN_ID, a, b)
    assert calls.commitment(manager, a, round_, account, b, c).call() == hashing.commitment(
        CHAIN_ID, manager, a, round_, account, b, c
    )
    assert calls.seed(a, b, round_, seats).call() == hashing.draw_seed(a, b, round_, seats)


@settings(max_examples=50, deadline=None)
@given(payload=st.binary(max_size=300))
def test_payload_roots(solidity: Contract, payload: bytes) -> None:
    root = hashing.payload_root(payload)
    assert solidity.functions.root(inline(payload)).call() == root
    assert solidity.functions.root(reference(payload, cid_of(payload))).call() == root
