"""`mlbridge watch`: anyone's eye on the channel lane's batches."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
from eth_account.signers.local import LocalAccount

from contracts import attesters, bls, blskey
from contracts.lane import Lane
from contracts.network import Network
from contracts.sender import Sender
from coordinator.lane.attest import Attester, attester_app
from coordinator.lane.endings import Ending, Endings
from coordinator.lane.watching import DEMANDS, Finding, Watcher
from mlbridge.cli.attesters import BlsKeyOption, BlsPasswordFileOption
from mlbridge.cli.context import (
    JsonOption,
    KeyOption,
    NetworkOption,
    PasswordFileOption,
    find_account,
    find_network,
)
from mlbridge.console import people, run_async
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient
from mlbridge.storage import ContentStore, open_store

log = structlog.get_logger(__name__)

ATTEST_PORT = 8560
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class _Duty:
    """What to do besides looking. demands: leaves to ask for; attest: a Verifier account, None: none."""

    once: bool
    look: bool
    demands: int
    attest: int | None
    bls_keystore: Path | None
    bls_password_file: Path | None
    port: int
    as_json: bool


def watch(
    once: Annotated[
        bool, typer.Option("--once", help="Look once and end; exit code 1 if a fault was found.")
    ] = False,
    look: Annotated[bool, typer.Option("--look-only", help="Send nothing, only tell.")] = False,
    demands: Annotated[
        int, typer.Option(min=0, help="Leaves of a batch without data to ask for, each with a bond.")
    ] = DEMANDS,
    attest: Annotated[
        int | None, typer.Option(help="Also sign sound batches as this Verifier account.")
    ] = None,
    bls_keystore: BlsKeyOption = None,
    bls_password_file: BlsPasswordFileOption = None,
    port: Annotated[
        int, typer.Option(help="Where coordinators ask for signatures, on 127.0.0.1.")
    ] = ATTEST_PORT,
    storage: Annotated[
        str | None, typer.Option(help="Where batches are stored. Default: the network's.")
    ] = None,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every batch from its stored bytes and challenge on chain what is wrong, for the reward.

    It also ends what waits for anybody, which costs gas and pays nobody: it closes summonses whose time is
    over, and rules, condemns and concludes dissent cases. It fetches the bonds of its own demands on batches
    that are void.

    Needs nothing but a chain node, the storage and coins for gas and bonds; it keeps no state, so it may be
    killed and started again at any time, and any number of watchers may run. With --json one finding a line.

    With --attest it also signs sound batches: with the key of --keystore, a node key of the account's
    operator; or, where the network counts aggregate signatures, with the key of --bls-keystore (see
    mlbridge attester --help).
    """
    chosen = find_network(network)
    url = storage or chosen.storage_url
    if not url:
        raise MLBridgeError(
            "storage.none",
            "Watching needs the storage in which batches lie.",
            hint="Name it: --storage URL",
            exit_code=2,
        )
    account = find_account(chosen, key, password_file)
    client = AsyncClient(chosen, account, open_store(url))
    duty = _Duty(once, look, demands, attest, bls_keystore, bls_password_file, port, as_json)
    run_async(_watch(client, open_store(url), duty))


async def _watch(client: AsyncClient, content: ContentStore, duty: _Duty) -> None:
    async with client:
        view = await client.lane_view()
        account = client.account
        sender = None if duty.look or account is None else Sender(await client.chain(), account)
        watcher = Watcher(view, content, sender, demands=duty.demands)
        endings = None if sender is None else Endings(view, sender)
        attesting: list[asyncio.Task[None]] = []
        if duty.attest is not None:
            key = await _attesting_key(view.lane, account, duty.attest, duty)
            serving = _serve(Attester(view, content, duty.attest, key), duty.port)
            attesting.append(asyncio.create_task(serving))
        try:
            await _loop(watcher, endings, client.network, once=duty.once, as_json=duty.as_json)
        finally:
            for task in attesting:
                task.cancel()
            await asyncio.gather(*attesting, return_exceptions=True)


async def _loop(
    watcher: Watcher, endings: Endings | None, network: Network, *, once: bool, as_json: bool
) -> None:
    pause = max(1.0, network.block_time)
    wrong = False
    failures = 0
    while True:
        try:
            for finding in await watcher.step():
                wrong = wrong or finding.what not in ("ok", "wait")
                _tell(finding, as_json=as_json)
            for ending in [] if endings is None else await endings.step():
                _tell(ending, as_json=as_json)
            await watcher.collect()
            failures = 0
        except MLBridgeError as error:
            if once:
                raise
            failures += 1
            log.warning("watch_failed", reason=error.message)
        if once:
            raise typer.Exit(1 if wrong else 0)
        await asyncio.sleep(min(LONGEST_PAUSE_S, pause * 2.0 ** min(failures, 6)))


async def _attesting_key(lane: Lane, account: LocalAccount | None, number: int, duty: _Duty) -> bytes:
    """The one whose signatures this network counts. Raises before anybody is told that they would count."""
    if not await attesters.counts_aggregates(lane):
        if account is None:
            raise MLBridgeError(
                "wallet.none", "Attesting needs a key of the account's operator.", exit_code=3
            )
        return bytes(account.key)
    if duty.bls_keystore is None:
        raise MLBridgeError(
            "attesters.no_key",
            "This network counts aggregate signatures, so attesting needs the account's BLS key.",
            hint=f"Name its file: --bls-keystore FILE. If there is none: mlbridge attester key FILE, then"
            f" mlbridge attester register {number} --bls-keystore FILE",
            exit_code=3,
        )
    secret = blskey.load(duty.bls_keystore, password_file=duty.bls_password_file)
    if (await attesters.member_of(lane, number)).key != bls.public_key(secret):
        raise MLBridgeError(
            "attesters.other_key",
            f"Account {number} is in the attester set with another key than that of {duty.bls_keystore}.",
            hint="Name the file of the registered key, or leave the set and register this one.",
            exit_code=3,
        )
    return secret


async def _serve(attester: Attester, port: int) -> None:
    config = uvicorn.Config(attester_app(attester), port=port, log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()


def _tell(finding: Finding | Ending, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(finding.to_dict()) + "\n")
        sys.stdout.flush()
    else:
        about = finding.batch if isinstance(finding, Finding) else finding.order
        people.print(f"{about[:18]}  {finding.what}: {finding.detail}", soft_wrap=True, markup=False)
