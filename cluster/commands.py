"""`mlbridge provider ...`."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.config import DEFAULT_BASE_PORT, ProviderConfig, load_config
from cluster.logs import log_to
from cluster.output import show_findings, show_status
from cluster.raycluster import open_cluster
from cluster.sealing_commands import app as sealing_keys
from cluster.supervisor import DRAIN_FILE, Supervisor, read_agent_status, read_supervisor_state
from contracts.keyfile import load_key
from mlbridge import procs
from mlbridge.console import JsonOption, emit_json, eth, fail, mlb, people, run_async
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run a compute provider here.",
)

app.add_typer(sealing_keys, name="sealing-key")
DEFAULT_FILE = Path("provider.yaml")
File = Annotated[
    Path, typer.Option("--config", "-c", envvar="MLBRIDGE_PROVIDER", help="The provider's YAML file.")
]


@app.callback()
def provider() -> None:
    """Run a compute provider on this machine: stake, serve models, take seats, earn."""
    # stdout is for data
    log_to()


@app.command()
def init(
    name: Annotated[str, typer.Option(help="1 to 31 lower-case letters, digits and hyphens.")] = "provider",
    network: Annotated[str, typer.Option(help="A network's name or the path of its file.")] = "devnet",
    directory: Annotated[Path, typer.Option("--dir", help="Folder for the file, keys and state.")] = Path(),
    base_port: Annotated[int, typer.Option(help="First of 300 ports.")] = DEFAULT_BASE_PORT,
    compute: Annotated[int, typer.Option(help="MLB to stake as compute provider.")] = 50_000,
    verifier: Annotated[int, typer.Option(help="MLB to stake as verifier.")] = 0,
    operator_keystore: Annotated[
        Path | None, typer.Option(help="Existing keystore of the cold key; default: make one.")
    ] = None,
    with_operator: Annotated[
        bool, typer.Option("--operator/--no-operator", help="Whether the cold key is used on this machine.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Write a commented provider file and the keys it names."""
    from cluster import scaffold

    password = None
    makes_key = with_operator and operator_keystore is None
    if makes_key and "MLBRIDGE_OPERATOR_PASSWORD" not in os.environ and sys.stdin.isatty():
        password = typer.prompt(
            "Password for the operator's new key", hide_input=True, confirmation_prompt=True
        )
    made = scaffold.write(
        directory,
        name=name,
        network=network,
        base_port=base_port,
        compute=compute,
        verifier=verifier,
        operator_keystore=operator_keystore,
        operator_password=password,
        with_operator=with_operator,
    )
    load_config(made.file)
    if as_json:
        emit_json({"file": str(made.file), "node": made.node, "operator": made.operator})
        return
    people.print(f"wrote {made.file}")
    people.print(f"node key      {made.node}  (send it a little coin for gas)")
    if made.operator:
        people.print(f"operator key  {made.operator}  (send it the MLB to stake and a little coin)")
        people.print(
            "set MLBRIDGE_OPERATOR_PASSWORD before `up`; keep a copy of the keystore and its password"
        )
    people.print(f"next: mlbridge provider doctor --config {made.file}")


