"""`mlbridge channel fetch`: an answer from the seats themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlbridge.cli.channel_orders import RECEIPTS, answer_facts, answer_text, keep_receipt
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client, using
from mlbridge.console import data, emit_json, eth, people, run_async
from mlbridge.sdk import AsyncClient, ChannelResult


def fetch(
    order: Annotated[
        str,
        typer.Argument(
            metavar="ORDER", help="Idempotency key that `run` printed, or 0x digest of the order."
        ),
    ],
    node: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Base URL of a provider's node to ask, may be repeated. Default: those that the network's "
            "file and the channel's coordinator name.",
        ),
    ] = None,
    receipts: Annotated[Path, typer.Option(help="Folder that receipts are written to.")] = RECEIPTS,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Get the answer to a signed order from its seats, whatever its coordinator says.

    For an order whose coordinator withholds the answer, lies, or is gone; `run` does the same by itself while
    it waits. Seats hand over what they attested, to the order's requester alone, for as long as the order can
    be settled. It costs nothing beside the order's own price. An order that its seats were never brought, or
    whose set nobody closed, has no answer and no price; its seats can be summoned (mlbridge channel summon).

    Example: mlbridge channel fetch 3f8a90c1d2e4b5f6 --node https://gpu.example/m
    """

    async def work(client: AsyncClient) -> ChannelResult:
        channel = await client.channel_of_order(order)
        try:
            return await channel.fetch(order)
        finally:
            await channel.close_connection()

    found = run_async(using(open_client(network, key, password_file, nodes=node or ()), work))
    file = keep_receipt(found, receipts)
    if as_json:
        emit_json(answer_facts(found, file))
        return
    data.print(answer_text(found), soft_wrap=True, markup=False)
    people.print(
        f"  order {found.order}: confidence {found.confidence:.0%}, committee "
        f"{', '.join(map(str, found.committee))}, cost {eth(found.cost_wei)}",
        soft_wrap=True,
        markup=False,
    )
    people.print(f"  check it:  mlbridge verify {file}", soft_wrap=True, markup=False)
