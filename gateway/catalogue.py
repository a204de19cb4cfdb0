"""The models that can be asked, by name or id, and what they take; remembered for a while."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Kind
from mlbridge.sdk import AsyncClient

log = structlog.get_logger(__name__)

KEEP_S = 30.0
AGAIN_S = 60.0
# Anybody may register a model whose manifest nobody serves: none of them may hold up the others.
MANIFEST_S = 3.0


class Takes(NamedTuple):
    """What a model's inputs may be. json_schema: whether its engine can hold an answer to one.

    None where its manifest is out of reach.
    """

    kind: Kind | None
    json_schema: bool | None


UNKNOWN: Final = Takes(None, None)


@dataclass(frozen=True, slots=True)
class Model:
    """One model."""

    info: ModelInfo
    takes: Takes

    @property
    def kind(self) -> Kind | None:
        """Of its inputs, None where its manifest is out of reach."""
        return self.takes.kind

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
        self._reading = asyncio.Lock()
        self._read_at = -KEEP_S
        self._active: list[ModelInfo] = []
        self._takes: dict[bytes, Takes] = {}
        self._missed: dict[bytes, float] = {}

    async def models(self) -> list[Model]:
        """The active models that a name means, oldest first."""
        named: dict[str, ModelInfo] = {}
        for info in await self._infos(KEEP_S):
            named.setdefault(info.name, info)
        return list(await asyncio.gather(*map(self._model, named.values())))

    async def find(self, name_or_id: str) -> Model:
        """An active model; of a name, the oldest. Raises MLBridgeError `model.unknown`."""
        for oldest in (KEEP_S, 1.0):  # it may have been registered a moment ago
            for info in await self._infos(oldest):
                if name_or_id in (info.name, "0x" + info.id.hex()):
                    return await self._model(info)
        raise MLBridgeError(
            "model.unknown",
            f"There is no active model {name_or_id[:80]!r} on this network.",
            hint="GET /v1/models lists them.",
            exit_code=5,
        )

    async def _infos(self, oldest_s: float) -> list[ModelInfo]:
        async with self._reading:
            if time.monotonic() - self._read_at >= oldest_s:
                found = await self._client.models()
                self._active = [info for info in found if info.status is ModelStatus.ACTIVE]
                self._read_at = time.monotonic()
            return self._active

    async def _model(self, info: ModelInfo) -> Model:
        if info.id not in self._takes and time.monotonic() >= self._missed.get(info.id, 0.0):
            try:
                async with asyncio.timeout(MANIFEST_S):
                    manifest = await self._client.manifest(info)
                self._takes[info.id] = Takes(manifest.kind, manifest.takes_json_schema)
            except (MLBridgeError, TimeoutError) as error:
                log.warning("manifest_unreadable", model=info.name, reason=str(error))
                self._missed[info.id] = time.monotonic() + AGAIN_S
        return Model(info, self._takes.get(info.id, UNKNOWN))
