"""From a conversation to prompt tokens and from tokens back to text: the same for every chat engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import Message

_INCOMPLETE: Final = "\N{REPLACEMENT CHARACTER}"


class ChatFormat:
    """A model folder's tokenizer and chat template."""

    def __init__(self, directory: Path, *, max_prompt_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        config = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
        self._names = {name: config.get(name, "") for name in ("bos_token", "eos_token")}
        # The sandbox and its options are those of transformers, so that templates mean the same here.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        self._template = environment.from_string(
            (directory / "chat_template.jinja").read_text(encoding="utf-8")
        )
        self._limit = max_prompt_tokens

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the prompt that asks for the assistant's next turn.

        Raises MLBridgeError input.too_long and input.template.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text = self._template.render(messages=turns, add_generation_prompt=True, **self._names)
        except TemplateError as error:
            raise MLBridgeError(
                "input.template", f"The model's chat template refuses these messages: {error}.", exit_code=2
            ) from error
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if len(ids) > self._limit:
            raise MLBridgeError(
                "input.too_long",
                f"The prompt has {len(ids)} tokens and this model takes {self._limit}.",
                hint="Shorten the conversation.",
                exit_code=2,
            )
        return list(ids)

    def text(self, ids: Sequence[int]) -> str:
        """The text of generated tokens without control tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def spoken(self, hear: Callable[[str], None]) -> Callable[[int], None]:
        """Takes token ids one by one and tells their text as soon as it is certain.

        Only the newest tokens are decoded, beside those right before them, because a token's text may depend
        on what it follows; a character whose bytes are not all there yet is waited for.
        """
        recent: list[int] = []
        told = 0

        def take(token: int) -> None:
            nonlocal told
            recent.append(token)
            text = self.text(recent)
            known = self.text(recent[:told])
            if len(text) > len(known) and not text.endswith(_INCOMPLETE):
                hear(text[len(known) :])
                del recent[:told]
                told = len(recent)

        return take


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
