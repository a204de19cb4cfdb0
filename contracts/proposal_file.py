"""A proposal written down by a person: a YAML or JSON file, checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError, ParseError
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types
from eth_utils.address import is_address
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.network import Address
from contracts.proposals import Call, Category
from contracts.roles import function_abi
from mlbridge.errors import MLBridgeError


class CallEntry(BaseModel):
    """One call: of a function of ours by name, or to an address.

    value: wei from the treasury; arguments: addresses and bytes as 0x hex, structs as lists; data: 0x hex.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contract: str = ""
    function: str = ""
    arguments: list[Any] = Field(default_factory=list)
    to: Address | None = None
    value: int = Field(default=0, ge=0)
    data: str = "0x"

    @model_validator(mode="after")
    def _one_kind(self) -> CallEntry:
        named, plain = bool(self.contract and self.function), self.to is not None
        if named == plain or (plain and (self.contract or self.function or self.arguments)):
            raise ValueError("a call has contract, function and arguments, or to and perhaps data")
        return self


class ProposalFile(BaseModel):
    """What a proposal's file holds. category: empty for the one that its calls require."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(min_length=1)
    category: str = ""
    calls: list[CallEntry] = Field(min_length=1)

    def chosen_category(self) -> Category | None:
        """The category named. Raises MLBridgeError `proposal.bad_file`."""
        if not self.category:
            return None
        try:
            return Category[self.category.upper()]
        except KeyError as error:
            known = ", ".join(category.name.lower() for category in Category)
            raise _bad_file(f"there is no category {self.category!r}; known: {known}") from error

    def encoded(self, addresses: Mapping[str, str]) -> list[Call]:
        """Its calls. addresses: by contract name. Raises MLBridgeError `proposal.bad_file`."""
        return [_encode(entry, addresses) for entry in self.calls]


def read_proposal(path: Path) -> ProposalFile:
    """Read a file. Raises MLBridgeError `proposal.bad_file`."""
    try:
        text = path.read_text()
        raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return ProposalFile.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise _bad_file(problems) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _bad_file(f"{path} cannot be read ({error})") from error


def encode_call(
    addresses: Mapping[str, str], contract: str, function: str, arguments: Sequence[Any], value: int = 0
) -> Call:
    """A call of a function of one of our contracts, by name. Raises MLBridgeError `proposal.bad_file`."""
    address = addresses.get(contract)
    if address is None:
        raise _bad_file(f"there is no contract {contract}; known: {', '.join(sorted(addresses))}")
    try:
        entry: Any = function_abi(contract, function)
    except KeyError as error:
        raise _bad_file(str(error.args[0])) from error
    types = get_abi_input_types(entry)
    if len(types) != len(arguments):
        raise _bad_file(f"{contract}.{function} takes {len(types)} arguments, not {len(arguments)}")
    try:
        body = abi_encode(types, [_value(kind, item) for kind, item in zip(types, arguments, strict=True)])
    except (EncodingError, ParseError, ValueError, TypeError) as error:
        raise _bad_file(f"{contract}.{function} cannot take these arguments ({error})") from error
    return Call(address, value, bytes(function_abi_to_4byte_selector(entry)) + body)


def _encode(entry: CallEntry, addresses: Mapping[str, str]) -> Call:
    if entry.to is None:
        return encode_call(addresses, entry.contract, entry.function, entry.arguments, entry.value)
    try:
        data = bytes.fromhex(entry.data.removeprefix("0x"))
    except ValueError as error:
        raise _bad_file(f"{entry.data!r} is not 0x hex") from error
    return Call(entry.to, entry.value, data)


def _value(kind: str, item: Any) -> Any:
    """Hex as bytes, except where text or an address is wanted."""
    if isinstance(item, list):
        return [_value("", part) for part in item]
    if isinstance(item, str) and item.startswith("0x") and kind != "string" and not is_address(item):
        return bytes.fromhex(item[2:])
    return item


def _bad_file(problem: str) -> MLBridgeError:
    return MLBridgeError(
        "proposal.bad_file",
        f"The proposal is not usable: {problem}.",
        hint="docs/design/governance.md shows what a proposal's file holds.",
        exit_code=2,
    )
