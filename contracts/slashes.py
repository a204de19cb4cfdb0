"""Slashes that wait: what was taken and why, until when it can be undone, and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import astuple, dataclass
from enum import IntEnum, StrEnum
from typing import Any, Self

from eth_utils.address import to_checksum_address

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.errors import ContractError, describe
from contracts.events import Event, topic_of
from contracts.handover import open_contract
from contracts.network import Network, ReviewAddresses
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import hashing
from mlbridge.protocol.types import Fault, Role


class CaseStatus(IntEnum):
    """Where a case stands; same order as ISlashEscrow.sol."""

    NONE = 0
    HELD = 1
    APPEALED = 2
    HEARD = 3
    CLOSED = 4


class Ending(StrEnum):
    """How a closed case ended. Taken: the slash was carried out; the others gave the stake back."""

    TAKEN = "taken"
    OVERTURNED = "overturned"
    VETOED = "vetoed"


_ENDINGS = {
    "SlashFinal": Ending.TAKEN,
    "SlashOverturned": Ending.OVERTURNED,
    "SlashVetoed": Ending.VETOED,
}
_CASE_TYPES = (
    "bytes32", "uint32", "uint32", "uint8", "uint16", "uint96", "uint96", "uint16", "uint16", "bool",
    "uint64", "uint64", "uint64", "address",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SlashCase:
    """One slash as `SlashHeld` told it; fields in the order of the Solidity struct.

    model: its index, 0: none; from_bonded, from_unbonding: MLB with 18 decimals; reputations and
    basis_points: of 10,000; times: unix seconds, 0: none.
    """

    task_id: bytes
    account: int
    model: int
    fault: Fault
    basis_points: int
    from_bonded: int
    from_unbonding: int
    reputation_before: int
    reputation_after: int
    was_jailed: bool
    jailed_until_before: int
    jailed_until: int
    slashed_at: int
    reporter: str

    @classmethod
    def of(cls, fields: tuple[Any, ...]) -> Self:
        """From the tuple of the event."""
        values = list(fields)
        values[0], values[3] = bytes(values[0]), Fault(values[3])
        values[-1] = str(to_checksum_address(values[-1]))
        return cls(*values)

    @property
    def amount(self) -> int:
        """MLB (18 decimals) that was taken."""
        return self.from_bonded + self.from_unbonding

    @property
    def case_id(self) -> bytes:
        """Its id in the escrow, 32 bytes."""
        return hashing.hash_words(_CASE_TYPES, astuple(self))

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contracts take it."""
        return astuple(self)


@dataclass(frozen=True, slots=True)
class HeldSlash:
    """A slash that waits, or waited.

    operator: of its account; until: unix seconds at which the window ends, None while a panel judges and
    once it is closed; ending: of a closed case; appealable: judges of a task found it, or a panel of the
    channel lane, so that a larger one may judge it again; block: of the slash; attested: digest (32 bytes)
    for the order that the slash is about, None for one about a task.
    """

    case: SlashCase
    operator: str
    status: CaseStatus
    until: int | None
    ending: Ending | None
    appealable: bool
    block: int
    attested: bytes | None = None

    @property
    def id(self) -> bytes:
        """Its id in the escrow, 32 bytes."""
        return self.case.case_id


def review_addresses(network: Network) -> ReviewAddresses:
    """Where escrow and appeals live. Raises MLBridgeError `reviews.none`."""
    if network.reviews is None:
        raise MLBridgeError(
            "reviews.none",
            f"The network {network.name} was deployed without reviews: every slash is final at once, and "
            "there are no sealing keys.",
            hint="Whoever deployed it may add them: mlbridge deploy --with reviews",
            exit_code=5,
        )
    return network.reviews


