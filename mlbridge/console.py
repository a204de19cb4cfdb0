"""How the command speaks: data on stdout, words for people on stderr, `--json` for machines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mlbridge.errors import MLBridgeError

T = TypeVar("T")
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
people = Console(stderr=True, highlight=False, emoji=False)
data = Console(highlight=False, emoji=False)
# What to pay at most where nobody says: some ten times what a demo task of three costs.
MAX_PRICE_WEI = 10**15


def emit_json(value: object) -> None:
    """One JSON document on stdout; bytes as 0x hex."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, sort_keys=False) + "\n")
    sys.stdout.flush()


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table of plain text on stdout; says so when there is nothing to show."""
    if not rows:
        people.print(f"{title}: none", markup=False)
        return
    drawn = Table(title=Text(title), title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))  # names and messages of strangers are no markup
    data.print(drawn)


def fail(error: MLBridgeError, *, as_json: bool) -> NoReturn:
    """Print what went wrong and the way out, then exit with the error's code."""
    if as_json:
        emit_json({"error": error.to_dict()})
    else:
        people.print(f"[red]error:[/red] {escape(error.message)}", soft_wrap=True)
        if error.hint:
            people.print(f"[dim]hint:[/dim]  {escape(error.hint)}", soft_wrap=True)
    raise SystemExit(error.exit_code)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous body."""
    return asyncio.run(work)


def eth(wei: int) -> str:
    """Wei as coin, exact to 18 places without trailing zeros."""
    return f"{_decimal(wei)} ETH"


def parse_ether(text: str, name: str, unit: str = "ETH") -> int:
    """Wei of an amount in ETH, or base units of one in MLB, to the last digit. name: of the option.

    Raises MLBridgeError `input.not_an_amount`.
    """
    try:
        with localcontext(Context(prec=78, traps=[InvalidOperation, Inexact])):
            amount = Decimal(text)
            wei = int(amount.scaleb(18).to_integral_exact()) if amount.adjusted() < 60 else -1
    except (ArithmeticError, ValueError):
        wei = -1
    if wei < 0:
        raise MLBridgeError(
            "input.not_an_amount",
            f"{name} takes an amount in {unit}, not {text!r}.",
            hint=f"For example {name} 0.001; at most 18 digits after the point.",
            exit_code=2,
        )
    return wei


def mlb(amount: int) -> str:
    """MLB base units (18 decimals) as MLB."""
    return f"{_decimal(amount)} MLB"


def moment(seconds: int) -> str:
    """Unix seconds as date and time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


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
