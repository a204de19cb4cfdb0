"""Chat: a Llama decoder, greedy or sampled by the task's seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from mlbridge.protocol import payload
from serve.engines.base import (
    WEIGHTS_FILE,
    Device,
    EngineInfo,
    Hear,
    no_json_schema,
    read_settings,
    wrong_kind,
)
from serve.engines.chat_format import ChatFormat
from serve.engines.llama import Llama
from serve.engines.torch_runtime import load_weights, prepare


class TorchChat:
    """A Llama model that answers one conversation at a time."""

    def __init__(self, directory: Path, *, device: Device = "cpu", threads: int = 1) -> None:
        self._directory = directory
        self._settings = read_settings(directory)
        self._requested, self._threads = device, threads

    def load(self) -> None:
        """See Engine."""
        settings = self._settings
        self._device = prepare(self._requested, self._threads)
        weights = load_weights(self._directory / WEIGHTS_FILE, self._device, settings["dtype"])
        self._net = Llama(weights, settings)
        self._format = ChatFormat(self._directory, max_prompt_tokens=int(settings["max_prompt_tokens"]))
        self._stop = frozenset(settings["stop_token_ids"])

    def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """See Engine."""
        task = payload.decode_input(data)
        if not isinstance(task, payload.ChatInput):
            raise wrong_kind("chat", task.kind)
        if task.json_schema is not None:
            raise no_json_schema()
        limit = min(task.max_tokens, int(self._settings["max_new_tokens"]))
        spoken = None if hear is None else self._format.spoken(hear)
        ids, finish = self.generate(self._format.prompt_ids(task.messages), limit, task.seed, spoken)
        text = self._format.text(ids)
        return payload.encode_output("chat", {"token_ids": ids, "text": text, "finish_reason": finish})

    def generate(
        self,
        prompt: list[int],
        limit: int,
        seed: int | None = None,
        spoken: Callable[[int], None] | None = None,
    ) -> tuple[list[int], str]:
        """At most `limit` token ids after the prompt (the stop token left out), and "stop" or "length".

        spoken: told each of them as it is picked.
        """
        produced: list[int] = []
        with torch.inference_mode():
            cache = self._net.cache(len(prompt) + limit)
            logits = self._net(torch.tensor(prompt, device=self._device), cache)
            while True:
                token = self._pick(logits, seed, len(produced))
                if token in self._stop:
                    return produced, "stop"
                produced.append(token)
                if spoken is not None:
                    spoken(token)
                if len(produced) == limit:
                    return produced, "length"
                logits = self._net(torch.tensor([token], device=self._device), cache)

    def _pick(self, logits: torch.Tensor, seed: int | None, position: int) -> int:
        if seed is None:
            return int(logits.argmax())
        chances, tokens = torch.softmax(logits / self._settings["temperature"], dim=-1).sort(
            descending=True, stable=True
        )
        sums = chances.cumsum(dim=0)
        kept = int((sums - chances < self._settings["top_p"]).sum())
        drawn = uniform(seed, position) * float(sums[kept - 1])
        return int(tokens[min(int((sums[:kept] <= drawn).sum()), kept - 1)])

    def info(self) -> EngineInfo:
        """See Engine."""
        return EngineInfo(
            "torch",
            "chat",
            self._settings["architecture"],
            self._settings["dtype"],
            self._requested,
            self._threads,
        )


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) fixed by a task's seed and the token's position, the same on every machine."""
    digest = hashlib.sha256(seed.to_bytes(8, "big") + position.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
