"""The BERT encoder as plain tensor operations.

Written out instead of imported: a fixed sequence of kernels is what an execution class pins, and a replica
without the transformers library starts 3 s sooner and keeps 200 MB less to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


class Bert:
    """One text at a time: token ids in, hidden states out."""

    def __init__(self, weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        self._weights = weights
        self._layers = int(settings["layers"])
        self._heads = int(settings["heads"])
        self._eps = float(settings["layer_norm_eps"])

    def __call__(self, ids: Tensor) -> Tensor:
        """Hidden states (tokens, width) of token ids (tokens,)."""
        weights = self._weights
        states = (
            F.embedding(ids, weights["embeddings.word_embeddings.weight"])
            + weights["embeddings.token_type_embeddings.weight"][0]
            + weights["embeddings.position_embeddings.weight"][: len(ids)]
        )
        states = self._norm(states, "embeddings.LayerNorm")
        for layer in range(self._layers):
            name = f"encoder.layer.{layer}"
            attended = self._linear(
                self._attend(states, f"{name}.attention.self"), f"{name}.attention.output.dense"
            )
            states = self._norm(states + attended, f"{name}.attention.output.LayerNorm")
            wide = F.gelu(self._linear(states, f"{name}.intermediate.dense"))
            states = self._norm(
                states + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm"
            )
        return states

    def _attend(self, states: Tensor, name: str) -> Tensor:
        query, key, value = (
            self._split(self._linear(states, f"{name}.{part}")) for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
        mixed = torch.softmax(scores, dim=-1) @ value
        return mixed.transpose(0, 1).reshape(states.shape)

    def _split(self, states: Tensor) -> Tensor:
        # (tokens, width) -> (heads, tokens, width / heads)
        return states.view(len(states), self._heads, -1).transpose(0, 1)

    def _linear(self, states: Tensor, name: str) -> Tensor:
        return F.linear(states, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, states: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return F.layer_norm(states, weight.shape, weight, bias, self._eps)
