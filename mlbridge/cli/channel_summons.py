"""`mlbridge channel orders` and `summon`: what was signed, and asking on chain for what nobody answered."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from contracts.summons import SummonsStatus
from mlbridge.cli.channel_orders import RECEIPTS, answer_text, keep_receipt
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client, using
from mlbridge.console import data, emit_json, eth, moment, parse_ether, people, run_async, table
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.exchange import parse_offer
from mlbridge.sdk import AsyncChannel, AsyncClient, SummonedOrder
from mlbridge.sdk.channel_book import Kept
from mlbridge.sdk.lane_summons import bond_with_margin, order_id

ChannelArgument = Annotated[str, typer.Argument(metavar="CHANNEL", help="Id of a channel, 0x hex.")]
_PAUSE_S: Final = 1.0


def orders(
    channel: ChannelArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the orders that this machine signed for a channel, newest first, and how each ended.

    The answer to one that stays open or failed can be had of its seats (mlbridge channel fetch). Where they
    came to no verdict they can be asked on chain (mlbridge channel summon).
    """

    async def work(client: AsyncClient) -> list[dict[str, Any]]:
        found = await client.channel(channel)
        try:
            domain = (await client.lane_view()).lane.domain
            return [_order(kept, order_id(kept, domain)) for kept in await found.orders()]
        finally:
            await found.close_connection()

    rows = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(rows)
        return
    shown = [
        [str(row["sequence"]), row["state"], row["idempotency_key"], row["order"], row["reason"] or ""]
        for row in rows
    ]
    table("orders", ["sequence", "state", "idempotency key", "order", "why it failed"], shown)


def summon(
    order: Annotated[
        str,
        typer.Argument(
            metavar="ORDER", help="Idempotency key that `run` printed, or 0x digest of the order."
        ),
    ],
    max_bond: Annotated[
        str | None,
        typer.Option(metavar="ETH", help="Most to send along as bond. Default: ask, naming the price."),
    ] = None,
    wait: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="Look for the answer so long before ending.")
    ] = 0,
    receipts: Annotated[Path, typer.Option(help="Folder that receipts are written to.")] = RECEIPTS,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the seats of a signed order again, on chain, where whoever stays silent loses stake.

    For an order that its coordinator does not bring an answer to, and that its seats have none for yet
    (mlbridge channel fetch, which costs nothing). The seats follow from the epoch's seed, so
    no coordinator is needed. Order and input become public. The bond pays each seat that answers what its gas
    costs; the rest comes back (mlbridge account claim). Again changes nothing, and shows the answer once the
    seats have opened it.

    Example: mlbridge channel summon 3f8a90c1d2e4b5f6 --max-bond 0.02 --wait 300
    """
    most = None if max_bond is None else parse_ether(max_bond, "--max-bond")

    async def work(client: AsyncClient) -> SummonedOrder:
        channel = await client.channel_of_order(order)
        try:
            found = await channel.summoned(order)
            if found.state.status is SummonsStatus.NONE and found.result is None:
                agreed = most if most is not None else await _ask(client, channel, order, as_json=as_json)
                found = await channel.summon(order, max_bond_wei=agreed)
            until = asyncio.get_running_loop().time() + wait
            while _waits(found) and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(_PAUSE_S)
                found = await channel.summoned(order)
            return found
        finally:
            await channel.close_connection()

    found = run_async(using(open_client(network, key, password_file), work))
    file = None if found.result is None else keep_receipt(found.result, receipts)
    if as_json:
        emit_json(_facts(found, file))
    else:
        _print(found, file)


def _waits(found: SummonedOrder) -> bool:
    return found.result is None and found.state.status is SummonsStatus.OPEN


async def _ask(client: AsyncClient, channel: AsyncChannel, name: str, *, as_json: bool) -> int:
    """The bond that a person agreed to. Raises MLBridgeError `summons.bond_unknown` if nobody is there."""
    view = await client.lane_view()
    kept = next(one for one in await channel.orders() if name in (one.key, order_id(one, view.lane.domain)))
    seats = parse_offer(kept.offer).order.message.seats
    bond = await bond_with_margin(view, seats)
    said = f"The bond for {seats} seats is {eth(bond)}; what the answers' gas does not take comes back."
    if as_json or not sys.stdin.isatty():
        amount = eth(bond).removesuffix(" ETH")
        raise MLBridgeError(
            "summons.bond_unknown", said, hint=f"Agree to it: --max-bond {amount}", exit_code=2, bond_wei=bond
        )
    people.print(said, soft_wrap=True)
    typer.confirm("Send it?", abort=True, err=True)
    return bond


def _order(kept: Kept, digest: str) -> dict[str, Any]:
    return {
        "order": digest,
        "sequence": kept.sequence,
        "idempotency_key": kept.key,
        "state": kept.state,
        "reason": kept.reason,
    }


def _facts(found: SummonedOrder, file: Path | None) -> dict[str, Any]:
    state, result = found.state, found.result
    return {
        "order": found.order,
        "sequence": found.sequence,
        "idempotency_key": found.idempotency_key,
        "status": state.status.name.lower(),
        "summoner": state.summoner,
        "seats": list(state.seats),
        "committed": [seat for place, seat in enumerate(state.seats) if state.committed >> place & 1],
        "opened": [seat for place, seat in enumerate(state.seats) if state.opened >> place & 1],
        "commit_until": state.commit_until,
        "reveal_until": state.reveal_until,
        "fee_wei": str(state.fee),
        "shown": found.shown,
        "output": None if result is None else result.output.model_dump(),
        "confidence": None if result is None else result.confidence,
        "receipt": None if file is None else str(file),
    }


def _print(found: SummonedOrder, file: Path | None) -> None:
    state = found.state
    if found.result is not None:
        data.print(answer_text(found.result), soft_wrap=True, markup=False)
        people.print(f"  check it:  mlbridge verify {file}", soft_wrap=True, markup=False)
        people.print("  what is left of the bond, once the summons is closed: mlbridge account claim")
        return
    people.print(
        f"order {found.order}: {len(state.seats)} seats summoned, {state.committed.bit_count()} committed, "
        f"{state.opened.bit_count()} opened",
        soft_wrap=True,
        markup=False,
    )
    if found.shown:
        people.print(
            "its verdict was there already and was shown; its coordinator tells it: "
            f"mlbridge run with --lane channel --idempotency-key {found.idempotency_key}",
            soft_wrap=True,
            markup=False,
        )
    elif state.status is SummonsStatus.ENDED:
        people.print(
            "it is over without a verdict; who was silent has lost stake, and nothing was paid for it"
        )
    else:
        people.print(
            f"they commit until {moment(state.commit_until)} and open until {moment(state.reveal_until)}; "
            "the same command shows the answer then"
        )
