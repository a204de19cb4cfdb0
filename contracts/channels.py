"""Payment channels: open, top up, settle, voucher, close. Every door raises what a Sender raises.

Amounts in wei, times in unix seconds. See docs/design/channel-lane.md for who may call what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hexbytes import HexBytes
from web3.types import TxReceipt

from contracts import artifacts
from contracts.chain import Chain
from contracts.events import Event, decode_all, topic_of
from contracts.lane import Lane
from contracts.reads import call, find_events
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.hashing import keccak, word
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, Close, TaskOrder, Voucher
from mlbridge.protocol.wire import Signed

_CHANNELS: Final = keccak(b"channels(bytes32)")[:4]


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Where a channel stands; all zero for an unknown one.

    balance: wei that may still be spent; kept: wei of settled orders that wait for `collect`; floor:
    sequences below it are done with; window: bit i: sequence floor + i was settled by itself; deposited: wei;
    closes_at: 0: not closing; promised, covered, due_at: of the voucher that waits, due_at 0: none.
    """

    balance: int
    kept: int
    floor: int
    window: int
    deposited: int
    closes_at: int
    promised: int
    covered: int
    due_at: int

    def settled(self, sequence: int) -> bool:
        """Whether a sequence is done with: below the floor, or settled by itself above it."""
        return sequence < self.floor or bool(self.window >> (sequence - self.floor) & 1)


async def channel_state(lane: Lane, channel: bytes) -> ChannelState:
    """Where a channel stands.

    Encoded by hand: whoever has many channels reads them all after each batch, and web3 takes four times as
    long. Raises RpcError or RpcUnreachableError.
    """
    asked = {"to": lane.addresses.channels, "data": "0x" + (_CHANNELS + word("bytes32", channel)).hex()}
    told = bytes(HexBytes(await lane.chain.provider.request("eth_call", [asked, "latest"])))
    if len(told) != 32 * len(ChannelState.__match_args__):
        raise MLBridgeError("chain.read", "There is no PaymentChannels contract where the network names it.")
    return ChannelState(*(int.from_bytes(told[at : at + 32], "big") for at in range(0, len(told), 32)))


async def find_terms(lane: Lane, channel: bytes) -> ChannelTerms:
    """The terms of a channel, from the event of its opening. Raises MLBridgeError `channel.unknown`."""
    opened = await lane.events(artifacts.CHANNELS, "ChannelOpened", "0x" + channel.hex())
    if not opened:
        raise MLBridgeError(
            "channel.unknown",
            f"There is no channel 0x{channel.hex()} on {lane.chain.network.name}.",
            hint="Check the channel and the network.",
            exit_code=5,
        )
    return _terms(opened[0])


async def settled_alone(lane: Lane, order: TaskOrder) -> int | None:
    """Wei that an order was debited when it settled by itself; None if it did not."""
    topics = "0x" + order.channel.hex(), f"0x{order.sequence:064x}", "0x" + order.digest(lane.domain).hex()
    settled = await lane.events(artifacts.CHANNELS, "OrderSettled", *topics)
    return int(settled[-1].args["debit"]) if settled else None


async def open_channel(
    lane: Lane, sender: Sender, coordinator: str, *, deposit: int, salt: bytes, share: int
) -> ChannelTerms:
    """Open a channel to a coordinator, as its requester. share: coordinator's, basis points of each price;
    salt: 32 bytes, so that two parties can have several channels. Raises ContractError.
    """
    receipt = await sender.send(lane.channels.functions.open(coordinator, share, salt), value=deposit)
    return _terms(_event(lane, receipt, "ChannelOpened"))


async def top_up(lane: Lane, sender: Sender, terms: ChannelTerms, amount: int) -> None:
    """Add to a deposit; anyone."""
    await sender.send(lane.channels.functions.topUp(terms.as_tuple()), value=amount)


async def settle(lane: Lane, sender: Sender, evidence: Evidence) -> int:
    """Settle one order by itself; anyone who holds its evidence. Wei debited."""
    receipt = await sender.send(lane.channels.functions.settle(evidence.as_tuple()))
    return int(_event(lane, receipt, "OrderSettled").args["debit"])


async def settle_reopened(lane: Lane, sender: Sender, evidence: Evidence, end: int) -> int:
    """Settle an order whose sequence was opened again. end: of the range that was opened. Wei debited."""
    receipt = await sender.send(lane.channels.functions.settleReopened(evidence.as_tuple(), end))
    return int(_event(lane, receipt, "OrderSettled").args["debit"])


