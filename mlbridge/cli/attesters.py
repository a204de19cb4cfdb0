"""`mlbridge attester`: the set whose aggregate signature stands under batches of the channel lane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import attesters, bls, blskey, keystore
from contracts.attesters import Member
from contracts.chain import Chain
from contracts.lane import Lane
from contracts.sender import Sender
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    read_chain,
)
from mlbridge.console import data, emit_json, people, table
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Join the attesters that sign batches of the channel lane together.\n\n"
    "Some networks count one aggregate signature of a set of attesters (BlsAttestations). To be in it: "
    "mlbridge attester key FILE, then mlbridge attester register ACCOUNT --bls-keystore FILE with the "
    "operator's key, and then mlbridge watch --attest ACCOUNT --bls-keystore FILE, which signs.",
)
BlsKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--bls-keystore", help="File of the account's BLS key, as `mlbridge attester key` makes it."
    ),
]
BlsPasswordFileOption = Annotated[
    Path | None,
    typer.Option("--bls-password-file", help=f"File with its password (or set {blskey.PASSWORD_ENV})."),
]
AccountArgument = Annotated[
    int, typer.Argument(metavar="ACCOUNT", min=1, help="Staking account; see `mlbridge account show`.")
]


@app.command("key")
def make_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; must not exist.")],
    password_file: BlsPasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a BLS key in an encrypted file (ERC-2335), readable by its owner only. Prints the public key.

    It signs batches, so it lies where `mlbridge watch --attest` runs. Whoever has it can attest in the
    account's name, and move none of its money.
    """
    password = keystore.password_from(env=blskey.PASSWORD_ENV, file=password_file)
    key = "0x" + bls.compress_key(blskey.create(file, password)).hex()
    if as_json:
        emit_json({"file": str(file), "key": key})
        return
    people.print(f"written to {file}; next: mlbridge attester register ACCOUNT --bls-keystore {file}")
    data.print(key, soft_wrap=True)


@app.command()
def register(
    account: AccountArgument,
    bls_keystore: BlsKeyOption = None,
    bls_password_file: BlsPasswordFileOption = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join the set from the next epoch on, with the account's present weight, as its operator.

    --keystore is the operator's key, which staked; the BLS key proves that its secret is in your hands.

    Example: mlbridge attester register 7 --bls-keystore attester.json --keystore operator.json
    """
    if bls_keystore is None:
        raise MLBridgeError(
            "attesters.no_key",
            "Joining needs a BLS key.",
            hint="Make one with `mlbridge attester key FILE`, then name it: --bls-keystore FILE",
            exit_code=2,
        )
    secret = blskey.load(bls_keystore, password_file=bls_password_file)

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        lane = _lane(chain)
        if not await attesters.counts_aggregates(lane):
            raise MLBridgeError(
                "attesters.not_asked",
                "This network counts single signatures under batches, so nobody would ask for this key.",
                hint=f"Attest with a node key: mlbridge watch --attest {account} --keystore NODE",
                exit_code=2,
            )
        await attesters.register(lane, sender, account, secret)
        return _facts(await attesters.member_of(lane, account)) | {
            "from_epoch": await lane.current_epoch() + 1
        }

    facts = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json(facts)
        return
    people.print(
        f"account {account} signs from epoch {facts['from_epoch']} on, with weight {facts['weight']}"
    )
    people.print(f"next: mlbridge watch --attest {account} --bls-keystore {bls_keystore}")


@app.command()
def refresh(
    account: AccountArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a member weighs now, from the next epoch on; with anybody's key.

    A weight is recorded when its account joins. Run it after staking more, or about others whose stake is
    gone: a member that weighs nothing loses its place.
    """

    async def work(chain: Chain, sender: Sender) -> dict[str, Any] | None:
        lane = _lane(chain)
        await attesters.refresh(lane, sender, account)
        found = await attesters.attester_set(lane, await lane.current_epoch() + 1)
        return _facts(found.members[account]) if account in found.members else None

    member = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json({"account": account, "member": member})
    elif member is None:
        people.print(f"account {account} weighs nothing and lost its place")
    else:
        people.print(f"account {account} weighs {member['weight']}")


@app.command()
def leave(
    account: AccountArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave the set from the next epoch on, as the account's operator. Until then it still counts."""

    async def work(chain: Chain, sender: Sender) -> int:
        lane = _lane(chain)
        await attesters.unregister(lane, sender, account)
        return await lane.current_epoch() + 1

    epoch = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json({"account": account, "gone_from_epoch": epoch})
    else:
        people.print(f"account {account} is out from epoch {epoch} on")


@app.command("list")
def list_members(network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """The set of the next epoch: who is in it, with which weight and key."""

    async def work(chain: Chain) -> list[dict[str, Any]]:
        lane = _lane(chain)
        found = await attesters.attester_set(lane, await lane.current_epoch() + 1)
        return [_facts(member) for member in sorted(found.members.values(), key=lambda one: one.account)]

    members = read_chain(network, work)
    if as_json:
        emit_json(members)
        return
    rows = [[str(one["account"]), str(one["weight"]), one["key"][:18] + "..."] for one in members]
    table("attesters", ["account", "weight", "key"], rows)


def _facts(member: Member) -> dict[str, Any]:
    key = "0x" + bls.compress_key(member.key).hex()
    return {"account": member.account, "place": member.place, "weight": member.weight, "key": key}


def _lane(chain: Chain) -> Lane:
    if chain.network.lane is None:
        raise MLBridgeError(
            "lane.not_deployed",
            f"Network {chain.network.name} has no channel lane.",
            hint="Name a network file that has one with --network.",
            exit_code=5,
        )
    return Lane(chain, chain.network.lane)
