"""Summonses and cases about dissents: the channel lane's two ways to a panel or to ignored seats on chain.

Amounts in wei and MLB with 18 decimals, times in unix seconds. Every door raises what a Sender raises, and
MLBridgeError `lane.without_summons` on a lane that was deployed without them. See
docs/design/channel-lane.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract
from web3.types import BlockIdentifier

from contracts import artifacts
from contracts.chain import Chain
from contracts.events import Event
from contracts.lane import Lane
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.evidence import Evidence, SeatProof
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, TaskOrder
from mlbridge.protocol.tally import MIN_SEATS
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed

NOBODY: Final = 0
"""Whose dissent an audit is about."""


class SummonsStatus(IntEnum):
    """Where a summons stands, as ISummons counts."""

    NONE = 0
    OPEN = 1
    ENDED = 2


@dataclass(frozen=True, slots=True)
class Summoned:
    """A summons; all zero for an order that has none.

    fee: wei to each seat that answers; committed, opened: bit i: seat i did; model: index in the registry.
    """

    summoner: str
    fee: int
    commit_until: int
    reveal_until: int
    committed: int
    opened: int
    model: int
    status: SummonsStatus
    seats: tuple[int, ...]

    def closes_at(self) -> int:
        """Last second of its time, unix seconds; then anybody may close it. As Summons.close reckons it."""
        heads = self.committed.bit_count()
        possible = heads >= MIN_SEATS and 3 * heads >= 2 * len(self.seats)
        return self.reveal_until if possible else self.commit_until


@dataclass(frozen=True, slots=True)
class Shown:
    """An order as its newest summons shows it. payload: the input; seats: summoned; block: of the summons."""

    digest: bytes
    terms: ChannelTerms
    order: Signed[TaskOrder]
    payload: bytes
    seats: tuple[int, ...]
    block: int


class CaseStatus(IntEnum):
    """Where a case about a dissent stands, as IDissentCases counts."""

    NONE = 0
    JUDGING = 1
    JUDGED = 2
    RULED = 3
    UNDECIDED = 4
    CLOSED = 5


@dataclass(frozen=True, slots=True)
class DissentCase:
    """A case; all zero for an order that has none.

    confidence: basis points of the panel's seats that agreed; until: from when a case that took too little
    is closed against its bond; taken: MLB; split: opened because the seats disagreed; winner: the panel's
    digest; truth: the order's; record: hash of the input and of who could not sit.
    """

    opener: str
    bond: int
    status: CaseStatus
    model: int
    confidence: int
    until: int
    taken: int
    split: bool
    review_id: bytes
    winner: bytes
    ballot: bytes
    truth: bytes
    record: bytes


async def bond_for(lane: Lane, seats: int) -> int:
    """Wei that a summons of so many seats takes now; it follows the base fee."""
    return int(await call(_summons(lane).functions.bondFor(seats)))


async def summon(
    lane: Lane,
    sender: Sender,
    terms: ChannelTerms,
    order: Signed[TaskOrder],
    payload: bytes,
    seats: Sequence[int],
    *,
    bond: int,
) -> None:
    """Summon the seats of an order, as a party of its channel. payload: the input; seats: drawn, ascending;
    bond: wei, at least `bond_for` when it is mined; what is beyond it can be withdrawn."""
    fn = _summons(lane).functions.summon(
        terms.as_tuple(), order.message.as_tuple(), order.signature, b"\0" + payload, list(seats)
    )
    await sender.send(fn, value=bond)


async def commit(lane: Lane, sender: Sender, order: bytes, account: int, word: bytes) -> None:
    """Commit for a summoned seat, by a node key of its operator."""
    await sender.send(_summons(lane).functions.commit(order, account, word))


async def open_seat(lane: Lane, sender: Sender, attestation: Signed[Attestation], output: bytes) -> None:
    """Open a summoned seat's commitment; anyone. output: tagged content."""
    fn = _summons(lane).functions.open(attestation.message.as_tuple(), attestation.signature, output)
    await sender.send(fn)


async def show(lane: Lane, sender: Sender, evidence: Evidence, payload: bytes) -> None:
    """End a summons by evidence of a verdict and the result itself; anyone."""
    await sender.send(_summons(lane).functions.show(evidence.as_tuple(), b"\0" + payload))


