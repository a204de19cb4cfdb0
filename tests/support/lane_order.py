"""One order with all its parties, for tests of the channel lane's two sides: no processes, no chain."""

from __future__ import annotations

from typing import Any

from mlbridge.protocol import orders712
from mlbridge.protocol.coordinator_side import Desk
from mlbridge.protocol.course import Commission
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, ClosedSet, Commitment
from mlbridge.protocol.signatures import address_of
from mlbridge.protocol.wire import Signed, sign
from tests.support import member_model
from tests.support.member_model import Post, SetClosed
from tests.support.settled import RESULT, World

COORDINATOR_KEY = keccak(b"coordinator")
SETTLE_WINDOW = 600
CLOSE_AFTER = 10
LINGER = 5


class Parties:
    """A world, one order in it, and everybody's keys."""

    def __init__(self, seats: int = 3) -> None:
        self.world = World.made()
        assert self.world.coordinator == address_of(COORDINATOR_KEY)
        self.order = self.world.order(0, seats=seats)
        self.accounts = tuple(self.world.committee(self.order))
        weight = self.world.snapshots.weight
        self.commission = Commission(
            domain=self.world.domain,
            terms=self.world.terms(),
            order=self.order,
            order_signature=sign(self.order, self.world.domain, self.world.requester_key).signature,
            accounts=self.accounts,
            weights=tuple(weight(self.world.model, self.order.epoch, account) for account in self.accounts),
            operators=self.world.facts.operators,
            settle_by=self.order.deadline + SETTLE_WINDOW,
        )
        self.now = float(self.world.now)
        self.desk = Desk(self.commission, close_at=self.now + CLOSE_AFTER, linger=LINGER)
        self.digest = self.commission.digest

    def post(self, account: int) -> Post:
        """A member's seat."""
        return Post(self.commission, account, self.world.facts, settle_after=self.order.deadline + 60)

    def salt(self, account: int) -> bytes:
        """What an account commits with."""
        return keccak(b"salt %d" % account)

    def word(self, account: int, result: bytes = RESULT) -> bytes:
        """An account's commitment."""
        return orders712.commitment(self.digest, account, result, self.salt(account))

    def by_node(self, message: Any, account: int) -> Signed[Any]:
        """Signed by the account's node key."""
        return sign(message, self.world.domain, self.world.keys[account])

    def commitment(self, account: int, result: bytes = RESULT) -> Signed[Commitment]:
        """A member's signed commitment."""
        return self.by_node(Commitment(self.digest, account, self.word(account, result)), account)

    def attestation(
        self, account: int, words: tuple[bytes, ...], result: bytes = RESULT
    ) -> Signed[Attestation]:
        """A member's signed attestation to a closed set."""
        root = orders712.commitments_root(words)
        message = Attestation(self.digest, account, result, self.salt(account), root)
        return self.by_node(message, account)

    def closed(self, words: tuple[bytes, ...], key: bytes = COORDINATOR_KEY) -> SetClosed:
        """A closed set as the coordinator signs it."""
        message = ClosedSet(self.digest, orders712.commitments_root(words))
        return SetClosed(sign(message, self.world.domain, key), words)

    def words(self, **results: bytes) -> tuple[bytes, ...]:
        """The commitments of all seats to the right result."""
        return tuple(self.word(account) for account in self.accounts)

    def executed(self, account: int, result: bytes = RESULT) -> member_model.Executed:
        """The model's answer to a member."""
        return member_model.Executed(result, self.salt(account), self.now)
