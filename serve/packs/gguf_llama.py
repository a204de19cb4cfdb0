"""From a GGUF file of a Llama model to the Hugging Face layout: config, weights, tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbridge.errors import MLBridgeError
from serve.packs.folder import write_json

if TYPE_CHECKING:
    import gguf
    import numpy as np
    import torch

_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INNER = {
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "attn_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}


def llama_config(reader: gguf.GGUFReader, *, dtype: str) -> dict[str, Any]:
    """The Hugging Face `config.json` of the model. Raises MLBridgeError pack.unsupported for other models."""
    architecture = _field(reader, "general.architecture")
    if architecture != "llama":
        raise MLBridgeError("pack.unsupported", f"The GGUF file holds a {architecture} model, not a Llama.")
    width, heads = (
        int(_field(reader, "llama.embedding_length")),
        int(_field(reader, "llama.attention.head_count")),
    )
    theta = float(_field(reader, "llama.rope.freq_base"))
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": dtype,
        "vocab_size": int(_field(reader, "llama.vocab_size")),
        "hidden_size": width,
        "intermediate_size": int(_field(reader, "llama.feed_forward_length")),
        "num_hidden_layers": int(_field(reader, "llama.block_count")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(_field(reader, "llama.attention.head_count_kv")),
        "head_dim": width // heads,
        "hidden_act": "silu",
        # GGUF keeps this as float32; the shortest decimal is the number the model was made with.
        "rms_norm_eps": float(f"{float(_field(reader, 'llama.attention.layer_norm_rms_epsilon')):.6g}"),
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "max_position_embeddings": int(_field(reader, "llama.context_length")),
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": int(_field(reader, "tokenizer.ggml.bos_token_id")),
        "eos_token_id": int(_field(reader, "tokenizer.ggml.eos_token_id")),
        "pad_token_id": int(_field(reader, "tokenizer.ggml.padding_token_id")),
    }


def llama_state(reader: gguf.GGUFReader) -> dict[str, torch.Tensor]:
    """All weights de-quantised to bfloat16 under their Hugging Face names."""
    import numpy as np
    import torch
    from gguf.quants import dequantize

    heads = {
        "attn_q.weight": int(_field(reader, "llama.attention.head_count")),
        "attn_k.weight": int(_field(reader, "llama.attention.head_count_kv")),
    }
    state: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        name = str(tensor.name)
        inner = name.split(".", 2)[2] if name.startswith("blk.") else name
        if inner in heads:
            values = _unpermute(values, heads[inner])
        state[_rename(name, inner)] = torch.from_numpy(np.array(values)).to(torch.bfloat16)
    return state


def tokenizer_files(reader: gguf.GGUFReader, folder: Path) -> None:
    """Writes tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    flavour = (_field(reader, "tokenizer.ggml.model"), _field(reader, "tokenizer.ggml.pre"))
    if flavour != ("gpt2", "smollm"):
        raise MLBridgeError("pack.unsupported", f"No rule for the tokenizer {flavour[0]}/{flavour[1]}.")
    tokens: list[str] = _field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(line.split(" ", 1)) for line in _field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = 3  # GGUF token type of control tokens
    types: list[int] = _field(reader, "tokenizer.ggml.token_type")
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == control]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    template = str(_field(reader, "tokenizer.chat_template"))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokens[int(_field(reader, "tokenizer.ggml.bos_token_id"))],
            "eos_token": tokens[int(_field(reader, "tokenizer.ggml.eos_token_id"))],
            "unk_token": tokens[int(_field(reader, "tokenizer.ggml.unknown_token_id"))],
            "pad_token": tokens[int(_field(reader, "tokenizer.ggml.padding_token_id"))],
            "model_max_length": int(_field(reader, "llama.context_length")),
            "clean_up_tokenization_spaces": False,
        },
    )


def _field(reader: gguf.GGUFReader, name: str) -> Any:
    found = reader.get_field(name)
    if found is None:
        raise MLBridgeError("pack.unsupported", f"The GGUF file has no field {name}.")
    return found.contents()


def _rename(name: str, inner: str) -> str:
    try:
        if name.startswith("blk."):
            return f"model.layers.{name.split('.')[1]}.{_INNER[inner]}"
        return _OUTER[name]
    except KeyError:
        raise MLBridgeError("pack.unsupported", f"The GGUF file has an unknown tensor {name}.") from None


def _unpermute(values: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    # GGUF interleaves the two halves of each head for its rotary kernel; Hugging Face keeps them apart.
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
