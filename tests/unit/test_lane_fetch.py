"""A requester that asks its seats itself: real members over HTTP, and whatever stands between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.anvil import free_port
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, fetching, signatures
from mlbridge.protocol.answers import Told
from mlbridge.protocol.evidence import Evidence, Facts, prove
from mlbridge.protocol.exchange import ClosedSet, Offer
from mlbridge.sdk import lane_fetch
from mlbridge.sdk.lane_fetch import PAGES_S, Look, SeatDoors
from serve.lane.http import LaneFace
from tests.support.lane_members import (
    ACCOUNTS,
    DOMAIN,
    EPOCH,
    MODEL,
    REQUESTER,
    SEED,
    Seat,
    closed_by,
    digest_of,
    make_seat,
    node_key,
    offer_of,
    order_of,
)
from tests.support.lane_servers import serving

OFFER = offer_of(order_of())
DIGEST = digest_of(OFFER.order.message)
ID = "0x" + MODEL.hex()


@dataclass
class Street:
    """Members at /<account>, and a liar at /liar. claimed: accounts that the liar's page names; seen: what it
    was asked and answered; key: whose the questions are; unbound: accounts whose node key is none of their
    operator's; pages: those that say something else.
    """

    base: str
    seats: list[Seat]
    claimed: list[int] = field(default_factory=list)
    stalls: bool = False
    key: bytes = REQUESTER
    unbound: list[int] = field(default_factory=list)
    seen: list[tuple[bytes, bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    pages: dict[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        bound = [one for one in ACCOUNTS if one not in self.unbound]
        operators = {signatures.address_of(node_key(one)): one // 2 for one in bound}
        return Facts(DOMAIN, self.seats[0].view.snapshots(), operators)

    def now(self) -> float:
        return self.seats[0].view.now()

    async def seed(self, epoch: int) -> bytes | None:
        return SEED if epoch == EPOCH else None

    def nodes(self, *names: object) -> list[str]:
        return [f"{self.base}/{name}" for name in names]

    def page(self, name: str, accounts: Sequence[int]) -> dict[str, Any]:
        models = [{"id": ID, "endpoint": f"{self.base}/{name}/model"}]
        return {"accounts": {str(account): {} for account in accounts}, "models": models}

    async def node(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.asked.append(name)
        own = self.claimed if name == "liar" else [int(name)]
        return JSONResponse(self.pages.get(name, self.page(name, own)))

    async def answers(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name != "liar":
            face = LaneFace(next(seat for seat in self.seats if seat.account == int(name)).member)
            return await face.routes["POST", "/v1/lane/answers"](request)
        if self.stalls:
            await asyncio.sleep(3600)
        body = await request.body()
        # It has the account's true member answer, and would read what that says.
        (item,) = exchange.split(body)
        true = self.base + f"/{fetching.parse_request(item).message.account}/model/v1/lane/answers"
        async with httpx2.AsyncClient() as client:
            said = (await client.post(true, content=body)).content
        self.seen.append((body, said))
        return Response(said)

    async def attest(self, *, silent: Sequence[int] = (), revealing: Collection[int] = ACCOUNTS) -> ClosedSet:
        """The order goes its course up to here."""
        closed = await closed_by(self.seats, OFFER, silent=silent)
        for seat in self.seats:
            if seat.account in revealing and seat.account not in silent:
                await seat.reveal(closed)
        return closed

    def doors(self, nodes: Sequence[str], more: Sequence[str] = ()) -> SeatDoors:
        async def known() -> Collection[str]:
            return nodes

        async def others() -> Collection[str]:
            return more

        return SeatDoors(self, self.key, known, others)

    async def brief(self, nodes: Sequence[str]) -> Look:
        """As an order's course looks."""
        doors = self.doors(nodes)
        try:
            return await doors.look(OFFER)
        finally:
            await doors.close()

    async def look(self, *names: object, more: Sequence[str] = (), offer: Offer = OFFER) -> Look:
        doors = self.doors(self.nodes(*names), more)
        try:
            return await doors.look(offer, thorough=True)
        finally:
            await doors.close()


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    port = free_port()
    made = Street(f"http://127.0.0.1:{port}", [make_seat(tmp_path, account) for account in ACCOUNTS])
    routes = [
        Route("/{name}/node", made.node),
        Route("/{name}/model/v1/lane/answers", made.answers, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes), port):
        yield made


def proved(street: Street, told: Told | None) -> bytes:
    """The output of a verdict that the chain would take."""
    assert told is not None
    evidence = Evidence(OFFER.terms, OFFER.order.message, OFFER.order.signature, told.result, told.seats)
    assert prove(evidence, street.facts).winners == ACCOUNTS
    assert isinstance(told.output, bytes)
    assert exchange.result_of(DOMAIN, DIGEST, told.output) == told.result
    return told.output


async def test_three_seats_that_attested_are_the_verdict_that_the_chain_takes(street: Street) -> None:
    await street.attest()
    look = await street.look(*ACCOUNTS)
    assert proved(street, look.told) == b"read input"
    assert set(look.handed) == set(ACCOUNTS)
    assert look.lost == ()


