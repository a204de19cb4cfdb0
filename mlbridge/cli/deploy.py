"""`mlbridge deploy`: every contract on a chain, at addresses that are the same on every chain."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from eth_account.signers.local import LocalAccount

from contracts import artifacts, create3, keystore
from contracts.chain import Endpoint
from contracts.chain_profile import ChainProfile, find_profile, load_profile
from contracts.deploy import SALT
from contracts.deploy import deploy as deploy_all
from contracts.deploy_table import Part, Plan
from contracts.governance_deploy import deploy_governance
from contracts.governance_params import DEVNET_GOVERNANCE, PUBLIC_GOVERNANCE
from contracts.network import RPC_ENV, Network, find_file, load_network
from contracts.rpc import public_part
from contracts.survey import Survey, require_able, require_coins, survey
from mlbridge.cli.context import KEY_ENV, JsonOption, PasswordFileOption
from mlbridge.console import data, emit_json, people, run_async, table
from mlbridge.devnet import accounts
from mlbridge.errors import MLBridgeError

OPTIONAL = (Part.CHANNELS, Part.REVIEWS, Part.GOVERNANCE)


@dataclass(frozen=True)
class Wish:
    """What the command was asked for. out: where the deployment is written."""

    profile: ChainProfile
    plan: Plan
    out: Path
    account: LocalAccount | None


def deploy(
    network: Annotated[
        str,
        typer.Option(
            "--network", help="A chain's name or file: configs/networks/*.yaml, such as base-sepolia."
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--keystore",
            "--key",
            envvar=KEY_ENV,
            help="Keystore of the deployer. Default on anvil: its first key.",
        ),
    ] = None,
    password_file: PasswordFileOption = None,
    parts: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="PARTS",
            help="channels, reviews, governance, with commas. May be added by a later run. Default: none.",
        ),
    ] = "",
    rpc_url: Annotated[
        str | None,
        typer.Option(
            "--rpc-url", envvar=RPC_ENV, help="A node of the chain. Default: the open one of its file."
        ),
    ] = None,
    salt: Annotated[
        str,
        typer.Option(help="Names one of several deployments of the same key. It decides the addresses."),
    ] = SALT,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the result. Default: deployments/NAME.json.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be made and what it would cost; send nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put every contract of the network on a chain, and write the addresses to one JSON file.

    The same key and --salt give the same addresses on every chain; nobody else can take them.

    A run that was cut off goes on when started again; one with nothing to do sends nothing.

    Choices in the chain's file that are unsafe on that chain are refused, with the way out.

    First:   mlbridge deploy --network base-sepolia --keystore deployer.json --with channels --dry-run

    Then:    the same without --dry-run

    Later:   mlbridge deploy --network base-sepolia --keystore deployer.json --with reviews,governance

    Use it:  mlbridge model list --network deployments/base-sepolia.json

    With governance the key has no power left in the end.

    Given a deployment's file instead of a chain's, --with governance puts that one under token holders.

    Read docs/design/deployment.md before you deploy where coins are worth something.
    """
    wanted = _parts(parts)
    file = find_profile(network)
    if file is None:
        deployed = find_file(network)
        _govern(load_network(deployed), out or deployed, key, password_file, wanted, salt, as_json=as_json)
        return
    profile = load_profile(file)
    if rpc_url:
        profile = profile.model_copy(update={"rpc_url": rpc_url})
    profile.check()
    address, account = _deployer(profile, key, password_file, dry_run=dry_run)
    timelock = create3.contract_address(address, salt, artifacts.TIMELOCK)
    plan = Plan(address, salt, profile.params().with_owners(address, timelock))
    if Part.CHANNELS not in wanted:
        plan = replace(plan, params=replace(plan.core, lane=None))
    if Part.REVIEWS not in wanted:
        plan = replace(plan, params=replace(plan.core, reviews=None))
    if Part.GOVERNANCE in wanted:
        plan = replace(plan, governance=profile.governance())
    wish = Wish(profile, plan, out or Path("deployments") / f"{profile.name}.json", account)
    found = run_async(_look(wish, pay=not dry_run))
    if dry_run:
        emit_json(_survey_facts(wish, found)) if as_json else _show_survey(wish, found)
        return
    if not as_json and not yes and found.gas and sys.stdin.isatty():
        _show_survey(wish, found)
        typer.confirm("Send these transactions?", abort=True, err=True)
    told = _Counter(len(plan.rows()), quiet=as_json)
    done = run_async(_carry_out(wish, told))
    _end(done, wish.out, as_json=as_json)


async def _look(wish: Wish, *, pay: bool) -> Survey:
    async with await Endpoint.open(wish.profile.rpc_url) as endpoint:
        if endpoint.chain_id != wish.profile.chain_id:
            raise MLBridgeError(
                "deploy.wrong_chain",
                f"{public_part(wish.profile.rpc_url)} serves chain {endpoint.chain_id}, but"
                f" {wish.profile.name} is chain {wish.profile.chain_id}.",
                hint="Name a node of the right chain with --rpc-url, or choose another network.",
                exit_code=2,
            )
        await require_able(endpoint, wish.profile, wish.plan)
        found = await survey(endpoint, wish.plan)
        if pay:
            require_coins(found, wish.profile.coin)
        return found