@app.command()
def doctor(config_file: File = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Check everything that has to be right before this provider can earn."""
    from cluster.doctor import Doctor

    # What failed is told by the findings; each attempt before it is of no interest here.
    log_to(least=logging.ERROR)
    findings = run_async(Doctor(load_config(config_file)).examine())
    bad = [finding for finding in findings if not finding.ok]
    if as_json:
        emit_json({"ok": not bad, "findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        show_findings(findings)
    if bad:
        raise typer.Exit(1)


@app.command()
def up(
    config_file: File = DEFAULT_FILE,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return when it serves.")
    ] = False,
    top_up: Annotated[bool, typer.Option("--top-up", help="Replace stake that a punishment took.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register, start the Ray cluster, deploy the models, and take part until stopped.

    With --json and --detach it says where it serves; with --json alone, in the end, that it stopped.
    """
    config = load_config(config_file)
    if detach:
        state = _detach(config_file, config, top_up=top_up)
        if as_json:
            emit_json({"name": config.name, "pid": state["pid"], "url": state["url"]})
        else:
            people.print(f"provider {config.name} serves: {state['url']}")
        return
    run_async(Supervisor(config, top_up=top_up).run())
    if as_json:
        emit_json({"name": config.name, "stopped": True})


def _detach(file: Path, config: ProviderConfig, *, top_up: bool) -> dict[str, Any]:
    """Start the supervisor as a process of its own; what it says once it serves."""
    log_file = config.home / "logs" / "supervisor.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    arguments = [sys.executable, "-m", "cluster.commands", "up", "--config", str(file.resolve())]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with log_file.open("ab") as out:
        child = subprocess.Popen(
            arguments + (["--top-up"] if top_up else []),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    while child.poll() is None:
        state = read_supervisor_state(config.home)
        if state is not None and state["pid"] == child.pid and state["state"] == "running":
            return state
        time.sleep(0.2)
    raise MLBridgeError(
        "provider.not_up",
        f"The provider ended at once: {_last_line(log_file)}",
        hint=f"Read {log_file}, or run `mlbridge provider doctor --config {file}`.",
    )


def _last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").strip().splitlines()
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")


@app.command()
def status(config_file: File = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """What this provider does, what it earned, and what is wrong."""
    config = load_config(config_file)
    supervisor, agent = read_supervisor_state(config.home), read_agent_status(config.home)
    memory = open_cluster(config).memory()
    if as_json:
        fresh = agent is not None and time.time() - agent["time"] < 10
        emit_json(
            {
                "name": config.name,
                "supervisor": supervisor,
                "agent": agent,
                "agent_fresh": fresh,
                "memory": memory,
            }
        )
        return
    show_status(config.name, str(config_file), supervisor, agent, memory)


@app.command()
def down(
    config_file: File = DEFAULT_FILE,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for assignments in flight.")] = False,
    stay: Annotated[
        bool,
        typer.Option("--stay", help="Stay in the draw: for a short break. Seats drawn meanwhile cost stake."),
    ] = False,
    drain: Annotated[
        float | None, typer.Option(help="Seconds to wait for them; default: the file's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Leave the draw, finish assignments in flight, then stop everything on this machine."""
    config = load_config(config_file)
    seconds = 0.0 if now else drain if drain is not None else config.limits.drain_timeout_s
    in_draw = stay or not _leave_draw(config, wait=seconds)
    state = read_supervisor_state(config.home)
    if state is None:
        _stop_leftovers(config)
    else:
        _stop(config, state, seconds=seconds, now=now)
    if as_json:
        emit_json({"name": config.name, "was_running": state is not None, "in_draw": in_draw})
    else:
        people.print(f"provider {config.name} {'does not run' if state is None else 'stopped'}")


def _stop(config: ProviderConfig, state: dict[str, Any], *, seconds: float, now: bool) -> None:
    """End the supervisor, which ends the rest. Raises MLBridgeError `provider.stuck`."""
    (config.home / DRAIN_FILE).write_text(str(seconds))
    process = procs.Process(state["pid"], state["pid_started"])
    procs.send(process, signal.SIGTERM)
    if now:
        time.sleep(0.2)
        procs.send(process, signal.SIGTERM)
    deadline = time.monotonic() + seconds + 120
    while procs.alive(process):
        if time.monotonic() > deadline:
            raise MLBridgeError(
                "provider.stuck",
                f"Provider {config.name} (process {process.pid}) does not stop.",
                hint=f"End it with `kill -9 {process.pid}`, then run `mlbridge provider down` again.",
                exit_code=6,
            )
        time.sleep(0.2)


def _leave_draw(config: ProviderConfig, *, wait: float) -> bool:
    """Stop being drawn, and wait until that counts, while the agent goes on; whether it did. Told, not fatal,
    where it fails.
    """
    operator = config.keys.operator
    if operator is None:
        people.print("[yellow]the operator's key is elsewhere: this provider stays in the draw[/]")
        return False

    async def work() -> None:
        from cluster.registration import Registration
        from contracts import reads

        async with _chain(config) as chain:
            epoch = await reads.call(chain.tasks.functions.currentEpoch())
            left = await Registration(chain, load_key(operator), config).leave_all_but([])
            if not left:
                return
            people.print(f"left {len(left)} draws; waiting for the next epoch")
            deadline = time.monotonic() + wait
            while time.monotonic() < deadline:
                if await reads.call(chain.tasks.functions.currentEpoch(), "pending") > epoch:
                    # Draws armed before may still come, two blocks later.
                    await asyncio.sleep(3 * chain.network.block_time)
                    return
                await asyncio.sleep(0.5)

    try:
        run_async(work())
    except MLBridgeError as error:
        people.print(f"[yellow]still in the draw: {error}[/]", soft_wrap=True)
        return False
    return True


def _stop_leftovers(config: ProviderConfig) -> None:
    """The supervisor is gone; its cluster may not be."""
    from cluster.deployments import Deployments

    cluster = open_cluster(config)
    if cluster.alive():
        try:
            Deployments(config, cluster).shutdown()
        except MLBridgeError as error:
            people.print(f"[yellow]{error}[/]", soft_wrap=True)
    cluster.stop()


@app.command()
def claim(config_file: File = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Pay the operator what its seats earned, now. The running agent does it by itself now and then."""
    config = load_config(config_file)

    async def work() -> tuple[int, int]:
        from cluster.upkeep import claim as claim_now
        from contracts import keystore, reads
        from contracts.sender import Sender

        async with _chain(config) as chain:
            key = load_key(config.keys.node)
            if config.keys.operator is not None:
                operator = keystore.address_of(config.keys.operator.keystore)
            else:
                operator_id, _ = await reads.call(chain.tasks.functions.nodeBinding(key.address))
                operator = (await reads.get_account(chain, 2 * operator_id)).operator
            return await claim_now(chain, Sender(chain, key), operator)

    coins, tokens = run_async(work())
    if as_json:
        emit_json({"wei": str(coins), "mlb": str(tokens)})
    else:
        people.print(f"claimed {eth(coins)} and {mlb(tokens)}")


@app.command("stop-serving")
def stop_serving(
    config_file: File = DEFAULT_FILE,
    model: Annotated[list[str] | None, typer.Option(help="Model by name or id; default: all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Leave the draw of one or all models from the next epoch on. Needs the operator's key."""
    config = load_config(config_file)

    async def work() -> list[tuple[bytes, int]]:
        from cluster.registration import Registration
        from contracts import reads

        if config.keys.operator is None:
            raise MLBridgeError(
                "provider.no_operator",
                "Only the operator's key may leave a draw, and the provider file names none.",
                hint="Add keys.operator, or run this where the key is.",
                exit_code=3,
            )
        async with _chain(config) as chain:
            wanted = [await reads.find_model(chain, name) for name in model or []]
            models = wanted or await reads.list_models(chain)
            operator = load_key(config.keys.operator)
            return await Registration(chain, operator, config).stop_serving(m.id for m in models)

    left = run_async(work())
    if as_json:
        emit_json([{"model": "0x" + model_id.hex(), "account": account} for model_id, account in left])
    else:
        people.print(f"left {len(left)} draws; seats drawn until the next epoch are still ours")


@contextlib.asynccontextmanager
async def _chain(config: ProviderConfig) -> AsyncIterator[Any]:
    from contracts.chain import Chain

    async with await Chain.connect(config.load_network()) as chain:
        yield chain


def main() -> None:
    """`python -m cluster.commands`: as `mlbridge provider`."""
    try:
        app()
    except MLBridgeError as error:
        fail(error, as_json="--json" in sys.argv)


if __name__ == "__main__":
    main()
