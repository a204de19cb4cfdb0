"""`mlbridge dissent`: have the channel lane's disagreements judged, and act on what the panel found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import dissents, reads, summons
from contracts.chain import Chain
from contracts.lane import Lane
from contracts.sender import Sender
from contracts.summons import CaseStatus
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    act_on_chain,
    open_client,
    parse_id,
    read_chain,
    using,
)
from mlbridge.cli.inputs import build_input, read_input, read_schema
from mlbridge.console import data, emit_json, mlb, moment, parse_ether, people, run_async
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import payload_root
from mlbridge.sdk import AsyncClient, LaneReceipt
from mlbridge.sdk.inputs import to_payload

_BEFORE = "opened before; nothing was paid again"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Disagreements of the channel lane, judged.\n\n"
    "A seat that attested another result than the verdict is on record, and costs nobody anything; an order "
    "whose seats disagree so that none wins fails, and costs nobody anything either. A case "
    "has a panel of others run the order again: open, then (by anybody, `mlbridge watch` does it) rule, "
    "condemn, conclude. Whoever attested another result than the panel's loses 10-50 % of its stake.",
)
OrderArgument = Annotated[
    str, typer.Argument(metavar="ORDER", help="Digest of the order, 0x and 64 hex digits: a receipt's name.")
]
AboutArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECEIPT|ORDER",
        help="Receipt file of the answer; or of an order that failed because its seats disagreed its "
        "idempotency key or digest.",
    ),
]


@app.command("open")
def open_(
    about: AboutArgument,
    dissenter: Annotated[
        int | None, typer.Option(metavar="ACCOUNT", help="Whose dissent. Default: the first one on record.")
    ] = None,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="Nobody dissented: have the answer checked that all seats agreed on."),
    ] = False,
    text: Annotated[
        str | None,
        typer.Option(
            "--input", help="The order's input as given to `run`. Default: as this machine kept it."
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Chat models: as given to `run`.")] = 64,
    json_schema: Annotated[
        str | None, typer.Option(metavar="FILE|JSON", help="Chat models: as given to `run`.")
    ] = None,
    max_bond: Annotated[
        str | None, typer.Option(metavar="MLB", help="Most to pay as bond. Default: ask, naming the price.")
    ] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a panel judge an order on which seats disagreed, or audit any order. Again changes nothing.

    Of an order with an answer, name its receipt: anybody may. An order whose seats disagreed so that it
    failed has none: name the order itself, on the machine that signed it. What its seats attested is known
    there, or asked of the coordinator and the seats.

    The bond comes back once as much stake was taken from whoever was wrong. If nobody was, half of it pays
    the panel, half is burned. Input and order become public.

    Example: mlbridge dissent open receipts/0x12ab.json --max-bond 1400
    """
    if audit and dissenter is not None:
        raise MLBridgeError(
            "dissent.two_ways",
            "An audit is about nobody's dissent.",
            hint="Leave out --audit or --dissenter.",
            exit_code=2,
        )
    most = None if max_bond is None else parse_ether(max_bond, "--max-bond", "MLB")
    given = None if text is None else read_input(text)
    schema = read_schema(json_schema)
    proof = LaneReceipt.load(Path(about)) if Path(about).exists() else None
    if proof is None and (audit or dissenter is not None or given is not None):
        raise MLBridgeError(
            "dissent.no_receipt",
            f"There is no receipt file {about}.",
            hint="--audit, --dissenter and --input go with a receipt; an order that failed needs none.",
            exit_code=2,
        )

    async def work(client: AsyncClient) -> dict[str, Any]:
        lane = (await client.lane_view()).lane

        async def agreed() -> int:
            return most if most is not None else _ask(await summons.case_bond(lane), as_json=as_json)

        if proof is None:
            return await _facts(lane, await _open_split(client, lane, about, agreed))
        order = proof.digest
        if (await summons.dissent_case(lane, order)).status is CaseStatus.NONE:
            who = summons.NOBODY if audit else await _dissenter(lane, proof, dissenter)
            payload = await _payload(client, proof, given, max_tokens, schema)
            sender = Sender(lane.chain, _account(client))
            await dissents.open_case(lane, sender, proof.evidence(), who, payload, most=await agreed())
        else:
            people.print(_BEFORE)
        return await _facts(lane, order)

    _tell(run_async(using(open_client(network, key, password_file), work)), as_json=as_json)


