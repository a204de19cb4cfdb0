"""What a receipt says: one finished task, as canonical JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from contracts.network import Address, Addresses
from mlbridge.sdk.receipt_file import Part, ReceiptFile

VERSION: Final = 1

Bytes32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
Data = Annotated[str, Field(pattern=r"^0x([0-9a-f]{2})*$")]


def _whole(value: object) -> object:
    if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
        return int(value)
    return value


# Amounts are decimal strings: readers in other languages lose digits of numbers beyond 2^53.
Amount = Annotated[int, BeforeValidator(_whole), PlainSerializer(str, return_type=str), Field(ge=0)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]


class ModelPart(Part):
    """The model and what pins its output. exec_class: the bytes32 on chain."""

    id: Bytes32
    provider: Address
    manifest_cid: str
    exec_class: Bytes32
    policy: Literal["exact", "numeric"]


class TaskPart(Part):
    """What was asked.

    deadline: unix seconds; payment: wei; salt: null when the submission's calldata does not show it;
    input_data: tagged bytes as on chain; input_root: keccak256 of the payload.
    """

    id: Bytes32
    requester: Address
    deadline: Count
    payment: Amount
    seats: Annotated[int, Field(ge=1, le=15)]
    salt: Bytes32 | None
    input_data: Data
    input_hash: Bytes32
    input_root: Bytes32


class SeatPart(Part):
    """One seat.

    weight: when drawn; digest and result: once opened; salt: null when the calldata does not show it.
    """

    account: Count
    operator: Address
    weight: Count
    state: Literal["silent", "committed", "revealed", "faulty"]
    commitment: Bytes32 | None
    digest: Bytes32 | None
    result: Data | None
    salt: Bytes32 | None


class VerdictPart(Part):
    """The tally. winner: a digest, zero unless passed; confidence: basis points."""

    passed: bool
    dissent: bool
    winner: Bytes32
    confidence: BasisPoints


class RoundPart(Part):
    """One round.

    replaced: accounts that were silent and lost their seat; seed: of its last draw, zero without one.
    """

    index: Annotated[int, Field(ge=0, le=255)]
    kind: Literal["result", "vote"]
    judges: bool
    seed: Bytes32
    seats: tuple[SeatPart, ...]
    replaced: tuple[Count, ...]
    verdict: VerdictPart | None


class ResultPart(Part):
    """What was delivered.

    data: tagged bytes as on chain; cid: where a large payload is; round, account: who opened them, chosen
    among all who opened this digest (see receipt_openings).
    """

    digest: Bytes32
    payload_root: Bytes32
    data: Data
    cid: str | None
    account: Count
    round: Count
    confidence: BasisPoints


class TipPart(Part):
    """wei to whoever moved the task on."""

    to: Address
    amount: Amount


class JudgeFeePart(Part):
    """MLB (18 decimals) from the dispute reserve to a judge."""

    account: Count
    amount: Amount


class SlashPart(Part):
    """MLB (18 decimals) taken from an account."""

    account: Count
    fault: Literal["absent", "unopened", "incorrect", "malicious"]
    amount: Amount
    basis_points: BasisPoints


class PaymentPart(Part):
    """Where the payment went, in wei. winners: accounts paid seat_fee each; reason: why it was refunded."""

    model_fee: Amount
    protocol_fee: Amount
    seat_fee: Amount
    winners: tuple[Count, ...]
    refund: Amount
    reason: str | None
    tips: tuple[TipPart, ...]
    judge_fees: tuple[JudgeFeePart, ...]
    slashes: tuple[SlashPart, ...]


class EventPart(Part):
    """One event of the task and where the chain holds it. index: of the log in its block."""

    event: str
    contract: str
    transaction: Bytes32
    block: Count
    block_hash: Bytes32
    index: Count


class Receipt(ReceiptFile):
    """Everything about one finished task that the chain shows."""

    version: Literal[1] = VERSION
    chain_id: Annotated[int, Field(gt=0)]
    contracts: Addresses
    model: ModelPart
    task: TaskPart
    status: Literal["finalized", "refunded", "cancelled"]
    rounds: tuple[RoundPart, ...]
    result: ResultPart | None
    payment: PaymentPart
    events: tuple[EventPart, ...]

    @property
    def task_id(self) -> bytes:
        """The task's id."""
        return bytes.fromhex(self.task.id[2:])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of every leaf of JSON data; empty containers are leaves."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from leaves(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}" if path else str(index))
    else:
        yield path, value
