"""`mlbridge run --lane channel`: an order from an open channel, without a transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from mlbridge.cli.inputs import build_input
from mlbridge.cli.paying import choose
from mlbridge.console import data, emit_json, eth, parse_ether, people
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncChannel, AsyncClient, ChannelResult
from mlbridge.sdk.channel import DEFAULT_S, DEFAULT_SEATS

RECEIPTS: Final = Path("receipts")
ChannelOption = Annotated[
    str | None,
    typer.Option("--channel", help="Id of the channel to pay from. Default: the fullest open one."),
]


@dataclass(frozen=True)
class ChannelWish:
    """What was typed. price: most to pay, in ETH; deadline: seconds for each committee; stream: show the
    answer while it is made; schema: as spelt.
    """

    model: str
    text: str
    max_tokens: int
    price: str
    seats: int | None
    deadline: int | None
    key: str | None
    channel: str | None
    stream: bool = False
    schema: str | None = None


class _Shown:
    """What of an answer is on the screen already."""

    def __init__(self) -> None:
        self.text = ""

    def tell(self, text: str) -> None:
        """The answer so far."""
        data.print(text[len(self.text) :], end="", soft_wrap=True, markup=False, highlight=False)
        self.text = text


async def run_on_channel(client: AsyncClient, wish: ChannelWish, receipts: Path, as_json: bool) -> None:
    """Place the order, show the answer, keep the receipt."""
    most = parse_ether(wish.price, "--max-price")
    shown = _Shown() if wish.stream and not as_json else None
    async with client:
        info, warnings = await choose(client, wish.model)
        kind = (await client.manifest(info)).kind
        value = build_input(kind, wish.text, max_tokens=wish.max_tokens, schema=wish.schema)
        channel = await pick(client, wish.channel)
        try:
            if not await channel.drawable():
                people.print("[dim]  waiting for the next epoch's seed, which draws the committee[/dim]")
                await channel.until_drawable()
            found = await channel.order(
                info.id,
                value,
                seats=wish.seats or DEFAULT_SEATS,
                max_price_wei=most,
                deadline_s=wish.deadline or DEFAULT_S,
                idempotency_key=wish.key,
                announce=_announce,
                hear=shown.tell if shown is not None else None,
            )
        finally:
            await channel.close_connection()
    file = await asyncio.to_thread(keep_receipt, found, receipts)
    if as_json:
        emit_json(answer_facts(found, file) | {"warnings": warnings})
        return
    if shown is None or not shown.text:
        data.print(answer_text(found), soft_wrap=True, markup=False)
    else:
        data.print()
    people.print(
        f"  order {found.order}: confidence {found.confidence:.0%}, committee "
        f"{', '.join(map(str, found.committee))}, cost {eth(found.cost_wei)}",
        soft_wrap=True,
        markup=False,
    )
    people.print(f"  check it:  mlbridge verify {file}", soft_wrap=True, markup=False)


def keep_receipt(found: ChannelResult, receipts: Path) -> Path:
    """Write a result's receipt into a folder; its file."""
    receipts.mkdir(parents=True, exist_ok=True)
    file = receipts / f"{found.order}.json"
    found.receipt.save(file)
    return file


async def pick(client: AsyncClient, wanted: str | None) -> AsyncChannel:
    """The channel to pay from. Raises MLBridgeError `channel.none`, or what AsyncClient.channel raises."""
    if wanted is not None:
        return await client.channel(wanted)
    usable = [
        (state.balance, terms.channel())
        for terms, state, url in await client.channels()
        if url is not None and state.closes_at == 0 and state.balance > 0
    ]
    if not usable:
        raise MLBridgeError(
            "channel.none",
            "This account has no open channel with money in it.",
            hint="Open one: mlbridge channel open URL --deposit 0.01",
            exit_code=4,
        )
    return await client.channel(max(usable)[1])


def _announce(sequence: int, key: str) -> None:
    people.print(f"[dim]  order {sequence} of the channel; to resume it: --idempotency-key {key}[/dim]")


def answer_facts(found: ChannelResult, file: Path) -> dict[str, object]:
    """The same for machines. file: of its receipt."""
    return {
        "order": found.order,
        "sequence": found.sequence,
        "output": found.output.model_dump(),
        "confidence": found.confidence,
        "committee": list(found.committee),
        "cost_wei": str(found.cost_wei),
        "price_wei": str(found.price_wei),
        "idempotency_key": found.idempotency_key,
        "receipt": str(file),
    }


def answer_text(found: ChannelResult) -> str:
    """The answer in words."""
    fields = found.output.model_dump()
    if "text" in fields:
        return str(fields["text"])
    if "label" in fields:
        return str(fields["label"])
    vector = fields.get("embedding", b"")
    return f"a vector of {len(vector) // 4} numbers"
