"""An operator's YAML file as a checked model; what is wrong in it, in one sentence with the way out."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mlbridge.errors import MLBridgeError

M = TypeVar("M", bound=BaseModel)


def load_file(model: type[M], path: str | Path, room: str) -> M:
    """The file at `path`; relative paths in it are relative to it. room: whose file it is.

    Raises MLBridgeError `config.missing`, `config.unreadable` or `config.invalid`: field, bad value, way out.
    """
    file = Path(path).expanduser()
    try:
        data = yaml.safe_load(file.read_text())
    except FileNotFoundError as error:
        raise MLBridgeError(
            "config.missing",
            f"There is no {room} file {file}.",
            hint=f"Copy one from configs/{room} and change it.",
            exit_code=5,
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise MLBridgeError(
            "config.unreadable", f"The {room} file {file} cannot be read: {told}.", exit_code=2
        ) from error
    if not isinstance(data, dict):
        raise MLBridgeError(
            "config.invalid",
            f"The {room} file {file} holds no fields.",
            hint=f"See configs/{room}.",
            exit_code=2,
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
    problems = error.errors()
    first = problems[0]
    path = ".".join(str(part) for part in first["loc"]) or "the file"
    known, takes = _beside(model, first["loc"])
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        told = f"{path} is not a known field"
        hint = f"Did you mean {close[0]}?" if close else f"Known fields here: {', '.join(known)}."
    elif first["type"] == "missing":
        told, hint = f"{path} is missing", f"Give it: {takes}." if takes else "Give it."
    else:
        # Somebody may have put a key where its file's path belongs.
        # Database URLs hold passwords.
        secret = {"key", "store"} & set(first["loc"])
        hidden = bool(secret) or isinstance(first["input"], dict | BaseModel)
        shown = "" if hidden else f" is {first['input']!r}"
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        told = f"{path}{shown}: {reason[:1].lower()}{reason[1:]}"
        hint = f"It takes: {takes}." if takes else ""
    more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
    return MLBridgeError("config.invalid", f"{source}: {told}{more}.", hint=hint, exit_code=2, field=path)


def _beside(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], str]:
    """Names of the fields beside the one at `location`, and what that one takes."""
    section = model
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        annotation = None if field is None else field.annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        inner = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
        if not inner:
            return [], ""
        section = inner[0]
    field = section.model_fields.get(str(location[-1])) if location else None
    return sorted(section.model_fields), (field.description or "") if field is not None else ""
