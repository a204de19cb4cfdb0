"""Relays of drand: the first answer that proves itself counts, and no lie does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts import drand
from contracts.drand import DrandRelays
from mlbridge.errors import MLBridgeError
from tests.support.drand import LIARS, RelayServer, relay_server, rounds, vectors


@pytest.fixture
async def server() -> AsyncIterator[RelayServer]:
    async with relay_server() as made:
        yield made


async def signature(urls: tuple[str, ...], number: int) -> bytes:
    relays = DrandRelays(urls, patience_s=0.3)
    try:
        return await relays.signature(number)
    finally:
        await relays.close()


def test_the_network_s_key_is_the_contract_s() -> None:
    assert "0x" + drand.KEY.hex() == vectors()["drandKey"]


@pytest.mark.parametrize("number", rounds())
async def test_a_published_round_comes_in_the_form_that_the_contract_takes(
    server: RelayServer, number: int
) -> None:
    found = await signature(server.urls("honest"), number)
    assert "0x" + found.hex() == rounds()[number]["signature"]


@pytest.mark.parametrize("lie", LIARS)
async def test_after_a_lie_the_next_relay_is_asked(server: RelayServer, lie: str) -> None:
    found = await signature(server.urls(lie, "honest"), 1_000)
    assert "0x" + found.hex() == rounds()[1_000]["signature"]
    assert server.asked == {lie: 1, "honest": 1}


async def test_who_answers_is_the_last_to_be_asked(server: RelayServer) -> None:
    await signature(server.urls("honest", "wrong"), 1_000)
    assert server.asked == {"honest": 1}


async def test_lies_alone_make_no_round(server: RelayServer) -> None:
    gone = ("http://127.0.0.1:1", "http://[::1")
    with pytest.raises(MLBridgeError) as caught:
        await signature((*gone, *server.urls(*LIARS)), 1_000)
    assert caught.value.code == "drand.no_round"
    assert str(1_000) in caught.value.message
    assert "drand_relays" in caught.value.hint


async def test_a_round_that_is_not_made_yet_is_none(server: RelayServer) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await signature(server.urls("honest"), 10**9)
    assert caught.value.code == "drand.no_round"


async def test_who_names_no_relay_is_told_where_to() -> None:
    with pytest.raises(MLBridgeError) as caught:
        await signature((), 1_000)
    assert caught.value.code == "drand.no_relays"
    assert "lane.drand_relays" in caught.value.hint
