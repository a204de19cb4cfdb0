"""Batches on chain: bond, post, watch, challenge, claim. Every door raises what a Sender raises.

Amounts in wei, times in unix seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any

from eth_abi.abi import encode as abi_encode
from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from contracts import artifacts
from contracts.channels import find_terms
from contracts.events import Event, as_int, decode_all
from contracts.lane import Lane
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.protocol.batch import WINDOW, Batch, BatchStatement, Header
from mlbridge.protocol.evidence import Facts
from mlbridge.protocol.leaves import ChannelDebit
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.protocol.watch import Challenge, Fault, Rules
from mlbridge.protocol.wire import Signed


class BatchStatus(IntEnum):
    """Where a batch stands; same order as ISettlement.sol."""

    NONE = 0
    POSTED = 1
    VOID = 2


@dataclass(frozen=True, slots=True)
class BatchState:
    """pot: wei not yet claimed or given back; final_at: from when claims are paid unless demands are open."""

    pot: int
    final_at: int
    demands: int
    status: BatchStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """What it takes to run batches, in the order of ISettlement.sol. Windows in seconds, amounts in wei."""

    challenge_window: int
    answer_window: int
    bond: int
    min_signers: int
    leaf_penalty: int
    demand_bond: int
    min_weight: int


@dataclass(frozen=True, slots=True)
class Posted:
    """One batch as it was posted."""

    header: Header
    debits: tuple[ChannelDebit, ...]


def signed_by(attesters: Sequence[tuple[int, Signed[BatchStatement]]]) -> bytes:
    """What EcdsaAttestations takes: the signatures of Verifier accounts (account, signed statement)."""
    listed = sorted(attesters, key=lambda pair: pair[0])
    accounts = [account for account, _ in listed]
    return bytes(abi_encode(["uint32[]", "bytes[]"], [accounts, [signed.signature for _, signed in listed]]))


async def deposit_bond(lane: Lane, sender: Sender, amount: int) -> None:
    """Add to a coordinator's bond."""
    await sender.send(lane.settlement.functions.depositBond(), value=amount)


async def withdraw_bond(lane: Lane, sender: Sender, amount: int) -> None:
    """Take bond back, once the last batch is final."""
    await sender.send(lane.settlement.functions.withdrawBond(amount))


async def bond_of(lane: Lane, coordinator: str) -> tuple[int, int]:
    """(wei, until when it is locked)."""
    amount, locked_until = await call(lane.settlement.functions.bonds(coordinator))
    return int(amount), int(locked_until)


async def batch_state(lane: Lane, batch_id: bytes) -> BatchState:
    """Where a batch stands; all zero for an unknown one."""
    pot, final_at, demands, status, _ = await call(lane.settlement.functions.batches(batch_id))
    return BatchState(pot, final_at, demands, BatchStatus(status))


async def limits(lane: Lane) -> Limits:
    """Windows and bonds of batches to come."""
    return Limits(*await call(lane.settlement.functions.limits()))


async def limits_of(lane: Lane, batch_id: bytes) -> Limits:
    """Windows and bonds that a batch was posted under; all zero for an unknown one."""
    return Limits(*await call(lane.settlement.functions.limitsOf(batch_id)))


async def post(
    lane: Lane, sender: Sender, statement: BatchStatement, debits: Sequence[ChannelDebit], attested: bytes
) -> Header:
    """Post a batch, as its coordinator; the header that every later call names. attested: see `signed_by`."""
    header = Header(
        coordinator=statement.coordinator,
        epoch=0,
        posted_at=0,
        tasks=statement.tasks,
        entries=statement.entries,
        pot=0,
        task_root=statement.task_root,
        ledger_root=statement.ledger_root,
        data=statement.data,
        debits=statement.debits,
    )
    receipt = await sender.send(lane.settlement.functions.post(header.as_tuple(), _plain(debits), attested))
    return header_of(next(e for e in decode_all(receipt["logs"], lane.names) if e.name == "BatchPosted"))


