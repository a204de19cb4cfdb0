"""What the README tells people to type exists: commands with their options, make targets, files."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmarks import direct_lane
from mlbridge.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Text, then fences that open and close by turns; those without a language are for the shell.
BLOCKS = re.split(r"^```(.*)\n", README, flags=re.MULTILINE)
SHELL = [block for fence, block in zip(BLOCKS[1::4], BLOCKS[2::4], strict=True) if fence == ""]
LINES = [line for block in SHELL for line in block.splitlines() if line.strip()]


def words_of(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def of_program(name: str) -> list[str]:
    return [line for line in LINES if words_of(line)[0] == name]


def parse(command: Any, name: str, words: list[str], parent: Any = None) -> None:
    """Parse as typer would, down to the sub-command's own options, without running anything."""
    context = command.make_context(name, list(words), parent=parent)
    if hasattr(command, "resolve_command"):
        name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parse(inner, name, rest, context)


@pytest.mark.parametrize("line", of_program(".venv/bin/mlbridge"))
def test_every_command_takes_what_the_readme_types(line: str) -> None:
    words = words_of(line.replace("$(ls -t receipts/*.json | head -1)", "receipt.json"))
    parse(typer.main.get_command(app), "mlbridge", words[1:])


def test_commands_that_do_not_exist_are_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(typer.main.get_command(app), "mlbridge", ["run", "minilm", "x", "--free"])


@pytest.mark.parametrize("line", of_program("make"))
def test_every_make_target_exists_and_passes_on_what_the_command_takes(line: str) -> None:
    _, target, *assignments = words_of(line)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for value in assignments:
        options = shlex.split(value.removeprefix("ARGS="))
        parse(typer.main.get_command(app), "mlbridge", [target, *options])


def test_every_file_that_the_readme_names_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    named = [word for line in LINES for word in words_of(line) if word.startswith("configs/")]
    assert [path for path in links + named if not (ROOT / path).exists()] == []


def test_nothing_is_left_to_fill_in() -> None:
    assert [line for line in LINES if "<" in line] == []


def test_the_benchmark_says_that_it_needs_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["direct_lane", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        direct_lane.main()
    assert ended.value.code == 1
    assert "make up" in capsys.readouterr().err


def test_the_licence_that_the_package_names_is_there() -> None:
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text()
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
