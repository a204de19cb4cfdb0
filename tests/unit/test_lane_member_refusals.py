"""A member of the channel lane: what it refuses before it costs any compute, and what it goes on with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, signatures
from mlbridge.protocol.exchange import Offer, Refusal
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.types import Policy
from serve.lane.view import ChannelRow, ViewWriter
from serve.lane.wallets import ChainWallets
from tests.support.lane_members import (
    ACCOUNTS,
    COORDINATOR,
    DEPOSIT,
    DOMAIN,
    EPOCH,
    FEE,
    INPUT,
    NOW,
    REQUESTER,
    Seat,
    closed_by,
    codes,
    digest_of,
    forget_channel,
    make_seat,
    offer_of,
    order_of,
    out_of_the_draw,
    terms,
)


@pytest.fixture
def seats(tmp_path: Path) -> list[Seat]:
    return [make_seat(tmp_path, account) for account in ACCOUNTS]


@pytest.fixture
def seat(seats: list[Seat]) -> Seat:
    return seats[0]


def refused(answer: object) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


def change_channel(**changes: Any) -> Callable[[ViewWriter], None]:
    def apply(chain: ViewWriter) -> None:
        row = ChannelRow(terms().channel(), DEPOSIT, 0, 0, 0, 0, 0, 0, 100)
        chain.put_channels([replace(row, **changes)])

    return apply


def pause(chain: ViewWriter) -> None:
    chain.put_paused(True)


def not_recorded(chain: ViewWriter) -> None:
    chain.put_price(order_of().model_id, EPOCH, signatures.address_of(REQUESTER), None, 99)


REFUSALS: list[tuple[str, dict[str, Any], Callable[[ViewWriter], None] | None, bool]] = [
    ("order.deadline", {"deadline": NOW}, None, False),
    ("order.deadline", {"deadline": NOW - 100}, None, False),
    ("lane.validity", {"deadline": NOW + 100_000}, None, False),
    ("lane.model", {"model_id": keccak(b"other")}, None, False),
    ("order.model", {}, not_recorded, False),
    ("order.policy", {"policy": Policy.NUMERIC}, None, False),
    ("order.seats", {"seats": 2}, None, False),
    ("order.seats", {"seats": 16}, None, False),
    ("committee.too_few", {"seats": 4}, None, False),
    ("order.params", {"params_digest": keccak(b"")}, None, False),
    ("order.input", {"input_digest": keccak(b"else")}, None, False),
    ("lane.channel_unknown", {}, forget_channel, True),
    ("order.paused", {}, pause, True),
    ("order.closing", {}, change_channel(closes_at=NOW + 1000), False),
    ("order.sequence", {"sequence": 4}, change_channel(floor=5), False),
    ("order.sequence", {"sequence": 7}, change_channel(floor=5, window=0b100), False),
    ("order.sequence", {"sequence": 5}, change_channel(covered=6), False),
    ("order.sequence_ahead", {"sequence": 64}, None, True),
    ("order.epoch", {"epoch": 2}, None, False),
    ("order.epoch", {"epoch": EPOCH - 3}, None, False),
    ("order.epoch_ahead", {"epoch": EPOCH + 1}, None, True),
    ("order.seed", {"epoch": EPOCH - 1}, None, True),
    ("order.funds", {"max_fee": DEPOSIT + 1}, None, False),
    ("order.funds", {}, change_channel(promised=DEPOSIT), False),
    ("order.price", {"max_fee": 10**9}, None, False),
    ("lane.seat", {}, out_of_the_draw, False),
]


@pytest.mark.parametrize(("code", "changes", "chain", "later"), REFUSALS)
async def test_an_order_that_is_not_right_costs_no_compute(
    tmp_path: Path,
    code: str,
    changes: dict[str, Any],
    chain: Callable[[ViewWriter], None] | None,
    later: bool,
) -> None:
    ran = []

    async def run(data: bytes) -> bytes:
        ran.append(data)
        return data

    seat = make_seat(tmp_path, 2, run=run)
    if chain is not None:
        chain(seat.chain())
    (answer,) = await seat.commit(offer_of(order_of(**changes)))
    assert refused(answer).code == code
    assert (refused(answer).retry_after is not None) == later
    assert ran == []
    assert seat.store.endings() == {}


async def test_a_seat_below_the_providers_price_is_refused(tmp_path: Path) -> None:
    fee = (FEE - FEE // 10 - 10**9) // 3
    dear, fair = (make_seat(tmp_path / str(n), 2, seat_fee=fee + n) for n in (1, 0))
    assert codes(await dear.commit(offer_of(order_of()))) == ["order.price"]
    assert codes(await fair.commit(offer_of(order_of()))) == ["ok"]


async def test_only_the_requester_of_the_channel_orders(seat: Seat) -> None:
    assert codes(await seat.commit(offer_of(order_of(), key=COORDINATOR))) == ["order.signature"]


async def test_only_the_channels_coordinator_offers(tmp_path: Path, seats: list[Seat]) -> None:
    seat, offer = seats[0], offer_of(order_of())
    assert codes(await seat.commit(offer, key=REQUESTER)) == ["lane.coordinator"]
    foreign = Offer(offer.order, replace(terms(), coordinator=signatures.address_of(REQUESTER)), INPUT)
    assert codes(await seat.commit(foreign, key=REQUESTER)) == ["order.channel"]
    chosen = make_seat(tmp_path / "choosy", 2, coordinators=frozenset({signatures.address_of(REQUESTER)}))
    assert codes(await chosen.commit(offer)) == ["lane.coordinator"]
    # Nor does anybody else get what it revealed to the right one, though he has the set.
    closed = await closed_by(seats, offer)
    assert codes(await seat.reveal(closed, key=REQUESTER)) == ["lane.unknown_order"]


async def test_a_request_is_signed_for_this_body_this_member_and_this_time(seat: Seat) -> None:
    body = exchange.join([offer_of(order_of()).to_bytes()])
    other = exchange.join([offer_of(order_of(1)).to_bytes()])
    elsewhere = exchange.sign_request(body, 4, NOW + 30, DOMAIN, COORDINATOR)
    for header, code in (
        (None, "request.unsigned"),
        ("rubbish", "request.unsigned"),
        ("é", "request.unsigned"),
        (seat.header(other), "request.foreign"),
        (elsewhere, "request.foreign"),
        (seat.header(body, expires=NOW - 1), "request.expired"),
        (seat.header(body, expires=NOW + 10_000), "request.expired"),
    ):
        with pytest.raises(MLBridgeError) as caught:
            await seat.member.orders(header, body)
        assert caught.value.code == code


async def test_one_bad_item_spoils_none_of_the_others(seat: Seat) -> None:
    good = [offer_of(order_of(number)) for number in range(3)]
    answers = await seat.commit(
        good[0], b"", b"\xa0", good[1], b"\xff" * 40, offer_of(order_of(9, seats=2)), good[2]
    )
    bad = "message.malformed"
    assert codes(answers) == ["ok", bad, bad, "ok", bad, "order.seats", "ok"]


async def test_a_forged_offer_of_the_same_order_spoils_the_true_one_as_little(seat: Seat) -> None:
    forged, true = (offer_of(order_of(), key=key) for key in (COORDINATOR, REQUESTER))
    assert codes(await seat.commit(forged, true, forged)) == ["order.signature", "ok", "order.signature"]


async def test_funds_count_what_is_in_flight_until_the_chain_has_settled_it(seat: Seat) -> None:
    half = DEPOSIT // 2
    first, second = (offer_of(order_of(n, max_fee=half)) for n in range(2))
    third = offer_of(order_of(2, max_fee=FEE))
    assert codes(await seat.commit(first, second, third)) == ["ok", "ok", "lane.funds"]
    # The first settles by itself: what it cost is gone from the balance, and no longer counted.
    change_channel(balance=DEPOSIT - half + FEE, window=0b01)(seat.chain())
    assert codes(await seat.commit(third)) == ["ok"]


async def test_a_sequence_works_for_one_order_only(seat: Seat) -> None:
    one, two = (offer_of(order_of(content=text), content=text) for text in (b"one", b"two"))
    assert codes(await seat.commit(one)) == ["ok"]
    assert codes(await seat.commit(two)) == ["lane.sequence_taken"]


async def test_a_full_or_failing_model_leaves_no_claim_behind(tmp_path: Path) -> None:
    troubles = [MLBridgeError("serve.busy", "Full.", retry_after=3), RuntimeError("no memory")]

    async def run(data: bytes) -> bytes:
        if troubles:
            raise troubles.pop(0)
        return data

    full = [True]
    seat = make_seat(tmp_path, 2, run=run, full=lambda: full[0])
    offer = offer_of(order_of(max_fee=DEPOSIT))
    (answer,) = await seat.commit(offer)
    assert (refused(answer).code, refused(answer).retry_after) == ("serve.busy", 1)
    full[0] = False
    (answer,) = await seat.commit(offer)
    assert (refused(answer).code, refused(answer).retry_after) == ("serve.busy", 3)
    assert codes(await seat.commit(offer)) == ["internal"]
    assert codes(await seat.commit(offer)) == ["ok"]


async def test_a_coordinator_that_lets_work_lie_gets_no_more_of_it(tmp_path: Path) -> None:
    now = [1000.0]
    seat = make_seat(tmp_path, 2, channels=2, clock=lambda: now[0])
    offers = [offer_of(order_of(number)) for number in range(64)]
    assert codes(await seat.commit(*offers)) == ["ok"] * 64
    now[0] += 60
    (answer,) = await seat.commit(offer_of(order_of(salt=1), salt=1))
    assert (refused(answer).code, refused(answer).retry_after) == ("lane.unclosed", 60)
    # What was committed to is still told again, and after a while it is forgiven.
    assert codes(await seat.commit(offers[0])) == ["ok"]
    now[0] += 600
    assert codes(await seat.commit(offer_of(order_of(salt=1), salt=1))) == ["ok"]


async def test_a_crowd_of_invented_coordinators_fills_no_memory(tmp_path: Path) -> None:
    seat = make_seat(tmp_path, 2)
    for number in range(1_100):
        seat.member._require_closing(f"0x{number:040x}")
    assert len(seat.member._idle) == 1_024
    assert codes(await seat.commit(offer_of(order_of()))) == ["ok"]


async def test_a_member_that_does_not_know_the_chain_takes_nothing(tmp_path: Path) -> None:
    seat = make_seat(tmp_path, 2)
    seat.chain().put_head(101, NOW, time.time() - 4000)
    (answer,) = await seat.commit(offer_of(order_of()), at=NOW + 4000)
    assert (refused(answer).code, refused(answer).retry_after) == ("lane.stale", 5)
    (tmp_path / "2" / "view.sqlite").unlink()
    with pytest.raises(MLBridgeError, match="has not written it yet"):
        await seat.again().commit(offer_of(order_of()))


async def test_what_was_committed_to_is_revealed_although_the_chain_node_is_away(seats: list[Seat]) -> None:
    offer = offer_of(order_of())
    closed = await closed_by(seats, offer)
    mine = seats[0]
    first = await mine.commit(offer)
    mine.chain().put_head(100, NOW - 3700, time.time() - 3700)
    assert await mine.commit(offer) == first
    assert codes(await mine.commit(offer_of(order_of(1)))) == ["lane.stale"]
    assert codes(await mine.reveal(closed)) == ["ok"]


class Node:
    """A chain node at which one wallet takes one signature."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.down = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        (call, _) = json.loads(request.content)["params"]
        self.calls.append(call)
        if self.down:
            raise httpx2.ConnectError("down")
        wallet = call["to"] == signatures.address_of(REQUESTER)
        result = {"result": "0x1626ba7e" + "0" * 56} if wallet else {"error": {"message": "reverted"}}
        return httpx2.Response(200, json={"jsonrpc": "2.0", "id": 1} | result)


async def test_a_contract_account_is_asked_once_and_only_where_the_provider_wants_it(tmp_path: Path) -> None:
    node = Node()
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(node))
    wallets = ChainWallets("http://node", client=client)
    seat = make_seat(tmp_path, 2, wallets=wallets)
    # Signed by the owner's key; the channel's requester is the wallet.
    offer = offer_of(order_of(), key=keccak(b"owner"))
    node.down = True
    assert codes(await seat.commit(offer)) == ["lane.stale"]
    node.down = False
    assert codes(await seat.commit(offer)) == ["ok"]
    data = bytes.fromhex(node.calls[-1]["data"][2:])
    assert data[4:36] == digest_of(order_of())
    assert offer.order.signature in data
    assert await wallets.signed(terms().requester, digest_of(order_of()), offer.order.signature)
    assert len(node.calls) == 2
    assert not await wallets.signed(terms().coordinator, digest_of(order_of()), offer.order.signature)
