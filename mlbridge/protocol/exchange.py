"""What a coordinator asks of a member over HTTP in the channel lane, and what the member answers.

A body is canonical CBOR: a list of byte strings, one an item, each canonical CBOR by itself, so that one bad
item spoils none of the others; the answer holds as many items in the same order. The coordinator of their
channels signs each request (`LaneRequest`, in the header `MLBridge-Request`). docs/design/channel-lane.md,
"Between coordinator and member".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import wire
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.hashing import keccak, payload_root, result_digest, word
from mlbridge.protocol.orders712 import (
    Attestation,
    ChannelTerms,
    Commitment,
    Domain,
    Message,
    TaskOrder,
    commitments_root,
)
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.protocol.signatures import SIZE
from mlbridge.protocol.wire import Signed

HEADER: Final = "MLBridge-Request"
MAX_ITEMS: Final = 256
MAX_BODY_BYTES: Final = 8 << 20
MAX_ANSWER_BYTES: Final = 24 << 20
"""All items with an output in them."""
MAX_INLINE_BYTES: Final = 64 << 10
"""Inputs and outputs above this size travel by CID."""
LONGEST_REQUEST_S: Final = 120
NO_PARAMETERS: Final = bytes(32)
"""An order's paramsDigest if nothing is streamed: the model's parameters stand in the input payload."""
SILENT: Final = bytes(32)
"""What a closed set holds in the place of a seat that did not commit."""

_MAX_HEADER: Final = 1024
_MAX_SEATS: Final = 255
_MAX_MEMBERS: Final = 3 + _MAX_SEATS + 3 * _MAX_SEATS  # of a closed set, which has the most
_MAX_ITEM_BYTES: Final = MAX_OUTPUT_BYTES + 4096
_TERMS: Final = ("requester", "coordinator", "openedIn", "coordinatorShare", "protocolShare", "salt")


@dataclass(frozen=True, slots=True)
class LaneRequest(Message):
    """What a coordinator signs over a request. body: keccak256; account: the member's; expires: unix seconds.

    Without it a requester could play coordinator, collect what members attest and settle with nobody.
    """

    TYPE: ClassVar[str] = "LaneRequest(bytes32 body,uint32 account,uint40 expires)"
    body: bytes
    account: int
    expires: int


@dataclass(frozen=True, slots=True)
class Offer:
    """An order offered to a member. content: the input payload, or the CID under which it lies.

    stream: X25519 key (32 bytes) to which the answer is streamed; None: it is not.
    """

    order: Signed[TaskOrder]
    terms: ChannelTerms
    content: bytes | str
    stream: bytes | None = None

    @property
    def parameters_hold(self) -> bool:
        """Whether the order names these parameters: without its requester nobody can change them."""
        return self.order.message.params_digest == parameters_digest(self.stream)

    def to_bytes(self) -> bytes:
        """Its item in a request."""
        terms = self.terms
        values = [getattr(terms, field) for field in ChannelTerms.__match_args__]
        fields = {
            "order": self.order.to_bytes(),
            "terms": dict(zip(_TERMS, values, strict=True)),
            "input": self.content,
        }
        if self.stream is not None:
            fields["stream"] = self.stream
        return encode(fields, max_bytes=_MAX_ITEM_BYTES)


@dataclass(frozen=True, slots=True)
class Pledge:
    """One seat of a closed set: its commitment and the signature by which it bound itself (65 bytes).

    A silent seat has SILENT and no signature.
    """

    account: int
    word: bytes = SILENT
    signature: bytes = b""

    @classmethod
    def of(cls, signed: Signed[Commitment]) -> Pledge:
        """From a member's answer."""
        return cls(signed.message.account, signed.message.word, signed.signature)

    @property
    def silent(self) -> bool:
        return not self.signature


@dataclass(frozen=True, slots=True)
class ClosedSet:
    """The request to reveal. order: digest; seats: the whole committee by ascending account.

    output: whether the member's output payload is wanted too; attestations name its digest anyway.
    """

    order: bytes
    seats: tuple[Pledge, ...]
    output: bool = True

    @property
    def root(self) -> bytes:
        """What attestations name."""
        return commitments_root([seat.word for seat in self.seats])

    def to_bytes(self) -> bytes:
        """Its item in a request."""
        seats = [[seat.account, seat.word, seat.signature] for seat in self.seats]
        return encode({"order": self.order, "seats": seats, "output": self.output})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an item was not done. retry_after: seconds after which it may be; None: never as it is."""

    code: str
    message: str
    retry_after: int | None = None

    @classmethod
    def of(cls, error: MLBridgeError) -> Refusal:
        after = error.context.get("retry_after")
        return cls(error.code, str(error)[:500], after if isinstance(after, int) else None)


@dataclass(frozen=True, slots=True)
class Revealed:
    """An attestation; output: the payload, its CID where it is large, None unless it was asked for."""

    attestation: Signed[Attestation]
    output: bytes | str | None = None


Answer = Signed[Commitment] | Revealed | Refusal


def parameters_digest(stream: bytes | None) -> bytes:
    """An order's paramsDigest. stream: as in `Offer`."""
    return NO_PARAMETERS if stream is None else keccak(encode({"stream": stream}))


