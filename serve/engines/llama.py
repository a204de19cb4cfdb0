"""The Llama decoder with its key-value cache as plain tensor operations (see bert.py for why)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


class Cache:
    """Keys and values of the tokens so far: (layers, kv heads, context, head width) each."""

    def __init__(self, layers: int, heads: int, context: int, width: int, like: Tensor) -> None:
        self.keys = like.new_empty((layers, heads, context, width))
        self.values = like.new_empty((layers, heads, context, width))
        self.length = 0


class Llama:
    """One conversation at a time: token ids in, the next token's logits out."""

    def __init__(self, weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        self._weights = weights
        self._layers = int(settings["layers"])
        self._heads = int(settings["heads"])
        self._kv_heads = int(settings["kv_heads"])
        self._width = int(settings["head_dim"])
        self._eps = float(settings["rms_norm_eps"])
        self._embedding = weights["model.embed_tokens.weight"]
        self._head = weights.get("lm_head.weight", self._embedding)
        halves = torch.arange(0, self._width, 2, dtype=torch.float32) / self._width
        self._frequencies = (1.0 / float(settings["rope_theta"]) ** halves).to(self._embedding.device)

    def cache(self, context: int) -> Cache:
        """Room for `context` tokens."""
        return Cache(self._layers, self._kv_heads, context, self._width, self._embedding)

    def __call__(self, ids: Tensor, cache: Cache) -> Tensor:
        """Feeds token ids (tokens,) and returns the float32 logits (vocabulary,) after the last one."""
        start = cache.length
        positions = torch.arange(start, start + len(ids), device=ids.device)
        angles = torch.outer(positions.to(torch.float32), self._frequencies).repeat(1, 2)
        dtype = self._embedding.dtype
        rotation = angles.cos().to(dtype), angles.sin().to(dtype)
        future = torch.arange(start + len(ids), device=ids.device)[None, :] > positions[:, None]
        states = F.embedding(ids, self._embedding)
        for layer in range(self._layers):
            name = f"model.layers.{layer}"
            normed = self._norm(states, f"{name}.input_layernorm")
            states = states + self._attend(normed, layer, cache, rotation, future)
            normed = self._norm(states, f"{name}.post_attention_layernorm")
            gate = F.silu(self._linear(normed, f"{name}.mlp.gate_proj"))
            states = states + self._linear(
                gate * self._linear(normed, f"{name}.mlp.up_proj"), f"{name}.mlp.down_proj"
            )
        cache.length += len(ids)
        return F.linear(self._norm(states[-1:], "model.norm"), self._head)[0].float()

    def _attend(
        self, states: Tensor, layer: int, cache: Cache, rotation: tuple[Tensor, Tensor], future: Tensor
    ) -> Tensor:
        name = f"model.layers.{layer}.self_attn"
        tokens, end = len(states), cache.length + len(states)
        query = _rotate(self._split(self._linear(states, f"{name}.q_proj"), self._heads), rotation)
        key = _rotate(self._split(self._linear(states, f"{name}.k_proj"), self._kv_heads), rotation)
        cache.keys[layer, :, cache.length : end] = key
        cache.values[layer, :, cache.length : end] = self._split(
            self._linear(states, f"{name}.v_proj"), self._kv_heads
        )
        keys, values = cache.keys[layer, :, :end], cache.values[layer, :, :end]
        # Query heads that share a key head are stacked along the tokens: (kv heads, group * tokens, width).
        group = self._heads // self._kv_heads
        stacked = query.reshape(self._kv_heads, group * tokens, self._width)
        scores = (stacked @ keys.transpose(1, 2)).float() / self._width**0.5
        scores = scores.view(self._kv_heads, group, tokens, end).masked_fill(future, float("-inf"))
        weights = torch.softmax(scores, dim=-1).to(states.dtype).view(self._kv_heads, group * tokens, end)
        mixed = (weights @ values).view(self._heads, tokens, self._width)
        return self._linear(mixed.transpose(0, 1).reshape(tokens, -1), f"{name}.o_proj")

    def _split(self, states: Tensor, heads: int) -> Tensor:
        # (tokens, heads * width) -> (heads, tokens, width)
        return states.view(len(states), heads, self._width).transpose(0, 1)

    def _linear(self, states: Tensor, name: str) -> Tensor:
        return F.linear(states, self._weights[f"{name}.weight"])

    def _norm(self, states: Tensor, name: str) -> Tensor:
        exact = states.float()
        exact = exact * torch.rsqrt(exact.square().mean(dim=-1, keepdim=True) + self._eps)
        return self._weights[f"{name}.weight"] * exact.to(states.dtype)


def _rotate(states: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = rotation
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin
