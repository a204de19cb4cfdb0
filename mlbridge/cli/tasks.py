"""`mlbridge task`: the life of tasks, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.events import topic_of
from mlbridge.cli.channel_orders import RECEIPTS
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client, using
from mlbridge.cli.inputs import read_input, read_schema
from mlbridge.cli.paying import MAX_PRICE, IdempotencyOption, JsonSchemaOption, MaxPriceOption, Order
from mlbridge.cli.run import keep, show_result, tell
from mlbridge.console import data, emit_json, eth, people, run_async, table
from mlbridge.devnet.demo import plain
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Submit, list, show, wait for, cancel and move on tasks."
)
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Task id, 0x and 64 hex digits.")]


@app.command()
def submit(
    model: Annotated[str, typer.Argument(help="Name or id of a model.")],
    text: Annotated[str, typer.Argument(metavar="INPUT", help="The input; - reads stdin, @FILE a file.")],
    seats: Annotated[int | None, typer.Option(help="Committee size, 3 to 15.")] = None,
    max_price: MaxPriceOption = MAX_PRICE,
    deadline: Annotated[int | None, typer.Option(help="Seconds the committee has to commit in.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Chat models: most tokens to generate.")] = 64,
    json_schema: JsonSchemaOption = None,
    key_id: IdempotencyOption = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay for a task and print its id; `mlbridge task wait` brings the answer."""
    asked = model, read_input(text), max_tokens, max_price, seats, deadline, key_id
    order = Order(*asked, read_schema(json_schema))
    handle = run_async(using(open_client(network, key, password_file), order.place))
    if as_json:
        emit_json(
            {
                "task": handle.task_id,
                "idempotency_key": handle.idempotency_key,
                "warnings": order.warnings,
            }
        )
    else:
        data.print(handle.task_id)


@app.command("list")
def list_tasks(
    mine: Annotated[bool, typer.Option("--mine", help="Only tasks of the paying account.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.")] = 20,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tasks on this network, newest first."""

    async def work(client: AsyncClient) -> list[dict[str, Any]]:
        chain = await client.chain()
        topics: list[object] = [topic_of(artifacts.TASKS, "TaskSubmitted")]
        if mine and client.account is not None:
            topics += [None, "0x" + client.account.address[2:].lower().rjust(64, "0")]
        names = {model.id: model.name for model in await client.models()}
        found = await reads.find_events(chain, topics, [chain.addresses.tasks])
        return [
            _task_facts(
                chain, reads.as_submitted(await reads.get_task(chain, event.args["taskId"]), event), names
            )
            for event in list(reversed(found))[:limit]
        ]

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
        return
    rows = [
        [item["task"], item["model"], item["status"], str(item["round"]), eth(item["reward_wei"])]
        for item in facts
    ]
    table("tasks", ["task", "model", "status", "round", "paid"], rows)


@app.command()
def show(task: TaskArgument, network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """What the chain says of a task now, its committee included."""

    async def work(client: AsyncClient) -> dict[str, Any]:
        handle = await client.task(task)
        status = await handle.status()
        names = {model.id: model.name for model in await client.models()}
        seats = [] if status.status.terminal else await reads.get_seats(handle.chain, handle.id, status.round)
        return _task_facts(handle.chain, status, names) | {
            "seats": [
                {
                    "account": seat.account,
                    "weight": seat.weight,
                    "committed": seat.committed,
                    "revealed": seat.revealed,
                    "faulty": seat.faulty,
                }
                for seat in seats
            ]
        }

    facts = run_async(using(open_client(network), work))
    if as_json:
        emit_json(facts)
        return
    for name, value in facts.items():
        if name != "seats" and value is not None:
            data.print(f"{name:<16} {value}", soft_wrap=True, markup=False)
    rows = [
        [
            str(seat["account"]),
            str(seat["weight"]),
            "yes" if seat["committed"] else "",
            "yes" if seat["revealed"] else "",
        ]
        for seat in facts["seats"]
    ]
    if rows:
        table("committee of the current round", ["account", "weight", "committed", "revealed"], rows)


@app.command()
def wait(
    task: TaskArgument,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 900,
    poke: Annotated[
        bool, typer.Option("--poke/--no-poke", help="Move the task on where nobody else does.")
    ] = True,
    receipts: Annotated[Path, typer.Option(help="Folder that receipts are written to.")] = RECEIPTS,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait for a task's verified answer and keep its receipt."""

    async def work(client: AsyncClient) -> dict[str, Any]:
        handle = await client.task(task)
        result = await handle.wait(timeout, poke=poke, progress=tell)
        return plain(result.receipt.model.id, result, keep(result, receipts))

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
    else:
        show_result(facts)


@app.command()
def cancel(
    task: TaskArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a task back, as long as nobody can know its committee; the payment can then be claimed."""
    run_async(using(open_client(network, key, password_file), lambda client: client.cancel(task)))
    emit_json({"task": task, "status": "cancelled"}) if as_json else people.print(
        "cancelled; take the payment home with: mlbridge account claim"
    )


@app.command()
def poke(
    task: TaskArgument,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do what is due for a task: draw, close a phase, tally, refund. Earns the tip."""

    async def work(client: AsyncClient) -> str:
        handle = await client.task(task)
        if handle.sender is None:
            raise MLBridgeError(
                "account.none", "Moving a task on needs a key.", hint="Name one: --keystore FILE", exit_code=3
            )
        await handle.sender.send(handle.chain.tasks.functions.poke(handle.id))
        return (await handle.status()).status.name.lower()

    status = run_async(using(open_client(network, key, password_file), work))
    emit_json({"task": task, "status": status}) if as_json else people.print(f"now {status}")


def _task_facts(chain: Chain, task: reads.TaskInfo, names: dict[bytes, str]) -> dict[str, Any]:
    return {
        "task": "0x" + task.id.hex(),
        "model": names.get(task.model_id, "0x" + task.model_id.hex()),
        "status": task.status.name.lower(),
        "requester": task.requester,
        # Of a review: which contract has a panel judge something.
        "asked_by": chain.contract_names.get(task.requester.lower()),
        "reward_wei": task.reward,
        "deadline": task.deadline,
        "round": task.round,
        "kind": task.kind.name.lower(),
        "committed": task.committed,
        "revealed": task.revealed,
        "phase_deadline": task.phase_deadline,
    }
