"""An operator's YAML file as a checked model; what is wrong in it, in one sentence with the way out."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from mlbridge.errors import MLBridgeError

M = TypeVar("M", bound=BaseModel)

# Somebody may have put a key where its file's path belongs, and database URLs hold passwords.
_SECRET: Final = frozenset({"key", "keys", "store"})


def load_file(model: type[M], path: str | Path, room: str, *, examples: str, start: str = "") -> M:
    """The file at `path`; relative paths in it are relative to it.

    room: whose file it is; examples: the folder that holds some; start: how to come by a first one, if not
    by copying. Raises MLBridgeError `config.missing`, `config.unreadable` or `config.invalid`: field, bad
    value, way out.
    """
    file = Path(path).expanduser()
    try:
        data = yaml.safe_load(file.read_text())
    except FileNotFoundError as error:
        raise MLBridgeError(
            "config.missing",
            f"There is no {room} file {file}.",
            hint=start or f"Copy one from {examples} and change it.",
            exit_code=5,
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise MLBridgeError(
            "config.unreadable", f"The {room} file {file} cannot be read: {told}.", exit_code=2
        ) from error
    if not isinstance(data, dict):
        raise MLBridgeError(
            "config.invalid", f"The {room} file {file} holds no fields.", hint=f"See {examples}.", exit_code=2
        )
    return parse_fields(model, data, base=file.resolve().parent, source=str(file))


def parse_fields(model: type[M], data: dict[str, Any], *, base: Path | None, source: str) -> M:
    """Validate a file's fields; relative paths are below `base`. Raises `config.invalid`."""
    try:
        return model.model_validate(data, context={"base": base})
    except ValidationError as error:
        raise _in_words(error, model, source) from error


def _in_words(error: ValidationError, model: type[BaseModel], source: str) -> MLBridgeError:
    """The first problem in one sentence, with how many more there are."""
    # A list is also reported as too short when its items are wrong; those come first.
    problems = [p for n, p in enumerate(error.errors()) if n == 0 or p["type"] != "too_short"]
    first = problems[0]
    path = _dotted(first["loc"]) or "the file"
    known, takes = _beside(model, first["loc"])
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        told = f"{path} is not a known field"
        hint = f"Did you mean {close[0]}?" if close else f"Known fields here: {', '.join(known)}."
    elif first["type"] == "missing":
        told, hint = f"{path} is missing", f"Give it: {takes}." if takes else "Give it."
    else:
        hidden = bool(_SECRET & set(first["loc"])) or isinstance(first["input"], dict | BaseModel)
        shown = "" if hidden else f" is {first['input']!r}"
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        told = f"{path}{shown}: {reason[:1].lower()}{reason[1:]}"
        hint = f"It takes: {takes}." if takes else ""
    more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
    return MLBridgeError("config.invalid", f"{source}: {told}{more}.", hint=hint, exit_code=2, field=path)


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _beside(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], str]:
    """Names of the fields beside the one at `location`, and what that one takes."""
    section, takes = model, ""
    names = [part for part in location if isinstance(part, str)]
    for place, name in enumerate(names):
        field = section.model_fields.get(name)
        if field is None:
            return list(section.model_fields), ""
        takes = field.description or ""
        inner = _model_in(field.annotation)
        if inner is None:
            break
        if place < len(names) - 1:
            section = inner
    return list(section.model_fields), takes


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, in a list or beside None perhaps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
