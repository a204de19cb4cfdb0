"""The channel lane's messages, held to eth-account's EIP-712 and to the vectors that Solidity reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.types import Policy

VECTORS = json.loads(
    (Path(__file__).parents[2] / "contracts/test/vectors/channels.json").read_text(encoding="utf-8")
)
CHAIN, CONTRACT = VECTORS["chainId"], VECTORS["contract"]
DOMAIN = orders712.Domain(CHAIN, CONTRACT)


def raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def order_of(case: dict[str, Any]) -> orders712.TaskOrder:
    return orders712.TaskOrder(
        raw(case["channel"]),
        case["sequence"],
        case["epoch"],
        raw(case["modelId"]),
        raw(case["inputDigest"]),
        raw(case["paramsDigest"]),
        case["seats"],
        Policy(case["policy"]),
        case["maxFee"],
        case["deadline"],
    )


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_vectors(case: dict[str, Any]) -> None:
    terms = orders712.ChannelTerms(
        case["requester"],
        case["coordinator"],
        case["openedIn"],
        case["coordinatorShare"],
        case["protocolShare"],
        raw(case["salt"]),
    )
    assert terms.details() == raw(case["details"])
    assert terms.channel() == raw(case["channel"])
    order = order_of(case)
    digest = order.digest(DOMAIN)
    assert digest == raw(case["order"])
    result, salts = raw(case["result"]), [raw(salt) for salt in case["salts"]]
    commitments = [
        orders712.commitment(digest, account, result, salt)
        for account, salt in zip(case["accounts"], salts, strict=True)
    ]
    assert commitments == [raw(commitment) for commitment in case["commitments"]]
    root = orders712.commitments_root(commitments)
    assert root == raw(case["root"]) == keccak(b"".join(commitments))
    attestation = orders712.Attestation(digest, case["accounts"][0], result, salts[0], root)
    assert attestation.digest(DOMAIN) == raw(case["attestation"])
    voucher = orders712.Voucher(terms.channel(), order.max_fee, order.sequence)
    assert voucher.digest(DOMAIN) == raw(case["voucher"])
    close = orders712.Close(terms.channel(), order.max_fee, order.sequence)
    assert close.digest(DOMAIN) == raw(case["close"])
    assert orders712.draw(raw(case["seed"]), terms.channel(), order.sequence) == raw(case["draw"])


@pytest.mark.parametrize(
    "message",
    [
        order_of(VECTORS["cases"][1]),
        orders712.Commitment(keccak(b"o"), 4, keccak(b"w")),
        orders712.Attestation(keccak(b"o"), 4, keccak(b"r"), keccak(b"s"), keccak(b"c")),
        orders712.Voucher(keccak(b"channel"), 5, 6),
        orders712.Close(keccak(b"channel"), 5, 6),
    ],
    ids=lambda message: type(message).__name__,
)
def test_wallets_see_the_same_message(message: Any) -> None:
    """What eth-account would show and sign for the struct is what we hash."""
    name = type(message).__name__
    members = [tuple(member.split()) for member in message.TYPE.split("(")[1].rstrip(")").split(",")]
    values = [getattr(message, field) for field, _, _ in orders712.members(type(message))]
    signable = encode_typed_data(
        {"name": "ML Bridge", "version": "1", "chainId": CHAIN, "verifyingContract": CONTRACT},
        {name: [{"name": member, "type": kind} for kind, member in members]},
        {member: value for (_, member), value in zip(members, values, strict=True)},
    )
    assert keccak(b"\x19" + signable.version + signable.header + signable.body) == message.digest(DOMAIN)


def test_what_does_not_fit_is_refused() -> None:
    for bad in (
        orders712.Voucher(b"short", 1, 1),
        orders712.Voucher(keccak(b""), 2**96, 1),
        orders712.Voucher(keccak(b""), 1, 2**32),
    ):
        with pytest.raises(MLBridgeError, match=r"hash of the protocol|does not fit"):
            bad.struct_hash()
