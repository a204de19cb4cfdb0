"""A small perceptron that reads 8x8 handwritten digits, trained here on scikit-learn's bundled data set."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from serve.engines.base import ENGINE_FILE, WEIGHTS_FILE
from serve.packs.folder import (
    Pack,
    PackSpec,
    Progress,
    build_pack,
    silent,
    write_json,
)

SPEC = PackSpec(
    name="digits",
    version="1",
    kind="classification",
    dtype="float32",
    quantisation="none",
    sampling="argmax",
    policy="exact",
    licence="MIT",
    source="trained on scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits)",
)

SEED = 7
LAYERS = (64, 64, 32, 10)
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 3e-3
HELD_OUT = 360  # of 1,797 images, chosen by the seed; never trained on
PIXEL_MAX = 16.0


def build(directory: Path, progress: Progress = silent) -> Pack:
    """Trains the digits classifier (27 kB) and writes its held-out accuracy as evidence. Idempotent."""
    return build_pack(directory, SPEC, _write, progress)


def _write(folder: Path, progress: Progress) -> Mapping[str, str]:
    import torch
    from safetensors.torch import save_file
    from sklearn.datasets import load_digits

    progress("digits: training")
    images, labels = load_digits(return_X_y=True)
    generator = torch.Generator().manual_seed(SEED)
    order = torch.randperm(len(images), generator=generator)
    inputs = torch.tensor(images, dtype=torch.float32)[order] / PIXEL_MAX
    targets = torch.tensor(labels, dtype=torch.int64)[order]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums split over threads round differently
    try:
        net = _train(inputs[HELD_OUT:], targets[HELD_OUT:], generator)
        with torch.inference_mode():
            right = int((net(inputs[:HELD_OUT]).argmax(dim=1) == targets[:HELD_OUT]).sum())
    finally:
        torch.set_num_threads(threads)
    state = {f"layers.{name}": value.contiguous() for name, value in net.state_dict().items()}
    save_file(_renumber(state), folder / WEIGHTS_FILE, metadata={"format": "pt"})
    write_json(
        folder / ENGINE_FILE,
        {
            "architecture": "mlp",
            "kind": SPEC.kind,
            "dtype": SPEC.dtype,
            "quantisation": SPEC.quantisation,
            "sampling": SPEC.sampling,
            "layers": list(LAYERS),
            "activation": "relu",
            "pixel_max": PIXEL_MAX,
        },
    )
    progress(f"digits: {right} of {HELD_OUT} held-out images right")
    return {
        "held_out_accuracy": f"{right / HELD_OUT:.4f}",
        "held_out_images": str(HELD_OUT),
        "trained_images": str(len(images) - HELD_OUT),
        "seed": str(SEED),
        "torch": torch.__version__,
    }


def _train(inputs: Any, targets: Any, generator: Any) -> Any:
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        parts: list[nn.Module] = []
        for width, following in pairwise(LAYERS):
            parts += [nn.Linear(width, following), nn.ReLU()]
        net = nn.Sequential(*parts[:-1])
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE)
    for _ in range(EPOCHS):
        for picked in torch.split(torch.randperm(len(inputs), generator=generator), BATCH):
            optimiser.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(net(inputs[picked]), targets[picked]))
            optimiser.step()
    return net


def _renumber(state: dict[str, Any]) -> dict[str, Any]:
    # nn.Sequential counts the activations too; the engine counts linear layers only.
    return {
        f"layers.{int(key.split('.')[1]) // 2}.{key.split('.')[2]}": value for key, value in state.items()
    }
