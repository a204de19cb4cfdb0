"""Follow the deployment's events: nothing skipped, nothing twice, reorganisations said out loud."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from contracts.chain import Chain
from contracts.cursor import Cursor, CursorStore, MemoryCursorStore, SqliteCursorStore
from contracts.events import BlockRef, Event, decode_all
from contracts.rpc import RpcError, RpcUnreachableError

__all__ = [
    "Batch",
    "BlockSource",
    "ChainSource",
    "Cursor",
    "CursorStore",
    "LogFollower",
    "MemoryCursorStore",
    "SqliteCursorStore",
]

log = structlog.get_logger(__name__)

RawLog = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """One step along the chain.

    removed_from: when set, every event handed out before from blocks >= this number is void and `events` is
    empty; what replaces them follows in later batches. head: the chain's newest block; cursor: where the
    follower stands once this batch is handled; caught_up: it reaches as far as the confirmations allow.
    """

    events: Sequence[Event]
    removed_from: int | None
    head: BlockRef
    cursor: Cursor
    caught_up: bool = False


class BlockSource(Protocol):
    """What a follower asks a chain. Every method may raise RpcError or RpcUnreachableError."""

    async def head(self) -> BlockRef:
        """The newest block."""
        ...

    async def header(self, number: int) -> BlockRef | None:
        """The canonical block of a number; None beyond the head."""
        ...

    async def logs(self, first: int, last: int) -> list[RawLog]:
        """Raw logs of canonical blocks first..last; RpcError when that is too much at once."""
        ...

    async def logs_of_block(self, block_hash: str) -> list[RawLog]:
        """Raw logs of exactly this block; RpcError when the node does not have it."""
        ...


class ChainSource:
    """A Chain as a BlockSource, for some of its contracts' addresses."""

    def __init__(self, chain: Chain, addresses: Sequence[str] | None = None) -> None:
        self._chain = chain
        self._addresses = list(addresses) if addresses else None

    async def head(self) -> BlockRef:
        """The newest block."""
        return await self._chain.head()

    async def header(self, number: int) -> BlockRef | None:
        """The canonical block of a number."""
        return await self._chain.header(number)

    async def logs(self, first: int, last: int) -> list[RawLog]:
        """Raw logs of canonical blocks first..last."""
        return await self._chain.logs(first, last, addresses=self._addresses)

    async def logs_of_block(self, block_hash: str) -> list[RawLog]:
        """Raw logs of exactly this block."""
        return await self._chain.logs_of_block(block_hash, addresses=self._addresses)


class _MovedError(Exception):
    """The chain changed while it was read: look again."""


@dataclass(frozen=True)
class Step:
    """What one step found: raw logs of the blocks up to cursor.number, or blocks to take back."""

    cursor: Cursor
    logs: list[RawLog]
    removed_from: int | None
    head: BlockRef


