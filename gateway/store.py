"""The gateway's store: one database for every replica, and one writer at a time in each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from coordinator.config import make_private
from coordinator.database import database_url, migrate, open_engine
from gateway import tables
from gateway.config import ROOM, GatewayConfig
from mlbridge.errors import MLBridgeError


class Store:
    """An open database. Writers of one process wait here for each other, those of several in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, config: GatewayConfig) -> Store:
        """Open it and bring its schema up to date. Raises MLBridgeError `store.url`."""
        make_private(config.home)
        engine = open_engine(database_url(config.store_url))
        try:
            await migrate(engine, ROOM)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with."""
        async with self.engine.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction. Its first statement must be a write, or SQLite cannot promote it beside others."""
        async with self._writing, self.engine.begin() as connection:
            yield connection


async def hold_key(connection: AsyncConnection, key_id: str) -> Row[tuple[object, ...]]:
    """A key's row, locked for the rest of the transaction. Raises MLBridgeError `key.unknown`."""
    table = tables.keys
    # A write that changes nothing: it locks the row on PostgreSQL and the file on SQLite.
    await connection.execute(update(table).where(table.c.id == key_id).values(spent_wei=table.c.spent_wei))
    row = (await connection.execute(select(table).where(table.c.id == key_id))).first()
    if row is None:
        raise unknown_key(key_id)
    return row


def unknown_key(key_id: str) -> MLBridgeError:
    """There is no such key."""
    return MLBridgeError(
        "key.unknown",
        f"There is no API key {key_id!r}.",
        hint="`mlbridge gateway key list` shows them.",
        exit_code=5,
    )
