"""What coordinator and member tell each other: one spelling each, and nothing else is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import encoding, exchange, signatures, wire
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.exchange import Answer, ClosedSet, Offer, Pledge, Refusal, Revealed
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, Commitment, commitments_root
from tests.support.lane_members import COORDINATOR, DOMAIN, INPUT, NOW, offer_of, order_of

WORDS = [keccak(b"%d" % number) for number in range(3)]
COMMITMENT = wire.sign(Commitment(WORDS[0], 2, WORDS[1]), DOMAIN, COORDINATOR)
ATTESTATION = wire.sign(Attestation(WORDS[0], 2, *WORDS), DOMAIN, COORDINATOR)
CLOSED = ClosedSet(WORDS[0], (Pledge.of(COMMITMENT), Pledge(4), Pledge(6, WORDS[2], b"s" * 65)))


@pytest.mark.parametrize("content", [INPUT, b"", "bafk"])
def test_offers_come_back_as_they_were(content: bytes | str) -> None:
    offer = offer_of(order_of(), content=content)
    assert exchange.parse_offer(offer.to_bytes()) == offer


def test_closed_sets_come_back_as_they_were_and_name_their_root() -> None:
    assert exchange.parse_closed_set(CLOSED.to_bytes()) == CLOSED
    assert CLOSED.root == commitments_root([WORDS[1], exchange.SILENT, WORDS[2]])
    assert [pledge.silent for pledge in CLOSED.seats] == [False, True, False]


@pytest.mark.parametrize(
    "answer",
    [
        COMMITMENT,
        Revealed(ATTESTATION),
        Revealed(ATTESTATION, b"output"),
        Revealed(ATTESTATION, "bafk"),
        Refusal("lane.funds", "Too little."),
        Refusal("serve.busy", "Full.", 3),
    ],
)
def test_answers_come_back_as_they_were(answer: Answer) -> None:
    assert exchange.read_answer(exchange.write_answer(answer)) == answer


def test_a_refusal_says_when_to_come_back_only_where_that_helps() -> None:
    assert Refusal.of(MLBridgeError("a.b", "No.", hint="Wait.", retry_after=3)) == Refusal(
        "a.b", "No. Wait.", 3
    )
    assert Refusal.of(MLBridgeError("a.b", "No.")).retry_after is None


def changed(item: bytes, **changes: object) -> bytes:
    fields = decode(item)
    assert isinstance(fields, dict)
    kept = {name: value for name, value in (fields | changes).items() if value is not ...}
    return encode(kept)


OFFER = offer_of(order_of()).to_bytes()
TERMS = decode(OFFER)["terms"]  # type: ignore[index]


@pytest.mark.parametrize(
    "item",
    [
        b"",
        encode([]),
        OFFER + b"\x00",
        changed(OFFER, more=1),
        changed(OFFER, terms=...),
        changed(OFFER, order="text"),
        changed(OFFER, order=COMMITMENT.to_bytes()),
        changed(OFFER, input=7),
        changed(OFFER, input=b"x" * (exchange.MAX_INLINE_BYTES + 1)),
        changed(OFFER, terms=[]),
        changed(OFFER, terms=TERMS | {"salt": b"short"}),
        changed(OFFER, terms=TERMS | {"openedIn": 1 << 32}),
        changed(OFFER, terms=TERMS | {"openedIn": True}),
        changed(OFFER, terms=TERMS | {"requester": TERMS["requester"].lower()}),
    ],
)
def test_an_offer_has_one_spelling(item: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        exchange.parse_offer(item)
    assert caught.value.code == "message.malformed"


SET = CLOSED.to_bytes()
FIRST = [2, WORDS[1], COMMITMENT.signature]


@pytest.mark.parametrize(
    "item",
    [
        changed(SET, order=b"short"),
        changed(SET, output=1),
        changed(SET, seats=[]),
        changed(SET, seats=[FIRST] * 2),
        changed(SET, seats=[[4, WORDS[1], b"s" * 65], FIRST]),
        changed(SET, seats=[FIRST[:2]]),
        changed(SET, seats=[[-2, *FIRST[1:]]]),
        changed(SET, seats=[[2, WORDS[1], b"s" * 64]]),
        changed(SET, seats=[[2, WORDS[1], b""]]),
        changed(SET, seats=[[2, exchange.SILENT, b"s" * 65]]),
        changed(SET, seats=[[2, b"short", b"s" * 65]]),
    ],
)
def test_a_closed_set_has_one_spelling(item: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        exchange.parse_closed_set(item)
    assert caught.value.code == "message.malformed"


@pytest.mark.parametrize(
    "item",
    [
        encode({}),
        encode({"code": "a"}),
        encode({"code": "a", "message": 1}),
        encode({"code": "a", "message": "b", "retryAfter": "soon"}),
        encode({"commitment": ATTESTATION.to_bytes()}),
        encode({"commitment": COMMITMENT.to_bytes(), "code": "a"}),
        encode({"attestation": ATTESTATION.to_bytes(), "output": 7}),
        encode({"output": b"x"}),
    ],
)
def test_an_answer_has_one_spelling(item: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        exchange.read_answer(item)
    assert caught.value.code == "message.malformed"


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8))
def test_bodies_carry_items_whatever_is_in_them(items: list[bytes]) -> None:
    assert exchange.split(exchange.join(items)) == items


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", encode([]), encode({}), encode([b"a", "b"]), encode([[b"a"]]), encode([b""] * 257)],
)
def test_a_body_is_a_bounded_list_of_bytes(body: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        exchange.split(body)
    assert caught.value.code == "request.malformed"


@pytest.mark.parametrize("count", [1 << 20, 1 << 62])
def test_a_body_of_small_values_costs_its_reader_nothing(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can sign a request with a key of his own: seconds of work for it would silence a member."""
    heads, head = 0, encoding._head

    def counted(data: bytes, at: int) -> tuple[int, int, int]:
        nonlocal heads
        heads += 1
        return head(data, at)

    monkeypatch.setattr(encoding, "_head", counted)
    zeros = b"\x9b" + count.to_bytes(8, "big") + bytes(1 << 20)
    nested = b"\xa1" + encode("seats") + b"\x99\xff\xff" + (b"\x8f" + bytes(15)) * 0xFFFF
    for read in (exchange.split, exchange.parse_offer, exchange.parse_closed_set, exchange.read_answer):
        for body in (zeros, nested):
            with pytest.raises(MLBridgeError):
                read(body)
    assert heads < 10_000


