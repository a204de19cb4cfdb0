"""`mlbridge channel`: payment channels for orders that need no transaction."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from contracts.channels import ChannelState
from mlbridge.cli import channel_fetch, channel_summons
from mlbridge.cli.channel_summons import ChannelArgument
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client, using
from mlbridge.console import data, emit_json, eth, parse_ether, people, run_async, table
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.sdk import AsyncClient

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Open, show, top up and close payment channels; fetch answers from their seats, or summon these.\n\n"
    "A channel is a deposit to one coordinator. Orders are signed, not sent to the chain; what is not spent "
    'comes home when it is closed. Then: mlbridge run minilm "hello" --lane channel',
)
UrlOption = Annotated[
    str | None,
    typer.Option("--coordinator", help="URL of its coordinator or a gateway; default: where it was last."),
]


@app.command("open")
def open_(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Of the coordinator to pay through, or of a gateway.")
    ],
    deposit: Annotated[str, typer.Option(metavar="ETH", help="What it can spend at most, in ETH.")],
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a channel. Its first order can be drawn a committee in the next epoch.

    Example: mlbridge channel open http://127.0.0.1:8546 --deposit 0.01
    """
    amount = parse_ether(deposit, "--deposit")

    async def work(client: AsyncClient) -> dict[str, Any]:
        channel = await client.open_channel(url, amount)
        await channel.close_connection()
        return _facts(channel.terms, await channel.state(), url)

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
    else:
        people.print(f"opened with {eth(amount)}; orders from epoch {facts['opened_in'] + 1} on")
        data.print(facts["id"])


@app.command()
def show(
    channel: ChannelArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a channel stands."""

    async def work(client: AsyncClient) -> dict[str, Any]:
        for terms, state, url in await client.channels():
            if "0x" + terms.channel().hex() == channel.lower():
                return _facts(terms, state, url)
        raise MLBridgeError(
            "channel.unknown",
            f"This account has no channel {channel}.",
            hint="See: mlbridge channel list",
            exit_code=5,
        )

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
        return
    for name, value in facts.items():
        data.print(f"{name:14} {_shown(name, value)}", soft_wrap=True, markup=False)


@app.command("list")
def list_(
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List this account's channels."""

    async def work(client: AsyncClient) -> list[dict[str, Any]]:
        return [_facts(terms, state, url) for terms, state, url in await client.channels()]

    rows = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(rows)
        return
    shown = [
        [
            row["id"],
            eth(int(row["balance_wei"])),
            str(row["floor"]),
            row["state"],
            row["coordinator_url"] or "?",
        ]
        for row in rows
    ]
    table("channels", ["id", "balance", "orders done", "state", "coordinator"], shown)


@app.command("top-up")
def top_up(
    channel: ChannelArgument,
    amount: Annotated[str, typer.Option(metavar="ETH", help="What to add, in ETH.")],
    url: UrlOption = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add to a channel's deposit."""
    wei = parse_ether(amount, "--amount")

    async def work(client: AsyncClient) -> dict[str, Any]:
        found = await client.channel(channel, url=url)
        await found.close_connection()
        await found.top_up(wei)
        return _facts(found.terms, await found.state(), found.url)

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
    else:
        people.print(f"balance {eth(int(facts['balance_wei']))}")


@app.command()
def close(
    channel: ChannelArgument,
    url: UrlOption = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin to close a channel, and end it once its delay is over: call it again then.

    Until the delay is over, what was signed can still be settled. What is left can then be claimed.
    """

    async def work(client: AsyncClient) -> dict[str, Any]:
        found = await client.channel(channel, url=url)
        await found.close_connection()
        due = await found.close()
        return {"id": channel, "closed": due == 0, "due_at": due or None}

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
    elif facts["closed"]:
        people.print("closed; what was left can be claimed: mlbridge account claim")
    else:
        people.print(f"closing; call it again from {facts['due_at']} (unix seconds) on")


def _facts(terms: ChannelTerms, state: ChannelState, url: str | None) -> dict[str, Any]:
    open_or_closed = "open" if state.deposited else "closed"
    return {
        "id": "0x" + terms.channel().hex(),
        "state": "closing" if state.closes_at else open_or_closed,
        "requester": terms.requester,
        "coordinator": terms.coordinator,
        "url": url,
        "balance_wei": str(state.balance),
        "deposited_wei": str(state.deposited),
        "floor": state.floor,
        "opened_in": terms.opened_in,
        "share_bps": terms.coordinator_share,
        "protocol_bps": terms.protocol_share,
        "closes_at": state.closes_at or None,
    }


def _shown(name: str, value: Any) -> str:
    return eth(int(value)) if name.endswith("_wei") else str(value if value is not None else "-")


app.command()(channel_summons.orders)
app.command()(channel_fetch.fetch)
app.command()(channel_summons.summon)
