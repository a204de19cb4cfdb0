"""`mlbridge up`, `down`, `reset`, `status` and `logs`."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from mlbridge.console import JsonOption, emit_json, people, table
from mlbridge.devnet.plan import PLAN_FILE, Plan, make_plan, read_plan
from mlbridge.devnet.services import process_of, read_running, read_services
from mlbridge.errors import MLBridgeError

HOME = Path(".mlbridge") / "devnet"
HomeOption = Annotated[Path, typer.Option("--home", help="Folder of the devnet's state.")]


def up(
    providers: Annotated[
        int | None, typer.Option(help="How many providers. Default 3; 6 with a fault.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated: minilm,digits,smollm2. Default all; digits with a fault."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="BEHAVIOUR@PROVIDER, e.g. wrong-result@2; also copy-commitment, silent, no-reveal, "
            "wrong-reveal, unbond; on the channel lane double-sign, late, wrong-stream, half-stream. "
            "Repeatable."
        ),
    ] = None,
    shared_ray: Annotated[
        bool | None,
        typer.Option("--shared-ray/--own-ray", help="One Ray cluster for all, for tiny machines."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Engine of the chat model: torch, or vllm where it is installed."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it runs.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Then run one task on each model.")] = False,
    block_time: Annotated[float, typer.Option(help="Seconds between blocks.", min=0.1)] = 1.0,
    commit_window: Annotated[int, typer.Option(help="Seconds a committee has to commit.", min=5)] = 60,
    reveal_window: Annotated[int, typer.Option(help="Seconds it then has to reveal.", min=5)] = 60,
    base_port: Annotated[int, typer.Option(help="The chain's port; others follow.", min=1024)] = 8545,
    ray_base_port: Annotated[int, typer.Option(help="First of 300 ports a Ray cluster.", min=1024)] = 20000,
    parts: Annotated[
        str,
        typer.Option(
            "--with", metavar="PARTS", help="reviews: heavy slashes wait half an hour, and can be appealed."
        ),
    ] = "",
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Forget the stopped devnet of before, its chain included."),
    ] = False,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Start a whole network here: chain, contracts, coordinator, gateway, providers with a Ray cluster each.

    Safe to repeat: what runs already is left alone. Without --detach it stays until Ctrl-C, then stops all.
    """
    from mlbridge.devnet.session import start

    if engine not in (None, "torch", "vllm"):
        raise MLBridgeError(
            "devnet.bad_engine", f"--engine takes torch or vllm, not {engine!r}.", exit_code=2
        )
    if parts not in ("", "reviews"):
        raise MLBridgeError(
            "devnet.unknown_part",
            f"There is no part {parts!r}.",
            hint="--with takes: reviews. Channels are always there.",
            exit_code=2,
        )
    plan = make_plan(
        home.absolute(),
        providers=providers,
        models=models.split(",") if models else None,
        faults=fault or [],
        shared_ray=shared_ray,
        engine=engine,
        block_time=block_time,
        commit_window=commit_window,
        reveal_window=reveal_window,
        base_port=base_port,
        ray_base_port=ray_base_port,
        reviews=parts == "reviews",
    )
    make_room(plan, replace=replace)
    asyncio.run(start(plan, demo=demo, as_json=as_json))
    if not detach:
        _wait_for_interrupt()
        stop(plan.home)


def make_room(plan: Plan, *, replace: bool) -> None:
    """A devnet keeps its shape and its chain, unless it is stopped and `replace` is asked for.

    Raises MLBridgeError `devnet.running`, `devnet.other_plan`, or `devnet.bad_plan` when its plan cannot be
    read.
    """
    running = is_running(plan.home)
    if replace and running:
        raise MLBridgeError(
            "devnet.running",
            f"The devnet in {plan.home} runs, and --replace would forget it.",
            hint="Stop it first: mlbridge down",
            exit_code=2,
        )
    if replace and (plan.home / PLAN_FILE).exists():
        forget(plan.home)
        return
    before = read_plan(plan.home)
    if before is None:
        return
    changed = [name for name in Plan.model_fields if getattr(before, name) != getattr(plan, name)]
    if not changed:
        return
    differences = ", ".join(f"{name} {getattr(before, name)!r}" for name in changed)
    stop_first = "stop it (mlbridge down) and " if running else ""
    raise MLBridgeError(
        "devnet.other_plan",
        f"The devnet in {plan.home} was started with {differences}.",
        hint=f"Start it with the same options, or {stop_first}let a new one take its place: add --replace",
        exit_code=2,
    )


