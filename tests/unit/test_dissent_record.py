"""What an appeal says again of a case in the channel lane: what was attested, and nothing better."""

from __future__ import annotations

import pytest

from contracts.ballots import PanelBallot
from contracts.dissent_record import DissentFile
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.protocol.hashing import payload_root, result_digest

CHAIN, ORDER, ACCOUNT = 31337, b"\x07" * 32, 6
MINE = b"what the account attested"


def digest(payload: bytes) -> bytes:
    return result_digest(CHAIN, ORDER, payload_root(payload))


def file(*shown: bytes) -> DissentFile:
    """A case whose judges showed these payloads."""
    accounts = tuple(range(11, 11 + 2 * len(shown), 2))
    results = {account: content.inline(payload) for account, payload in zip(accounts, shown, strict=True)}
    ballot = PanelBallot(accounts, tuple(digest(payload) for payload in shown), 2 ** len(shown) - 1, results)
    return DissentFile(ORDER, (2, 4, 6, 8, 10, 6), ballot, content.inline(b"input"))


def test_a_judge_may_have_shown_the_same() -> None:
    assert file(b"other", MINE).result_of(CHAIN, ACCOUNT, digest(MINE)) == content.inline(MINE)


def test_what_nobody_showed_must_be_given() -> None:
    with pytest.raises(MLBridgeError) as refused:
        file(b"other").result_of(CHAIN, ACCOUNT, digest(MINE))
    assert refused.value.code == "appeal.no_result"
    assert "--result" in refused.value.hint
    assert file(b"other").result_of(CHAIN, ACCOUNT, digest(MINE), MINE) == content.inline(MINE)


def test_a_better_result_is_refused_before_it_costs_anything() -> None:
    with pytest.raises(MLBridgeError) as refused:
        file(b"other").result_of(CHAIN, ACCOUNT, digest(MINE), b"other")
    assert refused.value.code == "appeal.other_result"
    assert digest(MINE).hex() in refused.value.message


def test_it_is_said_as_the_contract_takes_it() -> None:
    said = file(b"other", MINE)
    assert said.bench == 2
    assert said.as_tuple() == ([2, 4, 6, 8, 10, 6], [11, 13], [digest(b"other"), digest(MINE)], 3)
