"""Engines: what turns an input payload into an output payload."""

from __future__ import annotations

from pathlib import Path

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Kind
from serve.engines.base import Device, Engine, EngineInfo, probe

__all__ = ["Device", "Engine", "EngineInfo", "probe", "torch_engine"]


def torch_engine(kind: Kind, directory: Path, *, device: Device = "cpu", threads: int = 1) -> Engine:
    """The torch engine for a task kind, not loaded yet; imports torch only now.

    Raises MLBridgeError engine.kind and engine.folder.
    """
    if kind == "embedding":
        from serve.engines.torch_embedding import TorchEmbedding

        return TorchEmbedding(directory, device=device, threads=threads)
    if kind == "classification":
        from serve.engines.torch_classifier import TorchClassifier

        return TorchClassifier(directory, device=device, threads=threads)
    if kind == "chat":
        from serve.engines.torch_chat import TorchChat

        return TorchChat(directory, device=device, threads=threads)
    raise MLBridgeError("engine.kind", f"There is no torch engine for {kind} tasks.")
