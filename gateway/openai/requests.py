"""OpenAI's request bodies, and what they mean as task inputs. Pure.

What the engines have is passed on. What they lack is refused where leaving it out would change what the
client gets (tools, several choices, log probabilities), and ignored where it only describes the client (user,
metadata, store). Sampling follows the model's own rule, because a committee can only agree on
what the manifest pins: temperature 0 or none means greedy, anything above means sampled by that rule.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.keys import Choices
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.json_schema import ANY_OBJECT, schema_text
from mlbridge.protocol.payload import MAX_NEW_TOKENS

MAX_INPUTS: Final = 32
MAX_STOPS: Final = 4
DEFAULT_MAX_TOKENS: Final = 256
_SEED_BITS: Final = 63
_NO_TOOLS: Final = (
    "an answer is text, and no manifest says how its model calls tools; "
    "a response_format can hold it to the schema of a call"
)

Text = Annotated[str, Field(max_length=2**20)]
TokenLimit = Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)]
Inputs = str | list[str] | list[int] | list[list[int]]


class Extension(Choices):
    """`extra_body={"mlbridge": {...}}`: what OpenAI's dialect has no words for.

    verified: wait has a stream begin with the verdict.
    """

    verified: Literal["wait"] | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    model: Annotated[str, Field(min_length=1, max_length=200)]
    mlbridge: Extension = Field(default_factory=Extension)


class StreamOptions(BaseModel):
    """include_usage: one more chunk with the usage."""

    model_config = ConfigDict(extra="allow", frozen=True)

    include_usage: bool | None = None


class _Generation(_Body):
    max_tokens: TokenLimit | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Text | list[Text] | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logit_bias: dict[str, float] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None

    @property
    def stops(self) -> list[str]:
        """The texts that end an answer. Raises MLBridgeError `openai.unsupported`."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if len(stops) > MAX_STOPS or "" in stops:
            raise _refused("stop", f"takes up to {MAX_STOPS} texts, none of them empty")
        return stops

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def reads_along(self) -> bool:
        """Whether the client wants the answer while it is made, before there is a verdict."""
        return bool(self.stream) and self.mlbridge.verified != "wait"

    def drawn_seed(self) -> int | None:
        """None for greedy; else the seed of the request, or a new one."""
        if self.temperature == 0 or (self.temperature is None and self.seed is None):
            return None
        return secrets.randbits(_SEED_BITS) if self.seed is None else self.seed % 2**_SEED_BITS

    def check(self) -> None:
        """Raises MLBridgeError `openai.unsupported` for what no engine here does."""
        if self.n not in (None, 1):
            raise _refused("n", "must be 1: one task gives one answer")
        if self.logit_bias:
            raise _refused("logit_bias", "is not supported: the model's manifest pins how it samples")
        for name in ("presence_penalty", "frequency_penalty"):
            if getattr(self, name):
                raise _refused(name, "must be 0: the model's manifest pins how it samples")


class Part(BaseModel):
    """One part of a message."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    text: Text | None = None


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[Part] | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None

    def fields(self) -> dict[str, str]:
        """As the payload has it. Raises MLBridgeError `openai.unsupported`."""
        if self.role in ("tool", "function") or self.tool_calls or self.function_call:
            raise _refused("messages", f"cannot hold calls of tools: {_NO_TOOLS}")
        parts = self.content if isinstance(self.content, list) else [Part(type="text", text=self.content)]
        if any(part.type != "text" or part.text is None for part in parts):
            raise _refused("messages", "must have text as content, whole or in parts of type text")
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": "".join(part.text or "" for part in parts)}


class JsonSchema(BaseModel):
    """schema: what the answer is to fit, and does, whatever `strict` says; name: the client's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    """text; json_object: any JSON object; json_schema: what fits the schema beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def text(self) -> str | None:
        """The spelling of the schema that it asks for, None for text.

        Raises MLBridgeError `openai.unsupported`, `input.json_schema`.
        """
        if (self.json_schema is None) == (self.type == "json_schema"):
            raise _refused(
                "response_format.json_schema", "must stand beside the type json_schema, and no other"
            )
        if self.json_schema is not None:
            return schema_text(self.json_schema.schema_)
        return ANY_OBJECT if self.type == "json_object" else None