def result_of(domain: Domain, order: bytes, output: bytes) -> bytes:
    """The result that members attest: binds an output payload to chain and order (its digest)."""
    return result_digest(domain.chain_id, order, payload_root(output))


# ---- requests ----
def sign_request(body: bytes, account: int, expires: int, domain: Domain, key: bytes) -> str:
    """The header's value for a body that goes to one member."""
    signed = wire.sign(LaneRequest(keccak(body), account, expires), domain, key)
    return base64.urlsafe_b64encode(signed.to_bytes()).decode("ascii")


def read_request(header: str | None, body: bytes, account: int, now: float, domain: Domain) -> str:
    """Checksummed address of the coordinator who sends a body to this account at `now` (unix seconds).

    Raises MLBridgeError `request.unsigned`, `request.expired` or `request.foreign`.
    """
    if header is None or len(header) > _MAX_HEADER:
        raise _unsigned("there is none")
    try:
        signed = wire.parse(base64.b64decode(header.encode(), altchars=b"-_", validate=True), LaneRequest)
    except (MLBridgeError, binascii.Error, UnicodeError) as error:
        raise _unsigned("it cannot be read") from error
    left = signed.message.expires - now
    if not 0 <= left <= LONGEST_REQUEST_S:
        raise MLBridgeError(
            "request.expired",
            f"The request's signature counts for {left:.0f} s, not for 0 to {LONGEST_REQUEST_S}.",
            hint="Sign it anew; the time is that of the chain.",
            exit_code=3,
        )
    if (signed.message.account, signed.message.body) != (account, keccak(body)):
        raise MLBridgeError(
            "request.foreign",
            "The request was signed for another body or another member.",
            hint=f"Sign this body for account {account}.",
            exit_code=3,
        )
    try:
        return signed.signer(domain)
    except MLBridgeError as error:
        raise _unsigned("no key can have made it") from error


def join(items: Sequence[bytes]) -> bytes:
    """The body that carries items. A request's may have MAX_BODY_BYTES, an answer's MAX_ANSWER_BYTES."""
    return encode(list(items), max_bytes=MAX_ANSWER_BYTES)


def split(body: bytes) -> list[bytes]:
    """The items of a body. Raises MLBridgeError `request.malformed`."""
    try:
        items = decode(body, max_bytes=MAX_ANSWER_BYTES, max_depth=1, max_items=MAX_ITEMS)
    except MLBridgeError as error:
        raise _malformed("request", "the body is not canonical CBOR") from error
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise _malformed("request", f"the body must be a list of 1 to {MAX_ITEMS} items")
    if not all(isinstance(item, bytes) for item in items):
        raise _malformed("request", "every item must be a byte string")
    return items


def parse_offer(item: bytes) -> Offer:
    """Raises MLBridgeError `message.malformed`."""
    fields = _fields(item, "offer", {"order", "terms", "input"}, optional={"stream"})
    order, content, stream = fields["order"], fields["input"], fields.get("stream")
    if not isinstance(order, bytes):
        raise _malformed("offer", "order must be bytes")
    if not isinstance(content, bytes | str) or len(content) > MAX_INLINE_BYTES:
        raise _malformed("offer", f"input must be at most {MAX_INLINE_BYTES} bytes, or a CID")
    if "stream" in fields and not (isinstance(stream, bytes) and len(stream) == 32):
        raise _malformed("offer", "stream must be a key of 32 bytes")
    key = stream if isinstance(stream, bytes) else None
    return Offer(wire.parse(order, TaskOrder), _terms(fields["terms"]), content, key)


def parse_closed_set(item: bytes) -> ClosedSet:
    """Raises MLBridgeError `message.malformed`; signatures are not looked at."""
    fields = _fields(item, "closed set", {"order", "seats", "output"})
    order, seats, output = fields["order"], fields["seats"], fields["output"]
    if not (isinstance(order, bytes) and len(order) == 32 and isinstance(output, bool)):
        raise _malformed("closed set", "order must be 32 bytes and output a truth value")
    if not isinstance(seats, list) or not 1 <= len(seats) <= _MAX_SEATS:
        raise _malformed("closed set", f"seats must be a list of 1 to {_MAX_SEATS}")
    pledges = tuple(_pledge(seat) for seat in seats)
    if any(later.account <= earlier.account for earlier, later in pairwise(pledges)):
        raise _malformed("closed set", "seats must stand in the order of their accounts")
    return ClosedSet(order, pledges, output)