def test_the_largest_closed_set_can_be_read() -> None:
    seats = tuple(Pledge(account, WORDS[0], b"s" * 65) for account in range(255))
    closed = ClosedSet(WORDS[0], seats)
    assert exchange.parse_closed_set(closed.to_bytes()) == closed


@given(st.binary(max_size=200))
def test_nothing_that_is_no_item_is_read(item: bytes) -> None:
    for read in (exchange.parse_offer, exchange.parse_closed_set, exchange.read_answer):
        with pytest.raises(MLBridgeError):
            read(item)


def test_a_request_names_its_coordinator() -> None:
    header = exchange.sign_request(b"body", 2, NOW + 5, DOMAIN, COORDINATOR)
    sender = signatures.address_of(COORDINATOR)
    assert exchange.read_request(header, b"body", 2, NOW, DOMAIN) == sender
    # For another contract or chain the same bytes are somebody else's signature.
    for domain in (replace(DOMAIN, chain_id=1), replace(DOMAIN, contract=sender)):
        assert exchange.read_request(header, b"body", 2, NOW, domain) != sender


def test_a_result_binds_chain_order_and_output() -> None:
    base = exchange.result_of(DOMAIN, WORDS[0], b"output")
    others = {
        exchange.result_of(replace(DOMAIN, chain_id=1), WORDS[0], b"output"),
        exchange.result_of(DOMAIN, WORDS[1], b"output"),
        exchange.result_of(DOMAIN, WORDS[0], b"other"),
    }
    assert len(others | {base}) == 4


def test_an_offer_without_its_input_still_settles() -> None:
    offer = offer_of(order_of())
    assert exchange.parse_offer(replace(offer, content=b"").to_bytes()) == Offer(
        offer.order, offer.terms, b""
    )
