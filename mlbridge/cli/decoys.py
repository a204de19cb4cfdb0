"""`mlbridge decoys`: cases with planted wrong results, which make judging without looking lose money."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.decoys import Decoys
from contracts.sender import Sender
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client, using
from mlbridge.cli.decoy_facts import (
    facts_of,
    input_of,
    own_account,
    place_of,
    result_payload,
    secret_of,
    secrets_of,
    tell,
)
from mlbridge.cli.inputs import build_input, read_input, read_schema
from mlbridge.cli.paying import JsonSchemaOption
from mlbridge.console import data, emit_json, mlb, parse_ether, people, run_async
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import decode_input
from mlbridge.sdk import AsyncClient
from mlbridge.sdk.decoy_secrets import LENGTH
from mlbridge.sdk.inputs import payload_for

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Cases with planted wrong results.\n\n"
    "Three authors bring results for an input, some wrong on purpose; a panel votes without knowing which; "
    "who did not look is fined. Authors: enlist, then bring and reveal in each case, with the key that "
    "staked as verifier. Anybody: open, draw, panel, settle, fund. `show` says what comes next.",
)
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Name or id of a model.")]
CaseArgument = Annotated[int, typer.Argument(metavar="CASE", min=1, help="Number of a case.")]
TurnOption = Annotated[
    int,
    typer.Option(min=0, help="Decoys: which bend of the input; the first whose result is not the right one."),
]


@app.command()
def enlist(
    model: ModelArgument,
    length: Annotated[int, typer.Option(min=1, help="Cases that the chain of secrets is good for.")] = LENGTH,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List your verifier as an author of a model that it serves, or begin a new chain of secrets.

    The secrets are kept in the MLBridge home (decoys/). An author that is drawn and does not bring and reveal
    is fined three judges' fees: whoever stops serving retires first.
    """

    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        model_id = (await client.model(model)).id
        account = await own_account(decoys.chain, sender.address)
        anchor = secrets_of(decoys, model_id, account).fresh(length)
        await decoys.enlist(sender, model_id, account, anchor)
        return {
            "account": account,
            "anchor": "0x" + anchor.hex(),
            "authors": await decoys.author_count(model_id),
        }

    facts = _act(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"account {facts['account']} is one of {facts['authors']} authors; a draw needs three")


@app.command()
def retire(
    model: ModelArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave a model's list of authors; not while one of its cases runs. Again changes nothing."""

    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        model_id = (await client.model(model)).id
        account = await own_account(decoys.chain, sender.address)
        await decoys.retire(sender, model_id, account)
        return {"account": account, "authors": await decoys.author_count(model_id)}

    facts = _act(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(f"account {facts['account']} is no author; {facts['authors']} are left")


@app.command()
def fund(
    amount: Annotated[str, typer.Argument(metavar="MLB", help="What authors are to be paid from.")],
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give MLB to pay authors with: a judge's fee for each good result. It does not come back."""
    units = parse_ether(amount, "The amount", "MLB")

    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        await decoys.fund(sender, units)
        return {"given_mlb": units, "funds_mlb": await decoys.funds()}

    facts = _act(network, key, password_file, work)
    emit_json(facts) if as_json else people.print(f"authors are paid from {mlb(facts['funds_mlb'])}")


@app.command("open")
def open_(
    model: ModelArgument,
    text: Annotated[str, typer.Argument(metavar="INPUT", help="The input; - reads stdin, @FILE a file.")],
    max_tokens: Annotated[int, typer.Option(help="Chat models: most tokens to generate.")] = 64,
    json_schema: JsonSchemaOption = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a case about a model and print its number. Anybody may, once an interval.

    Its panel is paid from the model's dispute reserve.
    """
    given, schema = read_input(text), read_schema(json_schema)

    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        info = await client.model(model)
        manifest = await client.manifest(info)
        asked = build_input(manifest.kind, given, max_tokens=max_tokens, schema=schema)
        payload = payload_for(asked, manifest)
        return await facts_of(decoys, await decoys.open(sender, info.id, payload))

    facts = _act(network, key, password_file, work)
    if as_json:
        emit_json(facts)
    else:
        people.print(facts["next"])
        data.print(facts["case"])


@app.command()
def draw(
    case: CaseArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a case's authors, from two blocks after its opening on. Anybody may; again changes nothing."""
    _step(
        case, lambda decoys, sender: decoys.draw(sender, case), network, key, password_file, as_json=as_json
    )


@app.command()
def show(
    case: CaseArgument,
    turn: TurnOption = 0,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where a case stands and what comes next; to an author with its key, what it is to run.

    A decoy runs the bent input that is shown: its result is wrong for the case, and the same for each decoy.
    """

    async def work(client: AsyncClient) -> dict[str, Any]:
        decoys = Decoys(await client.chain())
        return await facts_of(decoys, case, client.account, turn)

    tell(run_async(using(open_client(network, key, password_file), work)), as_json=as_json)


@app.command()
def bring(
    case: CaseArgument,
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="The model's result as JSON, or @FILE with its payload.")
    ],
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring your result of a case that drew you, for the input that `show` gives. Again changes nothing.

    Example: mlbridge decoys bring 3 '{"label": 7}' --keystore operator.json
    """

    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        found = await decoys.case(case)
        index = await place_of(decoys, case, found, sender.address)
        kind = decode_input(await input_of(decoys, case)).kind
        await decoys.bring(sender, case, index, result_payload(result, kind))
        return await facts_of(decoys, case, client.account)

    tell(_act(network, key, password_file, work), as_json=as_json)


@app.command()
def panel(
    case: CaseArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a panel vote on what the authors brought. Anybody may; again changes nothing.

    Where one brought nothing in time it ends the case instead, and who was late is fined.
    """
    _step(
        case,
        lambda decoys, sender: decoys.call_panel(sender, case),
        network,
        key,
        password_file,
        as_json=as_json,
    )


@app.command()
def reveal(
    case: CaseArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open your secret once the panel has voted, so that all see what you were. Again changes nothing."""

    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        found = await decoys.case(case)
        index = await place_of(decoys, case, found, sender.address)
        if not found.opened >> index & 1:
            secret = await secret_of(decoys, found, found.authors[index])
            await decoys.open_secret(sender, case, index, secret)
        return await facts_of(decoys, case, client.account)

    tell(_act(network, key, password_file, work), as_json=as_json)


@app.command()
def settle(
    case: CaseArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fine who did not look and pay the authors, once all revealed. Anybody may; again changes nothing."""
    _step(
        case, lambda decoys, sender: decoys.settle(sender, case), network, key, password_file, as_json=as_json
    )


def _act(
    network: str | None,
    key: Path | None,
    password_file: Path | None,
    work: Callable[[AsyncClient, Decoys, Sender], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    async def done(client: AsyncClient) -> dict[str, Any]:
        if client.account is None:
            raise MLBridgeError(
                "account.none", "This needs a key.", hint="Name one: --keystore.", exit_code=3
            )
        chain = await client.chain()
        return await work(client, Decoys(chain), Sender(chain, client.account))

    return run_async(using(open_client(network, key, password_file), done))


def _step(
    case: int,
    step: Callable[[Decoys, Sender], Awaitable[None]],
    network: str | None,
    key: Path | None,
    password_file: Path | None,
    *,
    as_json: bool,
) -> None:
    async def work(client: AsyncClient, decoys: Decoys, sender: Sender) -> dict[str, Any]:
        await step(decoys, sender)
        return await facts_of(decoys, case)

    tell(_act(network, key, password_file, work), as_json=as_json)