async def posted(lane: Lane, *, first: int | None = None, last: int | None = None) -> list[Posted]:
    """Every batch posted in blocks first..last, with the debits that it took."""
    return [found for found, _ in await posted_at(lane, first=first, last=last)]


async def posted_at(
    lane: Lane, *, first: int | None = None, last: int | None = None
) -> list[tuple[Posted, int]]:
    """As `posted`, each with its block."""
    events = await postings(lane, first=first, last=last)
    terms = partial(find_terms, lane)
    return [(await read_posting(lane, event, terms), event.block_number) for event in events]


async def postings(lane: Lane, *, first: int | None = None, last: int | None = None) -> list[Event]:
    """BatchPosted in blocks first..last; `header_of` and `read_posting` say more."""
    return await lane.events(artifacts.SETTLEMENT, "BatchPosted", first=first, last=last)


async def read_posting(lane: Lane, event: Event, terms: Callable[[bytes], Awaitable[ChannelTerms]]) -> Posted:
    """The batch of one BatchPosted with its debits. terms: of a channel."""
    # From events, because a coordinator that is a contract account posts through another call.
    block, batch = event.block_number, "0x" + event.args["batch"].hex()
    taken = await lane.events(artifacts.CHANNELS, "Debited", None, batch, first=block, last=block)
    debits = []
    for debited in taken:
        args = debited.args
        details = (await terms(args["channel"])).details()
        debits.append(ChannelDebit(details, args["amount"], args["from"], args["to"]))
    return Posted(header_of(event), tuple(debits))


async def longest_course(lane: Lane) -> int:
    """Seconds after an order's deadline from which on the chain takes nothing about it any more, whatever
    becomes of the batches that passed it.
    """
    settle, changes = await asyncio.gather(
        call(lane.channels.functions.settleWindow()),
        lane.events(artifacts.SETTLEMENT, "LimitsChanged"),
    )
    # A batch keeps the limits of its time, so the longest that ever held are asked for.
    challenge_window = max(int(event.args["limits"][0]) for event in changes)
    answer_window = max(int(event.args["limits"][1]) for event in changes)
    # A demand may come at a window's end, and each answer may be challenged for as long again.
    return 2 * (int(settle) + challenge_window + answer_window)


async def passing(lane: Lane, channel: bytes, sequence: int) -> list[Header]:
    """Batches that passed a sequence of a channel, newest first; void ones among them."""
    taken = await lane.events(artifacts.CHANNELS, "Debited", "0x" + channel.hex())
    found = []
    for debited in reversed(taken):
        if not debited.args["from"] <= sequence < debited.args["to"]:
            continue
        batch, block = "0x" + debited.args["batch"].hex(), debited.block_number
        events = await lane.events(artifacts.SETTLEMENT, "BatchPosted", batch, first=block, last=block)
        found += [header_of(event) for event in events]
    return found


async def struck_in(lane: Lane, batch_id: bytes) -> set[int]:
    """Places of the task leaves of a batch that were shown to be wrong."""
    struck = await lane.events(artifacts.SETTLEMENT, "LeafStruck", "0x" + batch_id.hex())
    return {int(event.args["index"]) for event in struck}


async def rules_of(
    lane: Lane, found: Posted, batch: Batch, facts: Facts, *, alone: Collection[bytes] | None = None
) -> Rules:
    """What the chain says beside a posted batch: seeds of its orders' epochs, and what was settled before.

    alone: channels of which an order was ever settled by itself; None: not known, so each leaf is asked for.
    """
    epochs = {item.evidence.order.epoch for item in batch.items}
    seeds = {epoch: seed for epoch in sorted(epochs) if (seed := await lane.seed(epoch)) is not None}
    starts = {debit.channel(found.header.coordinator): debit.start for debit in found.debits}
    keys = [item.leaf.key for item in batch.items if alone is None or item.leaf.channel in alone]
    settled = await _settled_before(lane, starts, keys) if keys else frozenset()
    functions = lane.channels.functions
    window, epochs_open = await call(functions.settleWindow()), await call(functions.orderEpochs())
    return Rules(facts, int(window), int(epochs_open), seeds, settled)


