"""A model's manifest: everything that decides its outputs, as one JSON document named by its CID.

The bytes are canonical: UTF-8 JSON, keys sorted, no white space, no floats (decimals are strings), files
sorted by path. One manifest has one spelling, hence one CID; anything else is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.cid import cid_to_bytes
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.payload import Kind
from mlbridge.protocol.types import Policy
from mlbridge.protocol.unixfs import cid_of

MAX_MANIFEST_BYTES: Final = 1 << 20
MANIFEST_NAME: Final = "manifest.json"
PACK_FILE: Final = "pack.json"  # what serve/packs notes beside a model's files; none of them
WEIGHT_SUFFIXES: Final = frozenset({".safetensors", ".onnx"})
# Tokenizers come as .json, .txt or sentencepiece .model, chat templates as .jinja. Nothing here can run
# code when it is loaded, unlike pickle (.bin, .pt, .pkl) and .py.
FILE_SUFFIXES: Final = WEIGHT_SUFFIXES | {".json", ".txt", ".model", ".jinja"}

_PATH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}")
_DECIMAL: Final = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{0,23}[1-9])?$"

Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Decimals = Annotated[str, Field(pattern=_DECIMAL)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
EvidenceKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class ExecClass(_Frozen):
    """Inside one execution class outputs are equal bit for bit.

    build: engine and version; quantisation: "none" if there is none; weights_sha256: see `weights_digest`;
    kernel: instruction set or GPU architecture; threads: exact number, None if it does not matter.
    """

    engine: Literal["torch", "vllm"]
    build: Label
    dtype: Label
    quantisation: Label
    weights_sha256: Sha256Hex
    kernel: Label
    threads: Annotated[int, Field(ge=1, le=4096)] | None
    sampling: Label

    @property
    def id(self) -> bytes:
        """The bytes32 on chain: keccak256 of the canonical CBOR map."""
        return keccak(encode(self.model_dump()))


class FileRef(_Frozen):
    """One file of a model. path: relative, with forward slashes; size in bytes."""

    path: str
    cid: str
    sha256: Sha256Hex
    size: Annotated[int, Field(ge=0, lt=1 << 40)]

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        return check_path(path)

    @field_validator("cid")
    @classmethod
    def _check_cid(cls, cid: str) -> str:
        try:
            cid_to_bytes(cid)
        except MLBridgeError as error:
            raise ValueError(error.message) from error
        return cid


class Tolerance(_Frozen):
    """How far apart honest vectors may be: ACCEPT up to accept, REJECT above reject, GREY between.

    metric: see `mlbridge.models.policies.distance`; accept, reject: plain decimals without trailing zeros.
    """

    metric: Literal["cosine", "max_abs"]
    accept: Decimals
    reject: Decimals

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if Decimal(self.accept) > Decimal(self.reject):
            raise ValueError("accept is above reject")
        return self

    @classmethod
    def of(cls, metric: Literal["cosine", "max_abs"], accept: float, reject: float) -> Self:
        """From floats, in their shortest decimal spelling."""
        return cls(metric=metric, accept=_decimal(accept), reject=_decimal(reject))


class Manifest(_Frozen):
    """A model, completely.

    input_schema, output_schema: see `schema_ids`; licence: SPDX expression; evidence: what the tolerance was
    calibrated with (required for `numeric`).
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")]
    kind: Kind
    engine: Literal["torch", "vllm"]
    exec_class: ExecClass
    files: Annotated[tuple[FileRef, ...], Field(min_length=1, max_length=1000)]
    policy: Literal["exact", "numeric"]
    tolerance: Tolerance | None
    input_schema: str
    output_schema: str
    licence: Label
    evidence: dict[EvidenceKey, Label]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.engine != self.exec_class.engine:
            raise ValueError("engine and exec_class.engine differ")
        if (self.policy == "numeric") != (self.tolerance is not None):
            raise ValueError("the policy numeric needs a tolerance, the policy exact must have none")
        if self.policy == "numeric" and self.kind != "embedding":
            raise ValueError(
                f"the policy numeric compares vectors, which the kind {self.kind} does not return"
            )
        if self.policy == "numeric" and not self.evidence:
            raise ValueError("the policy numeric needs evidence: how its tolerance was calibrated")
        if (self.input_schema, self.output_schema) != schema_ids(self.kind):
            raise ValueError(f"input_schema and output_schema must be {' and '.join(schema_ids(self.kind))}")
        _check_files(self.files)
        if self.exec_class.weights_sha256 != weights_digest(self.files):
            raise ValueError("exec_class.weights_sha256 is not that of the weight files")
        return self

    def to_bytes(self) -> bytes:
        """The canonical JSON."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The manifest with exactly these bytes.

        Raises MLBridgeError `manifest.too_large`, `manifest.invalid` (names the field),
        `manifest.not_canonical`.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            raise MLBridgeError(
                "manifest.too_large", f"The manifest has {len(data)} bytes, more than {MAX_MANIFEST_BYTES}."
            )
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            raise invalid(error) from error
        if manifest.to_bytes() != data:
            raise MLBridgeError(
                "manifest.not_canonical",
                "The manifest is valid, but not in its canonical form.",
                hint="Write it with Manifest.to_bytes(), or publish the folder again.",
            )
        return manifest

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """The manifest with these JSON fields. Raises MLBridgeError `manifest.invalid`."""
        try:
            return cls.model_validate_json(json.dumps(fields))
        except (TypeError, ValueError) as error:
            if isinstance(error, ValidationError):
                raise invalid(error) from error
            raise MLBridgeError(
                "manifest.invalid", f"The manifest is not JSON: {error}.", exit_code=2
            ) from error

    @property
    def cid(self) -> str:
        """CID of the canonical JSON."""
        return cid_of(self.to_bytes())

    @property
    def exec_class_id(self) -> bytes:
        """The execution class as the chain knows it, 32 bytes."""
        return self.exec_class.id

    @property
    def takes_json_schema(self) -> bool:
        """Whether its engine can hold an answer to a JSON schema."""
        return self.kind == "chat" and self.engine == "vllm"

    @property
    def policy_id(self) -> Policy:
        """The policy as the chain knows it."""
        return Policy.EXACT if self.policy == "exact" else Policy.NUMERIC


def schema_ids(kind: Kind) -> tuple[str, str]:
    """Names of the input and output schema of a task kind (mlbridge/protocol/payload.py)."""
    return f"mlbridge.{kind}.input.1", f"mlbridge.{kind}.output.1"


def weights_digest(files: Iterable[FileRef]) -> str:
    """SHA-256 in hex of the weight file; of several, that of the lines `sha256  path` sorted by path."""
    weights = sorted((file for file in files if is_weights(file.path)), key=lambda file: file.path)
    if len(weights) == 1:
        return weights[0].sha256
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in weights)
    return hashlib.sha256(lines.encode()).hexdigest()


def is_weights(path: str) -> bool:
    """Whether a file holds weights, by its suffix."""
    return PurePosixPath(path).suffix in WEIGHT_SUFFIXES


def check_path(path: str) -> str:
    """The path of a model file if it may be one. Raises ValueError, which says why not."""
    if len(path) > 200 or not _PATH.fullmatch(path):
        raise ValueError(f"{path[:80]!r} is not a plain relative path")
    if path == MANIFEST_NAME:
        raise ValueError(f"{MANIFEST_NAME} is the manifest's own name")
    if PurePosixPath(path).suffix not in FILE_SUFFIXES:
        allowed = ", ".join(sorted(FILE_SUFFIXES))
        raise ValueError(
            f"{path} is not of an allowed type ({allowed}); pickle and code are never loaded: "
            "convert weights to safetensors"
        )
    return path


def invalid(error: ValidationError) -> MLBridgeError:
    """What is wrong with a manifest, in one sentence with the field's name."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        reason = "the field is unknown"
    return MLBridgeError(
        "manifest.invalid",
        f"The manifest is not valid: {f'{where}: ' if where else ''}{reason}.",
        exit_code=2,
    )


def _check_files(files: tuple[FileRef, ...]) -> None:
    paths = [file.path for file in files]
    if paths != sorted(paths):
        raise ValueError("files are not sorted by path")
    folded = {path.lower() for path in paths}
    if len(folded) != len(paths):
        raise ValueError("two files have the same path (capitals do not count)")
    for path in folded:
        if any(str(parent) in folded for parent in PurePosixPath(path).parents):
            raise ValueError(f"{path} lies inside another file")
    if not any(map(is_weights, paths)):
        raise ValueError("there is no weight file (.safetensors or .onnx)")


def _decimal(value: float) -> str:
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
