"""A model folder on disk: built once, atomically, and described by its own `pack.json`.

Everything that decides a model's output lies in the folder's files, so that their hashes pin it:
weights (safetensors), tokenizer, and `engine.json` (architecture, dtype, limits, sampling rule).
`pack.json` says what the folder is; it is not itself one of the hashed files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import PACK_FILE
from serve.engines.base import WEIGHTS_FILE

Progress = Callable[[str], None]
"""Called with one short line per step."""

Writer = Callable[[Path, Progress], Mapping[str, str]]
"""Writes a model's files into an empty folder and returns the evidence to keep in `pack.json`."""


def silent(_: str) -> None:
    """The progress callback that says nothing."""


@dataclass(frozen=True, slots=True)
class PackSpec:
    """What a pack declares about its model. Fields carry the names of the manifest's."""

    name: str
    version: str
    kind: str
    dtype: str
    quantisation: str
    sampling: str
    policy: str
    licence: str
    source: str
    tolerance: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file of a pack: path relative to the folder, SHA-256 (hex), size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Pack:
    """A finished model folder."""

    directory: Path
    spec: PackSpec
    files: tuple[PackedFile, ...]
    evidence: Mapping[str, str] = field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of the weights file."""
        return next(item.sha256 for item in self.files if item.path == WEIGHTS_FILE)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(item.size for item in self.files)


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes JSON in one fixed form (sorted keys, two spaces), so that equal values give equal bytes."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_pack(directory: Path) -> Pack:
    """Reads a folder's `pack.json`. Raises MLBridgeError pack.missing or pack.broken."""
    path = directory / PACK_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MLBridgeError(
            "pack.missing", f"{directory} holds no {PACK_FILE}.", hint="Build or fetch the model first."
        ) from None
    try:
        files = tuple(PackedFile(**item) for item in raw.pop("files"))
        evidence = raw.pop("evidence")
        return Pack(directory, PackSpec(**raw), files, evidence)
    except (KeyError, TypeError) as error:
        raise MLBridgeError(
            "pack.broken",
            f"{path} is not a pack description: {error}.",
            hint="Delete the folder and build it again.",
        ) from error


def build_pack(directory: Path, spec: PackSpec, write: Writer, progress: Progress = silent) -> Pack:
    """Builds a pack into `directory` unless that version of it is there already.

    The work happens in a sibling folder that is renamed when complete, so a reader sees all or nothing
    and two builders at once cost time only. Raises MLBridgeError pack.occupied when `directory` holds
    something else.
    """
    if existing := _existing(directory, spec):
        return existing
    started = time.monotonic()
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        evidence = write(staging, progress)
        progress(f"{spec.name}: hashing")
        names = sorted(item.relative_to(staging).as_posix() for item in staging.rglob("*") if item.is_file())
        for name in names:
            (staging / name).chmod(0o644)
        files = tuple(
            PackedFile(name, sha256_file(staging / name), (staging / name).stat().st_size) for name in names
        )
        write_json(staging / PACK_FILE, _description(spec, files, evidence))
        staging.chmod(0o755)
        try:
            staging.rename(directory)
        except OSError:
            if existing := _existing(directory, spec):
                return existing
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    pack = Pack(directory, spec, files, evidence)
    progress(f"{spec.name}: {pack.size / 1e6:.1f} MB in {time.monotonic() - started:.1f} s")
    return pack


def place(source: Path, target: Path) -> None:
    """Hard-links `source` as `target` where the file system allows it, else copies it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _existing(directory: Path, spec: PackSpec) -> Pack | None:
    if not directory.exists() or not any(directory.iterdir()):
        return None
    pack = read_pack(directory)
    if (pack.spec.name, pack.spec.version) != (spec.name, spec.version):
        raise MLBridgeError(
            "pack.occupied",
            f"{directory} holds {pack.spec.name} {pack.spec.version}, not {spec.name} {spec.version}.",
            hint="Choose another folder or delete this one.",
        )
    for item in pack.files:
        path = directory / item.path
        if not path.is_file() or path.stat().st_size != item.size:
            raise MLBridgeError(
                "pack.broken",
                f"{path} is missing or cut short.",
                hint="Delete the folder and build it again.",
            )
    return pack


def _description(
    spec: PackSpec, files: tuple[PackedFile, ...], evidence: Mapping[str, Any]
) -> dict[str, Any]:
    plain = {name: getattr(spec, name) for name in PackSpec.__slots__}
    listed = [{"path": item.path, "sha256": item.sha256, "size": item.size} for item in files]
    return {**plain, "files": listed, "evidence": dict(evidence)}
