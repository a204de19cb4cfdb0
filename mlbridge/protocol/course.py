"""What both sides of an order share: what they know of it, and the effects that a shell carries out.

A side is a pure function (state, event) -> (state, effects). The shell does the effects in order: what is to
be kept is on disk before the next effect begins, and every effect may be done again after a crash - each is
named by its order, so the second time changes nothing. Signatures are deterministic, so a message that is
signed again is the same message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, Domain, Message, TaskOrder
from mlbridge.protocol.tally import tally_results
from mlbridge.protocol.types import Seat, Verdict
from mlbridge.protocol.wire import M, Signed

# Stands in a closed set for a seat that did not commit; no commitment opens to it.
SILENT: Final = bytes(32)


@dataclass(frozen=True)
class Commission:
    """One order and its committee, as everybody knows them.

    accounts: of the seats, ascending, with their weights; operators: node key's checksummed address ->
    operator's id; settle_by: unix seconds until which it can be settled by itself.
    """

    domain: Domain
    terms: ChannelTerms
    order: TaskOrder
    order_signature: bytes
    accounts: tuple[int, ...]
    weights: tuple[int, ...]
    operators: Mapping[str, int]
    settle_by: int

    @cached_property
    def digest(self) -> bytes:
        """What names the order: the digest that its requester signed."""
        return self.order.digest(self.domain)

    def signed_by_seat(self, signed: Signed[M], account: int) -> bool:
        """Whether a key of the account's operator signed."""
        node = self._signer(signed)
        return node is not None and self.operators.get(node, 0) == account // 2

    def signed_by_coordinator(self, signed: Signed[M]) -> bool:
        """Whether the channel's coordinator signed."""
        return self._signer(signed) == self.terms.coordinator

    def _signer(self, signed: Signed[M]) -> str | None:
        try:
            return signed.signer(self.domain)
        except MLBridgeError:
            return None

    def opens(self, attestation: Attestation, words: Sequence[bytes]) -> bool:
        """Whether an attestation names this closed set and opens its seat's commitment in it."""
        if attestation.account not in self.accounts or attestation.order != self.digest:
            return False
        word = orders712.commitment(self.digest, attestation.account, attestation.result, attestation.salt)
        place = self.accounts.index(attestation.account)
        return attestation.commitments == orders712.commitments_root(words) and words[place] == word

    def verdict(self, results: Mapping[int, bytes]) -> Verdict:
        """Over all seats. results: account -> digest that it attested."""
        seats = [
            Seat(account, weight, True, account in results, False, results.get(account, SILENT))
            for account, weight in zip(self.accounts, self.weights, strict=True)
        ]
        return tally_results(seats)


@dataclass(frozen=True, slots=True)
class Keep:
    """Write a record to disk, before any later effect."""

    record: object


@dataclass(frozen=True, slots=True)
class Send:
    """Sign a message and send it to the other side; what it needs beside it travels along.

    to: accounts of members; empty: the coordinator.
    """

    message: Message
    to: tuple[int, ...] = ()
    words: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Settle:
    """Have the order paid: by a batch if one takes it, else by itself."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Accuse:
    """Two signed messages of one party that contradict each other. Kept; two attestations are reported on
    chain, where they cost all that the account has staked.
    """

    account: int
    first: Signed[Attestation] | Signed[orders712.Commitment] | Signed[orders712.ClosedSet]
    second: Signed[Attestation] | Signed[orders712.Commitment] | Signed[orders712.ClosedSet]


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more will come of the order on this side. reason: for people."""

    reason: str
