"""A lane that does what a test says, over a store of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from gateway.book import Book, Mark, Placed, Task
from gateway.carrier import LEASE_S, Carrier
from gateway.config import GatewayConfig, parse_config
from gateway.keys import Keys
from gateway.lanes import Lane, LaneEvent, Offer, Order, Receipt, Verdict
from gateway.metrics import Metrics
from gateway.store import Store
from mlbridge.protocol.payload import encode_output

PRICE = 100
_serial = itertools.count(1)


def config_in(folder: Path, **changes: object) -> GatewayConfig:
    """A gateway's file whose key nobody reads."""
    key = {"keystore": "key.json", "password_file": "password"}
    return parse_config({"network": "devnet", "home": str(folder / "home"), "key": key} | changes)


@contextlib.asynccontextmanager
async def store_in(folder: Path) -> AsyncIterator[Store]:
    """A store of the test's own."""
    store = await Store.open(config_in(folder))
    try:
        yield store
    finally:
        await store.close()


def said(text: str, *, cost: int = PRICE - 10) -> list[LaneEvent]:
    """The end of a chat task that went well."""
    output = encode_output("chat", {"token_ids": [1, 2, 3], "text": text, "finish_reason": "stop"})
    return [Verdict(output, 1.0, cost), Receipt('{"proof":1}')]


class ScriptedLane:
    """Yields a script's events, one list a try; an exception in it is raised. Waits where `gate` is shut."""

    def __init__(self, *tries: Sequence[LaneEvent | Exception]) -> None:
        self._tries = list(tries)
        self.resumed: list[bool] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def offer(self, order: Order) -> Offer:
        return offered()

    async def carry(self, offer: Offer, *, resumed: bool) -> AsyncIterator[LaneEvent]:
        self.resumed.append(resumed)
        for event in self._tries.pop(0) if len(self._tries) > 1 else self._tries[0]:
            await self.gate.wait()
            if isinstance(event, Exception):
                raise event
            yield event

    async def proof(self, receipt: str) -> str:
        return receipt

    async def cancel(self, offer: Offer) -> None:
        raise AssertionError("no test of the carrier takes a task back")

    async def upkeep(self) -> None:
        return

    async def close(self) -> None:
        return


def offered(price: int = PRICE) -> Offer:
    """An offer with an id of its own."""
    return Offer(f"0x{next(_serial):064x}", price, {"any": "terms"})


def placed(offer: Offer | None = None) -> Placed:
    """A chat task that somebody wants."""
    return Placed(offer or offered(), "direct", "chat", "0x" + "11" * 32, "chat")


async def accepted(book: Book, keys: Keys, mark: Mark | None = None) -> Task:
    """A kept task of a key of its own."""
    key, _ = await keys.create("test")
    return (await book.accept(key.id, [placed()], mark=mark, open_limit=99))[0][0]


@contextlib.asynccontextmanager
async def carrying(
    store: Store, lane: Lane, *, name: str = "one", lease_s: float = LEASE_S
) -> AsyncIterator[tuple[Book, Carrier]]:
    """A book and its carrier, whose background does not run."""
    book = Book(store, carrier=name, lease_s=lease_s)
    carrier = Carrier(book, {"direct": lane}, Metrics())
    try:
        yield book, carrier
    finally:
        await carrier.stop()
