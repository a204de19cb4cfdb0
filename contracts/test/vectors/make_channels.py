"""Writes channels.json and race.json from mlbridge.protocol.

Run it in the repository's root: python contracts/test/vectors/make_channels.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from mlbridge.protocol import orders712, race
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.signatures import address_of
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed, sign

HERE = Path(__file__).parent
CHAIN = 31337
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
DOMAIN = orders712.Domain(CHAIN, CONTRACT)
chance = random.Random(11)  # noqa: S311 - the same cases every time


def address(name: str) -> str:
    return to_checksum_address(keccak(name.encode())[:20])


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def message(i: int) -> dict[str, Any]:
    top = i == 5
    terms = orders712.ChannelTerms(
        address(f"requester {i}"),
        address(f"coordinator {i}"),
        2**32 - 1 if top else i * 7,
        10_000 if top else i * 100,
        500,
        keccak(b"salt %d" % i),
    )
    order = orders712.TaskOrder(
        terms.channel(),
        2**32 - 1 if top else i,
        2**32 - 1 if top else 100 + i,
        keccak(b"model %d" % i),
        keccak(b"input %d" % i),
        keccak(b"params %d" % i),
        3 + i,
        Policy.EXACT,
        2**96 - 1 if top else 10**16 + i,
        2**40 - 1 if top else 1_750_000_000 + i,
    )
    digest = order.digest(DOMAIN)
    # Keys of nobody: they sign examples.
    requester, node = keccak(b"requester's key %d" % i), keccak(b"node's key %d" % i)
    result = keccak(b"result %d" % i)
    accounts = [2 * (k + 1 + i) for k in range(order.seats)]
    salts = [keccak(b"salt %d %d" % (i, account)) for account in accounts]
    commitments = [
        orders712.commitment(digest, account, result, salt)
        for account, salt in zip(accounts, salts, strict=True)
    ]
    root = orders712.commitments_root(commitments)
    attestation = orders712.Attestation(digest, accounts[0], result, salts[0], root)
    voucher = orders712.Voucher(order.channel, order.max_fee, order.sequence)
    close = orders712.Close(order.channel, order.max_fee, order.sequence)
    commitment = orders712.Commitment(digest, accounts[0], commitments[0])
    seed = keccak(b"seed %d" % i)
    signed: dict[str, Signed[Any]] = {
        "order": sign(order, DOMAIN, requester),
        "commitment": sign(commitment, DOMAIN, node),
        "attestation": sign(attestation, DOMAIN, node),
        "voucher": sign(voucher, DOMAIN, requester),
        "close": sign(close, DOMAIN, requester),
    }
    return {
        "requester": terms.requester,
        "coordinator": terms.coordinator,
        "openedIn": terms.opened_in,
        "coordinatorShare": terms.coordinator_share,
        "protocolShare": terms.protocol_share,
        "salt": hexed(terms.salt),
        "details": hexed(terms.details()),
        "channel": hexed(order.channel),
        "sequence": order.sequence,
        "epoch": order.epoch,
        "modelId": hexed(order.model_id),
        "inputDigest": hexed(order.input_digest),
        "paramsDigest": hexed(order.params_digest),
        "seats": order.seats,
        "policy": int(order.policy),
        "maxFee": order.max_fee,
        "deadline": order.deadline,
        "order": hexed(digest),
        "result": hexed(result),
        "accounts": accounts,
        "salts": [hexed(salt) for salt in salts],
        "commitments": [hexed(commitment) for commitment in commitments],
        "root": hexed(root),
        "attestation": hexed(attestation.digest(DOMAIN)),
        "voucher": hexed(voucher.digest(DOMAIN)),
        "close": hexed(close.digest(DOMAIN)),
        "commitmentMessage": hexed(commitment.digest(DOMAIN)),
        "requesterKey": hexed(requester),
        "requesterKeyAddress": address_of(requester),
        "nodeKey": hexed(node),
        "nodeKeyAddress": address_of(node),
        "signatures": {name: hexed(message.signature) for name, message in signed.items()},
        "wire": {name: hexed(message.to_bytes()) for name, message in signed.items()},
        "seed": hexed(seed),
        "draw": hexed(orders712.draw(seed, order.channel, order.sequence)),
    }


def races() -> list[dict[str, Any]]:
    found = []
    for i in range(12):
        draw = keccak(b"draw %d" % i)
        accounts = sorted(chance.sample(range(1, 200), chance.randint(4, 20)))
        heavy = chance.choice([1, 9, 10**9, 2**48 - 1])
        weights = [chance.choice([0, 1, heavy, chance.randint(1, heavy)]) for _ in accounts]
        seats = chance.randint(3, 7)
        found.append(
            {
                "draw": hexed(draw),
                "accounts": accounts,
                "weights": weights,
                "distances": [race.distance(draw, account) for account in accounts],
                "seats": seats,
                "committee": race.committee(draw, dict(zip(accounts, weights, strict=True)), seats),
            }
        )
    return found


def write(name: str, content: dict[str, Any]) -> None:
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    messages, raced = [message(i) for i in range(6)], races()
    write(
        "channels.json", {"chainId": CHAIN, "contract": CONTRACT, "count": len(messages), "cases": messages}
    )
    write("race.json", {"count": len(raced), "cases": raced})
