"""What is believed of those who tell that an order's seats disagreed: what the seats signed, and no more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_account import Account

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import disagreement
from mlbridge.protocol.orders712 import Attestation, Domain
from mlbridge.protocol.wire import Signed, sign

DOMAIN = Domain(31337, Account.from_key(b"c" * 32).address)
ORDER = b"o" * 32
COMMITTEE = (2, 4, 6)
KEYS = {account: bytes([account]) * 32 for account in (*COMMITTEE, 8)}
OPERATORS = {Account.from_key(key).address: account // 2 for account, key in KEYS.items()}
RIGHT, WRONG = b"r" * 32, b"w" * 32


def said(account: int, result: bytes, *, order: bytes = ORDER, key: int | None = None) -> Signed[Attestation]:
    message = Attestation(order, account, result, bytes(32), bytes(32))
    return sign(message, DOMAIN, KEYS[account if key is None else key])


def held(*attested: Signed[Attestation]) -> Sequence[int]:
    """Accounts whose attestation holds, if they disagree."""
    found = disagreement.disagreement(ORDER, COMMITTEE, attested, OPERATORS, DOMAIN)
    return [signed.message.account for signed in found]


def test_seats_that_differ_are_listed_by_account() -> None:
    assert held(said(6, WRONG), said(2, RIGHT), said(4, RIGHT)) == [2, 4, 6]
    assert held(said(4, WRONG), said(2, RIGHT)) == [2, 4]


def test_seats_that_agree_are_no_disagreement() -> None:
    assert held() == []
    assert held(said(2, WRONG)) == []
    assert held(said(2, RIGHT), said(4, RIGHT), said(6, RIGHT)) == []


@pytest.mark.parametrize(
    "forged",
    [
        said(8, WRONG),
        said(4, WRONG, key=6),
        said(4, WRONG, order=b"p" * 32),
        Signed(said(4, WRONG).message, said(4, RIGHT).signature),
        Signed(said(4, WRONG).message, bytes(65)),
    ],
    ids=["of no seat", "by another operator", "of another order", "for another result", "no signature"],
)
def test_what_a_seat_did_not_sign_counts_for_nothing(forged: Signed[Attestation]) -> None:
    assert held(said(2, RIGHT), forged) == []
    # Nor does it keep out what the seat did sign.
    assert held(forged, said(2, RIGHT), said(4, WRONG)) == [2, 4]


def test_who_says_two_things_is_listed_once() -> None:
    assert held(said(2, RIGHT), said(2, WRONG)) == []
    assert held(said(2, RIGHT), said(2, WRONG), said(4, WRONG)) == [2, 4]


def test_who_says_two_things_hides_behind_neither() -> None:
    for first, second in ((RIGHT, WRONG), (WRONG, RIGHT)):
        found = disagreement.disagreement(
            ORDER, COMMITTEE, [said(2, first), said(2, second), said(4, RIGHT)], OPERATORS, DOMAIN
        )
        assert [signed.message.result for signed in found] == [WRONG, RIGHT]


def test_it_is_read_as_it_was_kept() -> None:
    attested = (said(2, RIGHT), said(4, WRONG))
    assert disagreement.from_bytes(disagreement.to_bytes(attested)) == attested
    with pytest.raises(MLBridgeError):
        disagreement.from_bytes(b"\x82\x40\x40")
