"""A model's files: from a folder into a content store, and from a store into a folder."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import (
    MANIFEST_NAME,
    FileRef,
    Manifest,
    check_path,
    schema_ids,
    weights_digest,
)
from mlbridge.protocol.payload import KINDS
from mlbridge.protocol.unixfs import FileBuilder

_PIECE_BYTES: Final = 1 << 20
_PARTIAL_PREFIX: Final = ".part-"


class FileSource(Protocol):
    """The part of a content store that fetching needs."""

    async def get_file(self, cid: str, path: Path, *, max_bytes: int = ...) -> int:
        """Write verified content to path, whole or not at all; its size."""
        ...


class FileSink(Protocol):
    """The part of a content store that publishing needs."""

    async def put(self, data: bytes) -> str:
        """Store data; its CID."""
        ...

    async def put_file(self, path: Path) -> str:
        """Store a file; its CID."""
        ...


async def describe_folder(
    folder: Path | str, *, draft: Mapping[str, object] | None = None, ignore: Collection[str] = ()
) -> Manifest:
    """The manifest of a model folder: its `manifest.json`, or draft in its place, completed from the files.

    ignore: paths in the folder that are not the model's.
    `files` and `exec_class.weights_sha256` are computed; if given they must agree. The schemas follow from
    the kind, tolerance and evidence may be left out. Raises MLBridgeError `manifest.*` (also for files that
    may not be in a model, such as pickles) or `storage.*`.
    """
    return await asyncio.to_thread(_describe, Path(folder), draft, {MANIFEST_NAME, *ignore})


async def publish_folder(
    folder: Path | str,
    store: FileSink,
    *,
    draft: Mapping[str, object] | None = None,
    ignore: Collection[str] = (),
) -> tuple[Manifest, str]:
    """Store a model folder's files and its manifest; the manifest and its CID.

    Arguments and errors are those of `describe_folder`.
    """
    folder = Path(folder)
    manifest = await describe_folder(folder, draft=draft, ignore=ignore)
    for file in manifest.files:
        if await store.put_file(folder / file.path) != file.cid:
            raise MLBridgeError(
                "manifest.files_changed",
                f"{file.path} changed while it was published.",
                hint="Publish the folder again when nothing writes to it.",
            )
    return manifest, await store.put(manifest.to_bytes())


async def fetch_files(manifest: Manifest, store: FileSource, directory: Path | str) -> None:
    """Make directory hold exactly the manifest's files, each checked by CID, SHA-256 and size.

    Files that are there and right are kept, so that an interrupted fetch goes on where it stopped.
    `manifest.json` is written last: where it is, the model is complete. Raises MLBridgeError
    `manifest.stray_file` for other files in the directory (a loader might pick them up),
    `manifest.mismatch`, `content.*` or `storage.*`.
    """
    directory = Path(directory)
    await asyncio.to_thread(_prepare, manifest, directory)
    for file in manifest.files:
        path = directory / file.path
        if await asyncio.to_thread(_matches, path, file):
            continue
        await store.get_file(file.cid, path, max_bytes=file.size)
        if not await asyncio.to_thread(_matches, path, file):
            path.unlink()
            raise MLBridgeError(
                "manifest.mismatch",
                f"The content {file.cid} of {file.path} has not the SHA-256 and size of the manifest.",
                hint="The manifest contradicts itself: do not serve this model; tell its provider.",
            )
    await asyncio.to_thread(_finish, manifest, directory)


def _describe(folder: Path, draft: Mapping[str, object] | None, ignore: Collection[str]) -> Manifest:
    fields = _read_draft(folder / MANIFEST_NAME) if draft is None else dict(draft)
    files = [_reference(folder, path) for path in _list(folder, ignore)]
    listed = [file.model_dump() for file in files]
    if fields.setdefault("files", listed) != listed:
        raise MLBridgeError(
            "manifest.files_changed",
            f"The files in {folder} are not those that its {MANIFEST_NAME} lists.",
            hint=f"Take `files` out of {MANIFEST_NAME} to have the folder listed again.",
        )
    exec_class = fields.get("exec_class")
    if isinstance(exec_class, Mapping):
        fields["exec_class"] = {"weights_sha256": weights_digest(files), **exec_class}
    for kind in KINDS:
        if fields.get("kind") == kind:
            fields.setdefault("input_schema", schema_ids(kind)[0])
            fields.setdefault("output_schema", schema_ids(kind)[1])
    fields.setdefault("tolerance", None)
    fields.setdefault("evidence", {})
    return Manifest.from_fields(fields)


def _read_draft(path: Path) -> dict[str, Any]:
    try:
        draft = json.loads(path.read_bytes(), object_pairs_hook=_no_duplicates)
    except FileNotFoundError as error:
        raise MLBridgeError(
            "manifest.no_file",
            f"There is no {MANIFEST_NAME} in {path.parent}.",
            hint="Write one.",
            exit_code=5,
        ) from error
    except (OSError, ValueError) as error:
        raise MLBridgeError("manifest.invalid", f"{path} cannot be read: {error}.", exit_code=2) from error
    if not isinstance(draft, dict):
        raise MLBridgeError("manifest.invalid", f"{path} is not a JSON object.", exit_code=2)
    return draft


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field appears twice")
    return fields


def _list(folder: Path, ignore: Collection[str]) -> list[str]:
    """Paths of the model files in a folder, sorted."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    paths = sorted(path for path in found if path not in ignore)
    for path in paths:
        try:
            check_path(path)
        except ValueError as error:
            raise MLBridgeError("manifest.file_type", f"In {folder}: {error}.", exit_code=2) from error
    return paths


def _reference(folder: Path, path: str) -> FileRef:
    sha256, cid, size = _hash(folder / path)
    return FileRef(path=path, cid=cid, sha256=sha256, size=size)


def _hash(path: Path) -> tuple[str, str, int]:
    """SHA-256 in hex, CID and size of a file, read once."""
    sha256, builder = hashlib.sha256(), FileBuilder()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            sha256.update(piece)
            builder.update(piece)
    return sha256.hexdigest(), builder.finish(), builder.size


def _matches(path: Path, file: FileRef) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return _hash(path) == (file.sha256, file.cid, file.size)


def _prepare(manifest: Manifest, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    expected = {file.path for file in manifest.files} | {MANIFEST_NAME}
    for path in directory.rglob("*"):
        if path.is_dir():
            continue
        name = path.relative_to(directory).as_posix()
        if path.name.startswith(_PARTIAL_PREFIX):
            path.unlink(missing_ok=True)
        elif name not in expected:
            raise MLBridgeError(
                "manifest.stray_file",
                f"{name} in {directory} does not belong to {manifest.name} {manifest.version}.",
                hint="Use an empty directory for each manifest.",
            )
    (directory / MANIFEST_NAME).unlink(missing_ok=True)
    for file in manifest.files:
        (directory / file.path).parent.mkdir(parents=True, exist_ok=True)


def _finish(manifest: Manifest, directory: Path) -> None:
    partial = directory / f"{_PARTIAL_PREFIX}{MANIFEST_NAME}"
    partial.write_bytes(manifest.to_bytes())
    os.replace(partial, directory / MANIFEST_NAME)
