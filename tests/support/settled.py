"""Settled orders for tests: a requester, a coordinator and a pool of members with keys, without processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

from mlbridge.protocol import orders712
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import Evidence, Facts, Outcome, SeatProof, prove
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, Domain, TaskOrder
from mlbridge.protocol.signatures import address_of, sign_digest
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.types import Policy

FEE = 10**17
RESULT = keccak(b"result")
WRONG = keccak(b"wrong result")


@dataclass
class World:
    """Everything that orders and their evidence need.

    keys: node key (32 bytes) of each account; seeds: by epoch; now: unix seconds.
    """

    domain: Domain
    snapshots: Snapshots
    model: bytes
    coordinator: str
    requester_key: bytes
    keys: Mapping[int, bytes]
    seeds: dict[int, bytes]
    epoch: int
    now: int
    opened_in: int
    salts: list[bytes] = field(default_factory=lambda: [bytes(32)])

    @classmethod
    def made(cls, accounts: int = 8, channels: int = 1) -> Self:
        """A world of its own, of which every part follows from its name."""
        model, snapshots = keccak(b"model"), Snapshots()
        keys = {2 * i: keccak(b"node %d" % i) for i in range(1, accounts + 1)}
        for account in keys:
            snapshots.record_weight(model, account, 5, 10**9 * (1 + account % 3))
        snapshots.record_model(model, 5, address_of(keccak(b"provider")), 10**12)
        return cls(
            domain=Domain(31337, address_of(keccak(b"PaymentChannels"))),
            snapshots=snapshots,
            model=model,
            coordinator=address_of(keccak(b"coordinator")),
            requester_key=keccak(b"requester"),
            keys=keys,
            seeds={epoch: keccak(b"seed %d" % epoch) for epoch in range(4, 9)},
            epoch=6,
            now=1_800_000_000,
            opened_in=4,
            salts=[keccak(b"channel %d" % i) for i in range(channels)],
        )

    @property
    def facts(self) -> Facts:
        """What evidence is held to."""
        operators = {address_of(key): account // 2 for account, key in self.keys.items()}
        return Facts(self.domain, self.snapshots, operators)

    def terms(self, channel: int = 0) -> ChannelTerms:
        """Of the requester's channel with this number."""
        requester = address_of(self.requester_key)
        return ChannelTerms(requester, self.coordinator, self.opened_in, 300, 500, self.salts[channel])

    def order(self, sequence: int, *, channel: int = 0, seats: int = 3, **changes: object) -> TaskOrder:
        """What the requester asks for."""
        members: dict[str, object] = {
            "channel": self.terms(channel).channel(),
            "sequence": sequence,
            "epoch": self.epoch,
            "model_id": self.model,
            "input_digest": keccak(b"input %d" % sequence),
            "params_digest": bytes(32),
            "seats": seats,
            "policy": Policy.EXACT,
            "max_fee": FEE,
            "deadline": self.now + 60,
        }
        return TaskOrder(**(members | changes))  # type: ignore[arg-type]

    def committee(self, order: TaskOrder) -> list[int]:
        """Who was drawn."""
        return seated(order, self.seeds[order.epoch], self.snapshots)

    def salt(self, order: TaskOrder, account: int) -> bytes:
        """What a member commits with."""
        return keccak(order.digest(self.domain) + account.to_bytes(4, "big"))

    def evidence(
        self,
        order: TaskOrder,
        *,
        channel: int = 0,
        silent: Collection[int] = (),
        accounts: list[int] | None = None,
        result: bytes = RESULT,
    ) -> Evidence:
        """Everybody but the silent seats (by place) attests the result."""
        digest = order.digest(self.domain)
        committee = self.committee(order) if accounts is None else accounts
        words = [
            orders712.commitment(digest, account, result, self.salt(order, account)) for account in committee
        ]
        root = orders712.commitments_root(words)
        seats = []
        for place, account in enumerate(committee):
            if place in silent:
                seats.append(SeatProof(account, words[place]))
                continue
            salt = self.salt(order, account)
            attested = Attestation(digest, account, result, salt, root).digest(self.domain)
            seats.append(SeatProof(account, salt, sign_digest(attested, self.keys[account])))
        signature = sign_digest(digest, self.requester_key)
        return Evidence(self.terms(channel), order, signature, result, tuple(seats))

    def settled(self, sequence: int, *, channel: int = 0, seats: int = 3) -> tuple[Evidence, Outcome]:
        """An order that was done, and what it pays."""
        evidence = self.evidence(self.order(sequence, channel=channel, seats=seats), channel=channel)
        return evidence, prove(evidence, self.facts)
