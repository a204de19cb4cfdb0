"""What a requester asks of a seat, and what it is handed: one spelling, one reader, nothing else is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import agreed, exchange, fetching, orders712, wire
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.exchange import ClosedSet, Pledge, Refusal
from mlbridge.protocol.fetching import AnswerRequest, Handed
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, Commitment
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from tests.support.lane_members import DOMAIN, NOW, REQUESTER, node_key

ORDER, SALT, OUTPUT = keccak(b"order"), keccak(b"salt"), b"the output"
SECRET, MEMBER_SECRET = b"\x01" * 32, b"\x02" * 32
REQUEST = AnswerRequest(ORDER, 4, agreed.public_of(SECRET), NOW)
RESULT = exchange.result_of(DOMAIN, ORDER, OUTPUT)
WORD = orders712.commitment(ORDER, 4, RESULT, SALT)
CLOSED = ClosedSet(
    ORDER,
    (
        Pledge(2),
        Pledge.of(wire.sign(Commitment(ORDER, 4, WORD), DOMAIN, node_key(4))),
        Pledge.of(wire.sign(Commitment(ORDER, 6, keccak(b"other")), DOMAIN, node_key(6))),
    ),
)
ATTESTATION = wire.sign(Attestation(ORDER, 4, RESULT, SALT, CLOSED.root), DOMAIN, node_key(4))
HANDED = Handed(ATTESTATION, CLOSED, OUTPUT)


def body(*, request: AnswerRequest = REQUEST, output: bytes = OUTPUT) -> bytes:
    """What a seat sends."""
    item = fetching.write_handed(
        request,
        attestation=ATTESTATION.to_bytes(),
        closed=CLOSED.to_bytes(),
        output=output,
        secret=MEMBER_SECRET,
    )
    return exchange.join([item])


@pytest.mark.parametrize("output", [b"", OUTPUT, b"x" * MAX_OUTPUT_BYTES])
def test_what_is_handed_over_comes_back_as_it_was(output: bytes) -> None:
    sent = body(output=output)
    assert len(sent) <= fetching.MAX_ANSWER_BYTES
    assert fetching.read_answer(sent, REQUEST, SECRET) == replace(HANDED, output=output)


def test_a_request_comes_back_as_it_was_and_fits_its_body() -> None:
    signed = wire.sign(REQUEST, DOMAIN, REQUESTER)
    sent = fetching.write_request(signed)
    assert len(sent) <= fetching.MAX_REQUEST_BYTES
    fetching.require_one(sent)
    (item,) = exchange.split(sent)
    assert fetching.parse_request(item) == signed


@pytest.mark.parametrize("items", [[], [b"a", b"b"]])
def test_a_request_is_of_one_order(items: list[bytes]) -> None:
    with pytest.raises(MLBridgeError) as caught:
        fetching.require_one(encode(items))
    assert caught.value.code == "request.malformed"


def test_a_refusal_is_read_and_nothing_else_that_is_not_sealed() -> None:
    refusal = Refusal("lane.not_attested", "Not yet.", 1)
    assert fetching.read_answer(exchange.join([exchange.write_answer(refusal)]), REQUEST, SECRET) == refusal
    open_word = exchange.join([exchange.write_revealed(ATTESTATION.to_bytes(), OUTPUT)])
    with pytest.raises(MLBridgeError) as caught:
        fetching.read_answer(open_word, REQUEST, SECRET)
    assert caught.value.code == "message.malformed"


@pytest.mark.parametrize(
    "change",
    [
        {"order": keccak(b"another")},
        {"account": 6},
        {"key": agreed.public_of(b"\x03" * 32)},
    ],
)
def test_it_opens_for_the_request_that_it_answers_and_no_other(change: dict[str, Any]) -> None:
    with pytest.raises(MLBridgeError) as caught:
        fetching.read_answer(body(), replace(REQUEST, **change), SECRET)
    assert caught.value.code == "message.malformed"


def test_nobody_without_the_secret_reads_it() -> None:
    sent = body()
    assert OUTPUT not in sent
    for secret in (MEMBER_SECRET, b"\x03" * 32):
        with pytest.raises(MLBridgeError):
            fetching.read_answer(sent, REQUEST, secret)


def test_every_byte_of_it_is_held_to_the_seal() -> None:
    sent = body()
    for place in range(len(sent)):
        changed = sent[:place] + bytes([sent[place] ^ 1]) + sent[place + 1 :]
        with pytest.raises(MLBridgeError):
            fetching.read_answer(changed, REQUEST, SECRET)


def test_a_key_of_which_anybody_knows_the_secret_is_refused() -> None:
    with pytest.raises(MLBridgeError) as caught:
        body(request=replace(REQUEST, key=bytes(32)))
    assert caught.value.code == "request.key"


def attested(**changes: Any) -> Handed:
    """With another attestation, rightly signed."""
    return replace(
        HANDED, attestation=wire.sign(replace(ATTESTATION.message, **changes), DOMAIN, node_key(4))
    )


def test_what_belongs_together_holds_and_nothing_else_does() -> None:
    committee = [2, 4, 6]
    assert HANDED.is_of(ORDER, committee, 4, DOMAIN)
    assert not HANDED.is_of(keccak(b"another"), committee, 4, DOMAIN)
    assert not HANDED.is_of(ORDER, [2, 4, 8], 4, DOMAIN)
    assert not HANDED.is_of(ORDER, committee, 6, DOMAIN)
    other = exchange.result_of(DOMAIN, ORDER, b"another output")
    wrong = [
        replace(HANDED, output=b"another output"),
        replace(HANDED, closed=replace(CLOSED, order=keccak(b"another"))),
        replace(HANDED, closed=replace(CLOSED, seats=CLOSED.seats[1:])),
        replace(attested(result=other), output=b"another output"),
        attested(salt=keccak(b"another salt")),
        attested(commitments=keccak(b"another set")),
        attested(account=6),
        attested(order=keccak(b"another")),
    ]
    assert not any(handed.is_of(ORDER, committee, 4, DOMAIN) for handed in wrong)
