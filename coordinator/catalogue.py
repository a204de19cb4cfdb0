"""Models by id or name, with the kind of their inputs; what was found is remembered for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from contracts import reads
from contracts.chain import Chain
from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import MAX_MANIFEST_BYTES, Manifest
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

KEEP_S = 60.0


@dataclass(frozen=True, slots=True)
class Model:
    """What a submission needs of a model. kind: of its inputs, None when its manifest cannot be read here."""

    id: bytes
    kind: str | None


class Catalogue:
    """Finds models on chain and their manifests in storage."""

    def __init__(self, chain: Chain, storage: ContentStore | None) -> None:
        self._chain, self._storage = chain, storage
        self._found: dict[str, tuple[float, Model]] = {}

    async def resolve(self, name_or_id: str) -> Model:
        """The model; of a name, its oldest active one. Raises MLBridgeError `model.unknown`."""
        kept = self._found.get(name_or_id)
        if kept is not None and time.monotonic() - kept[0] < KEEP_S:
            return kept[1]
        info = await reads.find_model(self._chain, name_or_id)
        others = await reads.namesakes(self._chain, info) if info.name == name_or_id else []
        if others:
            chosen = "0x" + info.id.hex()
            log.warning("model_name_shared", model=name_or_id, chosen=chosen, others=len(others))
        kind: str | None = None
        if self._storage is not None:
            try:
                data = await self._storage.get(info.cid, max_bytes=MAX_MANIFEST_BYTES)
                kind = Manifest.from_bytes(data).kind
            except MLBridgeError as error:
                log.warning("manifest_unreadable", model=name_or_id, code=error.code, reason=str(error))
        model = Model(info.id, kind)
        self._found[name_or_id] = time.monotonic(), model
        return model


def kind_of(model: Model, fields: dict[str, object], name: str) -> str:
    """The kind of an input for a model, from the model or from the input's own `kind`, which is taken out.

    Raises MLBridgeError `payload.kind`.
    """
    said = fields.pop("kind", None)
    kind = model.kind or said
    if kind is None:
        raise MLBridgeError(
            "payload.kind",
            f"The kind of model {name}'s inputs is not known here: its manifest is out of reach.",
            hint="Name the kind in the input, or set storage_url so that manifests can be read.",
            exit_code=2,
        )
    if said not in (None, kind):
        raise MLBridgeError(
            "payload.kind",
            f"Model {name} takes {kind} inputs, not {said}.",
            hint="Leave `kind` out of the input, or choose another model.",
            exit_code=2,
        )
    return str(kind)
