"""`mlbridge gov`: propose, vote, delegate, queue, execute, veto, and see where proposals stand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from eth_utils.address import is_address, to_checksum_address

from contracts.governance import Governance
from contracts.handover import check_governance
from contracts.proposal_file import read_proposal
from contracts.proposals import ProposalInfo, ProposalState, Support, id_text
from contracts.sender import Sender
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    read_chain,
)
from mlbridge.console import data, emit_json, mlb, moment, people, table
from mlbridge.errors import MLBridgeError

app = typer.Typer(no_args_is_help=True, help="Propose, vote, delegate, and carry out what was decided.")
T = TypeVar("T")
ProposalArgument = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="Proposal id, 0x and 64 hex digits.")
]


class Choice(StrEnum):
    """A vote as a person types it."""

    AGAINST = "against"
    FOR = "for"
    ABSTAIN = "abstain"


@app.command()
def propose(
    file: Annotated[Path, typer.Argument(help="YAML or JSON: description, category, calls.")],
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose the calls of a file and print the proposal's id."""
    written = read_proposal(file)
    category = written.chosen_category()

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        proposal_id = await gov.propose(sender, written.encoded(gov.addresses), written.description, category)
        return _facts(await gov.get(proposal_id))

    facts = _act(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"proposed as {facts['category']}; the vote opens {moment(facts['vote_opens'])}")
        data.print(facts["proposal"])


