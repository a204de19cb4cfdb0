"""`mlbridge slash`: what was taken from an operator, until when it can be undone, and how it ended."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from eth_utils.address import is_address, to_checksum_address

from contracts.appeals import AppealInfo, Appeals, Outcome
from contracts.chain import Chain
from contracts.sender import Sender
from contracts.slashes import CaseStatus, HeldSlash, Slashes
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    find_account,
    find_network,
    parse_id,
    read_chain,
)
from mlbridge.console import data, emit_json, mlb, moment, people, table
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Slashes that wait before they are final.\n\n"
    "A heavy slash leaves the stake at once, and its MLB wait: a wrong one can be appealed (mlbridge appeal) "
    "or undone by governance.",
)
CaseArgument = Annotated[
    str, typer.Argument(metavar="CASE", help="Id of a held slash, 0x and 64 hex digits.")
]
LIST: Final = "See them with `mlbridge slash list ADDRESS`."


@app.command("list")
def list_slashes(
    operator: Annotated[
        str | None, typer.Argument(metavar="OPERATOR", help="Address that staked. Default: the key's.")
    ] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The slashes of an operator's accounts that wait or waited, newest first."""
    if operator is None:
        account = find_account(find_network(network), key, password_file)
        operator = "" if account is None else str(account.address)
    if not is_address(operator):
        raise MLBridgeError(
            "account.bad_address",
            f"{operator!r} is not an address.",
            hint="Name the address that staked, or its keystore with --keystore.",
            exit_code=2,
        )
    address = str(to_checksum_address(operator))

    async def work(chain: Chain) -> tuple[list[dict[str, Any]], int]:
        slashes, appeals = Slashes(chain), Appeals(chain)
        held = await slashes.of_operator(address)
        threshold, _ = await slashes.rules()
        return [facts_of(slash, await appeals.of_case(slash.id)) for slash in held], threshold

    found, threshold = read_chain(network, work)
    if as_json:
        emit_json(found)
        return
    rows = [
        [item["case"], item["fault"], mlb(item["amount_mlb"]), item["status"], _until(item)] for item in found
    ]
    table("held slashes", ["case", "why", "taken", "status", "final from"], rows)
    people.print(f"slashes of at most {threshold / 100:g} % of the stake are final at once, and not listed")


@app.command()
def show(case: CaseArgument, network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """A held slash: what was taken, why, until when it can be undone, what can be done now."""
    case_id = parse_case(case)

    async def work(chain: Chain) -> tuple[dict[str, Any], str]:
        slash = await Slashes(chain).get(case_id)
        appeal = await Appeals(chain).of_case(case_id)
        return facts_of(slash, appeal), next_step(slash, appeal, (await chain.head()).timestamp)

    facts, advice = read_chain(network, work)
    if as_json:
        emit_json(facts | {"next": advice})
        return
    for name, value in facts.items():
        if name.endswith("_mlb"):
            value = mlb(value)
        elif name in ("slashed_at", "final_from"):
            value = moment(value) if value else "-"
        if name != "appeal":
            data.print(f"{name:<16} {'-' if value is None else value}", soft_wrap=True, markup=False)
    if facts["appeal"] is not None:
        for name, value in facts["appeal"].items():
            shown = mlb(value) if name.endswith("_mlb") else value
            data.print(f"appeal.{name:<9} {shown}", soft_wrap=True, markup=False)
    people.print(advice, soft_wrap=True, markup=False)


@app.command()
def finalise(
    case: CaseArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry out a slash whose window is over. Anyone may; again changes nothing."""
    case_id = parse_case(case)

    async def work(chain: Chain, sender: Sender) -> dict[str, Any]:
        slashes = Slashes(chain)
        await slashes.finalise(sender, await slashes.get(case_id))
        return facts_of(await slashes.get(case_id), await Appeals(chain).of_case(case_id))

    facts = act_on_chain(network, key, password_file, work)
    emit_json(facts) if as_json else people.print(
        f"{mlb(facts['amount_mlb'])} are {facts['status']} for good"
    )


def parse_case(text: str) -> bytes:
    """The id of a case as typed. Raises MLBridgeError `id.invalid`."""
    return parse_id(text, "a held slash", LIST)


def facts_of(slash: HeldSlash, appeal: AppealInfo | None) -> dict[str, Any]:
    """What is to be known of a held slash, as JSON. Amounts in MLB base units, times in unix seconds."""
    case = slash.case
    return {
        "case": "0x" + slash.id.hex(),
        "task": "0x" + case.task_id.hex(),
        "operator": slash.operator,
        "account": case.account,
        "fault": case.fault.name.lower(),
        "amount_mlb": case.amount,
        "basis_points": case.basis_points,
        "slashed_at": case.slashed_at,
        "status": str(slash.ending) if slash.ending else slash.status.name.lower(),
        "final_from": slash.until,
        "appealable": slash.appealable,
        "appeal": None if appeal is None else appeal_facts(appeal),
    }


def appeal_facts(appeal: AppealInfo) -> dict[str, Any]:
    """What is to be known of an appeal, as JSON."""
    return {
        "review": "0x" + appeal.review_id.hex(),
        "appellant": appeal.appellant,
        "bond_mlb": appeal.bond,
        "outcome": appeal.outcome.name.lower(),
        "settled": appeal.concluded,
    }


def next_step(slash: HeldSlash, appeal: AppealInfo | None, now: int) -> str:
    """What can be done about a held slash now, in a sentence. now: the chain's time."""
    case = "0x" + slash.id.hex()
    if slash.status is CaseStatus.CLOSED:
        return "It is over."
    if slash.status is CaseStatus.APPEALED and appeal is not None:
        review = "0x" + appeal.review_id.hex()
        if appeal.outcome is Outcome.PENDING:
            return f"A panel judges it: mlbridge appeal show {review}"
        return f"The panel has decided: mlbridge appeal settle {review}"
    if slash.until is not None and now > slash.until:
        return f"Its window is over; it is final once anybody says so: mlbridge slash finalise {case}"
    veto = "Governance may undo it until then: mlbridge gov propose (SlashEscrow.veto)."
    if slash.status is CaseStatus.HELD and slash.appealable:
        return f"The operator may appeal until then: mlbridge appeal open {case}. {veto}"
    return veto


def _until(facts: dict[str, Any]) -> str:
    return moment(facts["final_from"]) if facts["final_from"] else "-"
