"""`mlbridge stake`: what an address has at stake, and how it leaves."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from eth_utils.address import is_address, to_checksum_address

from contracts import reads, stakes
from contracts.chain import Chain
from contracts.sender import Sender
from contracts.stakes import Stake
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
from mlbridge.console import data, emit_json, mlb, moment, parse_ether, people
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Stake by role, and leaving: unbond, wait, withdraw.\n\n"
    "Stake that unbonds earns nothing, gives no weight, and can be slashed until it is withdrawn: so long "
    "what its seats did can still be judged. An operator stops serving first (mlbridge provider down).",
)


class RoleName(StrEnum):
    """What a stake stands for, as it is typed."""

    HOLDER = "holder"
    MODEL_PROVIDER = "model-provider"
    COMPUTE = "compute"
    VERIFIER = "verifier"

    @property
    def role(self) -> Role:
        return Role[self.name]


RoleArgument = Annotated[RoleName, typer.Argument(metavar="ROLE", help=", ".join(RoleName) + ".")]


@app.command()
def show(
    address: Annotated[str | None, typer.Argument(help="Default: the paying account.")] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stake of an address by role, what is unbonding, and when it can be withdrawn."""
    if address is None:
        account = find_account(find_network(network), key, password_file)
        if account is None:
            raise MLBridgeError(
                "account.none", "No address and no key was given.", hint="Name an address.", exit_code=2
            )
        address = str(account.address)
    if not is_address(address):
        raise MLBridgeError("account.bad_address", f"{address!r} is not an address.", exit_code=2)
    owner = str(to_checksum_address(address))

    async def work(chain: Chain) -> tuple[list[Stake], int]:
        held = [await stakes.stake_in(chain, owner, role) for role in Role]
        return held, int(await reads.call(chain.distributor.functions.unbondingDelay()))

    held, delay = read_chain(network, work)
    if as_json:
        emit_json(
            {
                "address": owner,
                "unbonding_delay_s": delay,
                "stakes": {_named(one): _facts(one) for one in held},
            }
        )
        return
    data.print(owner, markup=False)
    for one in held:
        if one.bonded or one.unbonding:
            data.print(f"  {_named(one):<14} {_told(one)}", markup=False)
    people.print(f"what is unbonded waits {delay:,} s before it can be withdrawn")


@app.command()
def unbond(
    role: RoleArgument,
    amount: Annotated[str, typer.Argument(metavar="MLB", help="How much to take out, or: all")],
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin to take stake out, with the key that staked. It can be withdrawn after the unbonding delay.

    What is left must reach the role's minimum, or be nothing. What was unbonding in this role before waits as
    long again.

    Example: mlbridge stake unbond compute all --keystore operator.json
    """
    wanted = None if amount == "all" else parse_ether(amount, "The amount", "MLB")

    async def work(chain: Chain, sender: Sender) -> Stake:
        return await stakes.unbond(chain, sender, role.role, wanted)

    found = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json({"role": role.value} | _facts(found))
    else:
        people.print(f"{_told(found)}; then: mlbridge stake withdraw {role.value}", soft_wrap=True)


@app.command()
def withdraw(
    role: RoleArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take home what has unbonded, with the key that staked. Again changes nothing."""

    async def work(chain: Chain, sender: Sender) -> int:
        return await stakes.withdraw(chain, sender, role.role)

    paid = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json({"role": role.value, "withdrawn_mlb": paid})
    elif paid:
        people.print(f"withdrew {mlb(paid)}")
    else:
        people.print(f"nothing was unbonding; begin with: mlbridge stake unbond {role.value} all")


def _named(stake: Stake) -> str:
    return RoleName[stake.role.name].value


def _facts(stake: Stake) -> dict[str, Any]:
    return {
        "bonded_mlb": stake.bonded,
        "unbonding_mlb": stake.unbonding,
        "release_at": stake.release_at if stake.unbonding else None,
        "minimum_mlb": stake.minimum,
    }


def _told(stake: Stake) -> str:
    waits = f", {mlb(stake.unbonding)} unbonding until {moment(stake.release_at)}" if stake.unbonding else ""
    return f"{mlb(stake.bonded)} at stake{waits}"
