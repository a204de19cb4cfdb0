"""The attester set of BlsAttestations: joining it, reading it, and what proves that its members signed.

A set belongs to an epoch and never changes once that has begun (docs/design/randomness.md). Weights are whole
MLB times basis points of reputation. Every door that sends raises what a Sender raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode as abi_encode

from contracts import bls
from contracts.lane import Lane
from contracts.reads import call, find_events
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak

ATTESTATION_TAG: Final = b"ML-BRIDGE-V1-ATTESTATION-BLS12381G1_XMD:SHA-256_SSWU_RO_"
POSSESSION_TAG: Final = b"ML-BRIDGE-V1-POSSESSION-BLS12381G1_XMD:SHA-256_SSWU_RO_"
_ATTESTATION: Final = keccak(
    b"MLBridgeBlsAttestation(uint256 chainId,address verifier,uint256 epoch,bytes32 digest)"
)
_POSSESSION: Final = keccak(
    b"MLBridgeBlsPossession(uint256 chainId,address verifier,uint32 account,bytes32 keyHash)"
)
_JOINED: Final = "AttesterJoined"
_LEFT: Final = "AttesterLeft"
_KEY: Final = "AttesterKeyChanged"
_WEIGHT: Final = "AttesterWeightChanged"
_GROUP: Final = "GroupChanged"


@dataclass(frozen=True, slots=True)
class Member:
    """One attester. place: its bit in the set, 0-255; key: 256 bytes."""

    account: int
    place: int
    weight: int
    key: bytes


@dataclass(frozen=True, slots=True)
class AttesterSet:
    """Members of an epoch by account, and the group as the contract hashed it: key, weight, count, bits."""

    epoch: int
    members: Mapping[int, Member]
    group: tuple[tuple[int, ...], int, int, int]


def attestation_message(lane: Lane, digest: bytes, epoch: int) -> bytes:
    """What an attester signs for a digest, under ATTESTATION_TAG."""
    values = [_ATTESTATION, lane.chain.chain_id, _contract(lane).address, epoch, digest]
    return bytes(abi_encode(["bytes32", "uint256", "address", "uint256", "bytes32"], values))


def possession(lane: Lane, account: int, secret: bytes) -> bytes:
    """The proof, 128 bytes, that an account holds a secret; without it nobody joins."""
    key = bls.public_key(secret)
    values = [_POSSESSION, lane.chain.chain_id, _contract(lane).address, account, keccak(key)]
    message = abi_encode(["bytes32", "uint256", "address", "uint32", "bytes32"], values)
    return bls.sign(secret, message, POSSESSION_TAG)


async def counts_aggregates(lane: Lane) -> bool:
    """Whether batches of this lane are attested by BlsAttestations.

    Raises MLBridgeError `attesters.unknown` where neither it nor EcdsaAttestations counts them.
    """
    counted_by = str(await call(lane.settlement.functions.attesters()))
    if counted_by == lane.attesters.address:
        return False
    if lane.bls_attestations is not None and counted_by == lane.bls_attestations.address:
        return True
    raise MLBridgeError(
        "attesters.unknown",
        f"Signatures under batches are counted by {counted_by}, which the network's file does not name.",
        hint="Get the network's present file, which names it as ecdsa_attestations or bls_attestations.",
        exit_code=5,
    )


async def register(lane: Lane, sender: Sender, account: int, secret: bytes) -> None:
    """Join the set from the next epoch on, as the account's operator."""
    key = bls.words(bls.public_key(secret))
    proof = bls.words(possession(lane, account, secret))
    await sender.send(_contract(lane).functions.register(account, key, proof))


async def unregister(lane: Lane, sender: Sender, account: int) -> None:
    """Leave the set from the next epoch on, as the account's operator. Raises `attesters.not_member`."""
    member = await member_of(lane, account)
    await sender.send(_contract(lane).functions.unregister(account, bls.words(member.key)))


async def refresh(lane: Lane, sender: Sender, account: int) -> None:
    """Record what a member weighs now; anyone. One that weighs nothing loses its place.

    Raises `attesters.not_member`, and ContractError NothingToRefresh where nothing changed.
    """
    member = await member_of(lane, account)
    await sender.send(_contract(lane).functions.refresh(account, bls.words(member.key)))


async def member_of(lane: Lane, account: int) -> Member:
    """An account's membership of the next epoch. Raises MLBridgeError `attesters.not_member`."""
    found = (await attester_set(lane, await lane.current_epoch() + 1)).members.get(account)
    if found is None:
        raise MLBridgeError(
            "attesters.not_member",
            f"Account {account} is not in the attester set.",
            hint="Its operator registers it: mlbridge attester register ACCOUNT --bls-keystore FILE",
            exit_code=5,
        )
    return found


async def attester_set(lane: Lane, epoch: int) -> AttesterSet:
    """The set of an epoch, from the contract's events. Empty before anybody joined."""
    events = await find_events(lane.chain, [], [_contract(lane).address], names=lane.names)
    members: dict[int, Member] = {}
    group: tuple[tuple[int, ...], int, int, int] = ((0,) * 8, 0, 0, 0)
    for event in events:
        args = event.args
        if args["fromEpoch"] > epoch:
            continue
        if event.name == _GROUP:
            key, *rest = args["group"]
            group = (tuple(key), *rest)
            continue
        account = args["account"]
        if event.name == _JOINED:
            key = bls.from_words(args["key"])
            members[account] = Member(account, args["place"], args["weight"], key)
        elif event.name == _LEFT:
            del members[account]
        elif event.name == _KEY:
            old = members[account]
            members[account] = Member(account, old.place, old.weight, bls.from_words(args["key"]))
        elif event.name == _WEIGHT:
            old = members[account]
            members[account] = Member(account, old.place, args["weight"], old.key)
    return AttesterSet(epoch, members, group)


def evidence(found: AttesterSet, signatures: Mapping[int, bytes]) -> bytes:
    """What BlsAttestations takes: the sum of members' signatures by account, and who did not sign.

    Raises ValueError for no signature, and KeyError for one of an account that is no member.
    """
    signers = sum(1 << found.members[account].place for account in signatures)
    absent = [member for member in found.members.values() if member.account not in signatures]
    parts = [
        bls.sum_signatures(list(signatures.values())),
        abi_encode(["uint256[8]", "uint256", "uint256", "uint256"], found.group),
        signers.to_bytes(32, "big"),
    ]
    for member in sorted(absent, key=lambda one: one.place, reverse=True):
        parts.append(abi_encode(["uint256", "uint256"], [member.account, member.weight]) + member.key)
    return b"".join(parts)


def _contract(lane: Lane) -> Any:
    if lane.bls_attestations is None:
        raise MLBridgeError(
            "attesters.no_contract",
            f"The network {lane.chain.network.name} has no BlsAttestations.",
            hint="Its batches are attested with node keys: mlbridge watch --attest ACCOUNT",
            exit_code=5,
        )
    return lane.bls_attestations
