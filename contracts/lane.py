"""The contracts of the channel lane on one chain, and what their snapshots say."""

from __future__ import annotations

import asyncio
from typing import Any

from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract

from contracts import artifacts
from contracts.chain import Chain
from contracts.events import Event, topic_of
from contracts.network import LaneAddresses
from contracts.reads import call, find_events
from mlbridge.protocol.orders712 import Domain
from mlbridge.protocol.snapshots import Snapshots


class Lane:
    """One channel lane. beacon ... dissents are web3 AsyncContracts; prevrandao_source, drand_source,
    bls_attestations, summons and dissent_cases None where they were not deployed; names: by lower-case
    address."""

    def __init__(self, chain: Chain, addresses: LaneAddresses) -> None:
        self.chain = chain
        self.addresses = addresses
        self.beacon = self._contract(artifacts.BEACON, addresses.beacon)
        self.snapshots = self._contract(artifacts.SNAPSHOTS, addresses.snapshots)
        self.channels = self._contract(artifacts.CHANNELS, addresses.channels)
        self.attesters = self._contract(artifacts.ECDSA_ATTESTATIONS, addresses.ecdsa_attestations)
        self.bls_attestations = self._optional(artifacts.BLS_ATTESTATIONS, addresses.bls_attestations)
        self.settlement = self._contract(artifacts.SETTLEMENT, addresses.settlement)
        self.dissents = self._contract(artifacts.DISSENTS, addresses.dissents)
        self.summons = self._optional(artifacts.SUMMONS, addresses.summons)
        self.dissent_cases = self._optional(artifacts.DISSENT_CASES, addresses.dissent_cases)
        self.prevrandao_source = self._optional(artifacts.PREVRANDAO_SOURCE, addresses.prevrandao_source)
        self.drand_source = self._optional(artifacts.DRAND_SOURCE, addresses.drand_source)
        self.names = {address.lower(): name for name, address in addresses.named().items()}

    def _contract(self, name: str, address: str) -> AsyncContract:
        factory: Any = self.chain.w3.eth.contract(abi=artifacts.load(name).abi)
        contract: AsyncContract = factory(to_checksum_address(address))
        return contract

    def _optional(self, name: str, address: str | None) -> AsyncContract | None:
        return None if address is None else self._contract(name, address)

    @property
    def domain(self) -> Domain:
        """Of orders, commitments, attestations, vouchers and closes."""
        return Domain(self.chain.chain_id, self.addresses.channels)

    @property
    def batch_domain(self) -> Domain:
        """Of what attesters sign."""
        return Domain(self.chain.chain_id, self.addresses.settlement)

    async def events(
        self, contract: str, name: str, *topics: str | None, first: int | None = None, last: int | None = None
    ) -> list[Event]:
        """A contract's events of one name, in chain order. topics: indexed members, 0x hex; None: any."""
        return await find_events(
            self.chain,
            [topic_of(contract, name), *topics],
            [self.addresses.named()[contract]],
            first=first,
            last=last,
            names=self.names,
        )

    async def current_epoch(self) -> int:
        """The beacon's epoch now, counted from 1."""
        return int(await call(self.beacon.functions.currentEpoch()))

    async def seed(self, epoch: int) -> bytes | None:
        """An epoch's seed, 32 bytes; None while nobody has posted it."""
        seed = bytes(await call(self.beacon.functions.seedOf(epoch)))
        return seed if any(seed) else None


async def read_snapshots(lane: Lane, model_id: bytes, *, into: Snapshots | None = None) -> Snapshots:
    """Everything that was recorded for a model so far. into: snapshots of other models to add to."""
    found = into or Snapshots()
    topic = "0x" + model_id.hex()
    weights, prices = await asyncio.gather(
        lane.events(artifacts.SNAPSHOTS, "WeightRecorded", topic),
        lane.events(artifacts.SNAPSHOTS, "ModelRecorded", topic),
    )
    for event in weights:
        args = event.args
        found.record_weight(model_id, args["account"], args["epoch"], args["weight"])
    if prices:
        # A model's id is made of its provider's address, so it never changes.
        provider = str((await call(lane.chain.registry.functions.models(model_id)))[1])
        for event in prices:
            args = event.args
            found.record_model(model_id, args["epoch"], provider, args["price"] if args["active"] else None)
    return found