class Slashes:
    """The slashes of a deployment that wait, and those that waited. Raises MLBridgeError `reviews.none`."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._address = review_addresses(chain.network).escrow
        self._escrow = open_contract(chain, artifacts.ESCROW, self._address)

    # ---- reading ----

    async def rules(self) -> tuple[int, int]:
        """(basis points above which a slash waits, seconds that it waits)."""
        threshold, window = await reads.call(self._escrow.functions.rules())
        return int(threshold), int(window)

    async def of_operator(self, operator: str) -> list[HeldSlash]:
        """The slashes of an operator's accounts, newest first."""
        numbers = await asyncio.gather(
            *(reads.account_id(self.chain, operator, role) for role in (Role.COMPUTE, Role.VERIFIER))
        )
        found = await asyncio.gather(*(self.of_account(number) for number in numbers if number))
        return sorted((held for some in found for held in some), key=lambda held: held.block, reverse=True)

    async def of_account(self, account: int) -> list[HeldSlash]:
        """The slashes of a staking account, newest first."""
        events = await self._events("SlashHeld", None, "0x" + account.to_bytes(32, "big").hex())
        return list(await asyncio.gather(*(self._held(event) for event in reversed(events))))

    async def get(self, case_id: bytes) -> HeldSlash:
        """A slash by the id of its case (32 bytes). Raises MLBridgeError `slash.unknown`."""
        events = await self._events("SlashHeld", "0x" + case_id.hex())
        if not events:
            raise MLBridgeError(
                "slash.unknown",
                f"There is no held slash 0x{case_id.hex()} on {self.chain.network.name}.",
                hint="`mlbridge slash list ADDRESS` shows those of an operator.",
                exit_code=5,
            )
        return await self._held(events[-1])

    # ---- acting ----

    async def finalise(self, sender: Sender, held: HeldSlash) -> None:
        """Carry out a slash whose window is over; anyone. One that was carried out stays so.

        Raises ContractError `WindowOpen`, or `WrongCaseStatus` for one that is being appealed or was undone.
        """
        if held.ending is Ending.TAKEN:
            return
        if held.status is CaseStatus.CLOSED:
            raise describe("WrongCaseStatus", {"caseId": held.id, "current": int(held.status)})
        try:
            await sender.send(self._escrow.functions.finalise(held.case.as_tuple()))
        except ContractError as error:
            # Anyone may finalise: somebody may have come first.
            if error.name != "WrongCaseStatus" or (await self.get(held.id)).ending is not Ending.TAKEN:
                raise

    # ---- internal ----

    async def _held(self, event: Event) -> HeldSlash:
        case = SlashCase.of(event.args["slashCase"])
        (status, until), account, record, attested = await asyncio.gather(
            reads.call(self._escrow.functions.caseState(case.case_id)),
            reads.get_account(self.chain, case.account),
            reads.call(self.chain.tasks.functions.recordOf(case.task_id)),
            self._attested(case),
        )
        status = CaseStatus(status)
        waits = status in (CaseStatus.HELD, CaseStatus.HEARD)
        return HeldSlash(
            case=case,
            operator=account.operator,
            status=status,
            until=int(until) if waits else None,
            ending=await self._ending(case.case_id) if status is CaseStatus.CLOSED else None,
            appealable=case.fault is Fault.INCORRECT and (any(record) or attested is not None),
            block=event.block_number,
            attested=attested,
        )

    async def _attested(self, case: SlashCase) -> bytes | None:
        """What the account was condemned for in the channel lane, if that is what the case is about."""
        lane = self.chain.network.lane
        # A slash without a model is for a seat that was not drawn.
        if case.fault is not Fault.INCORRECT or not case.model or lane is None or lane.dissent_cases is None:
            return None
        cases = open_contract(self.chain, artifacts.DISSENT_CASES, lane.dissent_cases)
        digest = bytes(await reads.call(cases.functions.condemnedFor(case.task_id, case.account)))
        return digest if any(digest) else None

    async def _ending(self, case_id: bytes) -> Ending | None:
        names = [topic_of(artifacts.ESCROW, name) for name in _ENDINGS]
        topics: list[object] = [names, "0x" + case_id.hex()]
        found = await reads.find_events(self.chain, topics, [self._address])
        return _ENDINGS[found[-1].name] if found else None

    async def _events(self, name: str, *topics: str | None) -> list[Event]:
        wanted: list[object] = [topic_of(artifacts.ESCROW, name), *topics]
        return await reads.find_events(self.chain, wanted, [self._address])
