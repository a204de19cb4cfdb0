"""`mlbridge appeal`: have a slash judged again by a larger panel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import reads
from contracts.appeals import Appeals, Price
from contracts.chain import Chain
from contracts.sender import Sender
from contracts.slashes import HeldSlash, Slashes
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    parse_id,
    read_chain,
)
from mlbridge.cli.slashes import CaseArgument, appeal_facts, facts_of, parse_case
from mlbridge.console import data, emit_json, mlb, parse_ether, people
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Have a slash judged again, by a larger panel that nobody of the case sat on.\n\n"
    "Only a result that judges found wrong can be appealed, of a task or of an order of the channel lane, by "
    "the operator, with a bond: it comes back unless the panel finds against the operator too.",
)
ReviewArgument = Annotated[
    str, typer.Argument(metavar="REVIEW", help="Id of the appeal's panel, 0x and 64 hex digits.")
]


@app.command("open")
def open_(
    case: CaseArgument,
    max_bond: Annotated[
        str | None, typer.Option(metavar="MLB", help="Most to pay as bond. Default: ask, naming the price.")
    ] = None,
    fund: Annotated[
        str,
        typer.Option(
            "--fund-reserve",
            metavar="MLB",
            help="Most to add to the model's dispute reserve if it cannot pay the panel; not returned.",
        ),
    ] = "0",
    result: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Orders of the channel lane: the payload that the account attested, byte for byte. "
            "Needed only if no judge showed the same.",
        ),
    ] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Appeal a held slash with the key that staked, and print the panel's id. Again changes nothing.

    Two more than judged the case before hear it, and nobody who sat in it or judged it.

    Example: mlbridge appeal open 0xCASE --keystore operator.json --max-bond 1400
    """
    case_id = parse_case(case)
    most = None if max_bond is None else parse_ether(max_bond, "--max-bond", "MLB")
    extra = parse_ether(fund, "--fund-reserve", "MLB")
    mine = None if result is None else _read(result)

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        slash, appeals = await Slashes(chain).get(case_id), Appeals(chain)
        found = await appeals.of_case(case_id)
        if found is None:
            agreed = most if most is not None else _ask(slash, await appeals.price(slash), as_json=as_json)
            found = await appeals.open(sender, slash, most=agreed, fund=extra, result=mine)
        else:
            people.print("appealed before; nothing was paid again")
        return facts_of(await Slashes(chain).get(case_id), found)

    facts = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"appealed with a bond of {mlb(facts['appeal']['bond_mlb'])}")
        data.print(facts["appeal"]["review"])


@app.command()
def show(review: ReviewArgument, network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """How far an appeal is, and what its panel said."""
    review_id = _parse(review)

    async def work(chain: Chain) -> dict[str, Any]:
        appeal = await Appeals(chain).get(review_id)
        panel = await reads.get_task(chain, review_id)
        return appeal_facts(appeal) | {
            "case": "0x" + appeal.case_id.hex(),
            "panel": panel.status.name.lower(),
            "seats": panel.seats,
            "committed": panel.committed,
            "revealed": panel.revealed,
        }

    facts = read_chain(network, work)
    if as_json:
        emit_json(facts)
        return
    for name, value in facts.items():
        shown = mlb(value) if name.endswith("_mlb") else value
        data.print(f"{name:<10} {shown}", soft_wrap=True, markup=False)


@app.command()
def settle(
    review: ReviewArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply what an appeal's panel said. Anyone may; again changes nothing.

    Won: stake and bond come back. Undecided: the bond comes back. Lost: neither does.
    """
    review_id = _parse(review)

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        slashes, appeals = Slashes(chain), Appeals(chain)
        appeal = await appeals.get(review_id)
        settled = await appeals.conclude(sender, appeal, await slashes.get(appeal.case_id))
        return facts_of(await slashes.get(appeal.case_id), settled)

    facts = act_on_chain(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"the appeal was {facts['appeal']['outcome']}; the slash is {facts['status']}")


def _ask(slash: HeldSlash, price: Price, *, as_json: bool) -> int:
    """The bond that a person agreed to. Raises MLBridgeError `appeal.bond_unknown` if nobody can be asked."""
    said = (
        f"The bond is {mlb(price.bond)}, for a panel of {price.seats}; "
        f"the slash took {mlb(slash.case.amount)}. A lost appeal loses the bond."
    )
    if as_json or not sys.stdin.isatty():
        raise MLBridgeError(
            "appeal.bond_unknown",
            said,
            hint=f"Agree to it: --max-bond {mlb(price.bond).removesuffix(' MLB').replace(',', '')}",
            exit_code=2,
            bond=price.bond,
        )
    people.print(said, soft_wrap=True)
    typer.confirm("Pay it?", abort=True, err=True)
    return price.bond


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MLBridgeError(
            "input.unreadable", f"The result {file} cannot be read ({error.strerror}).", exit_code=2
        ) from error


def _parse(text: str) -> bytes:
    return parse_id(text, "an appeal", "`mlbridge slash show CASE` names the appeal of a slash.")
