"""A PostgreSQL server of the test's own, where one is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from contracts.anvil import free_port
from coordinator import database


def installed() -> bool:
    """Whether a server's programs are on PATH."""
    return all(shutil.which(name) for name in ("initdb", "pg_ctl", "psql"))


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A fresh server on a free port of this machine; the URL of an empty database.

    The server refuses to run as root, so as root it runs as the user `postgres`.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlb-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]
    port, data = free_port(), folder / "data"

    def run(*command: str) -> None:
        done = subprocess.run(
            [*as_user, *command], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", str(data))
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


async def fresh(server: str) -> str:
    """The URL of a new, empty database on a server. server: the URL of one of its databases."""
    name = f"t{secrets.token_hex(6)}"
    engine = database.open_engine(database.database_url(server))
    async with engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return server.rpartition("/")[0] + f"/{name}"
