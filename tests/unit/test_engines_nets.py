"""The written-out networks against transformers' own, on small random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Message
from serve.engines.bert import Bert
from serve.engines.chat_format import ChatFormat
from serve.engines.llama import Llama
from serve.engines.torch_chat import uniform
from tests.support.packs import built

TOLERANCE = 2e-6


@pytest.fixture(autouse=True)
def _fixed() -> None:
    torch.manual_seed(3)
    torch.set_num_threads(1)


@torch.inference_mode()
def test_bert_is_the_reference_bert() -> None:
    from transformers.models.bert import BertConfig, BertModel

    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64
    )
    reference = BertModel(config).eval()
    settings = {"layers": 3, "heads": 4, "layer_norm_eps": config.layer_norm_eps}
    ids = torch.randint(0, 50, (17,))
    expected = reference(ids[None]).last_hidden_state[0]
    torch.testing.assert_close(Bert(reference.state_dict(), settings)(ids), expected, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("tied", [True, False])
def test_llama_is_the_reference_llama_in_pieces_or_at_once(tied: bool) -> None:
    from transformers.models.llama import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=50,
        hidden_size=36,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=6,
        intermediate_size=64,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=tied,
    )
    reference = LlamaForCausalLM(config).eval()
    weights = dict(reference.state_dict())
    if tied:
        del weights["lm_head.weight"]
    settings = {
        "layers": 3,
        "heads": 6,
        "kv_heads": 2,
        "head_dim": 6,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1000.0,
    }
    net = Llama(weights, settings)
    ids = torch.randint(0, 50, (12,))
    expected = reference(ids[None]).logits[0]
    cache = net.cache(12)
    for start, end in ((0, 7), (7, 8), (8, 12)):
        torch.testing.assert_close(net(ids[start:end], cache), expected[end - 1], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(net(ids, net.cache(12)), expected[-1], atol=TOLERANCE, rtol=0)


def test_the_chat_format_is_that_of_transformers() -> None:
    from transformers import AutoTokenizer

    directory = built("smollm2").directory
    reference = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    chat = ChatFormat(directory, max_prompt_tokens=200)
    messages = [
        {"role": "user", "content": "Ünïcode 12345, 漢字 and 🤖?\n\n  two  spaces"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Go on."},
    ]
    expected = reference.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    ids = chat.prompt_ids([Message(role=m["role"], content=m["content"]) for m in messages])  # type: ignore[arg-type]
    assert ids == list(expected)
    assert messages[0]["content"] in chat.text(ids)
    assert "<|im_start|>" not in chat.text(ids)
    with pytest.raises(MLBridgeError) as caught:
        chat.prompt_ids([Message(role="user", content="long " * 300)])
    assert caught.value.code == "input.too_long"


def test_a_template_that_refuses_is_an_input_error(tmp_path: Path) -> None:
    directory = built("smollm2").directory
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(directory / name)
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('users first') }}")
    with pytest.raises(MLBridgeError, match="users first"):
        ChatFormat(tmp_path, max_prompt_tokens=9).prompt_ids([Message(role="user", content="x")])


def test_draws_are_fixed_by_seed_and_position() -> None:
    values = [uniform(seed, position) for seed in range(20) for position in range(20)]
    assert len(set(values)) == 400
    assert all(0 <= value < 1 for value in values)
    assert 0.4 < sum(values) / 400 < 0.6
    assert uniform(5, 7) == 0.6020235205069184  # part of the class: never changes
