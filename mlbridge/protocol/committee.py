"""Who works on an order: drawn by the epoch's seed, its channel and its sequence number, by anybody.

The chain does not replace seats inside an order. A silent seat counts against the verdict; whoever does not
want that takes more seats or signs the next sequence.
"""

from __future__ import annotations

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.orders712 import TaskOrder
from mlbridge.protocol.snapshots import Snapshots


def draw_of(order: TaskOrder, seed: bytes) -> bytes:
    """What an order's committee follows from. seed: of the order's epoch, 32 bytes."""
    return orders712.draw(seed, order.channel, order.sequence)


def seated(order: TaskOrder, seed: bytes, snapshots: Snapshots) -> list[int]:
    """The order's committee: accounts in ascending order, as every message of the lane lists them.

    Raises MLBridgeError `committee.too_few` if fewer accounts have weight than the order wants seats.
    """
    return sorted(arrivals(order, seed, snapshots, order.seats))


def streamer(order: TaskOrder, seed: bytes, snapshots: Snapshots) -> int:
    """Who streams the order's answer, if its requester wants a stream: the account that arrives first.

    Raises MLBridgeError `committee.too_few`.
    """
    return arrivals(order, seed, snapshots, order.seats)[0]


def arrivals(order: TaskOrder, seed: bytes, snapshots: Snapshots, count: int) -> list[int]:
    """The first `count` accounts in the order in which they arrive; the first `order.seats` are seated.

    Raises MLBridgeError `committee.too_few`.
    """
    field = snapshots.field(order.model_id, order.epoch)
    if len(field) < count:
        raise MLBridgeError(
            "committee.too_few",
            f"{count} accounts are needed, but only {len(field)} serve this model in epoch {order.epoch}.",
            hint="Ask for fewer seats, or wait until more providers have recorded their weight.",
            exit_code=5,
        )
    return field.arrivals(draw_of(order, seed), count)


def outrunners(order: TaskOrder, seed: bytes, snapshots: Snapshots, account: int) -> list[int] | None:
    """As many accounts as the order has seats, ascending, all of which arrive before this one.

    They prove on chain that it has no seat. None if it has one, or if too few accounts have weight.
    """
    field = snapshots.field(order.model_id, order.epoch)
    first = field.arrivals(draw_of(order, seed), order.seats)
    if account in first or len(first) < order.seats:
        return None
    return sorted(first)
