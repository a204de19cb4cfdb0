"""What a requester asks of its order's seats itself, where its coordinator does not bring the answer.

POST <model>/v1/lane/answers takes a list of one item, an `AnswerRequest` as it travels. Its answer is a list
of one item too: a refusal (mlbridge/protocol/exchange.py), or what the seat hands over, sealed to the
request's key. So neither a node that claims somebody else's account and passes the request on, nor anybody
who listens or repeats it, reads a word. docs/design/channel-lane.md, "Fetching an answer".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import agreed, exchange, orders712, wire
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.exchange import ClosedSet, Refusal
from mlbridge.protocol.orders712 import Attestation, Domain, Message
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.protocol.wire import Signed

MAX_REQUEST_BYTES: Final = wire.MAX_BYTES + 16
"""Of a request's body."""
MAX_HANDED_BYTES: Final = MAX_OUTPUT_BYTES + (64 << 10)
"""Of what a seat hands over."""
MAX_ANSWER_BYTES: Final = MAX_HANDED_BYTES + 256
"""Of an answer's body."""
LONGEST_S: Final = exchange.LONGEST_REQUEST_S
"""Most seconds for which a request's signature counts."""

_LABEL: Final = b"mlbridge lane answer 1"
_NONCE: Final = bytes(12)  # each answer has a key of its own
_MAX_MEMBERS: Final = 16


@dataclass(frozen=True, slots=True)
class AnswerRequest(Message):
    """What a requester signs to get an order's answer from one seat.

    order: digest; account: the seat's; key: X25519 key (32 bytes) to which the answer is sealed; expires:
    unix seconds of the chain.
    """

    TYPE: ClassVar[str] = "AnswerRequest(bytes32 order,uint32 account,bytes32 key,uint40 expires)"
    order: bytes
    account: int
    key: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class Handed:
    """What a seat hands over: its attestation, the closed set that this names, the output payload."""

    attestation: Signed[Attestation]
    closed: ClosedSet
    output: bytes

    def is_of(self, order: bytes, committee: list[int], account: int, domain: Domain) -> bool:
        """Whether all of it belongs together and to an order's seat; whose key signed is not looked at.

        order: digest; committee: who was drawn, by ascending account.
        """
        said, closed = self.attestation.message, self.closed
        if (said.order, said.account, said.commitments) != (order, account, closed.root):
            return False
        words = {seat.account: seat.word for seat in closed.seats}
        opened = orders712.commitment(order, account, said.result, said.salt)
        listed = [seat.account for seat in closed.seats] == committee and closed.order == order
        return (
            listed
            and words.get(account) == opened
            and said.result == exchange.result_of(domain, order, self.output)
        )


def parse_request(item: bytes) -> Signed[AnswerRequest]:
    """Raises MLBridgeError `message.malformed`; who signed is for the caller to check."""
    return wire.parse(item, AnswerRequest)


def require_one(body: bytes) -> None:
    """A request's body has one item. Raises MLBridgeError `request.malformed`."""
    if len(exchange.split(body)) != 1:
        raise MLBridgeError(
            "request.malformed",
            "An answer is of one order.",
            hint="Send each request by itself.",
            exit_code=2,
        )


def write_request(signed: Signed[AnswerRequest]) -> bytes:
    """The body that carries a request."""
    return exchange.join([signed.to_bytes()])


def write_handed(
    request: AnswerRequest, *, attestation: bytes, closed: bytes, output: bytes, secret: bytes | None = None
) -> bytes:
    """The item with what a seat hands over, sealed to the request's key.

    attestation, closed: as they travel; secret: X25519, None: a new one. Raises MLBridgeError `request.key`.
    """
    fields = {"attestation": attestation, "closed": closed, "output": output}
    plain = encode(fields, max_bytes=MAX_HANDED_BYTES)
    secret = secret or agreed.new_secret()
    ours = agreed.public_of(secret)
    sealed = ours + _cipher(secret, request.key, request, ours).encrypt(_NONCE, plain, None)
    return encode({"sealed": sealed}, max_bytes=MAX_ANSWER_BYTES)


def read_answer(body: bytes, request: AnswerRequest, secret: bytes) -> Handed | Refusal:
    """What a body says to a request. secret: of the request's key.

    What is handed over is not believed yet: see `Handed.is_of`. Raises MLBridgeError `message.malformed` or
    `request.malformed`.
    """
    item, *others = exchange.split(body)
    try:
        fields = decode(item, max_bytes=MAX_ANSWER_BYTES, max_items=_MAX_MEMBERS)
    except MLBridgeError as error:
        raise _malformed("it is not canonical CBOR") from error
    if others or not isinstance(fields, dict):
        raise _malformed("it is no list of one map")
    if fields.keys() == {"sealed"}:
        return _opened(fields["sealed"], request, secret)
    read = exchange.read_answer(item)
    if not isinstance(read, Refusal):
        raise _malformed("it is not sealed")
    return read


def _opened(sealed: object, request: AnswerRequest, secret: bytes) -> Handed:
    if not isinstance(sealed, bytes) or len(sealed) <= agreed.KEY_BYTES:
        raise _malformed("it holds no sealed bytes")
    theirs, rest = sealed[: agreed.KEY_BYTES], sealed[agreed.KEY_BYTES :]
    try:
        plain = _cipher(secret, theirs, request, theirs).decrypt(_NONCE, rest, None)
        fields = decode(plain, max_bytes=MAX_HANDED_BYTES, max_items=_MAX_MEMBERS)
    except (InvalidTag, MLBridgeError) as error:
        raise _malformed("it is not sealed to this request") from error
    if not isinstance(fields, dict) or fields.keys() != {"attestation", "closed", "output"}:
        raise _malformed("it must hold exactly attestation, closed, output")
    attestation, closed, output = fields["attestation"], fields["closed"], fields["output"]
    if not all(isinstance(value, bytes) for value in (attestation, closed, output)):
        raise _malformed("a member is not bytes")
    return Handed(wire.parse(attestation, Attestation), exchange.parse_closed_set(closed), output)


def _cipher(secret: bytes, theirs: bytes, request: AnswerRequest, member_key: bytes) -> agreed.Cipher:
    info = _LABEL + request.account.to_bytes(4, "big") + request.key + member_key
    try:
        return agreed.cipher_of(secret, theirs, salt=request.order, info=info)
    except ValueError as error:
        raise MLBridgeError(
            "request.key",
            "The other side's key cannot be used.",
            hint="Make a new X25519 key for each request.",
            exit_code=2,
        ) from error


def _malformed(reason: str) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The answer cannot be read: {reason}.",
        hint="Build it with mlbridge.protocol.fetching.",
        exit_code=2,
    )
