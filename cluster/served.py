"""Which models this provider serves, and how the agent reaches and judges them: one small file, written by
whoever deploys and read again by the agent when it changes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.network import write_whole
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest, PolicyRule, rule_of
from mlbridge.models.manifest import MANIFEST_NAME

FILE = "served.json"


@dataclass(frozen=True)
class Served:
    """One served model. id: 0x hex; route: path of its application; directory: its folder; price: wei a
    task.
    """

    id: str
    name: str
    kind: str
    cid: str
    exec_class: str
    route: str
    app: str
    directory: str
    price: int

    @property
    def model_id(self) -> bytes:
        return bytes.fromhex(self.id[2:])

    def rule(self) -> PolicyRule:
        """How its results are compared, from the manifest in its folder."""
        return rule_of(Manifest.from_bytes((Path(self.directory) / MANIFEST_NAME).read_bytes()))


def write_served(home: Path, models: list[Served]) -> None:
    write_whole(home / FILE, json.dumps([asdict(model) for model in models], indent=1))


class ServedModels:
    """The file, read again when it changed."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE
        self._stamp: tuple[int, int] | None = None
        self._models: dict[bytes, Served] = {}

    def all(self) -> dict[bytes, Served]:
        """By model id; empty as long as nothing was deployed."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return {}
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            items = json.loads(self._file.read_text())
            self._models = {model.model_id: model for model in (Served(**item) for item in items)}
            self._stamp = stamp
        return self._models

    def get(self, model_id: bytes) -> Served:
        """Raises MLBridgeError `model.not_served`."""
        found = self.all().get(model_id)
        if found is None:
            raise MLBridgeError(
                "model.not_served",
                f"A seat was drawn for model 0x{model_id.hex()}, which this provider does not run.",
                hint="List it under `models` in the provider file and run `mlbridge provider up` again.",
            )
        return found
