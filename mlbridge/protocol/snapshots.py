"""Weights and prices by epoch, as StakeSnapshots keeps them: built from its records, asked by anybody.

A record counts from its epoch on until the next one. Nothing is recorded for an epoch whose seed is known, so
whoever has read the chain up to a seed knows everything that its draws need.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.race import Field

_KEPT_FIELDS: Final = 64

V = TypeVar("V")


@dataclass(slots=True)
class _Series(Generic[V]):
    """Values by the epoch from which they count."""

    epochs: list[int] = field(default_factory=list)
    values: list[V] = field(default_factory=list)

    def put(self, epoch: int, value: V) -> None:
        if self.epochs and epoch < self.epochs[-1]:
            raise MLBridgeError(
                "snapshots.order",
                f"A record for epoch {epoch} comes after one for epoch {self.epochs[-1]}.",
                hint="Feed the records in the order of the chain.",
            )
        if self.epochs and epoch == self.epochs[-1]:
            self.values[-1] = value
        else:
            self.epochs.append(epoch)
            self.values.append(value)

    def at(self, epoch: int) -> V | None:
        place = bisect_right(self.epochs, epoch)
        return self.values[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """price: wei for the model's provider, whole gwei; provider: checksummed address."""

    price: int
    provider: str


class Snapshots:
    """What StakeSnapshots says. Model ids are 32 bytes, weights integers of 64 bits."""

    def __init__(self) -> None:
        self._weights: dict[bytes, dict[int, _Series[int]]] = {}
        self._prices: dict[bytes, _Series[int | None]] = {}
        self._providers: dict[bytes, str] = {}
        self._fields: OrderedDict[tuple[bytes, int], Field] = OrderedDict()

    def record_weight(self, model_id: bytes, account: int, epoch: int, weight: int) -> None:
        """One WeightRecorded event. Raises MLBridgeError `snapshots.order` if an older one comes later."""
        series = self._weights.setdefault(model_id, {}).setdefault(account, _Series())
        series.put(epoch, weight)
        for key in [key for key in self._fields if key[0] == model_id and key[1] >= epoch]:
            del self._fields[key]

    def record_model(self, model_id: bytes, epoch: int, provider: str, price: int | None) -> None:
        """One ModelRecorded event. price: wei; None: the model is not active."""
        self._prices.setdefault(model_id, _Series()).put(epoch, price)
        self._providers[model_id] = provider

    def weight(self, model_id: bytes, epoch: int, account: int) -> int:
        """An account's weight for a model in an epoch; 0 for those never recorded."""
        series = self._weights.get(model_id, {}).get(account)
        return (series.at(epoch) if series else None) or 0

    def weights(self, model_id: bytes, epoch: int) -> dict[int, int]:
        """Of all accounts that may be drawn for a model in an epoch."""
        return dict(self.field(model_id, epoch).weights)

    def terms(self, model_id: bytes, epoch: int) -> ModelTerms | None:
        """A model's terms in an epoch; None while it is not recorded or not active."""
        series = self._prices.get(model_id)
        price = series.at(epoch) if series else None
        return None if price is None else ModelTerms(price, self._providers[model_id])

    def field(self, model_id: bytes, epoch: int) -> Field:
        """Who may be drawn for a model in an epoch. The newest few are kept."""
        key = (model_id, epoch)
        found = self._fields.get(key)
        if found is None:
            series = self._weights.get(model_id, {})
            found = Field({account: of.at(epoch) or 0 for account, of in series.items()})
            self._fields[key] = found
            if len(self._fields) > _KEPT_FIELDS:
                self._fields.popitem(last=False)
        self._fields.move_to_end(key)
        return found
