"""A member of the channel lane: what it signs, and that it never signs twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, orders712, signatures, wire
from mlbridge.protocol.exchange import ClosedSet, Pledge, Revealed
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Commitment
from mlbridge.storage import LocalStore
from serve.config import parse
from serve.lane.store import Answer
from tests.support.lane_members import (
    ACCOUNTS,
    DOMAIN,
    EPOCH,
    INPUT,
    NOW,
    Seat,
    attested,
    closed_by,
    codes,
    digest_of,
    forget_channel,
    make_seat,
    node_key,
    offer_of,
    order_of,
    out_of_the_draw,
)


@pytest.fixture
def seats(tmp_path: Path) -> list[Seat]:
    return [make_seat(tmp_path, account) for account in ACCOUNTS]


@pytest.fixture
def seat(seats: list[Seat]) -> Seat:
    return seats[0]


# ---- the happy path ----
async def test_three_members_commit_and_attest_the_same_result(seats: list[Seat]) -> None:
    offer = offer_of(order_of())
    closed = await closed_by(seats, offer)
    digest, results = digest_of(offer.order.message), set()
    for seat in seats:
        (answer,) = await seat.reveal(closed)
        message = attested(answer, seat.account)
        opened = orders712.commitment(digest, seat.account, message.result, message.salt)
        assert opened in [pledge.word for pledge in closed.seats]
        assert message.commitments == orders712.commitments_root([pledge.word for pledge in closed.seats])
        assert isinstance(answer, Revealed)
        assert answer.output == b"read input"
        results.add(message.result)
    assert results == {exchange.result_of(DOMAIN, digest, b"read input")}


async def test_salts_differ_between_members_and_orders(seats: list[Seat]) -> None:
    words = set()
    for sequence in range(3):
        closed = await closed_by(seats, offer_of(order_of(sequence)))
        words |= {pledge.word for pledge in closed.seats}
    assert len(words) == 9


async def test_an_output_is_sent_only_to_who_asks_and_large_ones_go_by_cid(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    large = b"x" * (exchange.MAX_INLINE_BYTES + 1)

    async def run(_: bytes) -> bytes:
        return large

    seats = [make_seat(tmp_path, account, run=run, content=store) for account in ACCOUNTS]
    closed = await closed_by(seats, offer_of(order_of()))
    (with_output,) = await seats[0].reveal(closed)
    (without,) = await seats[0].reveal(replace(closed, output=False))
    assert isinstance(with_output, Revealed)
    assert isinstance(without, Revealed)
    assert without.output is None
    assert isinstance(with_output.output, str)
    assert await store.get(with_output.output, max_bytes=1 << 20) == large
    assert with_output.attestation == without.attestation


async def test_what_was_answered_on_chain_is_committed_to_whatever_the_model_says(seat: Seat) -> None:
    offer = offer_of(order_of())
    digest, output = digest_of(offer.order.message), b"said on chain"
    said = Answer(exchange.result_of(DOMAIN, digest, output), b"s" * 32, output)
    assert await seat.store.answer(digest, said, until=NOW) == said
    assert codes(await seat.commit(offer)) == ["ok"]
    held = seat.store.held(digest)
    assert held is not None
    assert (held.result, held.output) == (said.result, output)


async def test_an_input_by_cid_is_fetched_and_held_to_its_digest(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    cid, other = await store.put(INPUT), await store.put(b"another")
    seat = make_seat(tmp_path, 2, content=store)
    assert codes(await seat.commit(offer_of(order_of(), content=cid))) == ["ok"]
    assert codes(await seat.commit(offer_of(order_of(1), content=other))) == ["order.input"]
    # The refused one left nothing behind: its sequence is free.
    assert codes(await seat.commit(offer_of(order_of(1), content=cid))) == ["ok"]


# ---- revealing ----
def forged(closed: ClosedSet, account: int, **changes: Any) -> ClosedSet:
    """The set with one seat changed."""
    seats = [replace(one, **changes) if one.account == account else one for one in closed.seats]
    return replace(closed, seats=tuple(seats))


async def test_it_reveals_only_to_a_set_with_its_own_commitment_and_a_possible_verdict(
    seats: list[Seat],
) -> None:
    offer = offer_of(order_of())
    closed = await closed_by(seats, offer)
    mine, other = seats[0], closed.seats[1]
    junk = Commitment(closed.order, other.account, keccak(b"junk"))
    stranger = wire.sign(junk, DOMAIN, keccak(b"stranger"))
    third = wire.sign(junk, DOMAIN, node_key(6))
    for bad in (
        forged(closed, mine.account, word=keccak(b"not mine")),
        forged(closed, mine.account, word=exchange.SILENT, signature=b""),
        forged(closed, other.account, word=junk.word),
        forged(closed, other.account, word=junk.word, signature=stranger.signature),
        forged(closed, other.account, word=junk.word, signature=third.signature),
        forged(closed, other.account, word=exchange.SILENT, signature=b""),
        replace(closed, seats=closed.seats[:2]),
        replace(closed, seats=(*closed.seats, Pledge(8))),
        replace(closed, seats=(*closed.seats[:2], Pledge(8, other.word, other.signature))),
    ):
        assert codes(await mine.reveal(bad)) == ["lane.set"]
    assert codes(await mine.given(closed.order)) == ["lane.unknown_order"]
    assert codes(await mine.reveal(closed)) == ["ok"]


async def test_a_silent_seat_of_five_does_not_stop_the_others(tmp_path: Path) -> None:
    seats = []
    for account in (2, 4, 6, 8, 10):
        seat = make_seat(tmp_path, account)
        with seat.chain() as db:
            assert db is not None
        for one in (8, 10):
            seat.chain().put_weight(order_of().model_id, one, 3, 10_000, 10)
            seat.chain().put_node(signatures.address_of(node_key(one)), one // 2)
        seats.append(seat)
    offer = offer_of(order_of(seats=5))
    closed = await closed_by(seats, offer, silent=[4])
    for seat in seats:
        expected = ["lane.unknown_order"] if seat.account == 4 else ["ok"]
        assert codes(await seat.reveal(closed)) == expected


async def test_whoever_settles_finds_the_attestations_and_nobody_finds_them_early(seats: list[Seat]) -> None:
    closed = await closed_by(seats, offer_of(order_of()))
    assert codes(await seats[0].given(closed.order, keccak(b"none"), b"")) == ["lane.unknown_order"] * 3
    (told,) = await seats[0].reveal(closed)
    (given_,) = await seats[0].given(closed.order)
    assert isinstance(told, Revealed)
    assert given_ == Revealed(told.attestation, None)


async def test_a_seat_lost_to_a_reorganisation_is_not_attested(seats: list[Seat]) -> None:
    closed = await closed_by(seats, offer_of(order_of()))
    chain = seats[0].chain()
    with chain:
        chain.void_from(85)
    assert codes(await seats[0].reveal(closed)) == ["order.seed"]
    out_of_the_draw(chain)
    chain.put_seed(EPOCH, keccak(b"another seed"), 91)
    assert codes(await seats[0].reveal(closed)) == ["lane.set"]


# ---- never twice ----
async def test_what_is_asked_again_is_answered_with_the_same_bytes(tmp_path: Path) -> None:
    runs = []

    async def run(data: bytes) -> bytes:
        runs.append(data)
        return b"run %d" % len(runs)  # a model that never answers twice alike

    seats = [make_seat(tmp_path, account, run=run) for account in ACCOUNTS]
    offer = offer_of(order_of())
    closed = await closed_by(seats, offer)
    mine, count = seats[0], len(runs)
    first = [(await mine.commit(offer))[0], (await mine.reveal(closed))[0]]
    # A restart, another replica, a closed channel: the word stands.
    forget_channel(mine.chain())
    second = mine.again()
    assert [(await second.commit(offer))[0], (await second.reveal(closed))[0]] == first
    assert len(runs) == count


async def test_no_second_closed_set_is_signed(seats: list[Seat]) -> None:
    closed = await closed_by(seats, offer_of(order_of()))
    mine = seats[0]
    # The third member gives the coordinator two commitments, which makes two sets that look right.
    other = wire.sign(Commitment(closed.order, 6, keccak(b"second")), DOMAIN, node_key(6))
    twin = forged(closed, 6, word=other.message.word, signature=other.signature)
    (first,) = await mine.reveal(closed)
    assert codes(await mine.reveal(twin)) == ["lane.other_set"]
    assert codes(await mine.again().reveal(twin)) == ["lane.other_set"]
    assert await mine.reveal(closed) == [first]


async def test_two_replicas_at_once_give_one_commitment_and_one_attestation(tmp_path: Path) -> None:
    number = iter(range(100))

    async def run(data: bytes) -> bytes:
        await asyncio.sleep(0.001)
        return b"run %d" % next(number)

    seats = [make_seat(tmp_path, account, run=run) for account in ACCOUNTS]
    twins = [seats[0], seats[0].again()]
    offer = offer_of(order_of())
    closed = await closed_by(seats, offer)
    answers = await asyncio.gather(*(twin.commit(offer) for twin in twins * 4))
    assert all(answer == answers[0] for answer in answers)
    other = wire.sign(Commitment(closed.order, 6, keccak(b"second")), DOMAIN, node_key(6))
    sets = [closed, forged(closed, 6, word=other.message.word, signature=other.signature)]
    told = await asyncio.gather(
        *(twin.reveal(sets[(at + turn) % 2]) for turn in range(4) for at, twin in enumerate(twins))
    )
    roots = {answer.attestation.message.commitments for (answer,) in told if isinstance(answer, Revealed)}
    assert len(roots) == 1


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["offer", "other", "close", "twin", "restart"]), st.integers(0, 1)),
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(ACTIONS)
def test_no_order_of_messages_makes_a_member_sign_twice(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]]
) -> None:
    asyncio.run(walk(tmp_path_factory.mktemp("walk"), actions))


async def walk(folder: Path, actions: list[tuple[str, int]]) -> None:
    """Two replicas, a coordinator that mixes everything up, a model that never answers twice alike."""
    number = iter(range(100))

    async def run(data: bytes) -> bytes:
        return b"run %d" % next(number)

    replicas = [make_seat(folder, 2, run=run)]
    replicas.append(replicas[0].again())
    offers = [offer_of(order_of(content=text), content=text) for text in (b"one", b"two")]
    commitments: dict[bytes, set[bytes]] = {}
    attestations: dict[bytes, set[tuple[bytes, bytes]]] = {}
    for action, place in actions:
        seat = replicas[place]
        if action == "restart":
            replicas[place] = seat.again()
            continue
        offer = offers[action == "other"]
        digest = digest_of(offer.order.message)
        if action in ("offer", "other"):
            (answer,) = await seat.commit(offer)
            if isinstance(answer, wire.Signed):
                commitments.setdefault(digest, set()).add(answer.to_bytes())
            continue
        (answer,) = await seat.commit(offer)
        ours = [Pledge.of(answer)] if isinstance(answer, wire.Signed) else [Pledge(2)]
        salt = b"%d" % (action == "twin")
        rest = [
            Pledge.of(wire.sign(Commitment(digest, account, keccak(salt)), DOMAIN, node_key(account)))
            for account in (4, 6)
        ]
        (answer,) = await seat.reveal(ClosedSet(digest, (*ours, *rest)))
        if isinstance(answer, Revealed):
            message = answer.attestation.message
            attestations.setdefault(digest, set()).add((message.result, message.commitments))
    # One order a sequence, one commitment and one attestation an order.
    assert len(commitments) <= 1
    assert all(len(words) == 1 for words in (*commitments.values(), *attestations.values()))
    for replica in replicas:
        replica.store.close()


# ---- faults ----
async def test_each_fault_is_one_that_the_others_or_the_chain_can_see(tmp_path: Path) -> None:
    honest = [make_seat(tmp_path, account) for account in ACCOUNTS[1:]]
    for number, fault in enumerate(("wrong-result", "copy-commitment", "wrong-reveal", "double-sign")):
        bad = make_seat(tmp_path / fault, 2, fault=fault)
        seats, offer = [bad, *honest], offer_of(order_of(number))
        closed = await closed_by(seats, offer)
        (told,) = await bad.reveal(closed)
        (again,) = await bad.reveal(closed)
        message, repeated = attested(told, 2), attested(again, 2)
        true = exchange.result_of(DOMAIN, closed.order, b"read input")
        opens = orders712.commitment(closed.order, 2, message.result, message.salt) == closed.seats[0].word
        assert (message.result == true) == (fault in ("wrong-reveal", "double-sign"))
        assert opens == (fault in ("wrong-result", "double-sign"))
        assert (repeated.result != message.result) == (fault == "double-sign")
    silent = make_seat(tmp_path / "silent", 2, fault="silent")
    assert codes(await silent.commit(offer_of(order_of(20)))) == ["lane.unavailable"]
    mute = make_seat(tmp_path / "mute", 2, fault="no-reveal")
    closed = await closed_by([mute, *honest], offer_of(order_of(21)))
    assert codes(await mute.reveal(closed)) == ["lane.unavailable"]


async def test_a_late_member_answers_after_the_deadline(tmp_path: Path) -> None:
    late = make_seat(tmp_path, 2, fault="late")
    order = order_of(deadline=int(late.view.now()) + 1)
    assert codes(await late.commit(offer_of(order))) == ["order.deadline"]
    assert late.view.now() > order.deadline


def test_a_fault_is_refused_off_the_devnet(tmp_path: Path) -> None:
    key = {"keystore": "node.json", "password_env": "PASSWORD"}
    lane = {"channels": DOMAIN.contract, "view": "v", "store": "s", "key": key, "fault": "double-sign"}
    fields = {
        "name": "m",
        "model_id": "0x" + "07" * 32,
        "chain_id": 31337,
        "directory": str(tmp_path),
        "kind": "chat",
        "node_keys": [DOMAIN.contract],
        "lane": lane,
    }
    assert parse(fields).lane is not None
    with pytest.raises(MLBridgeError, match="for devnets"):
        parse(fields | {"chain_id": 1})
