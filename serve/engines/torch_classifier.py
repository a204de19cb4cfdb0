"""Image classification by a small perceptron."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812

from mlbridge.protocol import payload
from serve.engines.base import WEIGHTS_FILE, Device, EngineInfo, Hear, read_settings, wrong_kind
from serve.engines.torch_runtime import load_weights, prepare


class TorchClassifier:
    """Linear layers with ReLU between them; the label is the first largest logit."""

    def __init__(self, directory: Path, *, device: Device = "cpu", threads: int = 1) -> None:
        self._directory = directory
        self._settings = read_settings(directory)
        self._requested, self._threads = device, threads

    def load(self) -> None:
        """See Engine."""
        self._device = prepare(self._requested, self._threads)
        weights = load_weights(self._directory / WEIGHTS_FILE, self._device, self._settings["dtype"])
        count = len(self._settings["layers"]) - 1
        self._layers = [(weights[f"layers.{i}.weight"], weights[f"layers.{i}.bias"]) for i in range(count)]

    def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """See Engine."""
        task = payload.decode_input(data)
        if not isinstance(task, payload.ClassificationInput):
            raise wrong_kind("classification", task.kind)
        return payload.encode_output("classification", {"label": self.classify(task.image)})

    def classify(self, image: list[int]) -> int:
        """The label of an 8x8 image given row by row."""
        with torch.inference_mode():
            states = (
                torch.tensor(image, dtype=torch.float32, device=self._device) / self._settings["pixel_max"]
            )
            for weight, bias in self._layers[:-1]:
                states = F.relu(F.linear(states, weight, bias))
            return int(F.linear(states, *self._layers[-1]).argmax())

    def info(self) -> EngineInfo:
        """See Engine."""
        return EngineInfo(
            "torch",
            "classification",
            self._settings["architecture"],
            self._settings["dtype"],
            self._requested,
            self._threads,
        )
