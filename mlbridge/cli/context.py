"""Which network, whose key: what every command that talks to the chain needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from eth_account.signers.local import LocalAccount

from contracts import keystore
from contracts.chain import Chain
from contracts.keystore import PASSWORD_ENV
from contracts.network import Network, load_network
from contracts.sender import Sender
from mlbridge.console import JsonOption, run_async
from mlbridge.devnet import accounts
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient
from mlbridge.storage import open_store

__all__ = [
    "JsonOption",
    "KeyOption",
    "NetworkOption",
    "PasswordFileOption",
    "act_on_chain",
    "devnet_home",
    "find_account",
    "find_network",
    "open_client",
    "parse_id",
    "read_chain",
    "using",
]
T = TypeVar("T")
NETWORK_ENV = "MLBRIDGE_NETWORK"
KEY_ENV = "MLBRIDGE_KEYSTORE"

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network", envvar=NETWORK_ENV, help="Name or file of a network. Default: the devnet here."
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--keystore",
        envvar=KEY_ENV,
        help="Keystore file of the paying account. Default on a devnet: its requester.",
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", help=f"File with the keystore's password (or set {PASSWORD_ENV})."),
]


def devnet_home() -> Path:
    """Where the devnet of this folder lives: the nearest `.mlbridge/devnet` upwards, else one here."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".mlbridge" / "devnet").is_dir():
            return folder / ".mlbridge" / "devnet"
    return here / ".mlbridge" / "devnet"


def find_network(name: str | None) -> Network:
    """The network asked for, or the devnet of this folder. Raises MLBridgeError `network.none_chosen`."""
    if name:
        return load_network(name)
    file = devnet_home() / "network.yaml"
    if not file.is_file():
        raise MLBridgeError(
            "network.none_chosen",
            "No network was chosen and no devnet is set up in this folder.",
            hint=f"Start one with `mlbridge up`, or choose one: --network NAME (or {NETWORK_ENV}=NAME).",
            exit_code=2,
        )
    return load_network(file)


def find_account(network: Network, key: Path | None, password_file: Path | None) -> LocalAccount | None:
    """The paying account: a keystore's, or the devnet's requester; None elsewhere."""
    if key is not None:
        return keystore.load(key, password_file=password_file)
    if network.chain_id == accounts.CHAIN_ID:
        return accounts.requester()
    return None


def open_client(
    network_name: str | None,
    key: Path | None = None,
    password_file: Path | None = None,
    *,
    nodes: Collection[str] = (),
) -> AsyncClient:
    """An SDK client for the chosen network and key; not yet connected. nodes: as AsyncClient has it."""
    network = find_network(network_name)
    store = open_store(network.storage_url) if network.storage_url else None
    return AsyncClient(network, find_account(network, key, password_file), store=store, nodes=nodes)


async def using(client: AsyncClient, work: Callable[[AsyncClient], Awaitable[T]]) -> T:
    """Do something with a client, and close it."""
    async with client:
        return await work(client)


def read_chain(network_name: str | None, work: Callable[[Chain], Awaitable[T]]) -> T:
    """Ask the chosen network something."""

    async def connected() -> T:
        async with await Chain.connect(find_network(network_name)) as chain:
            return await work(chain)

    return run_async(connected())


def act_on_chain(
    network_name: str | None,
    key: Path | None,
    password_file: Path | None,
    work: Callable[[Chain, Sender], Awaitable[T]],
) -> T:
    """Do something on the chosen network with the chosen key. Raises MLBridgeError `account.none`."""
    network = find_network(network_name)
    account = find_account(network, key, password_file)
    if account is None:
        raise MLBridgeError(
            "account.none", "This needs a key.", hint="Name one with --keystore.", exit_code=3
        )

    async def connected() -> T:
        async with await Chain.connect(network) as chain:
            return await work(chain, Sender(chain, account))

    return run_async(connected())


def parse_id(text: str, what: str, hint: str) -> bytes:
    """32 bytes of 0x hex. what: it is the id of, for the error. Raises MLBridgeError `id.invalid`."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise MLBridgeError(
            "id.invalid",
            f"{text!r} is not the id of {what} (0x and 64 hex digits).",
            hint=hint,
            exit_code=2,
        )
    return raw
