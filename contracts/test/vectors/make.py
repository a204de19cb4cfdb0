"""Writes tally.json, hashing.json and inflation.json from mlbridge.protocol.

Run it in the repository's root: python contracts/test/vectors/make.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from mlbridge.protocol import hashing, inflation
from mlbridge.protocol.content import inline
from mlbridge.protocol.tally import clip, tally_results, tally_votes
from mlbridge.protocol.types import Seat, Verdict

HERE = Path(__file__).parent
CHAIN = 31337
MANAGER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SILENT_VOTE = 1 << 32
chance = random.Random(7)  # noqa: S311 - the same cases every time


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def seat(weight: int, value: int | None) -> Seat:
    return Seat(2, weight, True, value is not None, False, word(value or 0))


def weights(count: int) -> list[int]:
    kinds = (
        lambda: chance.randint(1, 2**48 - 1),
        lambda: chance.randint(1, 9),
        lambda: 1 << chance.randint(0, 47),
        lambda: 7,
        lambda: 125_000_000,
    )
    return [chance.choice(kinds)() for _ in range(count)]


def shown(verdict: Verdict) -> dict[str, int]:
    return {
        "passed": int(verdict.passed),
        "dissent": int(verdict.dissent),
        "winner": int.from_bytes(verdict.winner, "big"),
        "confidence": verdict.confidence,
    }


def clips() -> list[dict[str, Any]]:
    cases = [[], [1], [5, 1, 1], [10] * 4, [30, 30, 20, 20], [100, 1, 1, 1, 1], [50, 50, 1, 1], [9, 9, 9, 1]]
    cases += [[1, 1, 1, 10**9], [2**48 - 1] * 15, [125_000_000] * 5]
    cases += [weights(chance.randint(0, 15)) for _ in range(30)]
    return [{"weights": case, "clipped": clip(case)} for case in cases]


def results() -> list[dict[str, Any]]:
    cases = [
        ([7, 7, 7], [1, 1, 1]),
        ([7, 7, 7], [1, 1, 2]),
        ([7, 7, 7], [1, 1, 0]),
        ([7, 7, 7], [0, 0, 0]),
        ([7] * 4, [1, 1, 1, 2]),
        ([7] * 5, [1, 1, 1, 1, 0]),
        ([7] * 10, [1] * 7 + [2] * 3),
        ([7] * 10, [1] * 7 + [0] * 3),
        ([70, 10, 10, 10], [1, 2, 2, 2]),
        ([2, 1, 1], [1, 2, 2]),
        ([1, 1, 2, 4], [2, 2, 3, 1]),
        ([100, 1, 1, 1, 1], [1, 1, 1, 2, 2]),
        ([3, 3, 3, 1], [1, 1, 1, 2]),
    ]
    for _ in range(60):
        count = chance.randint(3, 15)
        cases.append((weights(count), [chance.choice([0, 1, 1, 1, 1, 1, 2, 3]) for _ in range(count)]))
    return [
        {"weights": mine, "values": values}
        | shown(
            tally_results([seat(weight, value or None) for weight, value in zip(mine, values, strict=True)])
        )
        for mine, values in cases
    ]


def votes() -> list[dict[str, Any]]:
    found = []
    for _ in range(60):
        count, judges = chance.randint(3, 15), chance.randint(0, 1)
        mine = weights(count)
        candidates = sorted(chance.sample(range(9 if judges else count), chance.randint(1, 3)))
        favourite = chance.choice([0, 1, 1, 1, 2])
        uniform = sum(favourite << (2 * i) for i in range(15))
        packed = [chance.choice([SILENT_VOTE, *[uniform] * 5, chance.getrandbits(32)]) for _ in range(count)]
        seats = [
            seat(weight, None if vote == SILENT_VOTE else vote)
            for weight, vote in zip(mine, packed, strict=True)
        ]
        verdict = tally_votes(seats, {i: word(i + 1) for i in candidates}, bool(judges))
        found.append(
            {
                "judges": judges,
                "weights": mine,
                "votes": packed,
                "candidates": sum(1 << i for i in candidates),
            }
            | shown(verdict)
            | {"accepted": verdict.accepted, "rejected": verdict.rejected}
        )
    return found


def hashes() -> list[dict[str, Any]]:
    found = []
    for i in range(6):
        requester = to_checksum_address(hashing.keccak(bytes([i]))[:20])
        model = hashing.keccak(b"model %d" % i)
        payload = b"payload %d" % i if i else b""
        content = inline(payload)
        deadline, payment, seats = 1_750_000_600 + i, 10**16 * (i + 1) + i, 3 + i
        salt = hashing.submit_salt(1_000 + i) if i % 2 else hashing.keccak(b"salt %d" % i)
        task = hashing.task_id(
            CHAIN, MANAGER, requester, model, hashing.input_hash(content), deadline, payment, seats, salt
        )
        digest = hashing.result_digest(CHAIN, task, hashing.payload_root(payload))
        secret, block = hashing.keccak(b"secret %d" % i), hashing.keccak(b"block %d" % i)
        round_, account, redraw = i % 4, 7 + i, i % 3
        texts = {
            "modelId": model,
            "inputData": content,
            "inputHash": hashing.input_hash(content),
            "salt": salt,
            "taskId": task,
            "payload": payload,
            "payloadRoot": hashing.payload_root(payload),
            "digest": digest,
            "commitmentSalt": secret,
            "commitment": hashing.commitment(CHAIN, MANAGER, task, round_, account, digest, secret),
            "blockHash": block,
            "seed": hashing.draw_seed(block, task, round_, redraw),
        }
        numbers = {
            "deadline": deadline,
            "payment": payment,
            "seats": seats,
            "round": round_,
            "account": account,
            "redraw": redraw,
        }
        found.append(
            {"requester": requester} | {key: f"0x{text.hex()}" for key, text in texts.items()} | numbers
        )
    return found


def issued() -> dict[str, Any]:
    """Seconds since genesis, and the MLB issuable then."""
    year = inflation.EPOCHS_A_YEAR * inflation.EPOCH
    marks = [0, 1, 299, 300, 301, year // 2]
    marks += [n * year + shift for n in (1, 2, 9, 10, 11, 12, 13, 25, 100) for shift in (-300, -1, 0, 300)]
    marks += [chance.randrange(30 * year) for _ in range(30)]
    return {"elapsed": marks, "issuable": [str(inflation.issuable(mark)) for mark in marks]}


def write(name: str, content: dict[str, Any]) -> None:
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    clip_cases, result_cases, vote_cases, hash_cases = clips(), results(), votes(), hashes()
    write(
        "tally.json",
        {
            "about": "values: digest numbers, 0 is silent. votes: packed, 4294967296 is silent. "
            "winner: digest number (results) or candidate seat + 1 (votes), 0 is none.",
            "clipCount": len(clip_cases),
            "resultCount": len(result_cases),
            "voteCount": len(vote_cases),
            "clip": clip_cases,
            "result": result_cases,
            "vote": vote_cases,
        },
    )
    write(
        "hashing.json",
        {"chainId": CHAIN, "taskManager": MANAGER, "count": len(hash_cases), "cases": hash_cases},
    )
    write("inflation.json", issued())