# ---- answers ----
def write_answer(answer: Answer) -> bytes:
    """An item of a response."""
    if isinstance(answer, Refusal):
        fields: dict[str, object] = {"code": answer.code, "message": answer.message}
        if answer.retry_after is not None:
            fields["retryAfter"] = answer.retry_after
        return encode(fields)
    if isinstance(answer, Revealed):
        return write_revealed(answer.attestation.to_bytes(), answer.output)
    return write_commitment(answer.to_bytes())


def write_commitment(signed: bytes) -> bytes:
    """The item with a commitment in its wire form."""
    return encode({"commitment": signed})


def write_revealed(signed: bytes, output: bytes | str | None) -> bytes:
    """The item with an attestation in its wire form. output: as in `Revealed`."""
    fields: dict[str, object] = {"attestation": signed}
    if output is not None:
        fields["output"] = output
    return encode(fields, max_bytes=_MAX_ITEM_BYTES)


def read_answer(item: bytes) -> Answer:
    """What a member says; whose signature it bears is for the caller to check.

    Raises MLBridgeError `message.malformed`.
    """
    fields = _fields(item, "answer", None)
    names = fields.keys()
    commitment, attestation, output = (
        fields.get("commitment"),
        fields.get("attestation"),
        fields.get("output"),
    )
    if names == {"commitment"} and isinstance(commitment, bytes):
        return wire.parse(commitment, Commitment)
    if {"attestation"} <= names <= {"attestation", "output"} and isinstance(attestation, bytes):
        if output is not None and not isinstance(output, bytes | str):
            raise _malformed("answer", "output must be bytes or a CID")
        return Revealed(wire.parse(attestation, Attestation), output)
    code, message, after = fields.get("code"), fields.get("message"), fields.get("retryAfter")
    refused = {"code", "message"} <= names <= {"code", "message", "retryAfter"}
    if (
        refused
        and isinstance(code, str)
        and isinstance(message, str)
        and (after is None or type(after) is int)
    ):
        return Refusal(code, message, after)
    raise _malformed("answer", "it is no commitment, no attestation and no refusal")


# ---- parts ----
def _fields(
    item: bytes, what: str, names: set[str] | None, *, optional: Set[str] = frozenset()
) -> dict[str, object]:
    try:
        fields = decode(item, max_bytes=_MAX_ITEM_BYTES, max_depth=3, max_items=_MAX_MEMBERS)
    except MLBridgeError as error:
        raise _malformed(what, "it is not canonical CBOR") from error
    if not isinstance(fields, dict) or (names is not None and fields.keys() - optional != names):
        raise _malformed(what, f"it must hold exactly {', '.join(sorted(names or ()))}")
    return fields


def _terms(value: object) -> ChannelTerms:
    if not isinstance(value, dict) or value.keys() != set(_TERMS):
        raise _malformed("offer", f"terms must hold exactly {', '.join(_TERMS)}")
    requester, coordinator, opened, ours, theirs, salt = (value[name] for name in _TERMS)
    for party in (requester, coordinator):
        try:
            word("address", party)
        except MLBridgeError as error:
            reason = "requester and coordinator must be checksummed addresses"
            raise _malformed("offer", reason) from error
    for number, bits in ((opened, 32), (ours, 16), (theirs, 16)):
        if type(number) is not int or not 0 <= number < 1 << bits:
            raise _malformed("offer", "a number in terms is out of range")
    if not (isinstance(salt, bytes) and len(salt) == 32):
        raise _malformed("offer", "salt must be 32 bytes")
    return ChannelTerms(requester, coordinator, opened, ours, theirs, salt)


def _pledge(value: object) -> Pledge:
    if not (isinstance(value, list) and len(value) == 3):
        raise _malformed("closed set", "a seat is account, commitment and signature")
    account, commitment, signature = value
    if type(account) is not int or not 0 <= account < 1 << 32:
        raise _malformed("closed set", "account must be an unsigned integer of 32 bits")
    if not (isinstance(commitment, bytes) and len(commitment) == 32 and isinstance(signature, bytes)):
        raise _malformed("closed set", "commitment must be 32 bytes and signature bytes")
    if (commitment == SILENT) != (signature == b"") or len(signature) not in (0, SIZE):
        raise _malformed(
            "closed set", "a silent seat has neither commitment nor signature, any other has both"
        )
    return Pledge(account, commitment, signature)


def _unsigned(reason: str) -> MLBridgeError:
    return MLBridgeError(
        "request.unsigned",
        f"The request does not bear its coordinator's signature: {reason}.",
        hint=f"Send one in the {HEADER} header.",
        exit_code=3,
    )


def _malformed(what: str, reason: str) -> MLBridgeError:
    code = "request.malformed" if what == "request" else "message.malformed"
    return MLBridgeError(
        code,
        f"The {what} cannot be read: {reason}.",
        hint="Build it with mlbridge.protocol.exchange.",
        exit_code=2,
    )
