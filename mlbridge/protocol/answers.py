"""What a coordinator tells a requester about its order: canonical CBOR over HTTP, believed in nothing.

POST /v1/lane/orders takes an offer (mlbridge/protocol/exchange.py) and answers with a `Told`; repeated with
the same order it changes nothing. GET /v1/lane/orders/0x<digest>/proof answers with a `Settlement` once a
batch holds the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import Batch, Header
from mlbridge.protocol.batch_wire import read_header, write_header
from mlbridge.protocol.disagreement import Attested, read_attested, write_attested
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.evidence import Outcome, SeatProof
from mlbridge.protocol.leaves import TaskLeaf
from mlbridge.protocol.merkle import root_of
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.protocol.spelling import Kind, parse, parse_one, spell

MAX_TOLD: Final = MAX_OUTPUT_BYTES + (64 << 10)
MAX_SETTLEMENT: Final = 64 << 10
MAX_PATH: Final = 32
MAX_REASON: Final = 500
MAX_NODES: Final = 256
"""Members' nodes that GET /v1/lane names at most."""
MAX_NODE_URL: Final = 200
_MAX_MEMBERS: Final = 256

State = Literal["open", "decided", "failed"]
_LEAF: Final[tuple[Kind, ...]] = (32, "word", 32, 32, "debit", "debit", "flag", "word", "word")
_OUTCOME: Final[tuple[Kind, ...]] = ("word", "address", *["amount"] * 5)


@dataclass(frozen=True, slots=True)
class Told:
    """state: decided has result, seats and output; failed a reason, and nothing is charged.

    confidence: basis points; seats: the whole committee, as evidence lists it; output: payload or its CID;
    attested: of an order that failed because its seats disagreed, what they attested.
    """

    state: State
    result: bytes = b""
    confidence: int = 0
    seats: tuple[SeatProof, ...] = ()
    output: bytes | str = b""
    reason: str = ""
    attested: Attested = ()

    def to_bytes(self) -> bytes:
        """As it travels."""
        fields: dict[str, object] = {"state": self.state}
        if self.state == "decided":
            fields |= {
                "result": self.result,
                "confidence": self.confidence,
                "seats": [[seat.account, seat.word, seat.signature] for seat in self.seats],
                "output": self.output,
            }
        elif self.state == "failed":
            fields["reason"] = self.reason
            if self.attested:
                fields["attested"] = write_attested(self.attested)
        return encode(fields, max_bytes=MAX_TOLD)

    @classmethod
    def from_bytes(cls, data: bytes) -> Told:
        """Raises MLBridgeError `message.malformed`."""
        try:
            fields: Any = decode(data, max_bytes=MAX_TOLD, max_depth=3, max_items=_MAX_MEMBERS)
            state = fields.pop("state")
            if state == "open" and not fields:
                return cls("open")
            if state == "failed" and fields.keys() <= {"reason", "attested"}:
                attested = read_attested(fields.get("attested", ()))
                return cls("failed", reason=one_line(_text(fields["reason"])), attested=attested)
            if state != "decided" or fields.keys() != {"result", "confidence", "seats", "output"}:
                raise ValueError("its fields are others")
            output = fields["output"]
            if not isinstance(output, bytes | str):
                raise ValueError("its output is no payload and no CID")
            seats = tuple(
                SeatProof(parse_one(32, account), parse_one("word", word), _bytes(signature, 65))
                for account, word, signature in fields["seats"]
            )
            confidence = parse_one(16, fields["confidence"])
            return cls("decided", parse_one("word", fields["result"]), confidence, seats, output)
        except (MLBridgeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise _malformed("answer", error) from error


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where an order stands in a batch. path: of its leaf in the tree of task leaves, 32 bytes each."""

    header: Header
    leaf: TaskLeaf
    path: tuple[bytes, ...]
    outcome: Outcome

    @classmethod
    def of(cls, header: Header, batch: Batch, key: tuple[bytes, int]) -> Settlement | None:
        """From a batch's leaves; None if it does not hold the order. key: channel and sequence."""
        for place, item in enumerate(batch.items):
            if item.leaf.key == key:
                return cls(header, item.leaf, tuple(batch.tasks.path(place)), item.outcome)
        return None

    def holds(self, key: tuple[bytes, int]) -> bool:
        """Whether it shows that a batch of this header holds the order of this channel and sequence."""
        leaf = self.leaf
        led = root_of(leaf.hash(), list(self.path)) == self.header.task_root
        return leaf.key == key and led and leaf.outcome == self.outcome.hash()

    def to_bytes(self) -> bytes:
        """As it travels."""
        header = write_header(self.header)
        leaf = spell(_LEAF, self.leaf.as_tuple())
        *members, winners = self.outcome.as_tuple()
        outcome = [*spell(_OUTCOME, members), winners]
        fields = {"header": header, "leaf": leaf, "path": list(self.path), "outcome": outcome}
        return encode(fields, max_bytes=MAX_SETTLEMENT)

    @classmethod
    def from_bytes(cls, data: bytes) -> Settlement:
        """Raises MLBridgeError `message.malformed`."""
        try:
            fields: Any = decode(data, max_bytes=MAX_SETTLEMENT, max_depth=3, max_items=_MAX_MEMBERS)
            if fields.keys() != {"header", "leaf", "path", "outcome"} or len(fields["path"]) > MAX_PATH:
                raise ValueError("its fields are others")
            return cls(
                read_header(_bytes(fields["header"], MAX_SETTLEMENT)),
                TaskLeaf(*parse(_LEAF, fields["leaf"])),
                tuple(parse_one("word", item) for item in fields["path"]),
                _outcome(fields["outcome"]),
            )
        except (MLBridgeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise _malformed("settlement", error) from error


def one_line(told: str) -> str:
    """What a stranger says to people: at most 500 characters that a terminal and a database take."""
    return "".join(one if one.isprintable() else " " for one in told[:MAX_REASON])


def _outcome(row: Any) -> Outcome:
    *members, winners = row
    values: list[Any] = [*parse(_OUTCOME, members), tuple(parse_one(32, winner) for winner in winners)]
    return Outcome(*values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a member is no text")
    return value


def _bytes(value: object, most: int) -> bytes:
    if not isinstance(value, bytes) or len(value) > most:
        raise ValueError(f"a member is not bytes, or more than {most}")
    return value


def _malformed(what: str, error: Exception) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The {what} cannot be read: {error}.",
        hint="Build it with mlbridge.protocol.answers.",
        exit_code=2,
    )
