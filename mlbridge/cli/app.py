"""The root of the command."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import structlog
import typer

from mlbridge.cli.lazy import LazyGroup
from mlbridge.console import fail, people
from mlbridge.errors import MLBridgeError

LOG_ENV = "MLBRIDGE_LOG"  # debug, info, warning or error

app = typer.Typer(
    name="mlbridge",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Verified machine learning on hardware you do not own.\n\n"
    'Start with: mlbridge up   (a whole network here), then: mlbridge run minilm "hello"',
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"mlbridge {version('mlbridge')}\n")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that every command shares come after the command's name."""


def _log_to_stderr() -> None:
    """stdout is for data; retries and the like are for whoever asks for them."""
    level = getattr(logging, os.environ.get(LOG_ENV, "error").upper(), logging.ERROR)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


# typer brings its own copy of click or uses the installed one, depending on its version.
_ClickException = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main() -> None:
    """Entry point: errors become one sentence, a way out and an exit code."""
    as_json = "--json" in sys.argv
    _log_to_stderr()
    try:
        if as_json:
            raise SystemExit(_run_for_machines())
        app()
    except MLBridgeError as error:
        fail(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        if as_json:
            fail(MLBridgeError("interrupted", "It was interrupted.", exit_code=130), as_json=True)
        people.print("interrupted")
        raise SystemExit(130) from None


def _run_for_machines() -> int:
    """The exit code. Raises MLBridgeError `usage.invalid` where people would see a box with the usage."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        if not isinstance(error, _ClickException):
            raise
        told: Any = error
        context = getattr(told, "ctx", None)
        path = context.command_path if context is not None else "mlbridge"
        raise MLBridgeError(
            "usage.invalid",
            " ".join(told.format_message().split()),
            hint=f"See: {path} --help",
            exit_code=2,
        ) from error
    return code if isinstance(code, int) else 0