def down(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Stop the devnet; its chain, stakes and results stay for the next `mlbridge up`."""
    stopped = stop(home.absolute())
    if as_json:
        emit_json({"stopped": stopped})
    else:
        people.print("stopped" if stopped else "nothing was running")


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Stop the devnet and delete its state. Built models are kept."""
    home = home.absolute()
    there = home.exists()
    if there:
        if as_json and not yes:
            raise MLBridgeError(
                "devnet.not_confirmed",
                f"This deletes the devnet in {home}, and with --json nobody is asked.",
                hint="Add --yes.",
                exit_code=2,
            )
        if not yes and not typer.confirm(
            f"Delete the devnet in {home}: its chain, keys, stakes and results?", err=True
        ):
            raise typer.Exit(1)
        stop(home)
        forget(home)
    if as_json:
        emit_json({"home": str(home), "reset": there})


def forget(home: Path) -> None:
    """Delete the state of a devnet that does not run, except the models built for it."""
    for entry in home.iterdir():
        if entry.name != "models":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def is_running(home: Path) -> bool:
    """Whether any process of the devnet lives."""
    from mlbridge.devnet.launch import supervisor_pid

    return supervisor_pid(home) is not None or any(process_of(item) for item in read_running(home).values())


def status(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """What of the devnet runs, since when, with how much memory, and where."""
    facts = overview(home.absolute())
    if as_json:
        emit_json(facts)
        return
    rows = [
        [
            item["name"],
            _since(item["started_at"]) if item["pid"] else "stopped",
            str(item["pid"] or ""),
            str(item["restarts"]),
            f"{item['pss_mb']:,}" if item["pid"] else "",
            item["url"] or "",
        ]
        for item in facts["services"]
    ]
    columns = ["service", "since", "pid", "restarts", "PSS MB", "url"]
    table(f"devnet in {home}", columns, rows)


def _since(started_at: float) -> str:
    """Local time; with the date once a day has passed."""
    style = "%H:%M:%S" if time.time() - started_at < 86_400 else "%m-%d %H:%M"
    return time.strftime(style, time.localtime(started_at))


def logs(
    service: Annotated[
        str, typer.Argument(help="chain, verifier, coordinator, gateway, provider-N or supervisor.")
    ],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Show the end of a log."""
    if follow and as_json:
        raise MLBridgeError(
            "usage.invalid",
            "--follow has no end, and --json is one document.",
            hint="Leave one out.",
            exit_code=2,
        )
    file = home / "logs" / f"{service}.log"
    if not file.is_file():
        known = sorted(path.stem for path in (home / "logs").glob("*.log"))
        raise MLBridgeError(
            "devnet.no_log",
            f"There is no log of {service!r}.",
            hint=f"Logs here: {', '.join(known) or 'none'}.",
            exit_code=5,
        )
    with file.open(errors="replace") as stream:
        tail = stream.readlines()[-lines:]
        if as_json:
            emit_json({"service": service, "log": str(file), "lines": [line.rstrip("\n") for line in tail]})
            return
        sys.stdout.writelines(tail)
        while follow:
            line = stream.readline()
            if line:
                sys.stdout.write(line)
            else:
                sys.stdout.flush()
                time.sleep(0.3)


def stop(home: Path) -> bool:
    """Stop every process of the devnet in `home`, the supervisor last; whether there were any."""
    from mlbridge.devnet.launch import start_supervisor, supervisor_pid

    alive = any(process_of(item) for item in read_running(home).values())
    if supervisor_pid(home) is None:
        if not alive:
            return False
        # A supervisor that was killed left its services: a new one adopts and stops them in order.
        start_supervisor(home)
    pid = _wait_for_pid(home)
    os.kill(pid, signal.SIGTERM)
    psutil.wait_procs([psutil.Process(pid)], timeout=600)
    return True


def _wait_for_pid(home: Path) -> int:
    from mlbridge.devnet.launch import supervisor_pid

    limit = time.monotonic() + 20
    while (pid := supervisor_pid(home)) is None:
        if time.monotonic() > limit:
            raise MLBridgeError(
                "devnet.no_supervisor",
                "The devnet's supervisor does not start.",
                hint=f"Its log: {home / 'logs' / 'supervisor.log'}",
            )
        time.sleep(0.1)
    return pid


def overview(home: Path) -> dict[str, Any]:
    """Services of the devnet.

    pid; started_at: unix seconds; pss_mb: memory of the whole process tree (PSS); url; log.
    """
    from mlbridge.devnet.memory import pss_mb

    running = read_running(home)
    urls = service_urls(home)
    services = []
    for service in read_services(home):
        process = process_of(running.get(service.name))
        known = running.get(service.name)
        services.append(
            {
                "name": service.name,
                "pid": process.pid if process else None,
                "started_at": known.created if process and known else None,
                "restarts": known.restarts if known else 0,
                "pss_mb": pss_mb(process) if process else 0,
                "url": urls.get(service.name),
                "log": str(home / "logs" / f"{service.name}.log"),
            }
        )
    return {"home": str(home), "services": services}


def service_urls(home: Path) -> dict[str, str]:
    """Where each service of the devnet in `home` answers. Raises MLBridgeError `devnet.bad_plan`."""
    plan = read_plan(home)
    if plan is None:
        return {}
    found = {
        "chain": plan.rpc_url,
        "verifier": plan.verifier_url,
        "coordinator": plan.coordinator_url,
        "gateway": f"{plan.gateway_url}/v1",
    }
    for number in range(1, plan.providers + 1):
        found[plan.provider_name(number)] = f"{plan.provider_url(number)}/node"
    return found


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
