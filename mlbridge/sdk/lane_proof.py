"""Where a channel receipt's order stands on the chain, and the proof that a batch holds it.

Batches are found by the chain's events and read from storage under the digest that the chain names, so nobody
has to be believed. A coordinator is asked only where storage does not have the bytes, and what it answers
must lead to the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import structlog

from contracts.batches import BatchStatus, batch_state, passing, struck_in
from contracts.channels import channel_state, settled_alone
from contracts.lane import Lane
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Settlement
from mlbridge.protocol.batch import Header
from mlbridge.sdk.coordinators import Coordinator
from mlbridge.sdk.lane_accept import lie
from mlbridge.sdk.lane_receipt import LaneReceipt, header_of
from mlbridge.storage import ContentStore
from mlbridge.storage.batches import fetch_batch

log = structlog.get_logger(__name__)


class Stage(StrEnum):
    """How far an order's money is.

    OPEN: nothing on the chain; PASSED: its sequence is done with, by what the receipt does not name;
    ALONE: it settled by itself; POSTED: in a batch that can be challenged; FINAL: in one that cannot;
    STRUCK: its leaf was shown to be wrong; VOID: its batch was; UNKNOWN: the chain has no such batch.
    """

    OPEN = "open"
    PASSED = "passed"
    ALONE = "alone"
    POSTED = "posted"
    FINAL = "final"
    STRUCK = "struck"
    VOID = "void"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """batch: its id, None where the receipt names none; final_at: from when it cannot be challenged, unix
    seconds; debit: wei of an order that settled by itself.
    """

    stage: Stage
    batch: bytes | None = None
    final_at: int | None = None
    debit: int | None = None


async def standing(receipt: LaneReceipt, lane: Lane, now: float) -> Standing:
    """Where the order stands. now: the chain's time, unix seconds. Raises what a read of the chain raises."""
    order = receipt.task_order()
    found = None if receipt.batch is None else await _in_batch(receipt, lane, now)
    if found is not None and found.stage in (Stage.POSTED, Stage.FINAL):
        return found
    debit = await settled_alone(lane, order)
    if debit is not None:
        return Standing(Stage.ALONE, debit=debit)
    if found is not None:
        return found
    state = await channel_state(lane, order.channel)
    return Standing(Stage.PASSED if state.settled(order.sequence) else Stage.OPEN)


async def _in_batch(receipt: LaneReceipt, lane: Lane, now: float) -> Standing | None:
    if receipt.batch is None:
        return None
    batch_id = header_of(receipt.batch.header).batch_id()
    held = await batch_state(lane, batch_id)
    if held.status is BatchStatus.NONE:
        return Standing(Stage.UNKNOWN, batch_id)
    if held.status is BatchStatus.VOID:
        return Standing(Stage.VOID, batch_id)
    if receipt.batch.leaf.index in await struck_in(lane, batch_id):
        return Standing(Stage.STRUCK, batch_id)
    stage = Stage.POSTED if now < held.final_at or held.demands else Stage.FINAL
    return Standing(stage, batch_id, held.final_at)


async def prove_settlement(
    receipt: LaneReceipt, lane: Lane, content: ContentStore | None, door: Coordinator | None = None
) -> LaneReceipt:
    """The receipt with its order's place in the batch that stands on the chain now.

    content: where batches are stored; door: a coordinator to ask where that has not got this one. Raises
    MLBridgeError `lane.not_settled` while no batch passed the order, `lane.left_out` if one did without
    holding it, `channel.lie` if the coordinator shows another batch, `content.*`, `coordinator.*`.
    """
    order = receipt.task_order()
    for header in await passing(lane, order.channel, order.sequence):
        state = await batch_state(lane, header.batch_id())
        if state.status is not BatchStatus.POSTED:
            continue
        part = receipt.batch
        if part is not None and header_of(part.header) == header:
            return receipt.in_batch_until(state.final_at)
        found = await _settlement(receipt, header, content, door)
        return receipt.settled(found, state.final_at)
    raise MLBridgeError(
        "lane.not_settled",
        "No batch on the chain has passed this order.",
        hint="Its coordinator posts one every few seconds; seats settle by themselves what it leaves out.",
        exit_code=5,
        retry_after_s=2,
    )


async def _settlement(
    receipt: LaneReceipt, header: Header, content: ContentStore | None, door: Coordinator | None
) -> Settlement:
    order = receipt.task_order()
    key = order.channel, order.sequence
    if content is not None:
        try:
            batch = await fetch_batch(content, header.data)
        except MLBridgeError as error:
            if door is None:
                raise
            log.info("batch_not_in_storage", batch="0x" + header.batch_id().hex(), reason=error.message)
        else:
            found = Settlement.of(header, batch, key)
            if found is None or not found.holds(key):
                raise _left_out(header)
            return found
    if door is None:
        raise MLBridgeError(
            "lane.no_source",
            f"Batch 0x{header.batch_id().hex()} passed the order, and its leaves cannot be looked up.",
            hint="Configure storage_url in the network, or name the coordinator.",
        )
    told = await door.settlement(receipt.digest)
    if told.header != header or not told.holds(key):
        raise lie("it shows a batch that does not hold the order")
    return told


def _left_out(header: Header) -> MLBridgeError:
    return MLBridgeError(
        "lane.left_out",
        f"Batch 0x{header.batch_id().hex()} passed the order without holding it.",
        hint="Nothing is charged for it unless a seat has it settled by itself.",
        exit_code=5,
    )
