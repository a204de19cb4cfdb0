"""`mlbridge provider sealing-key ...`: the key that confidential input is sealed to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cluster.config import ProviderConfig, load_config
from contracts import keystore
from contracts.chain import Chain
from contracts.keyfile import load_key
from contracts.sealing import SealingKey, SealingKeys
from contracts.sender import Sender
from mlbridge.console import JsonOption, data, emit_json, moment, people, run_async, table
from mlbridge.errors import MLBridgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The key that confidential input is sealed to. Its private half stays on this machine, encrypted "
    "with the password of the node's keystore: keep a copy.",
)
T = TypeVar("T")
File = Annotated[
    Path, typer.Option("--config", "-c", envvar="MLBRIDGE_PROVIDER", help="The provider's YAML file.")
]
DEFAULT_FILE = Path("provider.yaml")


@app.command()
def register(config_file: File = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Have a current key whose private half is here; one that is there already stays."""
    _change(config_file, as_json, rotate=False, revoke=False)


@app.command()
def rotate(
    config_file: File = DEFAULT_FILE,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Also revoke the keys before: for one that leaked or was lost.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a new key the current one; older ones still open what was sealed to them."""
    _change(config_file, as_json, rotate=True, revoke=revoke)


@app.command("list")
def list_keys(config_file: File = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Every key of this operator, oldest first, and whether its private half is here."""
    from cluster.sealing import SealingStore

    config = load_config(config_file)
    store = SealingStore(config.home, config.keys.node)

    async def work(chain: Chain) -> list[dict[str, Any]]:
        keys, operator = SealingKeys(chain), _operator(config)
        current = await keys.current(operator)
        return [
            _facts(key) | {"current": key == current, "here": store.holds(key.location)}
            for key in await keys.all(operator)
        ]

    found = _connected(config, work)
    if as_json:
        emit_json(found)
        return
    rows = [
        [
            str(item["index"]),
            item["key"],
            moment(item["valid_from"]),
            "revoked" if item["revoked_at"] else "current" if item["current"] else "",
            "yes" if item["here"] else "no",
        ]
        for item in found
    ]
    table("sealing keys", ["number", "key", "from", "state", "private half here"], rows)


def _change(file: Path, as_json: bool, *, rotate: bool, revoke: bool) -> None:
    from cluster.sealing import SealingStore
    from cluster.sealing import register as bring_up

    config = load_config(file)
    if config.keys.operator is None:
        raise MLBridgeError(
            "provider.no_operator",
            "Only the operator's key may register a sealing key, and the provider file names none.",
            hint="Add keys.operator, or run this where the key is.",
            exit_code=3,
        )
    operator = load_key(config.keys.operator)

    async def work(chain: Chain) -> dict[str, Any]:
        keys, sender = SealingKeys(chain), Sender(chain, operator)
        done = await bring_up(keys, SealingStore(config.home, config.keys.node), sender, rotate=rotate)
        # All of them: a run that was cut off may have left one.
        for key in await keys.all(sender.address) if revoke else ():
            if key.index < done.key.index and key.revoked_at is None:
                await keys.revoke(sender, key.index)
        return _facts(done.key) | {"registered": done.registered}

    facts = _connected(config, work)
    if as_json:
        emit_json(facts)
        return
    people.print("registered" if facts["registered"] else "registered before; nothing was sent")
    data.print(facts["key"])


def _facts(key: SealingKey) -> dict[str, Any]:
    return {
        "index": key.index,
        "scheme": key.scheme.name.lower(),
        "key": "0x" + key.location.hex(),
        "valid_from": key.valid_from,
        "revoked_at": key.revoked_at,
    }


def _operator(config: ProviderConfig) -> str:
    if config.keys.operator is None:
        raise MLBridgeError(
            "provider.no_operator",
            "The provider file does not say whose keys these are.",
            hint="Add keys.operator.",
            exit_code=3,
        )
    return keystore.address_of(config.keys.operator.keystore)


def _connected(config: ProviderConfig, work: Callable[[Chain], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with await Chain.connect(config.load_network()) as chain:
            return await work(chain)

    return run_async(connected())