async def present_voucher(lane: Lane, sender: Sender, terms: ChannelTerms, voucher: Signed[Voucher]) -> int:
    """Announce a requester's voucher, as the channel's coordinator. When it can be redeemed."""
    fn = lane.channels.functions.presentVoucher(
        terms.as_tuple(), voucher.message.as_tuple(), voucher.signature
    )
    return int(_event(lane, await sender.send(fn), "VoucherPresented").args["dueAt"])


async def redeem_voucher(lane: Lane, sender: Sender, terms: ChannelTerms) -> int:
    """Pay a voucher that is due; anyone. Wei paid."""
    receipt = await sender.send(lane.channels.functions.redeemVoucher(terms.as_tuple()))
    return int(_event(lane, receipt, "VoucherRedeemed").args["paid"])


async def collect(lane: Lane, sender: Sender, terms: ChannelTerms) -> None:
    """Credit coordinator and protocol with their shares of orders that settled by themselves; anyone."""
    await sender.send(lane.channels.functions.collect(terms.as_tuple()))


async def start_close(lane: Lane, sender: Sender, terms: ChannelTerms) -> int:
    """Begin to close against the coordinator's will, as the requester. When it can be finished."""
    receipt = await sender.send(lane.channels.functions.startClose(terms.as_tuple()))
    return int(_event(lane, receipt, "ClosingStarted").args["closesAt"])


async def close_together(lane: Lane, sender: Sender, terms: ChannelTerms, consent: Signed[Close]) -> int:
    """Begin to close with the other party's signature, as one of the two. When it can be finished."""
    fn = lane.channels.functions.closeTogether(
        terms.as_tuple(), consent.message.as_tuple(), consent.signature
    )
    return int(_event(lane, await sender.send(fn), "ClosingStarted").args["closesAt"])


async def finish_close(lane: Lane, sender: Sender, terms: ChannelTerms) -> int:
    """Pay what a closed channel owes and give the requester the rest; anyone. Wei for the requester."""
    receipt = await sender.send(lane.channels.functions.finishClose(terms.as_tuple()))
    return int(_event(lane, receipt, "ChannelClosed").args["refund"])


async def prove_false_seat(
    lane: Lane, sender: Sender, order: TaskOrder, attestation: Signed[Attestation], better: Sequence[int]
) -> None:
    """Have a member slashed that attested without a seat. better: see `committee.outrunners`."""
    fn = lane.channels.functions.proveFalseSeat(
        order.as_tuple(), attestation.message.as_tuple(), attestation.signature, list(better)
    )
    await sender.send(fn)


async def report_contradiction(
    lane: Lane, sender: Sender, first: Signed[Attestation], second: Signed[Attestation]
) -> None:
    """Have a member slashed that attested two results of one order."""
    fn = lane.channels.functions.reportContradiction(
        first.message.as_tuple(), first.signature, second.message.as_tuple(), second.signature
    )
    await sender.send(fn)


async def report_dissent(
    lane: Lane, sender: Sender, evidence: Evidence, attestation: Signed[Attestation]
) -> None:
    """Record that a seat attested another result than the verdict that the evidence proves."""
    fn = lane.dissents.functions.report(
        evidence.as_tuple(), attestation.message.as_tuple(), attestation.signature
    )
    await sender.send(fn)


async def record_weight(lane: Lane, sender: Sender, model_id: bytes, account: int) -> int:
    """Record an account's present weight for a model; anyone. The epoch from which it counts."""
    receipt = await sender.send(lane.snapshots.functions.recordWeight(model_id, account))
    return int(_event(lane, receipt, "WeightRecorded").args["epoch"])


async def record_model(lane: Lane, sender: Sender, model_id: bytes) -> int:
    """Record a model's present price; anyone. The epoch from which it counts."""
    receipt = await sender.send(lane.snapshots.functions.recordModel(model_id))
    return int(_event(lane, receipt, "ModelRecorded").args["epoch"])


async def read_operators(chain: Chain) -> dict[str, int]:
    """Every node key that was ever bound: checksummed address -> id of its operator."""
    bound = await find_events(chain, [topic_of(artifacts.TASKS, "NodeKeySet")], [chain.addresses.tasks])
    nodes = {event.args["node"] for event in bound}
    return {node: int((await call(chain.tasks.functions.nodeBinding(node)))[0]) for node in sorted(nodes)}


def _terms(opened: Event) -> ChannelTerms:
    args = opened.args
    shares = args["coordinatorShare"], args["protocolShare"]
    return ChannelTerms(args["requester"], args["coordinator"], args["openedIn"], *shares, args["salt"])


def _event(lane: Lane, receipt: TxReceipt, name: str) -> Event:
    return next(event for event in decode_all(receipt["logs"], lane.names) if event.name == name)
