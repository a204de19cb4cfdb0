"""The models' folders on this machine: what may come in, where it lies, and what goes.

Anybody may register a model. What a provider serves only because of "*" must therefore be what it says it
is and fit into the room set aside for such models; what the file names is the operator's word.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import structlog

from cluster.choices import Choice
from cluster.config import ProviderConfig
from cluster.files import existing
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest, fetch_files
from mlbridge.models.manifest import MAX_MANIFEST_BYTES
from mlbridge.storage import ContentStore

log = structlog.get_logger()

GB = 10**9
_FOLDER = "models"


async def read_manifest(choice: Choice, store: ContentStore) -> Manifest:
    """The manifest of a model, not in contradiction with the registry.

    Raises MLBridgeError `model.contradiction`, `content.*`, `manifest.*` or `storage.*`.
    """
    model = choice.model
    manifest = Manifest.from_bytes(await store.get(model.cid, max_bytes=MAX_MANIFEST_BYTES))
    if (manifest.policy_id, manifest.exec_class_id) != (model.policy, model.exec_class):
        raise _contradiction(f"The manifest of {model.name!r} says another policy or execution class")
    if not choice.asked and manifest.name != model.name:
        raise _contradiction(f"The manifest of {model.name!r} says another name, {manifest.name},")
    return manifest


def _contradiction(what: str) -> MLBridgeError:
    return MLBridgeError(
        "model.contradiction", f"{what} than the registry.", hint="Do not serve it; tell its provider."
    )


def size_of(manifest: Manifest) -> int:
    """Bytes of a model's files."""
    return sum(file.size for file in manifest.files)


class Shelf:
    """The folders below one provider's home, filled one model after the other."""

    def __init__(self, config: ProviderConfig) -> None:
        self._root = config.home / _FOLDER
        self._limits = config.limits
        self._left = int(config.limits.any_model_gb * GB)

    def folder(self, choice: Choice) -> Path:
        """Where a model lies."""
        return self._root / choice.model.cid

    def require_room(self, choice: Choice, manifest: Manifest) -> None:
        """Raises `model.too_large` for a model that only "*" asks for and that the room for such is too small
        for.
        """
        size = size_of(manifest)
        if not choice.asked and size > self._left:
            raise MLBridgeError(
                "model.too_large",
                f"{manifest.name} has {size / GB:.1f} GB; {self._left / GB:.1f} of the "
                f'{self._limits.any_model_gb:g} GB for models chosen by "*" are left.',
                hint="Raise limits.any_model_gb, or list the model by name.",
            )

    def take_room(self, choice: Choice, manifest: Manifest) -> None:
        """The model is here, or would be: what only "*" asks for takes of the room for such."""
        if not choice.asked:
            self._left -= size_of(manifest)

    async def fetch(self, choice: Choice, manifest: Manifest, store: ContentStore) -> None:
        """Make the model's folder complete and checked.

        What only "*" asks for and cannot be had whole leaves nothing behind and takes no room. Raises
        MLBridgeError `disk.full` before it would leave less than limits.free_disk_gb, `model.too_large`, and
        what `fetch_files` raises.
        """
        self.require_room(choice, manifest)
        directory = self.folder(choice)
        missing = sum(file.size for file in manifest.files if not _is_there(directory / file.path, file.size))
        free = shutil.disk_usage(existing(self._root)).free
        if missing and free - missing < self._limits.free_disk_gb * GB:
            raise MLBridgeError(
                "disk.full",
                f"{manifest.name} needs {missing / GB:.1f} GB more; at {self._root} {free / GB:.1f} GB "
                f"are free and {self._limits.free_disk_gb:g} must stay so.",
                hint="Free space, move `home`, or lower limits.free_disk_gb.",
            )
        try:
            await fetch_files(manifest, store, directory)
        except MLBridgeError:
            if not choice.asked:
                _remove(directory)
            raise
        self.take_room(choice, manifest)

    def clear(self, keep: Collection[str]) -> None:
        """Remove the folders of every model but those with these manifest CIDs."""
        if not self._root.is_dir():
            return
        for folder in self._root.iterdir():
            if folder.name not in keep:
                _remove(folder)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
        log.info("model_removed", folder=str(folder))
    except OSError as error:
        log.warning("model_stays", folder=str(folder), problem=str(error))


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
