"""What a receipt must satisfy in itself: ids, hashes, commitments, tallies, payments. Pure; no chain."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_utils.address import is_address

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, hashing, votes
from mlbridge.protocol.tally import tally_results, tally_votes
from mlbridge.protocol.types import Seat, Verdict
from mlbridge.sdk.receipt_model import Receipt, RoundPart, SeatPart
from mlbridge.sdk.receipt_openings import cid_of, openings

ZERO = "0x" + "0" * 64


@dataclass
class Findings:
    """Plain-word lists: what was shown to hold, what nobody could show, what is wrong."""

    proved: list[str] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def expect(self, holds: bool, failure: str) -> bool:
        """Note a failure unless it holds; returns it."""
        if not holds:
            self.failures.append(failure)
        return holds

    def group(self, failures: list[str], proved: str) -> None:
        """Note the failures, or what is proved when there are none."""
        self.failures += failures
        if not failures:
            self.proved.append(proved)


def raw(text: str) -> bytes:
    """Bytes of 0x hex."""
    return bytes.fromhex(text[2:])


def check_receipt(receipt: Receipt) -> Findings:
    """Everything that can be recomputed from the receipt alone."""
    found = Findings()
    found.group(_input(receipt), "the input on chain is the one named: its hashes follow from its bytes")
    _task_id(receipt, found)
    _commitments(receipt, found)
    found.group(_digests(receipt), "every result digest follows from the task and the result's bytes")
    found.group(_verdicts(receipt), "every verdict follows from the revealed results and the seats' weights")
    found.group(_outcome(receipt), "the delivered result and the winners follow from the last verdict")
    found.group(_payment(receipt), "the payment adds up to the last wei")
    return found


def _input(receipt: Receipt) -> list[str]:
    data = raw(receipt.task.input_data)
    failures = []
    if hashing.keccak(data) != raw(receipt.task.input_hash):
        failures.append("task.input_hash: it is not the hash of task.input_data")
    try:
        root = content.root_of(data)
    except MLBridgeError as error:
        return [*failures, f"task.input_data: {error.message}"]
    if root != raw(receipt.task.input_root):
        failures.append("task.input_root: it is not the payload hash in task.input_data")
    return failures


def _task_id(receipt: Receipt, found: Findings) -> None:
    task = receipt.task
    if task.salt is None:
        found.not_proved.append(
            "that the task id binds the specification: the submission went through another contract, "
            "which hides its salt (the TaskManager computed the id)"
        )
        return
    if not is_address(task.requester):
        found.failures.append("task.requester: not an address")
        return
    expected = hashing.task_id(
        receipt.chain_id,
        receipt.contracts.tasks,
        task.requester,
        raw(receipt.model.id),
        raw(task.input_hash),
        task.deadline,
        task.payment,
        task.seats,
        raw(task.salt),
    )
    if found.expect(
        raw(task.id) == expected,
        "task.id: it is not the hash of the task's specification (0x" + expected.hex() + " is)",
    ):
        found.proved.append(
            "the task id binds chain, contract, requester, model, input, deadline, payment, seats and salt"
        )


def _commitments(receipt: Receipt, found: Findings) -> None:
    failures: list[str] = []
    hidden = 0
    for path, part, seat in _seats(receipt):
        if (seat.commitment is None) != (seat.state == "silent"):
            failures.append(f"{path}.commitment: a seat that is {seat.state} cannot have this")
        if seat.state != "revealed":
            continue
        if seat.salt is None:
            hidden += 1
            continue
        if seat.digest is None or seat.commitment is None:
            failures.append(f"{path}: a revealed seat needs digest and commitment")
            continue
        expected = hashing.commitment(
            receipt.chain_id,
            receipt.contracts.tasks,
            raw(receipt.task.id),
            part.index,
            seat.account,
            raw(seat.digest),
            raw(seat.salt),
        )
        if expected != raw(seat.commitment):
            failures.append(f"{path}.commitment: it is not the hash of this account, digest and salt")
    found.group(failures, "every opened commitment matches its account, digest and salt")
    if hidden:
        found.not_proved.append(
            f"{hidden} opened commitments: their salts are not in MLBridge's calldata "
            "(the TaskManager checked them)"
        )


def _digests(receipt: Receipt) -> list[str]:
    failures = []
    for path, _, seat in _seats(receipt):
        if (seat.result is None, seat.digest is None) != ((seat.state != "revealed"),) * 2:
            failures.append(f"{path}.state: only a revealed seat has result and digest")
        if seat.result is None or seat.digest is None:
            continue
        try:
            root = content.root_of(raw(seat.result))
        except MLBridgeError as error:
            failures.append(f"{path}.result: {error.message}")
            continue
        if hashing.result_digest(receipt.chain_id, raw(receipt.task.id), root) != raw(seat.digest):
            failures.append(f"{path}.digest: it is not the digest of {path}.result")
    return failures


def _seats(receipt: Receipt) -> list[tuple[str, RoundPart, SeatPart]]:
    return [
        (f"rounds.{i}.seats.{j}", part, seat)
        for i, part in enumerate(receipt.rounds)
        for j, seat in enumerate(part.seats)
    ]


def tally(receipt: Receipt, part: RoundPart) -> Verdict:
    """The verdict that the rule gives for a round of the receipt."""
    seats = [_seat(part, seat) for seat in part.seats]
    if part.kind == "result":
        return tally_results(seats)
    first = receipt.rounds[0].seats
    candidates = {i: raw(seat.digest) for i, seat in enumerate(first) if seat.digest is not None}
    return tally_votes(seats, candidates, part.judges)


def _seat(part: RoundPart, seat: SeatPart) -> Seat:
    revealed = seat.state == "revealed"
    value = raw(seat.commitment or ZERO)
    if revealed and part.kind == "result":
        value = raw(seat.digest or ZERO)
    elif revealed:
        parsed = content.parse(raw(seat.result or "0x"))
        payload = parsed.payload if isinstance(parsed, content.Inline) else b""
        votes.unpack(payload)
        value = payload.rjust(32, b"\0")
    return Seat(seat.account, seat.weight, seat.state != "silent", revealed, seat.state == "faulty", value)


def _verdicts(receipt: Receipt) -> list[str]:
    failures = []
    for i, part in enumerate(receipt.rounds):
        if part.verdict is None:
            continue
        try:
            expected = tally(receipt, part)
        except MLBridgeError as error:
            failures.append(f"rounds.{i}: its votes cannot be read ({error.message})")
            continue
        said = part.verdict
        for name, value, right in (
            ("passed", said.passed, expected.passed),
            ("dissent", said.dissent, expected.dissent),
            ("winner", raw(said.winner), expected.winner),
            ("confidence", said.confidence, expected.confidence),
        ):
            if value != right:
                shown = "0x" + right.hex() if isinstance(right, bytes) else right
                failures.append(f"rounds.{i}.verdict.{name}: the seats' weights give {shown}")
    return failures


def _outcome(receipt: Receipt) -> list[str]:
    if receipt.status != "finalized":
        left = [
            f"payment.{name}"
            for name in ("model_fee", "protocol_fee", "seat_fee")
            if getattr(receipt.payment, name)
        ]
        left += ["payment.winners"] if receipt.payment.winners else []
        left += ["result"] if receipt.result is not None else []
        return [f"{name}: a task that was {receipt.status} has none" for name in left]
    result, last = receipt.result, receipt.rounds[-1] if receipt.rounds else None
    if result is None or last is None or last.verdict is None:
        return ["result: a finalized task has a last round with a verdict, and a result"]
    failures = []
    if not last.verdict.passed:
        failures.append(f"rounds.{last.index}.verdict.passed: a finalized task needs a verdict that passed")
    if last.verdict.dissent and not last.judges:
        failures.append(f"rounds.{last.index}.judges: a first committee with dissent cannot settle a task")
    if last.verdict.winner != result.digest:
        failures.append("result.digest: it is not the last verdict's winner")
    if last.verdict.confidence != result.confidence:
        failures.append("result.confidence: it is not the last verdict's")
    winners = _winners(receipt, last)
    if [seat.account for seat in winners] != list(receipt.payment.winners):
        failures.append("payment.winners: they are not the first seats whose result was accepted")
    return failures + _delivered(receipt, winners)


def _winners(receipt: Receipt, last: RoundPart) -> list[SeatPart]:
    first = receipt.rounds[0].seats
    if last.kind == "vote":
        accepted = tally(receipt, last).accepted
        return [seat for i, seat in enumerate(first) if accepted >> i & 1]
    winner = last.verdict.winner if last.verdict else ZERO
    return [seat for seat in first if seat.digest == winner]


def _delivered(receipt: Receipt, winners: list[SeatPart]) -> list[str]:
    result = receipt.result
    if result is None:
        return []
    failures = []
    if winners and winners[0].digest != result.digest:
        failures.append(f"result.digest: the earliest-drawn winner's is {winners[0].digest}")
    found = openings(receipt.rounds, result.digest)
    if not found:
        return [*failures, "result.account: no seat holds the delivered digest"]
    index, source = found[0]
    for name, said, right in (
        ("account", result.account, source.account),
        ("round", result.round, index),
        ("data", result.data, source.result),
    ):
        if said != right:
            failures.append(f"result.{name}: the first who opened the digest readably has {right}")
    data = raw(result.data)
    if raw(result.payload_root) != content.root_of(data):
        failures.append("result.payload_root: it is not the payload hash in result.data")
    if result.cid != cid_of(data):
        failures.append("result.cid: it is not the one in result.data")
    return failures


def _payment(receipt: Receipt) -> list[str]:
    pay = receipt.payment
    tips = sum(tip.amount for tip in pay.tips)
    seats = pay.seat_fee * len(pay.winners)
    spent = pay.model_fee + pay.protocol_fee + seats + pay.refund + tips
    if spent == receipt.task.payment:
        return []
    return [
        f"payment: {pay.model_fee} model + {pay.protocol_fee} protocol + {seats} seats + {tips} tips + "
        f"{pay.refund} refund = {spent} wei, but task.payment is {receipt.task.payment}"
    ]
