"""What `mlbridge run` and `mlbridge task submit` share: which model, for how much, and never twice."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.markup import escape

from contracts.errors import ContractError
from contracts.reads import ModelInfo
from mlbridge.cli.inputs import build_input
from mlbridge.console import MAX_PRICE_WEI, eth, parse_ether, people
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient, TaskEndedError, TaskHandle

MOST_NAMED = 3

MaxPriceOption = Annotated[
    str,
    typer.Option("--max-price", metavar="ETH", help="Most to pay, in ETH; nothing is sent above it."),
]
IdempotencyOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="The same key never pays twice: repeat it to resume. Default: a new one, which is printed.",
    ),
]
JsonSchemaOption = Annotated[
    str | None,
    typer.Option(
        "--json-schema",
        metavar="FILE|JSON",
        help="Chat models on vLLM: a JSON schema that the answer is to fit.",
    ),
]
MAX_PRICE = eth(MAX_PRICE_WEI).removesuffix(" ETH")


@dataclass
class Order:
    """A task to pay for, and what came of it. price: most to pay, in ETH; text: as typed; schema: as spelt.

    handle: once the task has an id; warnings: sentences for people and for --json.
    """

    model: str
    text: str
    max_tokens: int
    price: str
    seats: int | None = None
    deadline: int | None = None
    key: str | None = None
    schema: str | None = None
    handle: TaskHandle | None = None
    warnings: list[str] = field(default_factory=list)

    async def place(self, client: AsyncClient) -> TaskHandle:
        """Pay for it, unless its key names a task that was paid before. Raises as AsyncClient.submit."""
        most = parse_ether(self.price, "--max-price")
        info, self.warnings = await choose(client, self.model)
        kind = (await client.manifest(info)).kind
        value = build_input(kind, self.text, max_tokens=self.max_tokens, schema=self.schema)
        with self.resumable():
            found = await client.submit(
                info,
                value,
                seats=self.seats,
                deadline_s=self.deadline,
                max_price_wei=most,
                idempotency_key=self.key,
                announce=self._announce,
            )
        if self.handle is None:
            people.print(f"task {found.task_id}, paid for before")
        self.handle = found
        return found

    def _announce(self, handle: TaskHandle) -> None:
        """Before a payment leaves: what whoever is cut off now needs afterwards."""
        self.handle = handle
        people.print(f"task {handle.task_id}")
        people.print(f"[dim]  {escape(self._way_back(handle))}[/dim]", soft_wrap=True)

    @staticmethod
    def _way_back(handle: TaskHandle) -> str:
        key = shlex.quote(handle.idempotency_key or "")
        return (
            f"If this is cut off: mlbridge task wait {handle.task_id}   "
            f"(or repeat it with --idempotency-key {key}, which does not pay twice)"
        )

    @contextmanager
    def resumable(self) -> Iterator[None]:
        """Errors after the payment may have left say how to go on without paying again."""
        try:
            yield
        except (TaskEndedError, ContractError):
            raise  # it is over, or nothing was paid
        except MLBridgeError as error:
            if self.handle is None:
                raise
            facts = {"task": self.handle.task_id, "idempotency_key": self.handle.idempotency_key}
            raise MLBridgeError(
                error.code,
                error.message,
                hint=f"{error.hint} {self._way_back(self.handle)}".strip(),
                exit_code=error.exit_code,
                **(error.context | facts),
            ) from error


async def choose(client: AsyncClient, name: str) -> tuple[ModelInfo, list[str]]:
    """The model of a name or id, and a warning, told on stderr too, when others have its name."""
    info = await client.model(name)
    if info.name != name:
        return info, []
    others = await client.namesakes(info)
    if not others:
        return info, []
    listed = ", ".join("0x" + other.hex() for other in others[:MOST_NAMED])
    more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    warning = (
        f"{len(others) + 1} models are called {name}. This is the oldest active one, 0x{info.id.hex()}; "
        f"the others are {listed}{more}. Name the id to choose another."
    )
    people.print(f"warning: {warning}", markup=False, soft_wrap=True)
    return info, [warning]
