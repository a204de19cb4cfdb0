"""A member's answers for requesters: what it attested, for the order's requester alone, and never before."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import agreed, exchange, fetching, wire
from mlbridge.protocol.exchange import ClosedSet, Offer, Refusal
from mlbridge.protocol.fetching import AnswerRequest, Handed
from mlbridge.protocol.hashing import keccak
from tests.support.lane_members import (
    ACCOUNTS,
    COORDINATOR,
    DOMAIN,
    NOW,
    REQUESTER,
    Seat,
    closed_by,
    digest_of,
    make_seat,
    node_key,
    offer_of,
    order_of,
)

OFFER = offer_of(order_of())
DIGEST = digest_of(OFFER.order.message)


@pytest.fixture
def seats(tmp_path: Path) -> list[Seat]:
    return [make_seat(tmp_path, account) for account in ACCOUNTS]


async def attest(seats: list[Seat], offer: Offer = OFFER) -> ClosedSet:
    """Every seat attests the order; the set."""
    closed = await closed_by(seats, offer)
    for seat in seats:
        await seat.reveal(closed)
    return closed


def refused(answer: Handed | Refusal) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.code


async def test_the_requester_gets_all_that_a_verdict_takes(seats: list[Seat]) -> None:
    closed = await attest(seats)
    for seat in seats:
        handed = await seat.answer(DIGEST)
        assert isinstance(handed, Handed)
        assert handed.output == b"read input"
        assert handed.closed == closed
        assert handed.is_of(DIGEST, list(ACCOUNTS), seat.account, DOMAIN)


async def test_nothing_is_handed_over_before_the_member_itself_attested(seats: list[Seat]) -> None:
    """Whatever others did: a copier that shares the requester's key learns no answer to commit to."""
    first, second, third = seats
    assert refused(await first.answer(DIGEST)) == "lane.unknown_order"
    closed = await closed_by([second, third], OFFER, silent=[first.account])
    for seat in (second, third):
        answer = await seat.answer(DIGEST)
        assert isinstance(answer, Refusal)
        assert (answer.code, answer.retry_after) == ("lane.not_attested", 1)
    # A set that makes no verdict possible is revealed to by nobody, so it opens nothing either.
    await second.reveal(closed)
    assert refused(await second.answer(DIGEST)) == "lane.not_attested"


async def test_one_seat_that_attested_gives_nothing_away_of_another(seats: list[Seat]) -> None:
    closed = await closed_by(seats, OFFER)
    await seats[0].reveal(closed)
    assert isinstance(await seats[0].answer(DIGEST), Handed)
    assert refused(await seats[1].answer(DIGEST)) == "lane.not_attested"


@pytest.mark.parametrize(
    "key", [COORDINATOR, node_key(4), keccak(b"stranger")], ids=["coordinator", "another member", "stranger"]
)
async def test_nobody_but_the_requester_reads_it(seats: list[Seat], key: bytes) -> None:
    await attest(seats)
    assert refused(await seats[0].answer(DIGEST, key)) == "request.requester"


async def test_a_request_counts_for_one_member_one_order_and_a_short_time(seats: list[Seat]) -> None:
    await attest(seats)
    other = offer_of(order_of(1))
    await attest(seats, other)
    assert refused(await seats[0].answer(DIGEST, account=4)) == "request.foreign"
    assert refused(await seats[0].answer(DIGEST, expires=NOW - 1)) == "request.expired"
    late = NOW + fetching.LONGEST_S + 60
    assert refused(await seats[0].answer(DIGEST, expires=late)) == "request.expired"
    assert isinstance(await seats[0].answer(digest_of(other.order.message)), Handed)


async def test_whoever_repeats_a_request_gets_what_he_cannot_read(seats: list[Seat]) -> None:
    """A node that claims the account passes the request on; all it gets is sealed to the requester's key."""
    await attest(seats)
    secret, public = agreed.new_key()
    request = AnswerRequest(DIGEST, seats[0].account, public, NOW + 30)
    caught = fetching.write_request(wire.sign(request, DOMAIN, REQUESTER))
    body = await seats[0].member.answers(caught)
    assert b"read input" not in body
    with pytest.raises(MLBridgeError):
        fetching.read_answer(body, request, keccak(b"a node's own"))
    assert isinstance(fetching.read_answer(body, request, secret), Handed)
    # With a key of its own in it, it is nobody's request.
    swapped = wire.Signed(
        AnswerRequest(DIGEST, seats[0].account, agreed.public_of(keccak(b"a node's own")), NOW + 30),
        wire.sign(request, DOMAIN, REQUESTER).signature,
    )
    (item,) = exchange.split(await seats[0].member.answers(fetching.write_request(swapped)))
    refusal = exchange.read_answer(item)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "request.requester"


async def test_a_key_that_seals_nothing_is_refused(seats: list[Seat]) -> None:
    await attest(seats)
    assert refused(await seats[0].answer(DIGEST, sealed_to=bytes(32))) == "request.key"


async def test_rubbish_is_refused_and_costs_no_look_at_the_store(seats: list[Seat]) -> None:
    for body, code in ((b"", "request.malformed"), (exchange.join([b"a", b"b"]), "request.malformed")):
        with pytest.raises(MLBridgeError) as caught:
            await seats[0].member.answers(body)
        assert caught.value.code == code
    (item,) = exchange.split(await seats[0].member.answers(exchange.join([b"rubbish"])))
    refusal = exchange.read_answer(item)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "message.malformed"


async def test_it_is_there_after_a_restart_and_until_the_order_is_forgotten(seats: list[Seat]) -> None:
    await attest(seats)
    again = seats[0].again()
    assert isinstance(await again.answer(DIGEST), Handed)
    await again.store.prune(NOW + 61)
    assert refused(await again.answer(DIGEST)) == "lane.unknown_order"


@dataclass
class Wallet:
    """A contract account. asked: how often; gate: until then it says nothing."""

    asked: int = 0
    says: bool = True
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def signed(self, wallet: str, digest: bytes, signature: bytes) -> bool:
        self.asked += 1
        await self.gate.wait()
        return self.says


async def test_a_contract_account_is_asked_where_the_provider_takes_its_orders(tmp_path: Path) -> None:
    wallet = Wallet()
    wallet.gate.set()
    seats = [make_seat(tmp_path, account, wallets=wallet) for account in ACCOUNTS]
    owner = keccak(b"owner of a wallet")
    await attest(seats, offer_of(order_of(), key=owner))
    assert isinstance(await seats[0].answer(DIGEST, owner), Handed)
    wallet.says = False
    assert refused(await seats[0].answer(DIGEST, owner)) == "request.requester"


async def test_wrong_signatures_ask_a_chain_node_little_and_keep_out_no_requester(tmp_path: Path) -> None:
    wallet = Wallet(says=False)
    seats = [make_seat(tmp_path, account, wallets=wallet) for account in ACCOUNTS]
    await attest(seats)
    flood = [
        asyncio.create_task(seats[0].answer(DIGEST, keccak(b"stranger %d" % number))) for number in range(20)
    ]
    for ended in itertools.islice(asyncio.as_completed(flood, timeout=30), 16):
        assert refused(await ended) == "serve.busy"
    assert isinstance(await seats[0].answer(DIGEST), Handed)
    wallet.gate.set()
    said = [refused(answer) for answer in await asyncio.gather(*flood)]
    assert sorted(said) == ["request.requester"] * 4 + ["serve.busy"] * 16
    assert wallet.asked == 4
