"""`mlbridge account`: what an address holds, stakes and can claim."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from eth_utils.address import is_address, to_checksum_address

from contracts import keystore, summons
from contracts.chain import Chain
from contracts.network import Network
from contracts.reads import account_id, get_account
from contracts.sender import Sender
from contracts.stakes import release_vested
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    find_account,
    find_network,
)
from mlbridge.console import data, emit_json, eth, mlb, parse_ether, people, run_async
from mlbridge.devnet import accounts
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Balances, stakes and claims of an address."
)


@app.command()
def show(
    address: Annotated[str | None, typer.Argument(help="Default: the paying account.")] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Balances in coin and MLB, stakes by role, reputation, and what can be claimed."""
    chosen = find_network(network)
    if address is None:
        account = find_account(chosen, key, password_file)
        if account is None:
            raise MLBridgeError(
                "account.none", "No address and no key was given.", hint="Name an address.", exit_code=2
            )
        address = str(account.address)
    if not is_address(address):
        raise MLBridgeError("account.bad_address", f"{address!r} is not an address.", exit_code=2)
    facts = run_async(_facts(chosen, to_checksum_address(address)))
    if as_json:
        emit_json(facts)
        return
    data.print(f"{facts['address']}  on {chosen.name}", markup=False)
    data.print(f"  balance      {eth(facts['balance_wei'])}, {mlb(facts['balance_mlb'])}")
    data.print(f"  claimable    {eth(facts['claimable_wei'])}, {mlb(facts['claimable_mlb'])}")
    for role, amount in facts["stakes"].items():
        if amount:
            data.print(f"  stake        {mlb(amount)} as {role}")
    for held in facts["accounts"]:
        jailed = "   [red]jailed[/red]" if held["jailed_until"] else ""
        data.print(
            f"  account {held['id']:<4} {held['role']}, reputation {held['reputation'] / 100:.2f} %, "
            f"unbonding {mlb(held['unbonding'])}{jailed}"
        )


@app.command()
def claim(
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take home what the paying account has earned or got back, in coin and MLB; bonds of summonses too."""
    chosen = find_network(network)
    account = find_account(chosen, key, password_file)
    if account is None:
        raise MLBridgeError(
            "account.none",
            "Claiming needs a key.",
            hint="Name one with --keystore.",
            exit_code=3,
        )
    taken = run_async(_claim(chosen, account))
    if as_json:
        emit_json(taken)
    else:
        people.print(f"claimed {eth(taken['wei'])} and {mlb(taken['mlb'])}")


@app.command()
def release(
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay what has vested of the team's share to its owner. Anybody may; for the gas, and nothing else."""
    owner, paid = act_on_chain(network, key, password_file, release_vested)
    if as_json:
        emit_json({"owner": owner, "released_mlb": paid})
    else:
        people.print(f"{owner} got {mlb(paid)} that had vested" if paid else "nothing has vested since")


@app.command()
def fund(
    who: Annotated[list[str], typer.Argument(metavar="WHO...", help="Addresses, or keystore files.")],
    coins: Annotated[str, typer.Option("--eth", metavar="ETH", help="Coin for each.")] = "10",
    tokens: Annotated[str, typer.Option("--mlb", metavar="MLB", help="MLB for each.")] = "100000",
    network: NetworkOption = None,
    as_json: JsonOption = False,
) -> None:
    """On a devnet only: give coin and MLB from its treasury, so that a new operator can stake."""
    chosen = find_network(network)
    if chosen.chain_id != accounts.CHAIN_ID:
        raise MLBridgeError(
            "account.no_treasury",
            f"Only a devnet (chain {accounts.CHAIN_ID}) gives money away, not {chosen.name}.",
            hint="Buy or ask for coin and MLB, and send them to the address.",
            exit_code=2,
        )
    gift = {"wei": parse_ether(coins, "--eth"), "mlb": parse_ether(tokens, "--mlb", "MLB")}
    funded = [{"address": _address(name)} | gift for name in who]
    run_async(_fund(chosen, funded))
    if as_json:
        emit_json({"funded": funded})
        return
    for item in funded:
        people.print(f"{item['address']} has {eth(gift['wei'])} and {mlb(gift['mlb'])} more")


def _address(name: str) -> str:
    """A checksummed address, from one or from a keystore file."""
    if is_address(name):
        return str(to_checksum_address(name))
    if Path(name).is_file():
        return keystore.address_of(name)
    raise MLBridgeError(
        "account.bad_address", f"{name!r} is neither an address nor a keystore file.", exit_code=2
    )


async def _fund(network: Network, funded: list[dict[str, Any]]) -> None:
    async with await Chain.connect(network) as chain:
        treasury = Sender(chain, accounts.deployer())
        for item in funded:
            if item["wei"]:
                await treasury.transfer(item["address"], item["wei"])
            if item["mlb"]:
                await treasury.send(chain.token.functions.transfer(item["address"], item["mlb"]))


async def _facts(network: Network, address: str) -> dict[str, Any]:
    async with await Chain.connect(network) as chain:
        ledger = chain.distributor.functions
        held = []
        for role in (Role.COMPUTE, Role.VERIFIER):
            number = await account_id(chain, address, role)
            if number:
                found = await get_account(chain, number)
                held.append(
                    {
                        "id": number,
                        "role": role.name.lower(),
                        "reputation": found.reputation,
                        "unbonding": found.unbonding,
                        "jailed_until": found.jailed_until,
                        "weight": found.weight,
                    }
                )
        return {
            "address": address,
            "balance_wei": await chain.w3.eth.get_balance(to_checksum_address(address)),
            "balance_mlb": await chain.token.functions.balanceOf(address).call(),
            "claimable_wei": await ledger.claimable(address).call() + await summons.due(chain, address),
            "claimable_mlb": await ledger.claimableTokens(address).call(),
            "stakes": {role.name.lower(): await ledger.stakeOf(address, role).call() for role in Role},
            "accounts": held,
        }


async def _claim(network: Network, account: Any) -> dict[str, int]:
    async with await Chain.connect(network) as chain:
        sender = Sender(chain, account)
        ledger = chain.distributor.functions
        taken = {
            "wei": int(await ledger.claimable(account.address).call()),
            "mlb": int(await ledger.claimableTokens(account.address).call()),
        }
        if taken["wei"]:
            await sender.send(ledger.claim(account.address))
        if taken["mlb"]:
            await sender.send(ledger.claimTokens(account.address))
        taken["wei"] += await summons.withdraw_due(chain, sender, account.address)
        return taken