@app.command()
def show(order: OrderArgument, network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """The dissents on record about an order, its case, and what can be done now."""
    digest = _parse(order)

    async def work(chain: Chain) -> dict[str, Any]:
        return await _facts(_lane(chain), digest)

    _tell(read_chain(network, work), as_json=as_json)


@app.command()
def rule(
    order: OrderArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say on chain what the panel found in the terms of the order. Anybody may; again changes nothing."""
    digest = _parse(order)

    async def work(lane: Lane, sender: Sender) -> None:
        _require_judged(await summons.dissent_case(lane, digest), order)
        await dissents.rule(lane, sender, digest)

    _step(digest, work, network, key, password_file, as_json=as_json)


@app.command()
def condemn(
    order: OrderArgument,
    receipt: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also whoever attested the answer of this receipt, if it is wrong."
        ),
    ] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have everybody slashed that attested another result than the panel's. Anybody may, and gains nothing.

    Dissents are on record, and so is what a case about a failed order was opened with; what this machine was
    told of its own order counts too. Who agreed to a wrong verdict is known by its receipt: name it with
    --receipt.
    """
    digest = _parse(order)
    proof = None if receipt is None else LaneReceipt.load(receipt)
    if proof is not None and proof.digest != digest:
        raise MLBridgeError(
            "dissent.other_order",
            f"The receipt is of order 0x{proof.digest.hex()}.",
            hint="Name the receipt of the order that the case is about.",
            exit_code=2,
        )

    async def work(client: AsyncClient) -> dict[str, Any]:
        lane = (await client.lane_view()).lane
        sender = Sender(lane.chain, _account(client))
        if not any((await summons.dissent_case(lane, digest)).truth):
            raise MLBridgeError(
                "dissent.no_ruling",
                f"Nobody has ruled on order {order} yet.",
                hint=f"`mlbridge dissent show {order}` says how far its case is.",
                exit_code=6,
            )
        await dissents.condemn_reported(lane, sender, digest)
        await dissents.condemn_shown(lane, sender, digest)
        # A seat that is on no record, because whoever opened the case left it out.
        await dissents.condemn_known(lane, sender, digest, await client.attested_of_order(order))
        if proof is not None:
            await dissents.condemn_attested(lane, sender, proof.evidence())
        return await _facts(lane, digest)

    _tell(run_async(using(open_client(network, key, password_file), work)), as_json=as_json)


@app.command()
def conclude(
    order: OrderArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deal with a case's bond: back to the opener, or half to the reserve. Anybody may.

    Again changes nothing. Possible once the case took as much stake as the bond, when the panel was
    undecided, or a week after it.
    """
    digest = _parse(order)

    async def work(lane: Lane, sender: Sender) -> None:
        case = await summons.dissent_case(lane, digest)
        now = (await lane.chain.head()).timestamp
        if case.status is CaseStatus.CLOSED:
            return
        if not dissents.can_conclude(case, now):
            raise MLBridgeError(
                "dissent.open",
                f"The case about order {order} is {case.status.name.lower()}, and its bond waits.",
                hint=f"`mlbridge dissent show {order}` says what comes next.",
                exit_code=6,
            )
        await dissents.conclude(lane, sender, digest, now)

    _step(digest, work, network, key, password_file, as_json=as_json)


def _step(
    digest: bytes,
    work: Callable[[Lane, Sender], Awaitable[None]],
    network: str | None,
    key: Path | None,
    password_file: Path | None,
    *,
    as_json: bool,
) -> None:
    async def done(chain: Chain, sender: Sender) -> dict[str, Any]:
        lane = _lane(chain)
        await work(lane, sender)
        return await _facts(lane, digest)

    _tell(act_on_chain(network, key, password_file, done), as_json=as_json)


def _lane(chain: Chain) -> Lane:
    if chain.network.lane is None:
        raise MLBridgeError(
            "lane.not_deployed", f"Network {chain.network.name} has no channel lane.", exit_code=5
        )
    return Lane(chain, chain.network.lane)


def _account(client: AsyncClient) -> Any:
    if client.account is None:
        raise MLBridgeError("account.none", "This needs a key.", hint="Name one: --keystore.", exit_code=3)
    return client.account


async def _open_split(
    client: AsyncClient, lane: Lane, name: str, agreed: Callable[[], Awaitable[int]]
) -> bytes:
    """Open a case about an order that this machine signed and whose seats disagreed; its digest."""
    channel = await client.channel_of_order(name)
    try:
        order = await channel.signed(name)
        digest = order.digest(lane.domain)
        if (await summons.dissent_case(lane, digest)).status is not CaseStatus.NONE:
            people.print(_BEFORE)
            return digest
        attested = await channel.split(name)
        payload = await client.input_of_order(name)
        assert payload is not None  # noqa: S101 - channel_of_order found it
        sender = Sender(lane.chain, _account(client))
        await dissents.open_split(lane, sender, order, attested, payload, most=await agreed())
    finally:
        await channel.close_connection()
    return digest


async def _dissenter(lane: Lane, proof: LaneReceipt, wanted: int | None) -> int:
    found = await dissents.on_record(lane, proof.digest)
    for one in found:
        if one.account == wanted or (wanted is None and one.result != proof.evidence().result):
            return one.account
    whose = "Nobody's dissent" if wanted is None else f"No dissent of account {wanted}"
    raise MLBridgeError(
        "dissent.none",
        f"{whose} from the verdict on order 0x{proof.digest.hex()} is on record.",
        hint="Its coordinator puts on record who attested another result. If nobody did: --audit.",
        exit_code=5,
    )


async def _payload(
    client: AsyncClient, proof: LaneReceipt, given: str | None, max_tokens: int, schema: str | None
) -> bytes:
    """The order's input. Raises MLBridgeError `dissent.no_input`, `dissent.other_input`."""
    order = proof.task_order()
    if given is None:
        kept = await client.input_of_order("0x" + proof.digest.hex())
        if kept is not None:
            return kept
        raise MLBridgeError(
            "dissent.no_input",
            "This machine did not sign the order, so it does not know its input.",
            hint="Give it as it was given to `run`: --input TEXT (- reads stdin, @FILE a file).",
            exit_code=2,
        )
    kind = (await client.manifest(await client.model(order.model_id))).kind
    payload = to_payload(build_input(kind, given, max_tokens=max_tokens, schema=schema), kind)
    if payload_root(payload) != order.input_digest:
        raise MLBridgeError(
            "dissent.other_input",
            "This is not the input of the order: it has another digest.",
            hint="Give exactly what `run` was given, --max-tokens and --json-schema too.",
            exit_code=2,
        )
    return payload


def _ask(bond: int, *, as_json: bool) -> int:
    said = f"The bond is {mlb(bond)}; it comes back once as much was taken from whoever was wrong."
    if as_json or not sys.stdin.isatty():
        raise MLBridgeError(
            "dissent.bond_unknown",
            said,
            hint=f"Agree to it: --max-bond {mlb(bond).removesuffix(' MLB').replace(',', '')}",
            exit_code=2,
            bond=bond,
        )
    people.print(said, soft_wrap=True)
    typer.confirm("Pay it?", abort=True, err=True)
    return bond


def _require_judged(case: summons.DissentCase, order: str) -> None:
    if case.status is CaseStatus.NONE:
        raise MLBridgeError(
            "dissent.unknown",
            f"There is no case about order {order}.",
            hint="Open one with the order's receipt: mlbridge dissent open RECEIPT",
            exit_code=5,
        )
    if case.status is CaseStatus.JUDGING:
        panel = "0x" + case.review_id.hex()
        raise MLBridgeError(
            "dissent.judging",
            f"The panel {panel} has not decided yet.",
            hint=f"`mlbridge task show {panel}` says how far it is; `mlbridge task poke` moves it on.",
            exit_code=6,
        )


async def _facts(lane: Lane, order: bytes) -> dict[str, Any]:
    case, reported, shown, gone = await asyncio.gather(
        summons.dissent_case(lane, order),
        dissents.on_record(lane, order),
        dissents.shown(lane, order),
        dissents.condemned(lane, order),
    )
    now = (await lane.chain.head()).timestamp
    facts: dict[str, Any] = {
        "order": "0x" + order.hex(),
        "dissents": [
            {"account": one.account, "result": "0x" + one.result.hex(), "verdict": "0x" + one.verdict.hex()}
            for one in reported
        ],
        "attested": [
            {"account": one.message.account, "result": "0x" + one.message.result.hex()} for one in shown
        ],
        "status": case.status.name.lower(),
        "opener": case.opener,
        "bond_mlb": case.bond,
        "panel": "0x" + case.review_id.hex(),
        "panel_status": None,
        "truth": "0x" + case.truth.hex() if any(case.truth) else None,
        "confidence": case.confidence,
        "taken_mlb": case.taken,
        "condemned": sorted(gone),
        "until": case.until or None,
    }
    if any(case.review_id):
        facts["panel_status"] = (await reads.get_task(lane.chain, case.review_id)).status.name.lower()
    return facts | {"next": _next(case, facts, now)}


def _next(case: summons.DissentCase, facts: dict[str, Any], now: int) -> str:
    order = facts["order"]
    if case.status is CaseStatus.NONE:
        what = "mlbridge dissent open RECEIPT" if facts["dissents"] else "no dissent is on record"
        return f"No case is open: {what}."
    if case.status is CaseStatus.JUDGING:
        return f"A panel judges it: mlbridge task show {facts['panel']}"
    if case.status is CaseStatus.JUDGED:
        return f"The panel has decided: mlbridge dissent rule {order}"
    if dissents.can_conclude(case, now):
        return f"Its bond can be dealt with: mlbridge dissent conclude {order}"
    if case.status is CaseStatus.RULED:
        return (
            f"Whoever was wrong can be slashed: mlbridge dissent condemn {order}. The bond waits for "
            f"as much, until {moment(case.until)}."
        )
    return (
        "It is over; whoever was wrong stays punishable. Who was condemned wrongly may appeal while its "
        "slash waits: mlbridge slash list"
    )


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(facts)
        return
    advice = facts.pop("next")
    for name, value in facts.items():
        if name in ("dissents", "attested"):
            for one in value:
                data.print(
                    f"{name.removesuffix('s'):<13} account {one['account']}: {one['result']}", markup=False
                )
            continue
        shown = mlb(value) if name.endswith("_mlb") else value
        shown = moment(value) if name == "until" and value else shown
        data.print(f"{name:<13} {'-' if shown in (None, []) else shown}", soft_wrap=True, markup=False)
    people.print(advice, soft_wrap=True, markup=False)


def _parse(text: str) -> bytes:
    return parse_id(text, "an order", "A receipt's file is named after its order.")
