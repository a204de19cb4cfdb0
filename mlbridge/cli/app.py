"""The root of the command."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated

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


def main() -> None:
    """Entry point: errors become one sentence, a way out and an exit code."""
    as_json = "--json" in sys.argv
    _log_to_stderr()
    try:
        app()
    except MLBridgeError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        people.print("interrupted")
        raise SystemExit(130) from None
