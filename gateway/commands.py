"""`mlbridge gateway`: run one on this machine, look at it, make and revoke its API keys."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx2
import typer

from coordinator import supervisor
from coordinator.supervisor import Room
from gateway.config import ROOM, GatewayConfig, load_config
from gateway.keys import SCOPES, Keys, parse_choices
from gateway.store import Store
from mlbridge.console import JsonOption, emit_json, eth, fail, parse_ether, people, table
from mlbridge.errors import MLBridgeError

T = TypeVar("T")
GATEWAY = Room(ROOM)
DAY_S = 86_400.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run a gateway: OpenAI's API over the network, paid by the gateway's key, one budget an API key.",
)
key_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(key_app, name="key")

Config = Annotated[
    Path, typer.Option("--config", "-c", envvar="MLBRIDGE_GATEWAY", help="The gateway's YAML file.")
]
DEFAULT = Path("gateway.yaml")


@app.command()
def up(
    config: Config = DEFAULT,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --detach.")] = 240.0,
    as_json: JsonOption = False,
) -> None:
    """Start the gateway and keep it running; adopts what an earlier one left running."""
    settings = load_config(config)
    if detach:
        if supervisor.supervisor_of(settings.home) is None:
            supervisor.detach(config, settings, timeout_s=timeout, room=GATEWAY)
        _tell_up(_facts(settings), as_json)
        return
    supervisor.Supervisor(settings, GATEWAY).run(announce=lambda found: _tell_up(found, as_json))


@app.command()
def status(config: Config = DEFAULT, as_json: JsonOption = False) -> None:
    """Whether it runs and is ready, and what its tasks have cost."""
    settings = load_config(config)
    running = supervisor.supervisor_of(settings.home)
    found = {
        **_facts(settings),
        "alive": supervisor.healthy(settings.local_url),
        "ready": _ready(settings),
        **_with_keys(settings, _sums),
        "supervisor_pid": None if running is None else running.pid,
    }
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
    """Stop the gateway; its store stays, and tasks under way are carried on at the next start."""
    stopped = supervisor.down(load_config(config), timeout_s=timeout, room=GATEWAY)
    if as_json:
        emit_json({"stopped": stopped})
    else:
        people.print("stopped" if stopped else "nothing was running")


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    config: Config = DEFAULT,
    budget: Annotated[
        str | None,
        typer.Option(metavar="ETH", help="Most that its tasks may cost in all."),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What it may do: {', '.join(SCOPES)}. Repeatable; default all.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Days until it expires. Default: never.")] = None,
    rate: Annotated[str | None, typer.Option(help="Requests, as 600/minute. Default: the gateway's.")] = None,
    seats: Annotated[int | None, typer.Option(min=3, max=15, help="Committee size of its tasks.")] = None,
    lane: Annotated[
        str | None, typer.Option(help="How its tasks reach the network: direct or channel.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Refuse models of another policy: exact or numeric.")
    ] = None,
    max_price: Annotated[
        str | None, typer.Option(metavar="ETH", help="Most that one of its tasks may cost.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key. Its text is shown once: only a hash of it is kept."""
    most = None if max_price is None else parse_ether(max_price, "--max-price")
    choices = parse_choices({"lane": lane, "seats": seats, "policy": policy, "max_price_wei": most})
    limit = None if budget is None else parse_ether(budget, "--budget")
    expires_at = None if days is None else time.time() + days * DAY_S
    scopes = frozenset(scope or SCOPES)
    key, text = _with_keys(
        load_config(config),
        lambda keys: keys.create(
            name, scopes=scopes, budget=limit, choices=choices, rate=rate, expires_at=expires_at
        ),
    )
    if as_json:
        emit_json({"key": text, **key.view()})
        return
    people.print(f"key {key.id}; keep it, it cannot be shown again:", markup=False)
    sys.stdout.write(f"{text}\n")


@key_app.command("list")
def list_keys(config: Config = DEFAULT, as_json: JsonOption = False) -> None:
    """Every key with its budget and what was spent of it."""
    found = _with_keys(load_config(config), lambda keys: keys.all())
    if as_json:
        emit_json([key.view() for key in found])
        return
    rows = [
        [
            key.id,
            key.name,
            " ".join(sorted(key.scopes)),
            "-" if key.budget is None else eth(key.budget),
            eth(key.spent),
            eth(key.reserved),
            _state(key.revoked_at, key.expires_at),
        ]
        for key in found
    ]
    table("API keys", ["id", "name", "scopes", "budget", "spent", "reserved", "state"], rows)


@key_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `key list` shows it.")],
    config: Config = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """End a key at once; its tasks under way go on."""
    key = _with_keys(load_config(config), lambda keys: keys.revoke(key_id))
    if as_json:
        emit_json(key.view())
    else:
        people.print(f"key {key.id} is revoked", markup=False)


def _with_keys(config: GatewayConfig, work: Callable[[Keys], Awaitable[T]]) -> T:
    """Work on the keys in the gateway's store, whether it runs or not."""

    async def run() -> T:
        store = await Store.open(config)
        try:
            return await work(Keys(store))
        finally:
            await store.close()

    return asyncio.run(run())


async def _sums(keys: Keys) -> dict[str, str | int]:
    found = await keys.all()
    return {
        "keys": sum(key.revoked_at is None for key in found),
        "spent_wei": str(sum(key.spent for key in found)),
        "reserved_wei": str(sum(key.reserved for key in found)),
    }


def _facts(config: GatewayConfig) -> dict[str, Any]:
    return {"name": config.name, "network": config.network, "base_url": f"{config.local_url}/v1"}


def _ready(config: GatewayConfig) -> bool:
    try:
        return httpx2.get(f"{config.local_url}/readyz", timeout=10).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


def _tell_up(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(found)
    else:
        people.print(f"gateway answers at OPENAI_BASE_URL={found['base_url']}", markup=False, soft_wrap=True)


def _state(revoked_at: float | None, expires_at: float | None) -> str:
    if revoked_at is not None:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= time.time() else "valid"


def main() -> None:
    """`python -m gateway.commands`: the same commands without `mlbridge`."""
    try:
        app()
    except MLBridgeError as error:
        fail(error, as_json="--json" in sys.argv)


if __name__ == "__main__":
    main()
