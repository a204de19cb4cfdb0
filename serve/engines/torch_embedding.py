"""Sentence embeddings: tokenise, encode, mean over the tokens, unit length."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer

from mlbridge.protocol import payload
from serve.engines.base import WEIGHTS_FILE, Device, EngineInfo, Hear, read_settings, wrong_kind
from serve.engines.bert import Bert
from serve.engines.torch_runtime import load_weights, prepare

_SMALLEST_NORM = 1e-12


class TorchEmbedding:
    """A BERT encoder in float32 with mean pooling."""

    def __init__(self, directory: Path, *, device: Device = "cpu", threads: int = 1) -> None:
        self._directory = directory
        self._settings = read_settings(directory)
        self._requested, self._threads = device, threads

    def load(self) -> None:
        """See Engine."""
        self._device = prepare(self._requested, self._threads)
        self.weights = load_weights(self._directory / WEIGHTS_FILE, self._device, self._settings["dtype"])
        self._net = Bert(self.weights, self._settings)
        self._tokenizer = Tokenizer.from_file(str(self._directory / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(self._settings["max_tokens"]))

    def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """See Engine."""
        task = payload.decode_input(data)
        if not isinstance(task, payload.EmbeddingInput):
            raise wrong_kind("embedding", task.kind)
        return payload.encode_output("embedding", {"embedding": self.embed(task.text)})

    def embed(self, text: str) -> bytes:
        """The unit vector of a text as little-endian float32."""
        ids = torch.tensor(self._tokenizer.encode(text).ids, device=self._device)
        with torch.inference_mode():
            pooled = self._net(ids).mean(dim=0)
            unit = pooled / pooled.norm().clamp_min(_SMALLEST_NORM)
        return bytes(unit.cpu().numpy().astype("<f4", copy=False).tobytes())

    def info(self) -> EngineInfo:
        """See Engine."""
        return EngineInfo(
            "torch",
            "embedding",
            self._settings["architecture"],
            self._settings["dtype"],
            self._requested,
            self._threads,
        )