async def refute(lane: Lane, sender: Sender, order: TaskOrder, account: int, better: Sequence[int]) -> None:
    """Take back a summons of an account that was not drawn; anyone. better: see `committee.outrunners`."""
    await sender.send(_summons(lane).functions.refute(order.as_tuple(), account, list(better)))


async def close(lane: Lane, sender: Sender, order: bytes) -> None:
    """End a summons whose time is over, or whose seats are through; anyone."""
    await sender.send(_summons(lane).functions.close(order))


async def withdraw(lane: Lane, sender: Sender, address: str) -> None:
    """Pay an address what summonses owe it; anyone."""
    await sender.send(_summons(lane).functions.withdraw(address))


async def owed(lane: Lane, address: str) -> int:
    """Wei that summonses owe an address."""
    return int(await call(_summons(lane).functions.owed(address)))


async def due(chain: Chain, address: str) -> int:
    """Wei that summonses owe an address; 0 on a network that has none."""
    addresses = chain.network.lane
    if addresses is None or addresses.summons is None:
        return 0
    return await owed(Lane(chain, addresses), address)


async def withdraw_due(chain: Chain, sender: Sender, address: str) -> int:
    """Pay an address what summonses owe it, if anything; wei paid."""
    amount = await due(chain, address)
    if amount and chain.network.lane is not None:
        await withdraw(Lane(chain, chain.network.lane), sender, address)
    return amount


async def shown(lane: Lane, account: int, *, first: int, last: int) -> list[Shown]:
    """Orders of which an account's seat was summoned in blocks first..last."""
    events = await lane.events(artifacts.SUMMONS, "SeatsSummoned", first=first, last=last)
    # One that was refuted may come again.
    newest = {bytes(event.args["order"]): event for event in events if account in event.args["seats"]}
    found = []
    for digest, event in newest.items():
        block, topic = event.block_number, "0x" + digest.hex()
        orders = await lane.events(artifacts.SUMMONS, "OrderShown", topic, first=block, last=block)
        # None where the block left the chain between the two questions.
        for order in orders[-1:]:
            found.append(_shown(digest, order, tuple(event.args["seats"])))
    return found


def _shown(digest: bytes, event: Event, seats: tuple[int, ...]) -> Shown:
    requester, coordinator, *rest = event.args["terms"]
    terms = ChannelTerms(to_checksum_address(requester), to_checksum_address(coordinator), *rest)
    channel, sequence, epoch, model, content, params, count, policy, fee, deadline = event.args["ordered"]
    order = TaskOrder(channel, sequence, epoch, model, content, params, count, Policy(policy), fee, deadline)
    signed = Signed(order, bytes(event.args["signature"]))
    return Shown(digest, terms, signed, bytes(event.args["inputData"])[1:], seats, event.block_number)


async def opened(lane: Lane, order: bytes, root: bytes, *, first: int) -> list[Signed[Attestation]]:
    """What the seats of a summons attested, from block `first` on. root: of its commitments."""
    return [signed for signed, _ in await answers(lane, order, root, first=first)]


async def answers(
    lane: Lane, order: bytes, root: bytes, *, first: int | None = None
) -> list[tuple[Signed[Attestation], bytes]]:
    """As `opened`, each with the result that its seat showed, as tagged content."""
    events = await lane.events(artifacts.SUMMONS, "SeatAnswered", "0x" + order.hex(), first=first)
    found = []
    for event in events:
        args = event.args
        message = Attestation(order, args["account"], bytes(args["result"]), bytes(args["salt"]), root)
        found.append((Signed(message, bytes(args["signature"])), bytes(args["output"])))
    return found


def seat_proofs(
    seats: Sequence[int], words: Sequence[bytes], told: Mapping[int, Signed[Attestation]], result: bytes
) -> tuple[SeatProof, ...]:
    """The seats of a summons as evidence of a result lists them. words: commitments by seat; told: what seats
    opened, by account."""
    proofs = []
    for account, word in zip(seats, words, strict=True):
        signed = told.get(account)
        if signed is None or signed.message.result != result:
            proofs.append(SeatProof(account, word))
        else:
            proofs.append(SeatProof(account, signed.message.salt, signed.signature))
    return tuple(proofs)


async def was_shown(lane: Lane, order: bytes) -> bool:
    """Whether somebody ended the summons of an order by showing a verdict that was there already."""
    return bool(await lane.events(artifacts.SUMMONS, "AnswerShown", "0x" + order.hex()))