class ChatBody(_Generation):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: TokenLimit | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None

    def inputs(self) -> list[dict[str, object]]:
        """One chat input. Raises MLBridgeError `openai.unsupported`, `input.json_schema`."""
        self.check()
        if self.tools or self.functions:
            raise _refused("tools", f"are not supported: {_NO_TOOLS}")
        if self.tool_choice not in (None, "none", "auto"):
            raise _refused("tool_choice", f"must be none: {_NO_TOOLS}")
        if self.logprobs:
            raise _refused("logprobs", "are not supported")
        if self.modalities not in (None, ["text"]):
            raise _refused("modalities", "must be text")
        limit = self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS
        messages = [message.fields() for message in self.messages]
        asked: dict[str, object] = {"messages": messages, "max_tokens": limit, "seed": self.drawn_seed()}
        schema = None if self.response_format is None else self.response_format.text()
        if schema is None:
            return [asked]
        if self.stops:
            raise _refused("stop", "cannot stand beside a response_format: what is cut there is not JSON")
        return [{**asked, "json_schema": schema}]


class CompletionBody(_Generation):
    """POST /v1/completions. A prompt becomes a conversation of one message by the user."""

    prompt: Inputs
    logprobs: int | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None
    response_format: Any = None

    def inputs(self) -> list[dict[str, object]]:
        """One chat input a prompt. Raises MLBridgeError `openai.unsupported`."""
        self.check()
        if self.logprobs is not None:
            raise _refused("logprobs", "are not supported")
        if self.suffix:
            raise _refused("suffix", "is not supported: the engines only continue a text")
        if self.best_of not in (None, 1):
            raise _refused("best_of", "must be 1: one task gives one answer")
        if self.echo:
            raise _refused("echo", "is not supported")
        if self.response_format not in (None, {"type": "text"}):
            raise _refused("response_format", "is not supported here: ask /v1/chat/completions")
        prompts = texts("prompt", self.prompt)
        if self.stream and len(prompts) > 1:
            raise _refused("prompt", "must be one text when it is streamed")
        limit, seed = self.max_tokens or DEFAULT_MAX_TOKENS, self.drawn_seed()
        return [
            {"messages": [{"role": "user", "content": prompt}], "max_tokens": limit, "seed": seed}
            for prompt in prompts
        ]


class EmbeddingBody(_Body):
    """POST /v1/embeddings. dimensions: the vector is cut there and scaled back to length 1."""

    input: Inputs
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=16384)] | None = None

    def inputs(self) -> list[dict[str, object]]:
        """One embedding input a text. Raises MLBridgeError `openai.unsupported`."""
        return [{"text": text} for text in texts("input", self.input)]


def texts(name: str, value: Inputs) -> list[str]:
    """One or several texts. Raises MLBridgeError `openai.unsupported` for tokens, none or too many."""
    found: Sequence[object] = [value] if isinstance(value, str) else value
    if not 1 <= len(found) <= MAX_INPUTS:
        raise _refused(name, f"takes 1 to {MAX_INPUTS} texts")
    if not all(isinstance(text, str) for text in found):
        raise _refused(
            name,
            "must be text, not token ids: each model has a tokenizer of its own "
            "(LangChain: check_embedding_ctx_length=False)",
        )
    if not all(found):
        raise _refused(name, "cannot hold an empty text")
    return [str(text) for text in found]


def _refused(name: str, why: str) -> MLBridgeError:
    return MLBridgeError("openai.unsupported", f"{name} {why}.", exit_code=2, param=name)
