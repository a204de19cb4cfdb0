"""A command group whose sub-commands are imported when they are called, so that `--help` stays quick."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from mlbridge.errors import MLBridgeError

ROOMS: dict[str, tuple[str, str, str]] = {
    "up": ("mlbridge.devnet.commands", "up", "Start a whole network here: chain, contracts, providers."),
    "down": ("mlbridge.devnet.commands", "down", "Stop that network; its state stays."),
    "reset": ("mlbridge.devnet.commands", "reset", "Stop that network and forget its state."),
    "status": ("mlbridge.devnet.commands", "status", "What of that network runs, and where."),
    "logs": ("mlbridge.devnet.commands", "logs", "Show the logs of a part of that network."),
    "run": ("mlbridge.cli.run", "run", "Send one task, wait for its verified answer, keep the receipt."),
    "task": ("mlbridge.cli.tasks", "app", "Submit, list, show, wait for, cancel and move on tasks."),
    "model": ("mlbridge.cli.models", "app", "Publish, price, list and show models."),
    "account": ("mlbridge.cli.accounts", "app", "Balances, stakes and claims of an address."),
    "stake": ("mlbridge.cli.stakes", "app", "What an address has at stake, and taking it out."),
    "deploy": ("mlbridge.cli.deploy", "deploy", "Put every contract on a chain; a run cut off goes on."),
    "gov": ("mlbridge.cli.governance", "app", "Propose, vote, delegate, carry out what was decided."),
    "rewards": ("mlbridge.cli.rewards", "app", "What the reward pool owes an address, and fetching it."),
    "slash": ("mlbridge.cli.slashes", "app", "Slashes that wait: what was taken, why, how it ends."),
    "appeal": ("mlbridge.cli.appeals", "app", "Have a slash judged again by a larger panel."),
    "decoys": ("mlbridge.cli.decoys", "app", "Cases with planted wrong results: author, open, settle."),
    "channel": ("mlbridge.cli.channels", "app", "Payment channels: open, show, top up, summon, close."),
    "dissent": ("mlbridge.cli.dissents", "app", "Have the channel lane's disagreements judged."),
    "watch": ("mlbridge.cli.watch", "watch", "Recompute every batch, and challenge what is wrong."),
    "attester": ("mlbridge.cli.attesters", "app", "Join those who sign batches together: keys, the set."),
    "verify": ("mlbridge.cli.verify", "verify", "Check a receipt against the chain, trusting nobody."),
    "provider": ("cluster.commands", "app", "Run a compute provider on this machine."),
    "coordinator": ("coordinator.commands", "app", "Run a coordinator on this machine."),
    "gateway": ("gateway.commands", "app", "Run an OpenAI-compatible gateway; make its API keys."),
}  # fmt: skip

ROOM_PACKAGES = {"mlbridge", "contracts", "serve", "cluster", "coordinator", "gateway"}
NEEDS = {
    "cluster": "node",
    "coordinator": "coordinator",
    "watch": "coordinator",
    "attester": "coordinator",
    "gateway": "gateway",
}


class LazyGroup(TyperGroup):
    """Lists every command from `ROOMS`; imports the module of the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(ROOMS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # Help and completion of the group itself only need names and one line each.
        return _placeholder(cmd_name) if cmd_name in ROOMS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, (command if name is None else _load(name)), rest


def _load(name: str) -> Any:
    module_name, attribute, _ = ROOMS[name]
    try:
        target = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] in ROOM_PACKAGES:
            raise
        extra = NEEDS.get(name) or NEEDS.get(module_name.split(".")[0], "node")
        raise MLBridgeError(
            "install.extra_missing",
            f"`mlbridge {name}` needs the package {missing.name}, which is not installed.",
            hint=f"Install it with: pip install 'mlbridge[{extra}]'",
        ) from missing
    if isinstance(target, typer.Typer):
        command = typer.main.get_command(target)
    else:
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name)(target)
        command = typer.main.get_command(single)
    command.name = name
    return command


def _placeholder(name: str) -> Any:
    stub = typer.Typer(add_completion=False)

    def listed() -> None:
        """Never called: stands in for a sub-command in the list of commands."""

    stub.command(name, help=ROOMS[name][2])(listed)
    return typer.main.get_command(stub)
