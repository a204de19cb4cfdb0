"""How far apart honest embeddings are, and how far a cheaper model's: the evidence for a tolerance.

    python -m serve.packs.calibration MODEL_FOLDER

Honest: other instruction sets, emulated in processes of their own. Cheap: reduced weights, a layer left out.
Distances are 1 - cosine; a tolerance belongs between the largest honest and the smallest cheap.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Vectors = npt.NDArray[np.float64]

HONEST: Final[Mapping[str, Mapping[str, str]]] = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2"},
    "sse": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "two threads": {"MLBRIDGE_CALIBRATION_THREADS": "2"},
}


def texts(count: int = 100) -> list[str]:
    """Texts of 1 to about 330 words, the same at every call."""
    random = np.random.default_rng(11)
    words = [
        "the",
        "a",
        "bridge",
        "river",
        "carries",
        "proof",
        "under",
        "7",
        "42",
        "London",
        "été",
        "橋",
        "not",
    ]
    return [" ".join(random.choice(words, size=int(1.06**index) + 1)) for index in range(count)]


def embed(directory: Path, change: Callable[[dict[str, torch.Tensor]], None] | None = None) -> Vectors:
    """Vectors (texts, dimensions) of this process's kernels, with changed weights if asked."""
    from serve.engines.torch_embedding import TorchEmbedding

    threads = int(os.environ.get("MLBRIDGE_CALIBRATION_THREADS", "1"))
    engine = TorchEmbedding(directory, threads=threads)
    engine.load()
    if change is not None:
        change(engine.weights)
    rows = [engine.embed(text) for text in texts()]
    return np.array([struct.unpack(f"<{len(row) // 4}f", row) for row in rows], dtype=np.float64)


def distances(a: Vectors, b: Vectors) -> Vectors:
    """1 - cosine, row by row."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: Vectors = 1 - np.sum(a * b, axis=1) / lengths
    return result


def _elsewhere(directory: Path, environment: Mapping[str, str]) -> Vectors:
    command = [sys.executable, "-m", __spec__.name, str(directory), "--vectors"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=True)
    return np.array(json.loads(done.stdout), dtype=np.float64)


def _rounded(bits: int) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        for name, tensor in weights.items():
            if tensor.ndim == 2 and tensor.is_floating_point():
                scale = tensor.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
                weights[name] = (tensor / scale).round() * scale

    return change


def _bfloat16(weights: dict[str, torch.Tensor]) -> None:
    for name, tensor in weights.items():
        weights[name] = tensor.bfloat16().to(tensor.dtype)


def _skip_last_layer(weights: dict[str, torch.Tensor]) -> None:
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    last = f"encoder.layer.{max(map(int, layers))}."
    for name in [name for name in weights if name.startswith(last) and ".output.dense." in name]:
        weights[name] = weights[name] * 0


def main(arguments: Sequence[str]) -> None:
    """Prints the table, or with --vectors this process's vectors as JSON."""
    directory = Path(arguments[0])
    here = embed(directory)
    if "--vectors" in arguments:
        print(json.dumps(here.tolist()))
        return
    for name, environment in HONEST.items():
        found = distances(here, _elsewhere(directory, environment))
        print(f"honest  {name:16} median {np.median(found):.1e}  max {found.max():.1e}")
    cheap = {
        "bfloat16": _bfloat16,
        "int8": _rounded(8),
        "int4": _rounded(4),
        "layer left out": _skip_last_layer,
    }
    for name, change in cheap.items():
        found = distances(here, embed(directory, change))
        print(f"cheap   {name:16} median {np.median(found):.1e}  min {found.min():.1e}")


if __name__ == "__main__":
    main(sys.argv[1:])
