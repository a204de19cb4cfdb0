"""`mlbridge coordinator`: run one on this machine, look at it, give it tasks."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from coordinator import supervisor
from coordinator.client import ask
from coordinator.config import CoordinatorConfig, load_config
from mlbridge.console import JsonOption, emit_json, eth, fail, parse_ether, people, table
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run a coordinator: it follows the chain, moves stalled tasks on and pays for tasks sent to it.",
)

Config = Annotated[
    Path, typer.Option("--config", "-c", envvar="MLBRIDGE_COORDINATOR", help="The coordinator's YAML file.")
]
DEFAULT = Path("coordinator.yaml")
WAIT_SLICE_S = 60.0


@app.command()
def up(
    config: Config = DEFAULT,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --detach.")] = 240.0,
    as_json: JsonOption = False,
) -> None:
    """Start the coordinator and keep it running; adopts what an earlier one left running."""
    settings = load_config(config)
    if detach:
        if supervisor.supervisor_of(settings.home) is None:
            supervisor.detach(config, settings, timeout_s=timeout)
        _tell_up(_status(settings), as_json)
        return
    supervisor.Supervisor(settings).run(announce=lambda found: _tell_up(found, as_json))


@app.command()
def status(config: Config = DEFAULT, as_json: JsonOption = False) -> None:
    """Whether it runs, how far it follows the chain, what waits."""
    settings = load_config(config)
    running = supervisor.supervisor_of(settings.home)
    found = {**_status(settings), "supervisor_pid": None if running is None else running.pid}
    if as_json:
        emit_json(found)
        return
    for name, value in found.items():
        sys.stdout.write(f"{name:>20}  {'-' if value is None else value}\n")


@app.command()
def down(
    config: Config = DEFAULT,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its end.")] = 150.0,
    as_json: JsonOption = False,
) -> None:
    """Stop the coordinator; its store stays."""
    stopped = supervisor.down(load_config(config), timeout_s=timeout)
    if as_json:
        emit_json({"stopped": stopped})
    else:
        people.print("stopped" if stopped else "nothing was running")


@app.command()
def submit(
    model: Annotated[str, typer.Argument(help="Model id or name.")],
    task_input: Annotated[
        str,
        typer.Argument(metavar="INPUT", help='JSON fields of the input, as {"text": "hello"}; - for stdin.'),
    ],
    config: Config = DEFAULT,
    seats: Annotated[int | None, typer.Option(min=3, max=15, help="Committee size.")] = None,
    deadline: Annotated[int | None, typer.Option(min=1, help="Seconds until its deadline.")] = None,
    max_price: Annotated[
        str | None,
        typer.Option(metavar="ETH", help="Most to pay, in ETH. Default: the coordinator's max_task_wei."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key",
            help="The same key never pays twice: repeat it to retry. Default: a new one, which is printed.",
        ),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the result.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Give the coordinator a task to pay for; with --wait, show its verified result."""
    settings = load_config(config)
    body: dict[str, Any] = {
        "model": model,
        "input": _fields(task_input),
        "idempotency_key": key or uuid.uuid4().hex,
    }
    most = None if max_price is None else parse_ether(max_price, "--max-price")
    for name, value in (("seats", seats), ("deadline_s", deadline), ("max_price_wei", most)):
        if value is not None:
            body[name] = value
    people.print(f"[dim]idempotency key {escape(body['idempotency_key'])}[/dim]", soft_wrap=True)
    view = ask(settings, "POST", "/v1/tasks", body=body)
    while wait > 0 and not view["ended"]:
        part = min(wait, WAIT_SLICE_S)
        path = f"/v1/tasks/{view['task_id']}"
        view = ask(settings, "GET", path, params={"wait": part}, timeout_s=part + 15)
        wait -= part
    if as_json:
        emit_json(view)
    else:
        _show(view)
    if view["status"] in ("failed", "refunded", "cancelled"):
        raise typer.Exit(1)


@app.command()
def tasks(
    config: Config = DEFAULT,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first.")] = 20,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The tasks that the coordinator follows."""
    params: dict[str, Any] = {"limit": limit} | ({"ended": "false"} if open_only else {})
    found = ask(load_config(config), "GET", "/v1/tasks", params=params)["data"]
    if as_json:
        emit_json(found)
        return
    rows = [
        [
            view["task_id"],
            view["status"],
            str(len(view["rounds"])),
            "-" if view["confidence"] is None else f"{view['confidence']:.0%}",
            eth(int(view["payment_wei"])),
        ]
        for view in found
    ]
    table("tasks", ["task", "status", "rounds", "confidence", "payment"], rows)


def _status(settings: CoordinatorConfig) -> dict[str, Any]:
    return ask(settings, "GET", "/v1/status")


def _tell_up(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(found)
    else:
        people.print(
            f"coordinator {found['name']} follows {found['network']} at {found['url']}", markup=False
        )


def _show(view: dict[str, Any]) -> None:
    sys.stdout.write(f"task        {view['task_id']}\nstatus      {view['status']}\n")
    if view.get("confidence") is not None:
        sys.stdout.write(f"confidence  {view['confidence']:.1%}\n")
    if view.get("reason"):
        sys.stdout.write(f"reason      {view['reason']}\n")
    result = view.get("result")
    if result and result.get("output") is not None:
        sys.stdout.write(f"output      {json.dumps(result['output'])}\n")
    failure = (view.get("submission") or {}).get("error")
    if failure:
        sys.stdout.write(f"error       {failure['message']}\n")


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise MLBridgeError(
            "input.json",
            f"The input is not JSON: {error}.",
            hint='Quote it: \'{"text": "hello"}\'.',
            exit_code=2,
        ) from error
    if not isinstance(fields, dict):
        raise MLBridgeError("input.json", "The input must be a JSON object.", exit_code=2)
    return fields


def main() -> None:
    """`python -m coordinator.commands`: the same commands without `mlbridge`."""
    try:
        app()
    except MLBridgeError as error:
        fail(error, as_json="--json" in sys.argv)


if __name__ == "__main__":
    main()
