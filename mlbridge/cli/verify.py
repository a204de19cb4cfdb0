"""`mlbridge verify`: check a receipt against the chain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from contracts.chain import Chain
from contracts.network import Network
from mlbridge.cli.context import JsonOption, NetworkOption, find_network
from mlbridge.console import data, emit_json, people, run_async
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient
from mlbridge.sdk.coordinators import CoordinatorDoor
from mlbridge.sdk.lane_proof import prove_settlement
from mlbridge.sdk.lane_receipt import LaneReceipt, is_lane_receipt
from mlbridge.sdk.lane_verify import verify_offline, verify_receipt
from mlbridge.sdk.receipt import Receipt, VerificationReport
from mlbridge.sdk.receipt import verify as check
from mlbridge.storage import open_store


def verify(
    receipt: Annotated[Path, typer.Argument(help="A receipt file.")],
    confirmations: Annotated[
        int | None, typer.Option(help="Blocks that must lie above each transaction. Default: the network's.")
    ] = None,
    content: Annotated[
        bool, typer.Option("--content/--no-content", help="Also fetch manifest and payloads by CID.")
    ] = True,
    offline: Annotated[
        bool, typer.Option("--offline", help="Channel receipts: check what needs no chain.")
    ] = False,
    coordinator: Annotated[
        str | None,
        typer.Option(help="Channel receipts: a coordinator to ask for the batch where storage lacks it."),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Channel receipts: write the batch that was found into the file."),
    ] = False,
    network: NetworkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a receipt against the chain, trusting nobody but the chain node you name.

    A channel receipt proves most by itself: --offline asks no chain at all. With one, the batch that holds
    its order is looked up on the chain and in storage, and it is said whether it is final.

    Says what is proved and what is not. Exits with 1 and the reason when anything does not hold.
    """
    found = run_async(_check(receipt, network, confirmations, content, offline, coordinator, update))
    if as_json:
        emit_json(
            {
                "ok": found.ok,
                "proved": found.proved,
                "not_proved": found.not_proved,
                "failures": found.failures,
            }
        )
    else:
        _show(receipt, found)
    raise typer.Exit(0 if found.ok else 1)


async def _check(
    file: Path,
    network: str | None,
    confirmations: int | None,
    content: bool,
    offline: bool,
    coordinator: str | None,
    update: bool,
) -> VerificationReport:
    raw = _read(file)
    if is_lane_receipt(raw):
        receipt = LaneReceipt.from_bytes(raw)
        if offline:
            return verify_offline(receipt)
        async with AsyncClient(find_network(network)) as client:
            return await _verify_channel(client, receipt, coordinator, file if update else None)
    if offline:
        raise MLBridgeError(
            "receipt.needs_chain",
            "A receipt of the direct lane proves nothing without the chain that it is about.",
            hint="Leave --offline away.",
            exit_code=2,
        )
    return await _verify(Receipt.from_bytes(raw), find_network(network), confirmations, content)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MLBridgeError(
            "receipt.missing", f"The receipt {file} cannot be read ({error.strerror}).", exit_code=5
        ) from error


async def _verify_channel(
    client: AsyncClient, receipt: LaneReceipt, coordinator: str | None, file: Path | None
) -> VerificationReport:
    """file: to write a receipt that names its batch to."""
    view = await client.lane_view()
    first = await verify_receipt(receipt, view)
    if not first.ok:
        return first
    door = None if coordinator is None else CoordinatorDoor(coordinator)
    try:
        proved = await prove_settlement(receipt, view.lane, client.store, door)
    except MLBridgeError as error:
        # What was found without its batch stands, and says that none was found.
        if error.code != "lane.not_settled":
            people.print(f"[yellow]no proof of its batch: {escape(error.message)}[/yellow]", soft_wrap=True)
        return first
    finally:
        if door is not None:
            await door.close()
    if proved == receipt:
        return first
    found = await verify_receipt(proved, view)
    if file is not None and found.ok:
        await asyncio.to_thread(proved.save, file)
        people.print(f"  the batch is in {escape(str(file))} now", soft_wrap=True)
    return found


async def _verify(
    receipt: Receipt, network: Network, confirmations: int | None, content: bool
) -> VerificationReport:
    store = open_store(network.storage_url) if content and network.storage_url else None
    async with await Chain.connect(network) as chain:
        return await check(receipt, chain, confirmations=confirmations, store=store)


def _show(file: Path, found: VerificationReport) -> None:
    verdict = "[green]holds[/green]" if found.ok else "[red]does not hold[/red]"
    data.print(f"{escape(str(file))}: {verdict}", soft_wrap=True)
    for title, colour, mark, lines in (
        ("wrong", "red", "x", found.failures),
        ("proved", "green", "+", found.proved),
        ("not proved", "yellow", "-", found.not_proved),
    ):
        if lines:
            data.print(f"\n[{colour}]{title}[/{colour}]")
        for line in lines:
            data.print(f"  {mark} {line}", soft_wrap=True, markup=False)