async def challenge(lane: Lane, sender: Sender, header: Header, fault: Fault) -> TxReceipt:
    """Show a fault. A demand takes its bond along; a wrong challenge raises ContractError (NoFault)."""
    functions: Any = lane.settlement.functions
    fn = getattr(functions, fault.challenge.value)(header.as_tuple(), *fault.arguments)
    demand = fault.challenge is Challenge.DEMAND
    value = (await limits_of(lane, header.batch_id())).demand_bond if demand else 0
    return await sender.send(fn, value=value)


async def answer(
    lane: Lane, sender: Sender, header: Header, batch: Batch, *, ledger: bool, place: int
) -> None:
    """Show the leaf at a place that somebody demanded; anyone, in time."""
    if ledger:
        fn = lane.settlement.functions.answerLedger(header.as_tuple(), batch.entry_proof(place))
    else:
        item = batch.items[place]
        data = item.evidence.as_tuple(), item.outcome.as_tuple()
        fn = lane.settlement.functions.answerTask(header.as_tuple(), batch.task_proof(place), *data)
    await sender.send(fn)


async def void_unanswered(lane: Lane, sender: Sender, header: Header, *, ledger: bool, index: int) -> None:
    """Void a batch that did not answer a demand in time; anyone."""
    await sender.send(lane.settlement.functions.voidUnanswered(header.as_tuple(), ledger, index))


async def return_demand(lane: Lane, sender: Sender, header: Header, *, ledger: bool, index: int) -> None:
    """Give the bond of a demand back that a void batch did not answer; anyone."""
    await sender.send(lane.settlement.functions.returnDemand(header.as_tuple(), ledger, index))


async def restore(
    lane: Lane, sender: Sender, header: Header, debits: Sequence[ChannelDebit], position: int
) -> None:
    """Give a channel its debit in a void batch back; anyone. position: in the list of debits."""
    await sender.send(lane.settlement.functions.restore(header.as_tuple(), _plain(debits), position))


async def claim(lane: Lane, sender: Sender, header: Header, batch: Batch, party: int) -> None:
    """Pay a party of a final batch; anyone. party: see `leaves.party_of`. Raises KeyError for no party."""
    proof = batch.entry_proof(batch.claims()[party])
    await sender.send(lane.settlement.functions.claim(header.as_tuple(), proof))


async def withdraw(lane: Lane, sender: Sender) -> None:
    """Pay the sender's rewards and returned bonds."""
    await sender.send(lane.settlement.functions.withdraw())


async def _settled_before(
    lane: Lane, starts: Mapping[bytes, int], keys: Sequence[tuple[bytes, int]]
) -> frozenset[tuple[bytes, int]]:
    """Of these sequences those that were settled by themselves. starts: floors before the batch."""
    # Only those within a window of the floor could settle by themselves.
    asked = [key for key in keys if 0 <= key[1] - starts.get(key[0], key[1] + 1) < WINDOW]
    contract = lane.channels
    calls = [
        {
            "to": contract.address,
            "data": contract.encode_abi("settledBefore", [channel, starts[channel], sequence]),
        }
        for channel, sequence in asked
    ]
    told = await lane.chain.provider.request_many("eth_call", [[one, "latest"] for one in calls])
    return frozenset(key for key, answer in zip(asked, told, strict=True) if as_int(answer))


def header_of(event: Event) -> Header:
    """From BatchPosted."""
    coordinator, *rest = event.args["header"]
    return Header(str(to_checksum_address(coordinator)), *rest)


def _plain(debits: Sequence[ChannelDebit]) -> list[tuple[bytes, int, int, int]]:
    return [(debit.details, debit.debit, debit.start, debit.end) for debit in debits]