class Walker:
    """The algorithm, free of web3: one `step` reads one stretch of a BlockSource.

    Near the head it walks block by block: each header must name the one before as its parent, and its logs
    are asked for by block hash, so neither a reorganisation between two requests nor a lagging node can
    slip anything by. Further back (more than `window` blocks below the head) it reads ranges, each tied to
    hashes read before and after. start: first block of interest.
    """

    def __init__(
        self,
        source: BlockSource,
        *,
        start: int = 0,
        confirmations: int = 0,
        window: int = 32,
        chunk: int = 2_000,
    ) -> None:
        self._source = source
        self._start = start
        self._confirmations = confirmations
        self._window = window
        self._most = chunk
        self._chunk = chunk

    @property
    def confirmations(self) -> int:
        """Blocks below the head that it leaves alone."""
        return self._confirmations

    async def step(self, cursor: Cursor | None) -> Step | None:
        """Read on from the cursor (None: the start); None when nothing is new or the chain just moved."""
        if cursor is None or cursor.number < self._start - 1:
            cursor = Cursor(self._start - 1)
        head = await self._source.head()
        fork = await self._fork_point(cursor, head)
        if fork is not None:
            return Step(cursor.rewind(fork), [], fork + 1, head)
        last = head.number - self._confirmations
        if last <= cursor.number:
            return None
        try:
            if last - cursor.number > self._window:
                blocks, logs = await self._read_range(
                    cursor, min(last - self._window, cursor.number + self._chunk)
                )
            else:
                blocks, logs = await self._walk(cursor, last, head)
        except _MovedError:
            return None
        return Step(cursor.advance(blocks), logs, None, head)

    async def _fork_point(self, cursor: Cursor, head: BlockRef) -> int | None:
        """None while the last block read is canonical; else the newest kept block that still is."""
        if not cursor.recent or cursor.hash in (head.hash, head.parent):
            return None
        for number, block_hash in reversed(cursor.recent):
            header = await self._source.header(number)
            if header is not None and header.hash == block_hash:
                return None if number == cursor.number else number
        # recent[0] is the first block ever read, so all that was handed out is void
        return self._start - 1

    async def _walk(
        self, cursor: Cursor, last: int, head: BlockRef
    ) -> tuple[list[tuple[int, str]], list[RawLog]]:
        parent = cursor.hash
        blocks: list[tuple[int, str]] = []
        logs: list[RawLog] = []
        for number in range(cursor.number + 1, last + 1):
            header = head if number == head.number else await self._source.header(number)
            if header is None or (parent is not None and header.parent != parent):
                break
            try:
                found = await self._source.logs_of_block(header.hash)
            except RpcError as error:
                log.debug("follower_block_gone", block=number, reason=error.text)
                break
            logs += found
            blocks.append((number, header.hash))
            parent = header.hash
        if not blocks:
            raise _MovedError
        return blocks, logs

    async def _read_range(self, cursor: Cursor, last: int) -> tuple[list[tuple[int, str]], list[RawLog]]:
        while True:
            end = await self._source.header(last)
            if end is None:
                raise _MovedError
            try:
                logs = await self._source.logs(cursor.number + 1, last)
                break
            except RpcError as error:
                span = last - cursor.number
                if span <= 1:
                    raise
                self._chunk = max(1, span // 2)
                last = cursor.number + self._chunk
                log.info("follower_range_halved", blocks=self._chunk, reason=error.text)
        after = await self._source.header(last)
        if after is None or after.hash != end.hash:
            raise _MovedError
        if cursor.hash is not None:
            before = await self._source.header(cursor.number)
            if before is None or before.hash != cursor.hash:
                raise _MovedError
        self._chunk = min(self._most, self._chunk * 2)
        return [(last, end.hash)], logs


class LogFollower:
    """`async for batch in LogFollower(chain, store, addresses)`: batches for ever, in order.

    The cursor is saved when the next batch is asked for, that is after the one before was handled.
    """

    def __init__(
        self,
        chain: Chain,
        store: CursorStore,
        addresses: Sequence[str] | None = None,
        *,
        confirmations: int | None = None,
        start_block: int | None = None,
        poll_s: float | None = None,
        window: int = 32,
        chunk: int = 2_000,
    ) -> None:
        network = chain.network
        self._names = chain.contract_names
        self._store = store
        self._poll_s = max(0.1, network.block_time / 2) if poll_s is None else poll_s
        depth = network.confirmations if confirmations is None else confirmations
        self._walker = Walker(
            ChainSource(chain, addresses),
            start=network.start_block if start_block is None else start_block,
            confirmations=depth,
            window=window,
            chunk=chunk,
        )
        self._cursor: Cursor | None = None

    async def poll(self) -> Batch | None:
        """The next batch, or None when there is nothing new. Does not save: see `handled`.

        Raises RpcError or RpcUnreachableError; calling again continues where it stood.
        """
        if self._cursor is None:
            self._cursor = await self._store.load()
        step = await self._walker.step(self._cursor)
        if step is None:
            return None
        return Batch(
            events=decode_all(step.logs, self._names),
            removed_from=step.removed_from,
            head=step.head,
            cursor=step.cursor,
            caught_up=step.removed_from is None
            and step.cursor.number >= step.head.number - self._walker.confirmations,
        )

    async def handled(self, batch: Batch) -> None:
        """Go on behind this batch, and remember it."""
        self._cursor = batch.cursor
        await self._store.save(batch.cursor)

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while True:
            try:
                batch = await self.poll()
            except (RpcError, RpcUnreachableError) as error:
                log.warning("follower_retry", reason=str(error))
                batch = None
            if batch is None:
                await asyncio.sleep(self._poll_s)
                continue
            yield batch
            await self.handled(batch)
