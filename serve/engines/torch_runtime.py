"""How torch is set up so that equal inputs give equal bits."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from mlbridge.errors import MLBridgeError
from serve.engines.base import Device

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def prepare(device: Device, threads: int) -> torch.device:
    """Fixes threads and kernels for the calling thread and returns the device.

    Reductions split by thread round differently, so the number of threads is part of the execution class;
    OpenMP keeps it per calling thread, hence the call from the worker thread itself.
    Raises MLBridgeError engine.device when a GPU is asked for and there is none.
    """
    torch.set_num_threads(threads)
    if device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise MLBridgeError(
            "engine.device",
            "A GPU was asked for and torch sees none.",
            hint="Set device: cpu, or install the CUDA build of torch and check the driver.",
        )
    # Read by cuBLAS at its first call; without it split-k reductions may change from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def load_weights(path: Path, device: torch.device, dtype: str) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file on a device.

    On a CPU the file is mapped, not copied, so that replicas of one model share its pages.
    Raises MLBridgeError engine.weights when a tensor has another dtype than the folder declares.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise MLBridgeError(
            "engine.weights", f"{path} does not exist.", hint="Build or fetch the model folder again."
        )
    wanted = DTYPES[dtype]
    weights: dict[str, torch.Tensor] = load_file(path, device=str(device))
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.dtype is not wanted:
            raise MLBridgeError(
                "engine.weights", f"{path} holds {name} as {tensor.dtype}, but the folder declares {dtype}."
            )
    return weights
