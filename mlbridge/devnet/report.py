"""What a person sees while a devnet starts: one line a step, with its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Report:
    """Progress on stderr: a live line on a terminal, a plain line a step elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live: Status | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; the block may set `detail`. A failing step is marked and its error passed on."""
        step = Step(self, name)
        started = time.monotonic()
        if self.console.is_terminal:
            self.live = self.console.status(name, spinner="dots")
            self.live.start()
        try:
            yield step
        except BaseException:
            self._end()
            self.console.print(f"[red]x[/red] {name}", highlight=False)
            raise
        self._end()
        took = f"{time.monotonic() - started:.1f} s"
        line = f"[green]+[/green] {name:<14} {escape(step.detail):<58} [dim]{took:>8}[/dim]"
        self.console.print(line, highlight=False, soft_wrap=True)

    def _end(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None


class Step:
    """One running step."""

    def __init__(self, report: Report, name: str) -> None:
        self.report = report
        self.name = name
        self.detail = ""

    def now(self, doing: str) -> None:
        """What the step is at."""
        self.detail = doing
        if self.report.live is not None:
            self.report.live.update(f"{self.name}: {doing}")