async def test_two_of_three_are_no_verdict_and_it_says_who_is_missing(street: Street) -> None:
    await street.attest(revealing=(2, 4))
    look = await street.look(*ACCOUNTS)
    assert look.told is None
    assert (set(look.handed), look.waiting, look.unknown, look.lost) == ({2, 4}, {6}, set(), ())
    error = look.missing()
    assert (error.code, error.context["waiting"]) == ("fetch.no_verdict", [6])
    # Later the third reveals, and the same question has its answer.
    await street.seats[2].reveal(await closed_by(street.seats, OFFER))
    assert proved(street, (await street.look(*ACCOUNTS)).told) == b"read input"


async def test_seats_that_have_no_such_order_and_nodes_that_are_gone(street: Street) -> None:
    look = await street.look(2, 4)
    assert (look.unknown, look.lost, look.claimed) == ({2, 4}, (6,), {2, 4})
    nowhere = [f"http://127.0.0.1:{free_port()}/m"]
    gone = await street.brief(nowhere)
    assert (gone.claimed, gone.lost) == (frozenset(), ACCOUNTS)
    assert gone.missing().code == "fetch.no_nodes"


async def test_a_look_ends_as_soon_as_no_verdict_is_possible(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a coordinator rightly says that an order failed: the next committee is not kept waiting."""
    monkeypatch.setattr(lane_fetch, "PATIENCE_S", 3_600.0)
    street.claimed, street.stalls = [2], True
    street.pages["2"] = street.page("2", [])
    look = await street.brief(street.nodes("liar", *ACCOUNTS))
    assert look.told is None
    assert 2 in look.lost
    assert look.unknown


async def test_a_node_that_claims_a_seat_reads_nothing_of_what_it_passes_on(street: Street) -> None:
    await street.attest()
    street.claimed = list(ACCOUNTS)
    look = await street.look("liar")
    # What it passes on is right, so it does no harm; and it could not read it.
    assert proved(street, look.told) == b"read input"
    assert len(street.seen) == 3
    for body, said in street.seen:
        assert b"read input" not in said
        (item,) = exchange.split(body)
        request = fetching.parse_request(item)
        assert request.signer(DOMAIN) == signatures.address_of(REQUESTER)
        for account in ACCOUNTS:
            with pytest.raises(MLBridgeError):
                fetching.read_answer(said, request.message, node_key(account))


async def test_a_node_that_claims_a_seat_and_stalls_keeps_nobody_from_it(street: Street) -> None:
    await street.attest()
    street.claimed, street.stalls = list(ACCOUNTS), True
    look = await street.look("liar", *ACCOUNTS)
    assert proved(street, look.told) == b"read input"
    assert street.seen == []


async def test_a_seat_whose_answer_does_not_hold_is_not_counted(street: Street, tmp_path: Path) -> None:
    liar = make_seat(tmp_path / "again", 6, fault="wrong-reveal")
    street.seats[2] = liar
    await street.attest()
    look = await street.look(*ACCOUNTS)
    assert (look.told, set(look.handed), look.unknown) == (None, {2, 4}, {6})


async def test_what_no_key_of_the_seats_operator_signed_is_not_counted(street: Street) -> None:
    """As when a stranger plays a whole seat: all that it hands over belongs together."""
    await street.attest()
    street.unbound = [6]
    look = await street.look(*ACCOUNTS)
    assert (look.told, set(look.handed), look.unknown) == (None, {2, 4}, {6})


async def test_a_seat_of_another_mind_is_no_part_of_the_verdict(street: Street, tmp_path: Path) -> None:
    street.seats[2] = make_seat(tmp_path / "again", 6, fault="wrong-result")
    await street.attest()
    look = await street.look(*ACCOUNTS)
    assert look.told is None
    assert len({handed.attestation.message.result for handed in look.handed.values()}) == 2


async def test_somebody_elses_order_is_not_handed_over(street: Street) -> None:
    await street.attest()
    street.key = node_key(2)
    look = await street.look(*ACCOUNTS)
    assert (look.told, look.unknown) == (None, set(ACCOUNTS))


async def test_more_nodes_are_asked_for_only_where_those_known_are_not_enough(street: Street) -> None:
    await street.attest()
    look = await street.look(2, 4, more=street.nodes(6))
    assert proved(street, look.told) == b"read input"
    street.asked.clear()
    await street.look(*ACCOUNTS, more=street.nodes("liar"))
    assert "liar" not in street.asked


async def test_pages_are_read_again_after_a_while_and_not_before(street: Street) -> None:
    await street.attest()
    doors = street.doors([*street.nodes(*ACCOUNTS), f"{street.base}/2/node"])
    try:
        for _ in range(3):
            assert proved(street, (await doors.look(OFFER)).told) == b"read input"
        assert sorted(street.asked) == ["2", "4", "6"]
        doors._pages = {node: (at - PAGES_S, said) for node, (at, said) in doors._pages.items()}
        await doors.look(OFFER)
        assert sorted(street.asked) == ["2", "2", "4", "4", "6", "6"]
    finally:
        await doors.close()


async def test_a_page_that_leads_elsewhere_is_not_followed(street: Street) -> None:
    await street.attest()
    street.pages["2"] = street.page("2", [2]) | {"models": [{"id": ID, "endpoint": "http://10.0.0.1/model"}]}
    look = await street.look(*ACCOUNTS)
    assert (look.claimed, look.told) == ({4, 6}, None)


async def test_an_epoch_without_a_seed_drew_nobody(street: Street) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await street.look(offer=offer_of(order_of(epoch=EPOCH + 1)))
    assert caught.value.code == "lane.no_seed"
