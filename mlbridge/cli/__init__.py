"""The `mlbridge` command. Rooms' sub-commands are imported only when they are called."""

from mlbridge.cli.app import app, main

__all__ = ["app", "main"]
