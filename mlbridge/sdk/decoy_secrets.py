"""An author's chains of secrets on its disk: written before their anchor is known, never forgotten.

Whoever reads them knows which candidates are decoys.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.decoys import anchor_of, next_secret
from mlbridge.storage.atomic import AtomicFile

LENGTH: Final = 1_000


class DecoySecrets:
    """The chains of one account for one model. Raises MLBridgeError `decoys.secrets`."""

    def __init__(self, folder: Path, *, chain_id: int, contract: str, model: bytes, account: int) -> None:
        self._path = folder / f"{chain_id}-{contract.lower()}-{account}-0x{model.hex()}.json"

    def fresh(self, length: int = LENGTH) -> bytes:
        """Begin another chain, on disk when this returns; its anchor."""
        root = secrets.token_bytes(32)
        kept = [*self._kept(), {"root": root.hex(), "length": length}]
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with AtomicFile(self._path.parent) as file:
            file.write(json.dumps(kept).encode())
            file.commit(self._path)
        return anchor_of(root, length)

    def behind(self, anchor: bytes) -> bytes | None:
        """The secret that hashes to an anchor; None if no chain here holds it."""
        # An enlisting that came to nothing leaves a chain that no anchor names.
        for one in reversed(self._kept()):
            found = next_secret(bytes.fromhex(one["root"]), one["length"], anchor)
            if found is not None:
                return found
        return None

    def _kept(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        try:
            found = json.loads(self._path.read_text())
            return [{"root": str(one["root"]), "length": int(one["length"])} for one in found]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MLBridgeError(
                "decoys.secrets",
                f"The secrets in {self._path} cannot be read: {error}.",
                hint="Restore the file; without it an author that is drawn is fined.",
            ) from error