@app.command("list")
def list_proposals(network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """Every proposal, newest first."""

    async def work(gov: Governance) -> list[dict[str, Any]]:
        return [_facts(info) for info in reversed(await gov.proposals())]

    facts = _read(network, work)
    if as_json:
        emit_json(facts)
        return
    rows = [
        [item["proposal"], item["category"], item["state"], moment(item["vote_closes"]), item["description"]]
        for item in facts
    ]
    table("proposals", ["proposal", "category", "state", "vote closes", "description"], rows)


@app.command()
def show(proposal: ProposalArgument, network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """A proposal: what it calls, how the vote stands, when each step is due."""
    proposal_id = _parse(proposal)

    async def work(gov: Governance) -> dict[str, Any]:
        return _facts(await gov.get(proposal_id))

    facts = _read(network, work)
    if as_json:
        emit_json(facts)
        return
    unit = _weight if facts["quadratic"] else mlb
    for name, value in facts.items():
        if name in ("vote_opens", "vote_closes", "executable_from"):
            value = moment(value) if value else "not queued"
        elif name in ("for", "against", "abstain", "quorum"):
            value = "not known yet" if value is None else unit(value)
        if name != "calls":
            data.print(f"{name:<16} {value}", soft_wrap=True, markup=False)
    rows = [[call["to"], str(call["value_wei"]), call["data"]] for call in facts["calls"]]
    table("calls", ["to", "wei", "data"], rows)


@app.command()
def vote(
    proposal: ProposalArgument,
    choice: Annotated[Choice, typer.Argument(help="for, against or abstain.")],
    reason: Annotated[str, typer.Option(help="Kept with the vote.")] = "",
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Vote on a proposal. A vote cannot be changed."""
    proposal_id = _parse(proposal)

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        weight = await gov.vote(sender, proposal_id, Support[choice.name], reason)
        return {"proposal": id_text(proposal_id), "vote": choice.value, "weight": weight}

    facts = _act(network, key, password_file, work)
    emit_json(facts) if as_json else people.print(f"voted {choice.value}")


@app.command()
def delegate(
    to: Annotated[str | None, typer.Argument(help="Default: the account itself.")] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whom your MLB votes with. Undelegated MLB does not vote, not even for its holder."""
    if to is not None and not is_address(to):
        raise MLBridgeError("account.bad_address", f"{to!r} is not an address.", exit_code=2)

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        chosen = str(to_checksum_address(to or sender.address))
        await gov.delegate(sender, chosen)
        return {"delegate": chosen, "votes_mlb": await gov.votes_of(chosen)}

    facts = _act(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"{facts['delegate']} now has {mlb(facts['votes_mlb'])} of votes")


@app.command()
def enrol(
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter your stake in the roll of quadratic voters; it counts when it is mature."""

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        await gov.enrol(sender)
        return {"account": sender.address}

    facts = _act(network, key, password_file, work)
    emit_json(facts) if as_json else people.print("entered in the roll")


@app.command()
def queue(
    proposal: ProposalArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the delay of a proposal that was won. Anyone may."""
    proposal_id = _parse(proposal)

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        eta = await gov.queue(sender, proposal_id)
        return {"proposal": id_text(proposal_id), "executable_from": eta}

    facts = _act(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"queued; it can be executed from {moment(facts['executable_from'])} on")


@app.command()
def execute(
    proposal: ProposalArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry out a proposal whose delay is over. Anyone may."""
    _step(Governance.execute, proposal, network, key, password_file, as_json)


@app.command()
def veto(
    proposal: ProposalArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a proposal: the guardian until its delay is over, its proposer before the vote."""
    _step(Governance.cancel, proposal, network, key, password_file, as_json)


@app.command()
def pause(
    target: Annotated[str, typer.Argument(help="Name or address of a contract.")] = "MLBridge",
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop new work at a contract at once; by the guardian. Only a proposal ends a pause."""

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        address = gov.addresses.get(target, target)
        if not is_address(address):
            raise MLBridgeError("account.bad_address", f"There is no contract {target!r}.", exit_code=2)
        await gov.emergency_pause(sender, address)
        return {"paused": address}

    facts = _act(network, key, password_file, work)
    emit_json(facts) if as_json else people.print(f"paused {facts['paused']}")


@app.command()
def check(network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """Whether every power is where docs/design/roles.md says. Exits with 1 if one is not."""

    async def work(gov: Governance) -> list[str]:
        return await check_governance(gov.chain)

    wrong = _read(network, work)
    if as_json:
        emit_json({"ok": not wrong, "wrong": wrong})
    else:
        for line in wrong:
            data.print(f"[red]x[/red] {line}", soft_wrap=True)
        people.print("every power is where it should be" if not wrong else f"{len(wrong)} are not")
    raise typer.Exit(1 if wrong else 0)


def _step(
    step: Callable[[Governance, Sender, int], Awaitable[Any]],
    proposal: str,
    network: str | None,
    key: Path | None,
    password_file: Path | None,
    as_json: bool,
) -> None:
    proposal_id = _parse(proposal)

    async def work(gov: Governance, sender: Sender) -> dict[str, Any]:
        await step(gov, sender, proposal_id)
        state = await gov.state(proposal_id)
        return {"proposal": id_text(proposal_id), "state": state.name.lower()}

    facts = _act(network, key, password_file, work)
    emit_json(facts) if as_json else people.print(f"now {facts['state']}")


def _act(
    network_name: str | None,
    key: Path | None,
    password_file: Path | None,
    work: Callable[[Governance, Sender], Awaitable[T]],
) -> T:
    return act_on_chain(
        network_name, key, password_file, lambda chain, sender: work(Governance(chain), sender)
    )


def _read(network_name: str | None, work: Callable[[Governance], Awaitable[T]]) -> T:
    return read_chain(network_name, lambda chain: work(Governance(chain)))


def _parse(text: str) -> int:
    try:
        return int(text, 16 if text.startswith("0x") else 10)
    except ValueError as error:
        raise MLBridgeError(
            "proposal.bad_id",
            f"{text!r} is not a proposal's id.",
            hint="See the proposals with `mlbridge gov list`.",
            exit_code=2,
        ) from error


def _facts(info: ProposalInfo) -> dict[str, Any]:
    return {
        "proposal": id_text(info.id),
        "description": info.description,
        "category": info.category.name.lower(),
        "state": ProposalState(info.state).name.lower(),
        "proposer": info.proposer,
        "quadratic": info.quadratic,
        "vote_opens": info.snapshot,
        "vote_closes": info.deadline,
        "executable_from": info.eta,
        "for": info.for_,
        "against": info.against,
        "abstain": info.abstain,
        "quorum": info.quorum,
        "calls": [
            {"to": call.target, "value_wei": call.value, "data": "0x" + call.data.hex()}
            for call in info.calls
        ],
    }


def _weight(value: int) -> str:
    """Weight of the roll, in roots of whole MLB."""
    return f"{value / 10**9:,.3f} roots of MLB"
