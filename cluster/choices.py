"""Which of the network's models a provider file asks for."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.config import ProviderConfig, ServedModel
from contracts import reads
from contracts.chain import Chain
from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError

EVERY = "*"


@dataclass(frozen=True)
class Choice:
    """One model of the network that this provider's file asks for. asked: by id or name, not by "*"."""

    entry: ServedModel
    model: ModelInfo

    @property
    def asked(self) -> bool:
        return self.entry.model != EVERY


def choose(entries: tuple[ServedModel, ...], models: list[ModelInfo]) -> list[Choice]:
    """The active models that the entries name, each once; an entry by id or name goes before "*".

    Of several models of one name the oldest counts, as for requesters. Raises MLBridgeError `model.unknown`.
    """
    active = {model.id: model for model in models if model.status is ModelStatus.ACTIVE}
    chosen: dict[bytes, Choice] = {}
    for entry in entries:
        if entry.model == EVERY:
            continue
        matching = [m for m in active.values() if entry.model in ("0x" + m.id.hex(), m.name)]
        if not matching:
            raise MLBridgeError(
                "model.unknown",
                f"The network has no active model {entry.model!r}.",
                hint=f"Active models: {', '.join(sorted(m.name for m in active.values())) or 'none'}.",
                exit_code=5,
            )
        chosen.setdefault(matching[0].id, Choice(entry, matching[0]))
    for entry in entries:
        if entry.model == EVERY:
            for model in active.values():
                chosen.setdefault(model.id, Choice(entry, model))
    return list(chosen.values())


async def catalogue(chain: Chain, config: ProviderConfig) -> list[Choice]:
    """What the network offers and the provider file asks for. Raises MLBridgeError `model.unknown`."""
    return choose(config.models, await reads.list_models(chain))
