"""`mlbridge rewards`: what the reward pool owes an address, why, and fetching it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from eth_utils.address import is_address, to_checksum_address

from contracts import reads
from contracts.chain import Chain
from contracts.rewards import Rewards, Standing, Terms
from contracts.sender import Sender
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    find_account,
    find_network,
    read_chain,
)
from mlbridge.console import data, emit_json, eth, mlb, moment, people
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What the reward pool owes for stake, uptime, fees and votes.\n\n"
    "A running provider fetches its own by itself, and has inflation minted; model providers and holders "
    "fetch theirs here.",
)


@app.command()
def show(
    address: Annotated[str | None, typer.Argument(help="Default: the paying account.")] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What an address can fetch now, what it was paid, and what the formulas multiply."""
    owner = _owner(address, network, key, password_file)

    async def work(chain: Chain) -> dict[str, Any]:
        rewards = Rewards(chain)
        return _facts(await rewards.standing(owner), await rewards.terms(owner))

    facts = read_chain(network, work)
    if as_json:
        emit_json(facts)
        return
    _print(facts)


@app.command()
def claim(
    address: Annotated[
        str | None, typer.Argument(help="Whose rewards, paid to itself. Default: the paying account.")
    ] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch everything: check in a compute account (with its own key), collect fees and votes, claim.

    Fees count from the first claim of a season on, so claim once when you begin to earn.
    """
    owner = _owner(address, network, key, password_file)

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        done = await Rewards(chain).fetch(sender, owner)
        return {"address": owner, "claimed_mlb": done.claimed, "steps": done.steps, "refused": done.refused}

    facts = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json(facts)
        return
    for line in facts["refused"]:
        people.print(line, soft_wrap=True, markup=False)
    people.print(f"claimed {mlb(facts['claimed_mlb'])} ({', '.join(facts['steps']) or 'nothing was due'})")


@app.command()
def mint(
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the inflation that is due minted into the reward pool. Anybody may, for the gas and nothing else.

    What nobody has minted in time is there later, so no call is ever missed; again changes nothing within an
    epoch of 300 s. Running providers do it by themselves.
    """

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        minted = await Rewards(chain).mint(sender)
        supply = int(await reads.call(chain.token.functions.inflationMinted()))
        return {"minted_mlb": minted, "inflation_mlb": supply}

    facts = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json(facts)
        return
    minted = mlb(facts["minted_mlb"]) if facts["minted_mlb"] else "nothing was due"
    people.print(f"minted: {minted}; inflation so far {mlb(facts['inflation_mlb'])}")


@app.command("lower-rebate")
def lower_rebate(
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lower the fee rebate to the protocol fee, where governance took that below it. Anybody may.

    Every collection of fees does so first; this does it without one. Again changes nothing.
    """

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        before, after = await Rewards(chain).lower_rebate(sender)
        return {"before_bps": before, "after_bps": after}

    facts = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    elif facts["after_bps"] < facts["before_bps"]:
        people.print(f"lowered from {facts['before_bps'] / 100:g} % to {facts['after_bps'] / 100:g} %")
    else:
        people.print(f"it is {facts['after_bps'] / 100:g} %, no more than the protocol fee")


def _owner(address: str | None, network: str | None, key: Path | None, password_file: Path | None) -> str:
    if address is None:
        account = find_account(find_network(network), key, password_file)
        if account is None:
            raise MLBridgeError(
                "account.none", "No address and no key was given.", hint="Name an address.", exit_code=2
            )
        address = str(account.address)
    if not is_address(address):
        raise MLBridgeError("account.bad_address", f"{address!r} is not an address.", exit_code=2)
    return str(to_checksum_address(address))


def _facts(standing: Standing, terms: Terms) -> dict[str, Any]:
    interval = standing.interval
    return {
        "address": standing.owner,
        "pending_mlb": standing.pending,
        "owed_mlb": standing.owed,
        "uptime_mlb": standing.uptime,
        "checked_in_at": None if interval is None or interval.since == 0 else interval.since,
        "fees_mlb": standing.rebate.amount,
        "fees_count": not standing.rebate.opens,
        "votes_mlb": standing.votes,
        "claimed_mlb": standing.claimed,
        "credited_mlb": {stream.name.lower(): amount for stream, amount in standing.credited.items()},
        "formula": asdict(terms),
    }


def _print(facts: dict[str, Any]) -> None:
    formula = facts["formula"]
    rates, checked = formula["rates"], facts["checked_in_at"]
    uptime = "no compute account" if facts["uptime_mlb"] is None else mlb(facts["uptime_mlb"])
    counted = "" if facts["fees_count"] else "   fees count from the first claim on"
    credited = ", ".join(f"{name} {mlb(value)}" for name, value in facts["credited_mlb"].items() if value)
    rows = {
        "address": facts["address"],
        "pending": f"{mlb(facts['pending_mlb'])}, of which",
        "  claimable": mlb(facts["owed_mlb"]),
        "  uptime": uptime + (f" since {moment(checked)}" if checked else ""),
        "  fees": mlb(facts["fees_mlb"]) + counted,
        "  votes": mlb(facts["votes_mlb"]),
        "claimed": mlb(facts["claimed_mlb"]),
        "credited": credited or "nothing yet",
        "staking": f"{mlb(formula['staked'])} at {rates['staking_rate'] / 100:g} % a year",
        "serving": f"{mlb(formula['compute'])} at {rates['uptime_rate'] / 100:g} % a year, "
        f"early bonus {formula['early_bonus'] / 100:g} %",
        "seat fees": f"{eth(formula['seat_fees_wei'])} earned",
        "model fees": f"{eth(formula['model_fees_wei'])} earned, quality {formula['quality'] / 100:g} %",
        "rebate": f"half of {rates['rebate_fee'] / 100:g} % of fees, {mlb(rates['mlb_per_coin'])} a coin",
    }
    for name, value in rows.items():
        data.print(f"{name:<12} {value}", soft_wrap=True, markup=False)
