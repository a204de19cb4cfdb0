"""What a receipt must satisfy in itself, on made-up tasks of every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.anvil import dev_account
from contracts.deploy import plan_addresses
from contracts.events import Event
from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, hashing
from mlbridge.protocol.cid import cid_to_bytes
from mlbridge.protocol.tally import tally_results
from mlbridge.protocol.types import Policy, Seat
from mlbridge.protocol.unixfs import cid_of
from mlbridge.sdk.receipt_build import Facts, assemble, up_to_end
from mlbridge.sdk.receipt_checks import check_receipt
from mlbridge.sdk.receipt_model import Receipt, leaves

CHAIN = 31337
ADDRESSES = plan_addresses(dev_account(0).address, "test")
REQUESTER = dev_account(1).address
MODEL = ModelInfo(
    id=b"\x11" * 32,
    index=1,
    provider=dev_account(2).address,
    cid="bafkmodel",
    price=5,
    status=ModelStatus.ACTIVE,
    reputation=10_000,
    policy=Policy.EXACT,
    exec_class=b"\x22" * 32,
)
TIP, MODEL_FEE, PROTOCOL_FEE = 3, 1_000, 77


class Scene:
    """Writes the events and calldata that the contracts would for one Exact task."""

    def __init__(self, weights: list[int], answers: list[int | None], opens: list[bool]) -> None:
        self.weights, self.answers, self.opens = weights, answers, opens
        self.accounts = [2 * (i + 1) for i in range(len(weights))]
        self.events: list[Event] = []
        self.calls: dict[str, tuple[str, dict[str, Any]]] = {}
        self.data = content.inline(b"the input")
        self.salt = b"\x33" * 32
        self.payment = 100_000
        self.pointers: dict[int, bytes] = {}  # seats that point to their payload, by what
        self.id = hashing.task_id(
            CHAIN,
            ADDRESSES.tasks,
            REQUESTER,
            MODEL.id,
            hashing.input_hash(self.data),
            2_000_000_000,
            self.payment,
            len(weights),
            self.salt,
        )

    def emit(self, contract: str, name: str, *, same: bool = False, **args: Any) -> str:
        block = len(self.events) + (0 if same else 1)
        tx = "0x" + hashing.keccak(b"tx %d" % block).hex()
        block_hash = "0x" + hashing.keccak(b"block %d" % block).hex()
        index = sum(event.block_number == block for event in self.events)
        address = ADDRESSES.named()[contract]
        self.events.append(
            Event(name, contract, {"taskId": self.id, **args}, address, block, block_hash, tx, index)
        )
        return tx

    def digest(self, answer: int) -> bytes:
        return hashing.result_digest(CHAIN, self.id, hashing.payload_root(b"answer %d" % answer))

    def facts(self) -> Facts:
        seats = len(self.weights)
        tx = self.emit(
            "TaskManager",
            "TaskSubmitted",
            requester=REQUESTER,
            modelId=MODEL.id,
            inputData=self.data,
            reward=self.payment,
            deadline=2_000_000_000,
            seats=seats,
            randomnessBlock=3,
        )
        self.calls[tx] = ("submitTaskWith", {"salt": self.salt})
        self.emit(
            "TaskManager",
            "CommitteeDrawn",
            round=0,
            kind=0,
            accounts=self.accounts,
            weights=self.weights,
            commitDeadline=1,
            seed=b"\x44" * 32,
        )
        self.emit("TaskManager", "TipPaid", to=REQUESTER, amount=TIP)
        verdict, winners = self._round()
        self.emit(
            "ConsensusVerifier",
            "RoundClosed",
            round=0,
            passed=verdict.passed,
            dissent=verdict.dissent,
            winner=verdict.winner,
            confidence=verdict.confidence,
        )
        if verdict.passed and not verdict.dissent:
            self._settle(verdict, winners)
        else:
            left = self.payment - TIP
            self.emit("TaskManager", "TaskRefunded", amount=left, reason="dispute reserve")
        return Facts(
            CHAIN,
            ADDRESSES,
            MODEL,
            self.events,
            self.calls,
            {account: dev_account(account % 10).address for account in self.accounts},
        )

    def _round(self) -> tuple[Any, list[int]]:
        seats = []
        for i, (account, answer, opens) in enumerate(
            zip(self.accounts, self.answers, self.opens, strict=True)
        ):
            salt = bytes([i + 1]) * 32
            committed = answer is not None
            value = bytes(32)
            if answer is not None:
                digest = self.digest(answer)
                value = hashing.commitment(CHAIN, ADDRESSES.tasks, self.id, 0, account, digest, salt)
                self.emit("TaskManager", "ResultCommitted", account=account, round=0, commitment=value)
                if opens:
                    value, result = digest, content.inline(b"answer %d" % answer)
                    if i in self.pointers:
                        result = b"\x01" + hashing.payload_root(b"answer %d" % answer) + self.pointers[i]
                    tx = self.emit(
                        "TaskManager",
                        "ResultRevealed",
                        account=account,
                        round=0,
                        digest=digest,
                        result=result,
                    )
                    self.calls[tx] = ("submitResult", {"result": result, "proof": salt})
            seats.append(Seat(account, self.weights[i], committed, committed and opens, False, value))
        verdict = tally_results(seats)
        return verdict, [s.account for s in seats if s.revealed and s.value == verdict.winner]

    def _settle(self, verdict: Any, winners: list[int]) -> None:
        self.emit(
            "TaskManager",
            "TaskFinalized",
            digest=verdict.winner,
            account=winners[0],
            round=0,
            confidence=verdict.confidence,
            winners=winners,
        )
        fee = 9_000
        refund = self.payment - TIP - MODEL_FEE - PROTOCOL_FEE - fee * len(winners)
        self.emit(
            "RewardDistributor",
            "TaskSettled",
            same=True,
            modelFee=MODEL_FEE,
            protocolFee=PROTOCOL_FEE,
            seatFee=fee,
            refund=refund,
            winners=winners,
        )


def finished() -> Receipt:
    return assemble(Scene([5, 6, 7], [1, 1, 1], [True] * 3).facts())


seats = st.lists(
    st.tuples(st.integers(1, 2**40), st.sampled_from([None, 1, 1, 1, 2]), st.booleans()),
    min_size=3,
    max_size=7,
)


@settings(deadline=None)
@given(seats)
def test_every_task_that_follows_the_rules_passes(drawn: list[tuple[int, int | None, bool]]) -> None:
    weights, answers, opens = map(list, zip(*drawn, strict=True))
    receipt = assemble(Scene(weights, answers, opens).facts())
    found = check_receipt(receipt)
    assert found.failures == []
    assert len(found.proved) == 7
    assert found.not_proved == []
    assert Receipt.from_bytes(receipt.to_bytes()) == receipt
    assert receipt.to_bytes() == Receipt.from_bytes(receipt.to_bytes()).to_bytes()


CAUGHT_ALONE = [
    "task.id",
    "task.input_data",
    "task.input_hash",
    "task.input_root",
    "task.deadline",
    "task.payment",
    "task.requester",
    "task.salt",
    "task.seats",
    "chain_id",
    "contracts.tasks",
    "model.id",
    "rounds.0.seats.1.account",
    "rounds.0.seats.1.commitment",
    "rounds.0.seats.1.digest",
    "rounds.0.seats.1.result",
    "rounds.0.seats.1.salt",
    "rounds.0.verdict.passed",
    "rounds.0.verdict.dissent",
    "rounds.0.verdict.winner",
    "rounds.0.verdict.confidence",
    "result.account",
    "result.confidence",
    "result.data",
    "result.digest",
    "result.payload_root",
    "result.round",
    "payment.model_fee",
    "payment.protocol_fee",
    "payment.refund",
    "payment.seat_fee",
    "payment.tips.0.amount",
    "payment.winners.2",
    "status",
]


@pytest.mark.parametrize("path", CAUGHT_ALONE)
def test_what_is_noticed_without_any_chain(path: str) -> None:
    data = json.loads(finished().to_bytes())
    value = dict(leaves(data))[path]
    other: Any = value + 1 if isinstance(value, int) else value
    if isinstance(value, bool):
        other = not value
    elif path.endswith("confidence"):
        other = value - 1
    elif path == "status":
        other = "refunded"
    elif path.endswith(("requester", "contracts.tasks")):
        other = dev_account(7).address
    elif isinstance(value, str) and value.isdecimal():
        other = str(int(value) + 1)
    elif isinstance(value, str):
        other = value[:-1] + ("1" if value[-1] != "1" else "2")
    target: Any = data
    *parents, last = path.split(".")
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    target[int(last) if isinstance(target, list) else last] = other
    failures = check_receipt(Receipt.from_bytes(json.dumps(data).encode())).failures
    assert failures


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**70),
    st.text(max_size=6),
    st.binary(max_size=40).map(lambda b: "0x" + b.hex()),
    st.binary(min_size=32, max_size=32).map(lambda b: "0x" + b.hex()),
    st.integers(0, 2**300).map(str),
    st.sampled_from(["silent", "faulty", "committed", "vote", "cancelled", "refunded", []]),
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_makes_the_check_stumble(data: st.DataObject) -> None:
    """Whatever is in the file, it is refused as invalid or checked to the end."""
    document = json.loads(finished().to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from([path for path, _ in leaves(document)]))
        target: Any = document
        *parents, last = path.split(".")
        for key in parents:
            target = target[int(key)] if isinstance(target, list) else target[key]
        target[int(last) if isinstance(target, list) else last] = data.draw(anything)
    try:
        receipt = Receipt.from_bytes(json.dumps(document).encode())
    except MLBridgeError:
        return
    try:
        found = check_receipt(receipt)
    except MLBridgeError:
        return
    assert found.proved or found.failures


CID = cid_to_bytes(cid_of(b"answer 1"))


@pytest.mark.parametrize(
    ("pointers", "account", "cid"),
    [
        ({0: b"x"}, 4, None),  # the second seat carries it
        ({0: CID, 1: b"x"}, 6, None),
        ({0: b"x", 1: CID, 2: CID}, 4, cid_of(b"answer 1")),
        ({0: b"x", 1: b"y", 2: b"z"}, 2, None),  # nobody can read any of it, and that is what is proved
    ],
)
def test_a_pointer_that_leads_nowhere_does_not_spoil_the_receipt(
    pointers: dict[int, bytes], account: int, cid: str | None
) -> None:
    scene = Scene([5, 6, 7], [1, 1, 1], [True] * 3)
    scene.pointers = pointers
    receipt = assemble(scene.facts())
    assert check_receipt(receipt).failures == []
    assert receipt.result is not None
    assert (receipt.result.account, receipt.result.cid) == (account, cid)
    assert receipt.result.payload_root == "0x" + hashing.payload_root(b"answer 1").hex()


def test_an_input_that_leads_nowhere_does_not_spoil_the_receipt_either() -> None:
    scene = Scene([5, 6, 7], [1, 1, 1], [True] * 3)
    scene.data = b"\x01" + bytes(32) + b"x"
    scene.id = hashing.task_id(
        CHAIN,
        ADDRESSES.tasks,
        REQUESTER,
        MODEL.id,
        hashing.input_hash(scene.data),
        2_000_000_000,
        scene.payment,
        3,
        scene.salt,
    )
    assert check_receipt(assemble(scene.facts())).failures == []


def test_submissions_through_other_contracts_hide_their_salts() -> None:
    facts = Scene([5, 6, 7], [1, 1, 1], [True] * 3).facts()
    hidden = Facts(facts.chain_id, facts.addresses, facts.model, facts.events, {}, facts.operators)
    found = check_receipt(assemble(hidden))
    assert found.failures == []
    assert len(found.not_proved) == 2
    assert "3 opened commitments" in found.not_proved[1]


def test_default_submissions_use_the_block_number_as_salt() -> None:
    scene = Scene([5, 6, 7], [1, 1, 1], [True] * 3)
    scene.salt = hashing.submit_salt(1)
    scene.id = hashing.task_id(
        CHAIN,
        ADDRESSES.tasks,
        REQUESTER,
        MODEL.id,
        hashing.input_hash(scene.data),
        2_000_000_000,
        scene.payment,
        3,
        scene.salt,
    )
    facts = scene.facts()
    first = facts.events[0].tx_hash
    calls = {**facts.calls, first: ("submitTask", {})}
    receipt = assemble(Facts(CHAIN, ADDRESSES, MODEL, facts.events, calls, facts.operators))
    assert check_receipt(receipt).failures == []


def test_what_happens_after_the_end_is_in_no_receipt() -> None:
    scene = Scene([5, 6, 7], [1, 1, 1], [True] * 3)
    facts = scene.facts()
    ended = list(facts.events)
    scene.emit("RewardDistributor", "Slashed", account=2, fault=3, amount=1, basisPoints=10_000)
    assert up_to_end(scene.events) == ended
    assert up_to_end(ended[:4]) == []
