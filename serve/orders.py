"""The execution order: a provider's own node key tells its model replica to run one task's input.

EIP-712, domain ("ML Bridge Execution", "1", chainId), so that a signature means this order on this chain and
nothing else. An order travels beside the input as one HTTP header.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Final

from eth_utils.address import is_checksum_address, to_canonical_address

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import signatures
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.hashing import keccak, payload_root

HEADER: Final = "MLBridge-Order"
MAX_HEADER: Final = 1024

DOMAIN_TYPEHASH: Final = keccak(b"EIP712Domain(string name,string version,uint256 chainId)")
ORDER_TYPEHASH: Final = keccak(
    b"ExecutionOrder(bytes32 taskId,uint8 round,uint32 account,bytes32 modelId,bytes32 inputHash,"
    b"uint64 expiresAt,address node)"
)
DOMAIN_NAME: Final = keccak(b"ML Bridge Execution")
DOMAIN_VERSION: Final = keccak(b"1")


@dataclass(frozen=True, slots=True)
class ExecutionOrder:
    """Run the input with this hash for one seat of a task.

    task_id, model_id: 32 bytes; round: 0 to 255; account: the seat's account id; input_hash: keccak256 of the
    input payload as sent in the body; expires_at: unix seconds; node: checksummed address of the signing key.
    """

    task_id: bytes
    round: int
    account: int
    model_id: bytes
    input_hash: bytes
    expires_at: int
    node: str

    def __post_init__(self) -> None:
        for name in ("task_id", "model_id", "input_hash"):
            value = getattr(self, name)
            if not (isinstance(value, bytes) and len(value) == 32):
                raise _malformed(f"{name} must be 32 bytes")
        for name, bits in (("round", 8), ("account", 32), ("expires_at", 64)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
                raise _malformed(f"{name} must be an unsigned integer of {bits} bits")
        if not (isinstance(self.node, str) and is_checksum_address(self.node)):
            raise _malformed("node must be a checksummed address")

    def digest(self, chain_id: int) -> bytes:
        """The 32 bytes that the node key signs."""
        words = [
            ORDER_TYPEHASH,
            self.task_id,
            _word(self.round),
            _word(self.account),
            self.model_id,
            self.input_hash,
            _word(self.expires_at),
            bytes(to_canonical_address(self.node)).rjust(32, b"\0"),
        ]
        domain = keccak(DOMAIN_TYPEHASH + DOMAIN_NAME + DOMAIN_VERSION + _word(chain_id))
        return keccak(b"\x19\x01" + domain + keccak(b"".join(words)))


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order and its signature: 65 bytes, r || s || v with v 27 or 28."""

    order: ExecutionOrder
    signature: bytes

    def signer(self, chain_id: int) -> str:
        """Checksummed address of the key that signed. Raises MLBridgeError order.signature."""
        try:
            return signatures.recover(self.order.digest(chain_id), self.signature)
        except MLBridgeError as error:
            raise _bad_signature() from error

    def header(self) -> str:
        """The value of the `MLBridge-Order` header: base64url of canonical CBOR."""
        order = self.order
        fields = {
            "taskId": order.task_id,
            "round": order.round,
            "account": order.account,
            "modelId": order.model_id,
            "inputHash": order.input_hash,
            "expiresAt": order.expires_at,
            "node": order.node,
            "signature": self.signature,
        }
        return base64.urlsafe_b64encode(encode(fields)).decode("ascii")


def make_order(
    *, task_id: bytes, round: int, account: int, model_id: bytes, payload: bytes, expires_at: int, key: bytes
) -> ExecutionOrder:
    """The order for an input payload, to be signed by `key` (32 bytes)."""
    node = signatures.address_of(key)
    return ExecutionOrder(task_id, round, account, model_id, payload_root(payload), expires_at, node)


def sign_order(order: ExecutionOrder, *, chain_id: int, key: bytes) -> SignedOrder:
    """Signs an order with a node key (32 bytes), deterministically; `order.node` becomes its address."""
    order = replace(order, node=signatures.address_of(key))
    return SignedOrder(order, signatures.sign_digest(order.digest(chain_id), key))


def parse_header(value: str) -> SignedOrder:
    """The order in a header's value. Raises MLBridgeError order.malformed."""
    if len(value) > MAX_HEADER:
        raise _malformed("the header is too long")
    try:
        fields = decode(base64.b64decode(value.encode("ascii"), altchars=b"-_", validate=True))
    except (MLBridgeError, binascii.Error, UnicodeError) as error:
        raise _malformed("the header is not base64url of canonical CBOR") from error
    names = ("taskId", "round", "account", "modelId", "inputHash", "expiresAt", "node")
    if not isinstance(fields, dict) or fields.keys() != {*names, "signature"}:
        raise _malformed(f"the header must hold exactly {', '.join(names)} and signature")
    signature = fields["signature"]
    if not (isinstance(signature, bytes) and len(signature) == 65):
        raise _malformed("signature must be 65 bytes")
    return SignedOrder(ExecutionOrder(*(fields[name] for name in names)), signature)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _malformed(reason: str) -> MLBridgeError:
    return MLBridgeError(
        "order.malformed",
        f"The execution order cannot be read: {reason}.",
        hint=f"Build the {HEADER} header with serve.orders.sign_order.",
        exit_code=2,
    )


def _bad_signature() -> MLBridgeError:
    return MLBridgeError(
        "order.signature",
        "The execution order's signature does not belong to its node.",
        hint="Sign with the node key named in the order, for this chain id.",
        exit_code=3,
    )
