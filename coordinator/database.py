"""Opening the store's database: URL, pragmas, migrations and the lock that keeps a second coordinator out."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
BUSY_MS = 30_000


def database_url(text_url: str) -> URL:
    """The URL with its asynchronous driver: `sqlite:///file.db`, `postgresql://user@host/name`.

    Raises MLBridgeError `store.url`. Relative SQLite paths are relative to the working directory.
    """
    hint = "Use sqlite:///path/to/coordinator.db or postgresql://user:password@host/database."
    try:
        url = make_url(text_url)
    except ArgumentError as error:
        raise MLBridgeError(
            "store.url", "The store's URL is not a database URL.", hint=hint, exit_code=2
        ) from error
    family = url.drivername.partition("+")[0]
    if family not in DRIVERS:
        raise MLBridgeError("store.url", f"The store cannot use {url.drivername}.", hint=hint, exit_code=2)
    if family == "sqlite" and url.database in (None, "", ":memory:"):
        raise MLBridgeError(
            "store.url", "A store in memory would forget everything at a restart.", hint=hint, exit_code=2
        )
    return url.set(drivername=DRIVERS[family])


def open_engine(url: URL) -> AsyncEngine:
    """An engine with the settings that the store relies on; creates SQLite's folder."""
    if not url.drivername.startswith("sqlite"):
        return create_async_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True)
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)
    _settle(engine.sync_engine)
    return engine


def open_blocking_engine(url: URL) -> Engine:
    """An engine for the same database whose calls block: for a thread that does nothing else."""
    if not url.drivername.startswith("sqlite"):
        return create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    engine = create_engine(url.set(drivername="sqlite"), connect_args={"check_same_thread": False})
    _settle(engine)
    return engine


def _settle(engine: Engine) -> None:
    """The settings of each connection to SQLite."""

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: `begin` below does, also around DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"busy_timeout={BUSY_MS}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


async def migrate(engine: AsyncEngine, room: str = "coordinator") -> None:
    """Bring the schema up to date by `ROOM/migrations`; concurrent starts wait for each other."""
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key("migrate", room)}
            )
        await connection.run_sync(_upgrade, room)


def _upgrade(connection: Connection, room: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files(room) / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


class StoreLock(Protocol):
    """Held while this process may write to the store and send transactions for it."""

    async def held(self) -> bool:
        """Whether it is still ours."""
        ...

    async def release(self) -> None: ...


class FileLock:
    """An advisory lock on `<database>.lock`; the kernel drops it when the process dies, however it dies."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @classmethod
    def try_take(cls, database: Path) -> FileLock | None:
        handle = Path(f"{database}.lock").open("a+")  # noqa: SIM115 - open for as long as the lock is held
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        return cls(handle)

    async def held(self) -> bool:
        return not self._handle.closed

    async def release(self) -> None:
        self._handle.close()


class SessionLock:
    """A PostgreSQL advisory lock, held by a connection of its own; dropped with the connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @classmethod
    async def try_take(cls, engine: AsyncEngine) -> SessionLock | None:
        connection = await engine.connect()
        taken = await connection.scalar(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": _lock_key("writer")}
        )
        await connection.commit()
        if not taken:
            await connection.close()
            return None
        return cls(connection)

    async def held(self) -> bool:
        try:
            await self._connection.execute(text("SELECT 1"))
            await self._connection.commit()
        except DBAPIError as error:
            log.warning("store_lock_lost", reason=str(error.orig))
            return False
        return True

    async def release(self) -> None:
        if self._connection.invalidated:
            return
        await self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _lock_key("writer")})
        await self._connection.close()


async def take_lock(engine: AsyncEngine, *, wait_s: float) -> StoreLock:
    """The writer's lock of this store, waiting up to `wait_s` seconds for another holder to end.

    Raises MLBridgeError `store.locked`.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        lock: StoreLock | None
        if engine.dialect.name == "postgresql":
            lock = await SessionLock.try_take(engine)
        else:
            lock = FileLock.try_take(Path(engine.url.database or ""))
        if lock is not None:
            return lock
        if loop.time() >= until:
            raise MLBridgeError(
                "store.locked",
                "Another coordinator works on this store.",
                hint="Give each coordinator a store of its own, or stop the other one.",
            )
        await asyncio.sleep(0.1)


def _lock_key(purpose: str, room: str = "coordinator") -> int:
    digest = hashlib.sha256(f"mlbridge-{room}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
