"""Signed orders as JSON: what wallets send, under the names that they signed it by, and what they get."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from eth_utils.address import to_checksum_address
from pydantic import BaseModel, ConfigDict, Field

from coordinator.openapi import FRAMES_ANSWER, NO_KEY, OFFER_BODY, TOLD_ANSWER, Answers, refusals
from gateway.refusals import SAID
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import MAX_INLINE_BYTES, Offer, parse_offer
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, TaskOrder
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed

Bytes32 = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Uint16 = Annotated[int, Field(ge=0, lt=1 << 16)]
Uint32 = Annotated[int, Field(ge=0, lt=1 << 32)]
Uint40 = Annotated[int, Field(ge=0, lt=1 << 40)]
# JavaScript's numbers end at 2^53.
Wei = Annotated[str, Field(pattern=r"^[0-9]{1,28}$", description="decimal")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrderMembers(_Body):
    """The members of the EIP-712 struct TaskOrder by their names. deadline: unix seconds."""

    channel: Bytes32
    sequence: Uint32
    epoch: Uint32
    modelId: Bytes32  # noqa: N815 - as Solidity has it
    inputDigest: Bytes32 = Field(description="keccak256 of the canonical input")  # noqa: N815
    paramsDigest: Bytes32 = "0x" + "00" * 32  # noqa: N815
    seats: int = Field(ge=3, le=255)
    policy: Literal[1] = Field(default=1, description="exact")
    maxFee: Wei  # noqa: N815
    deadline: Uint40


class TermsMembers(_Body):
    """What the channel was opened under, as its event ChannelOpened says."""

    requester: Address
    coordinator: Address
    openedIn: Uint32  # noqa: N815
    coordinatorShare: Uint16  # noqa: N815
    protocolShare: Uint16  # noqa: N815
    salt: Bytes32


class SignedOrder(_Body):
    """An order with its signature, its channel's terms and its input: fields of a kind, and `kind` itself."""

    order: OrderMembers
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{130}$")
    terms: TermsMembers
    input: dict[str, Any]

    def offer(self) -> Offer:
        """As it travels. Raises MLBridgeError `payload.*`, `message.malformed`."""
        order, terms, fields = self.order, self.terms, dict(self.input)
        payload = encode_input(str(fields.pop("kind", "")), fields)
        if len(payload) > MAX_INLINE_BYTES:
            raise MLBridgeError(
                "payload.too_large",
                f"The input has {len(payload)} bytes, and here it has at most {MAX_INLINE_BYTES}.",
                hint="Put it into the content store and send its CID; the SDK does (AsyncChannel.order).",
                exit_code=2,
            )
        signed = TaskOrder(
            channel=_raw(order.channel),
            sequence=order.sequence,
            epoch=order.epoch,
            model_id=_raw(order.modelId),
            input_digest=_raw(order.inputDigest),
            params_digest=_raw(order.paramsDigest),
            seats=order.seats,
            policy=Policy(order.policy),
            max_fee=int(order.maxFee),
            deadline=order.deadline,
        )
        opened = ChannelTerms(
            str(to_checksum_address(terms.requester)),
            str(to_checksum_address(terms.coordinator)),
            terms.openedIn,
            terms.coordinatorShare,
            terms.protocolShare,
            _raw(terms.salt),
        )
        # One reader for both spellings, so that neither takes what the other refuses.
        return parse_offer(Offer(Signed(signed, _raw(self.signature)), opened, payload).to_bytes())


class AttestedView(BaseModel):
    """The EIP-712 struct Attestation by its names, without its order, and a seat's signature of it."""

    account: int
    result: str
    salt: str
    commitments: str
    signature: str

    @classmethod
    def of(cls, signed: Signed[Attestation]) -> AttestedView:
        """As JSON has it."""
        said = signed.message
        words = (said.result, said.salt, said.commitments, signed.signature)
        result, salt, commitments, signature = ("0x" + word.hex() for word in words)
        return cls(
            account=said.account, result=result, salt=salt, commitments=commitments, signature=signature
        )


class OrderView(BaseModel):
    """An order. id: its digest; state: open, decided, failed; amounts in wei; confidence from 0 to 1.

    cost_wei: by the seats that attested so far, at most price_wei; null while it is open; receipt: as
    `mlbridge verify` takes it; result: the decoded output; reason: why there is none;
    attested: where it failed because its seats disagreed, what they signed (DissentCases.openSplit).
    """

    id: str
    object: Literal["order"] = "order"
    state: Literal["open", "decided", "failed"]
    requester: str
    sequence: int
    price_wei: str
    cost_wei: str | None = None
    confidence: float | None = None
    committee: list[int] | None = None
    result: dict[str, Any] | None = None
    reason: str | None = None
    attested: list[AttestedView] | None = None
    receipt: dict[str, Any] | None = None


class LaneTerms(BaseModel):
    """Whom a channel must name. share: its coordinator's, basis points; channels: the contract."""

    coordinator: str
    share: int
    chain_id: int
    channels: str


ORDER_REFUSALS: Final = refusals(SAID, (400, 402, 403, 404, 405, 408, 413, 422, 429, 500, 502, 503))
_JSON_BODY: Final = {"schema": {"$ref": "#/components/schemas/SignedOrder"}}
_JSON_ANSWER: Final = {"schema": {"$ref": "#/components/schemas/OrderView"}}
ORDER_BODY: Final[dict[str, Any]] = NO_KEY | {
    "requestBody": {
        **OFFER_BODY["requestBody"],
        "content": {"application/json": _JSON_BODY, **OFFER_BODY["requestBody"]["content"]},
    }
}
ORDER_ANSWERS: Final[Answers] = {
    200: {
        "description": "Where the order stands: OrderView to JSON, mlbridge.protocol.answers.Told to CBOR.",
        "content": {"application/json": _JSON_ANSWER, **TOLD_ANSWER[200]["content"]},
    },
    **ORDER_REFUSALS,
}
STREAM_BODY: Final[dict[str, Any]] = NO_KEY | OFFER_BODY
STREAM_ANSWERS: Final[Answers] = FRAMES_ANSWER | ORDER_REFUSALS
MODELS: Final = (OrderMembers, TermsMembers, SignedOrder, OrderView)


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])
