"""How attesters sign a batch, and how the chain counts them: one signature each, or one for all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from contracts import attesters, batches, bls
from contracts.attesters import ATTESTATION_TAG, AttesterSet, attestation_message, attester_set
from contracts.lane import Lane
from contracts.reads import call
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import BatchStatement
from mlbridge.protocol.wire import Signed, sign

log = structlog.get_logger(__name__)

Given = Sequence[tuple[int, Signed[BatchStatement]]]
"""Signatures under one statement, each with the account in whose name it was given."""

# Blocks that a posting may wait for: attestations of an epoch count in no other.
_MARGIN_BLOCKS: Final = 3


class Scheme(Protocol):
    """What one contract takes as attestations."""

    def sign(self, statement: BatchStatement, epoch: int, key: bytes) -> Signed[BatchStatement]:
        """An attester's word, by its 32-byte key. epoch: that runs now."""
        ...

    async def counted(self, statement: BatchStatement, given: Given) -> dict[int, Signed[BatchStatement]]:
        """By account, those that the contract would count now: it takes none of a batch's if one is wrong."""
        ...

    async def evidence(self, counted: Mapping[int, Signed[BatchStatement]]) -> bytes:
        """What the contract takes, of `counted` a moment ago."""
        ...


async def scheme_of(lane: Lane) -> Scheme:
    """The one by which a lane's batches are counted. Raises MLBridgeError `attesters.unknown`."""
    return AggregateScheme(lane) if await attesters.counts_aggregates(lane) else ListScheme(lane)


class ListScheme:
    """EcdsaAttestations: a signature by a node key of each Verifier account, whatever the epoch."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def sign(self, statement: BatchStatement, epoch: int, key: bytes) -> Signed[BatchStatement]:
        return sign(statement, self._lane.batch_domain, key)

    async def counted(self, statement: BatchStatement, given: Given) -> dict[int, Signed[BatchStatement]]:
        right = await asyncio.gather(*(self._counts(account, signed) for account, signed in given))
        return dict(one for one, counts in zip(given, right, strict=True) if counts)

    async def _counts(self, account: int, signed: Signed[BatchStatement]) -> bool:
        """Whether a key of a Verifier account with weight signed."""
        chain = self._lane.chain
        try:
            node = signed.signer(self._lane.batch_domain)
        except MLBridgeError as error:
            log.warning("attester_failed", account=account, reason=error.message)
            return False
        operator, weight = await asyncio.gather(
            call(chain.tasks.functions.operatorOfNode(node)),
            call(chain.distributor.functions.weightOf(account)),
        )
        right = account % 2 == 1 and operator == account // 2 and weight > 0
        if not right:
            log.warning("attester_failed", account=account, reason="its signature does not count")
        return bool(right)

    async def evidence(self, counted: Mapping[int, Signed[BatchStatement]]) -> bytes:
        return batches.signed_by(list(counted.items()))


class AggregateScheme:
    """BlsAttestations: one sum of the signatures of an epoch's set, which counts in that epoch alone."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def sign(self, statement: BatchStatement, epoch: int, key: bytes) -> Signed[BatchStatement]:
        return Signed(statement, bls.sign(key, self._message(statement, epoch), ATTESTATION_TAG))

    async def counted(self, statement: BatchStatement, given: Given) -> dict[int, Signed[BatchStatement]]:
        """Raises MLBridgeError `lane.epoch_ends` where the epoch would be over before a batch is posted."""
        found = await self._present_set()
        return await asyncio.to_thread(self._right, found, statement, given)

    def _right(
        self, found: AttesterSet, statement: BatchStatement, given: Given
    ) -> dict[int, Signed[BatchStatement]]:
        message = self._message(statement, found.epoch)
        right: dict[int, Signed[BatchStatement]] = {}
        for account, signed in given:
            member = found.members.get(account)
            if member is not None and bls.is_signed(signed.signature, member.key, message, ATTESTATION_TAG):
                right[account] = signed
                continue
            why = "it is not in the set" if member is None else "its signature does not count in this epoch"
            log.warning("attester_failed", account=account, epoch=found.epoch, reason=why)
        return right

    async def evidence(self, counted: Mapping[int, Signed[BatchStatement]]) -> bytes:
        found = await self._present_set()
        return attesters.evidence(found, {account: signed.signature for account, signed in counted.items()})

    async def _present_set(self) -> AttesterSet:
        functions = self._lane.beacon.functions
        # "pending" sees the time of the block that a posting would be in
        epoch = int(await call(functions.currentEpoch(), "pending"))
        head, end = await asyncio.gather(self._lane.chain.head(), call(functions.startOf(epoch + 1)))
        left = int(end) - head.timestamp
        if left <= _MARGIN_BLOCKS * self._lane.chain.network.block_time:
            raise MLBridgeError(
                "lane.epoch_ends",
                "The epoch is over before a batch could be posted, and attestations count in one epoch only.",
                hint="The batch is posted in the next one.",
                retry_after=max(1, left),
            )
        return await attester_set(self._lane, epoch)

    def _message(self, statement: BatchStatement, epoch: int) -> bytes:
        return attestation_message(self._lane, statement.digest(self._lane.batch_domain), epoch)
