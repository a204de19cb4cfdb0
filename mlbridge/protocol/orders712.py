"""Messages of the channel lane, hashed as EIP-712 wants it (docs/design/channel-lane.md, "Messages").

Every bytes32 is a `bytes` of length 32, every address a checksummed `str`. Arguments of the wrong length or
range raise MLBridgeError `hash.argument`. The Solidity twin is contracts/src/libraries/ChannelHashing.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Final

from mlbridge.protocol.hashing import hash_words, keccak, words
from mlbridge.protocol.types import Policy

DOMAIN_TYPEHASH: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
COMMIT_TYPEHASH: Final = keccak(
    b"ChannelCommitment(bytes32 order,uint32 account,bytes32 result,bytes32 salt)"
)
DRAW_TYPEHASH: Final = keccak(b"ChannelDraw(bytes32 seed,bytes32 channel,uint32 sequence)")

_NAME: Final = keccak(b"ML Bridge")
_VERSION: Final = keccak(b"1")


@dataclass(frozen=True, slots=True)
class Domain:
    """The contract of one chain for which messages are signed. contract: checksummed address."""

    chain_id: int
    contract: str

    def separator(self) -> bytes:
        """EIP-712's hash of it."""
        return _separator(self.chain_id, self.contract)


@dataclass(frozen=True, slots=True)
class ChannelTerms:
    """What a channel was opened under; its id is its hash. Shares in basis points."""

    requester: str
    coordinator: str
    opened_in: int
    coordinator_share: int
    protocol_share: int
    salt: bytes

    def details(self) -> bytes:
        """Hash of everything but the coordinator."""
        return hash_words(
            ["address", "uint32", "uint16", "uint16", "bytes32"],
            [self.requester, self.opened_in, self.coordinator_share, self.protocol_share, self.salt],
        )

    def channel(self) -> bytes:
        """The channel's id."""
        return hash_words(["address", "bytes32"], [self.coordinator, self.details()])

    def as_tuple(self) -> tuple[str, str, int, int, int, bytes]:
        """In the order of the Solidity struct."""
        shares = self.coordinator_share, self.protocol_share
        return self.requester, self.coordinator, self.opened_in, *shares, self.salt


@dataclass(frozen=True, slots=True)
class Message:
    """One EIP-712 struct whose members are single words, in the order of its fields."""

    TYPE: ClassVar[str]

    def struct_hash(self) -> bytes:
        kinds = [kind for _, _, kind in members(type(self))]
        return keccak(_typehash(self.TYPE) + words(kinds, self.as_tuple()))

    def as_tuple(self) -> tuple[Any, ...]:
        """In the order of the Solidity struct."""
        return tuple([getattr(self, field) for field, _, _ in members(type(self))])

    def digest(self, domain: Domain) -> bytes:
        """What is signed, for the contract of one chain."""
        return keccak(b"\x19\x01" + domain.separator() + self.struct_hash())


def members(kind: type[Message]) -> tuple[tuple[str, str, str], ...]:
    """(field, Solidity name, Solidity type) of each member, in order."""
    return _members(kind.TYPE, kind.__match_args__)


@cache
def _members(text: str, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    listed = [member.split() for member in text.split("(")[1].rstrip(")").split(",")]
    return tuple((field, name, solidity) for field, (solidity, name) in zip(names, listed, strict=True))


@dataclass(frozen=True, slots=True)
class TaskOrder(Message):
    """What a requester signs for one task. max_fee in wei, deadline in unix seconds."""

    TYPE: ClassVar[str] = (
        "TaskOrder(bytes32 channel,uint32 sequence,uint32 epoch,bytes32 modelId,bytes32 inputDigest,"
        "bytes32 paramsDigest,uint8 seats,uint8 policy,uint96 maxFee,uint40 deadline)"
    )
    channel: bytes
    sequence: int
    epoch: int
    model_id: bytes
    input_digest: bytes
    params_digest: bytes
    seats: int
    policy: Policy
    max_fee: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Commitment(Message):
    """What a member's node key signs before anybody reveals. word: see `commitment`.

    The chain never asks for it: it is the coordinator's proof that a member bound itself, and to what.
    """

    TYPE: ClassVar[str] = "Commitment(bytes32 order,uint32 account,bytes32 word)"
    order: bytes
    account: int
    word: bytes


@dataclass(frozen=True, slots=True)
class ClosedSet(Message):
    """What the coordinator signs once it takes no more commitments. commitments: their root.

    The chain never asks for it: without it anybody could have a member reveal to a set of its own making.
    """

    TYPE: ClassVar[str] = "ClosedSet(bytes32 order,bytes32 commitments)"
    order: bytes
    commitments: bytes


@dataclass(frozen=True, slots=True)
class Attestation(Message):
    """What a member's node key signs when it reveals."""

    TYPE: ClassVar[str] = (
        "Attestation(bytes32 order,uint32 account,bytes32 result,bytes32 salt,bytes32 commitments)"
    )
    order: bytes
    account: int
    result: bytes
    salt: bytes
    commitments: bytes


@dataclass(frozen=True, slots=True)
class Voucher(Message):
    """What a requester signs in place of the evidence of many orders. total in wei since the opening."""

    TYPE: ClassVar[str] = "Voucher(bytes32 channel,uint96 total,uint32 covered)"
    channel: bytes
    total: int
    covered: int


@dataclass(frozen=True, slots=True)
class Close(Message):
    """What one party signs to let the other close the channel without the long delay."""

    TYPE: ClassVar[str] = "Close(bytes32 channel,uint96 total,uint32 covered)"
    channel: bytes
    total: int
    covered: int


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: str) -> bytes:
    return hash_words(
        ["bytes32", "bytes32", "bytes32", "uint256", "address"],
        [DOMAIN_TYPEHASH, _NAME, _VERSION, chain_id, contract],
    )


@cache
def _typehash(text: str) -> bytes:
    return keccak(text.encode())


def commitment(order: bytes, account: int, result: bytes, salt: bytes) -> bytes:
    """What a member sends before anybody reveals. order: the digest that the requester signed."""
    return hash_words(
        ["bytes32", "bytes32", "uint32", "bytes32", "bytes32"],
        [COMMIT_TYPEHASH, order, account, result, salt],
    )


def commitments_root(commitments: Sequence[bytes]) -> bytes:
    """Root of a closed set: the commitments of all seats, in the order of their accounts."""
    return keccak(words(["bytes32"] * len(commitments), commitments))


def draw(seed: bytes, channel: bytes, sequence: int) -> bytes:
    """What the committee of one order follows from."""
    return hash_words(["bytes32", "bytes32", "bytes32", "uint32"], [DRAW_TYPEHASH, seed, channel, sequence])