async def _carry_out(wish: Wish, told: Callable[[str], None]) -> Network:
    profile, plan = wish.profile, wish.plan
    if wish.account is None:
        raise _no_key()
    return await deploy_all(
        profile.rpc_url,
        wish.account,
        plan.core,
        name=profile.name,
        salt=plan.salt,
        governance=plan.governance,
        chain_id=profile.chain_id,
        network_file=wish.out,
        confirmations=profile.confirmations,
        block_time=profile.block_time,
        storage_url=profile.storage_url,
        drand_relays=profile.drand_relays,
        tx_gas_cap=min(profile.gas.tx_cap, profile.gas.block_limit),
        progress=told,
    )


def _govern(
    network: Network,
    out: Path,
    key: Path | None,
    password_file: Path | None,
    wanted: frozenset[Part],
    salt: str,
    *,
    as_json: bool,
) -> None:
    if wanted != {Part.GOVERNANCE}:
        raise MLBridgeError(
            "deploy.deployed",
            f"{network.name} is deployed; only governance can be added to the file of a deployment.",
            hint="Use --with governance, or name the chain's own file for anything else.",
            exit_code=2,
        )
    local = network.chain_id == accounts.CHAIN_ID
    if key is None and not local:
        raise _no_key()
    account = accounts.deployer() if key is None else keystore.load(key, password_file=password_file)
    params = DEVNET_GOVERNANCE if local else PUBLIC_GOVERNANCE
    told = _Counter(3, quiet=as_json)
    done = run_async(deploy_governance(network, account, params, salt=salt, network_file=out, progress=told))
    _end(done, out, as_json=as_json)


def _end(done: Network, out: Path, *, as_json: bool) -> None:
    if as_json:
        emit_json(done.model_dump(mode="json") | {"file": str(out)})
        return
    people.print(f"{done.name} stands on chain {done.chain_id} since block {done.start_block}", markup=False)
    data.print(str(out), markup=False, soft_wrap=True)


class _Counter:
    """Tells a person how far it is."""

    def __init__(self, contracts: int, *, quiet: bool) -> None:
        self._contracts = contracts
        self._quiet = quiet
        self._done = 0

    def __call__(self, name: str) -> None:
        self._done += 1
        if not self._quiet:
            people.print(f"[green]+[/green] {self._done:>2} of {self._contracts}  {name}", highlight=False)


def _deployer(
    profile: ChainProfile, key: Path | None, password_file: Path | None, *, dry_run: bool
) -> tuple[str, LocalAccount | None]:
    """Address, and the account where something is to be sent: a look needs no password."""
    if key is None:
        if profile.chain_id != accounts.CHAIN_ID:
            raise _no_key()
        return str(accounts.deployer().address), accounts.deployer()
    if dry_run:
        return keystore.address_of(key), None
    account = keystore.load(key, password_file=password_file)
    return str(account.address), account


def _no_key() -> MLBridgeError:
    return MLBridgeError(
        "account.none",
        "A deployment needs a key, and its address decides the addresses of all contracts.",
        hint="Name a keystore file with --keystore.",
        exit_code=3,
    )


def _parts(text: str) -> frozenset[Part]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {part.value: part for part in OPTIONAL}
    for name in names:
        if name not in known:
            raise MLBridgeError(
                "deploy.unknown_part",
                f"--with takes {', '.join(known)}, not {name!r}.",
                hint="For example --with channels,governance.",
                exit_code=2,
            )
    return frozenset(known[name] for name in names)


def _show_survey(wish: Wish, found: Survey) -> None:
    rows = [
        [item.name, item.address, "stands" if item.stands else f"up to {item.gas:,} gas"]
        for item in found.found
    ]
    table(
        f"{wish.profile.name}, chain {found.chain_id}, by {wish.plan.deployer}", ["contract", "at", ""], rows
    )
    owners = {name: getattr(wish.plan.core, name) for name in ("admin", "treasury", "team", "ecosystem")}
    owners |= {name: getattr(wish.plan.core, name) for name in ("liquidity", "reserve_fund")}
    for name, owner in owners.items():
        people.print(f"{name:<13} {owner}", markup=False)
    coin = wish.profile.coin
    people.print(
        f"up to {found.gas:,} gas, {found.cost / 10**18:.6g} {coin} now; the deployer holds"
        f" {found.balance / 10**18:.6g} {coin}",
        markup=False,
    )


def _survey_facts(wish: Wish, found: Survey) -> dict[str, Any]:
    return {
        "network": wish.profile.name,
        "chain_id": found.chain_id,
        "deployer": wish.plan.deployer,
        "salt": wish.plan.salt,
        "contracts": [
            {"name": item.name, "address": item.address, "stands": item.stands, "gas": item.gas}
            for item in found.found
        ],
        "gas": found.gas,
        "gas_price_wei": found.gas_price,
        "cost_wei": found.cost,
        "balance_wei": found.balance,
    }