async def summoned(lane: Lane, order: bytes, block: BlockIdentifier = "latest") -> Summoned:
    """The summons of an order."""
    *numbers, status, _, seats = await call(_summons(lane).functions.summonses(order), block)
    summoner, fee, commit_until, reveal_until, committed, opened, model = numbers
    return Summoned(
        summoner,
        fee,
        commit_until,
        reveal_until,
        committed,
        opened,
        model,
        SummonsStatus(status),
        tuple(seats),
    )


async def commitments(lane: Lane, order: bytes, block: BlockIdentifier = "latest") -> list[bytes]:
    """Commitments of a summons by seat; zero for a seat that has none."""
    return [bytes(word) for word in await call(_summons(lane).functions.commitmentsOf(order), block)]


async def windows(lane: Lane) -> tuple[int, int]:
    """Seconds that seats have to commit, and then to open."""
    commit_window, reveal_window, *_ = await call(_summons(lane).functions.limits())
    return int(commit_window), int(reveal_window)


async def case_bond(lane: Lane) -> int:
    """MLB that opening a case takes now, by allowance."""
    return int(await call(_cases(lane).functions.bondNow()))


async def open_case(lane: Lane, sender: Sender, evidence: Evidence, dissenter: int, payload: bytes) -> None:
    """Have a panel judge an order from whose verdict a seat dissented; anyone, with the bond allowed."""
    await sender.send(_cases(lane).functions.open(evidence.as_tuple(), dissenter, b"\0" + payload))


async def open_split(
    lane: Lane,
    sender: Sender,
    order: TaskOrder,
    attested: Sequence[Signed[Attestation]],
    payload: bytes,
) -> None:
    """The same for an order whose seats disagreed. attested: two seats' or more, by ascending account."""
    messages = [signed.message.as_tuple() for signed in attested]
    signatures = [signed.signature for signed in attested]
    fn = _cases(lane).functions.openSplit(order.as_tuple(), messages, signatures, b"\0" + payload)
    await sender.send(fn)


async def rule(
    lane: Lane,
    sender: Sender,
    order: bytes,
    root: bytes,
    *,
    accounts: Sequence[int],
    values: Sequence[bytes],
    revealed: int,
) -> None:
    """Say what the panel found in the terms of the order; anyone. root: keccak256 of the payload that it
    agreed on; accounts, values: by seat; revealed: bit i: seat i revealed."""
    fn = _cases(lane).functions.rule(order, root, list(accounts), list(values), revealed)
    await sender.send(fn)


async def condemn(lane: Lane, sender: Sender, attestation: Signed[Attestation]) -> None:
    """Have an account slashed for another result than the panel's; anyone."""
    fn = _cases(lane).functions.condemn(attestation.message.as_tuple(), attestation.signature)
    await sender.send(fn)


async def condemn_reported(lane: Lane, sender: Sender, order: bytes, account: int) -> None:
    """The same for a dissent that is on record."""
    await sender.send(_cases(lane).functions.condemnReported(order, account))


async def conclude(lane: Lane, sender: Sender, order: bytes) -> None:
    """Deal with the bond of a case; anyone."""
    await sender.send(_cases(lane).functions.conclude(order))


async def dissent_case(lane: Lane, order: bytes) -> DissentCase:
    """The case about an order."""
    opener, bond, status, model, confidence, until, taken, split, *words = await call(
        _cases(lane).functions.cases(order)
    )
    review_id, winner, ballot, truth, record = (bytes(word) for word in words)
    return DissentCase(
        opener,
        bond,
        CaseStatus(status),
        model,
        confidence,
        until,
        taken,
        split,
        review_id,
        winner,
        ballot,
        truth,
        record,
    )


def _summons(lane: Lane) -> AsyncContract:
    return _known(lane.summons, lane)


def _cases(lane: Lane) -> AsyncContract:
    return _known(lane.dissent_cases, lane)


def _known(contract: AsyncContract | None, lane: Lane) -> AsyncContract:
    if contract is None:
        raise MLBridgeError(
            "lane.without_summons",
            f"The channel lane of {lane.chain.network.name} has no summonses and no dissent cases.",
            hint="Run `mlbridge deploy` for it again: it adds what is missing.",
            exit_code=5,
        )
    return contract
