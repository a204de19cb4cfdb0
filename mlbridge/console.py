"""How the command speaks: data on stdout, words for people on stderr, `--json` for machines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from rich.console import Console
from rich.table import Table

from mlbridge.errors import MLBridgeError

T = TypeVar("T")
people = Console(stderr=True, highlight=False)
data = Console(highlight=False)


def emit_json(value: object) -> None:
    """One JSON document on stdout; bytes as 0x hex."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, sort_keys=False) + "\n")
    sys.stdout.flush()


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table on stdout; says so when there is nothing to show."""
    if not rows:
        people.print(f"{title}: none")
        return
    drawn = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    data.print(drawn)


def fail(error: MLBridgeError, *, as_json: bool) -> NoReturn:
    """Print what went wrong and the way out, then exit with the error's code."""
    if as_json:
        emit_json({"error": error.to_dict()})
    else:
        people.print(f"[red]error:[/red] {error.message}", markup=True, soft_wrap=True)
        if error.hint:
            people.print(f"[dim]hint:[/dim]  {error.hint}", soft_wrap=True)
    raise SystemExit(error.exit_code)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous body."""
    return asyncio.run(work)


def eth(wei: int) -> str:
    """Wei as coin, exact to 18 places without trailing zeros."""
    return f"{_decimal(wei)} ETH"


def mlb(amount: int) -> str:
    """MLB base units (18 decimals) as MLB."""
    return f"{_decimal(amount)} MLB"


def _decimal(amount: int) -> str:
    whole, part = divmod(abs(amount), 10**18)
    digits = f"{part:018d}".rstrip("0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}.{digits}" if digits else f"{sign}{whole:,}"


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")
