"""The `mlbridge` command in this process, as a person or a machine calls it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from mlbridge.cli import main


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Say = Callable[..., Said]


@contextlib.contextmanager
def saying(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Run `mlbridge ...` in this process; consoles write to what pytest captures."""
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["mlbridge", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    try:
        yield run
    finally:
        # The command logs to the stderr of its test, which is closed by now.
        structlog.reset_defaults()
