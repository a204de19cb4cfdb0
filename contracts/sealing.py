"""The public keys that confidential input is sealed to: which one is an operator's now, register, revoke."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.errors import ContractError
from contracts.handover import open_contract
from contracts.sender import Sender
from contracts.slashes import review_addresses


class Scheme(IntEnum):
    """What kind of key it is; same numbers as SealingKeys.sol."""

    X25519 = 1
    MLKEM768_X25519 = 2


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key. index: among the operator's, from 0; valid_from, revoked_at: unix seconds, None: not revoked;
    digest: keccak256 of the key; location: an X25519 key itself, the binary CID of a longer one.
    """

    index: int
    valid_from: int
    revoked_at: int | None
    scheme: Scheme
    digest: bytes
    location: bytes

    @classmethod
    def of(cls, index: int, fields: Sequence[Any]) -> SealingKey:
        """From the Solidity struct."""
        valid_from, revoked_at, scheme, digest, location = fields
        return cls(index, valid_from, revoked_at or None, Scheme(scheme), bytes(digest), bytes(location))


class SealingKeys:
    """The sealing keys of a deployment. Raises MLBridgeError `reviews.none`."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        address = review_addresses(chain.network).sealing_keys
        self._contract = open_contract(chain, artifacts.SEALING_KEYS, address)

    async def current(self, operator: str, *, at: int | None = None) -> SealingKey | None:
        """The key to seal to; None: none yet, or revoked. at: unix seconds, default the chain's time."""
        time = (await self.chain.head()).timestamp if at is None else at
        found, index, key = await reads.call(self._contract.functions.keyAt(operator, time))
        return SealingKey.of(index, key) if found else None

    async def all(self, operator: str) -> list[SealingKey]:
        """Every key of an operator, oldest first."""
        functions = self._contract.functions
        count = int(await reads.call(functions.keyCount(operator)))
        keys = await asyncio.gather(*(reads.call(functions.keyOf(operator, i)) for i in range(count)))
        return [SealingKey.of(index, key) for index, key in enumerate(keys)]

    async def register(self, sender: Sender, public: bytes, *, valid_from: int = 0) -> None:
        """Make an X25519 key (32 bytes) the operator's next, by the operator. valid_from: 0: now.

        Raises ContractError: NotAnOperator, SameKey, BadStart, TooManyKeys.
        """
        await sender.send(
            self._contract.functions.register(int(Scheme.X25519), bytes(32), public, valid_from)
        )

    async def revoke(self, sender: Sender, index: int) -> None:
        """Say that nothing may be sealed to a key any more, by its operator. Again changes nothing.

        Raises ContractError `UnknownKey`.
        """
        try:
            await sender.send(self._contract.functions.revoke(index))
        except ContractError as error:
            if error.name != "AlreadyRevoked":
                raise
