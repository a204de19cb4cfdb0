"""The models that can be asked, by name or id, with the kind of their inputs; remembered for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Kind
from mlbridge.sdk import AsyncClient

log = structlog.get_logger(__name__)

KEEP_S = 30.0


@dataclass(frozen=True, slots=True)
class Model:
    """One model. kind: of its inputs, None where its manifest is out of reach."""

    info: ModelInfo
    kind: Kind | None

    @property
    def id(self) -> str:
        """0x hex."""
        return "0x" + self.info.id.hex()

    @property
    def name(self) -> str:
        """Its name, which others may have too: then it means the oldest active one."""
        return self.info.name

    @property
    def policy(self) -> str:
        """How results are compared: exact or numeric."""
        return self.info.policy.name.lower()


class Catalogue:
    """Reads models from the registry and manifests from storage."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._read_at = -KEEP_S
        self._models: list[Model] = []

    async def models(self) -> list[Model]:
        """The active models that a name means, oldest first."""
        named: dict[str, Model] = {}
        for model in await self._all():
            named.setdefault(model.name, model)
        return list(named.values())

    async def find(self, name_or_id: str) -> Model:
        """An active model; of a name, the oldest. Raises MLBridgeError `model.unknown`."""
        for _ in range(2):
            for model in await self._all():
                if name_or_id in (model.name, model.id):
                    return model
            if time.monotonic() - self._read_at < 1.0:
                break
            self._read_at = -KEEP_S  # it may have been registered a moment ago
        raise MLBridgeError(
            "model.unknown",
            f"There is no active model {name_or_id[:80]!r} on this network.",
            hint="GET /v1/models lists them.",
            exit_code=5,
        )

    async def _all(self) -> list[Model]:
        if time.monotonic() - self._read_at >= KEEP_S:
            found = [info for info in await self._client.models() if info.status is ModelStatus.ACTIVE]
            self._models = [Model(info, await self._kind(info)) for info in found]
            self._read_at = time.monotonic()
        return self._models

    async def _kind(self, info: ModelInfo) -> Kind | None:
        try:
            return (await self._client.manifest(info)).kind
        except MLBridgeError as error:
            log.warning("manifest_unreadable", model=info.name, code=error.code, reason=error.message)
            return None
