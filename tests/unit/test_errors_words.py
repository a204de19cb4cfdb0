"""Every custom error of every contract has words a person understands."""

from __future__ import annotations

import pickle
import re
from string import Formatter
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types
from hypothesis import given
from hypothesis import strategies as st
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from contracts import artifacts
from contracts.error_words import PANICS, WORDS, channels, core, governance, reviews
from contracts.errors import ContractError, decode_revert, from_exception
from contracts.rpc import RpcError

ADDRESS = "0x00000000000000000000000000000000000000AA"
SAMPLES: dict[str, Any] = {"address": ADDRESS, "string": "a name", "bytes": b"\x01", "bool": True}


def errors() -> list[Any]:
    found = {}
    for artifact in artifacts.load_known():
        for item in artifact.abi:
            if item["type"] == "error":
                entry: Any = item
                found[(item["name"], tuple(get_abi_input_types(entry)))] = item
    return [pytest.param(item, id=item["name"]) for _, item in sorted(found.items())]


def sample(abi_type: str) -> Any:
    if abi_type.startswith("uint"):
        return 3
    if abi_type.startswith("bytes") and abi_type != "bytes":
        return b"\x07" * int(abi_type[5:])
    return SAMPLES[abi_type]


def encoded(item: Any, values: list[Any] | None = None) -> bytes:
    types = get_abi_input_types(item)
    as_function: Any = {**item, "type": "function"}
    given = [sample(t) for t in types] if values is None else values
    return bytes(function_abi_to_4byte_selector(as_function)) + abi_encode(types, given)


def encoded_named(name: str, values: list[Any]) -> bytes:
    return encoded(next(param.values[0] for param in errors() if param.id == name), values)


@pytest.mark.parametrize("item", errors())
def test_every_error_has_words(item: dict[str, Any]) -> None:
    assert item["name"] in WORDS, f"write words for {item['name']} in contracts/error_words/"
    names = {entry["name"] for entry in item["inputs"]}
    for text in WORDS[item["name"]]:
        assert text
        used = {name for _, name, _, _ in Formatter().parse(text) if name}
        assert used <= names
    error = decode_revert(encoded(item))
    assert error.name == item["name"]
    assert set(error.arguments) == names
    assert "{" not in error.message
    assert error.message.endswith((".", ")"))
    assert error.hint


def test_an_error_has_words_in_one_family_only() -> None:
    assert sum(len(family.WORDS) for family in (core, governance, channels, reviews)) == len(WORDS)


def test_words_are_sentences_with_a_way_out() -> None:
    for sentence, hint in WORDS.values():
        assert re.match(r"[A-Z{]", sentence)
        assert sentence.endswith(".")
        assert re.match(r"[A-Z0-9]", hint)
        assert hint.endswith(".")


def test_values_are_shown_in_units() -> None:
    too_little = decode_revert(encoded_named("BelowMinimum", [2, 10**18, 50_000 * 10**18]))
    assert too_little.message == "A stake of 1 MLB as compute is below the minimum of 50,000 MLB."
    low = decode_revert(encoded_named("PaymentTooLow", [1_000, 2_000]))
    assert low.message == "The payment of 1,000 wei is below the 2,000 wei this task costs now."
    assert low.exit_code == 4
    status = decode_revert(encoded_named("WrongStatus", [bytes(32), 6]))
    assert "Finalized" in status.message
    jailed = decode_revert(encoded_named("StillJailed", [1_800_000_000]))
    assert "2027-01-15 08:00:00 UTC" in jailed.message


def test_strings_and_panics() -> None:
    text = decode_revert(bytes.fromhex("08c379a0") + abi_encode(["string"], ["too late"]))
    assert (text.name, text.message) == ("Error", "The contract refused: too late.")
    for code, meaning in PANICS.items():
        panic = decode_revert(bytes.fromhex("4e487b71") + abi_encode(["uint256"], [code]))
        assert panic.name == "Panic"
        assert meaning in panic.message


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_something(data: bytes) -> None:
    assert decode_revert(data).message


def test_from_every_shape_a_node_uses() -> None:
    data = "0x" + encoded_named("ZeroAmount", []).hex()
    response: Any = {"error": {"code": 3, "message": "execution reverted", "data": data}}
    for error in (
        RpcError("eth_call", 3, "execution reverted", data),
        RpcError("eth_call", -32000, "execution reverted", {"data": data}),
        RpcError("eth_call", -32015, "VM execution error", f"Reverted {data}"),
        ContractCustomError(data, data=data),
        Web3RPCError("x", rpc_response=response),
    ):
        found = from_exception(error)
        assert found is not None
        assert found.name == "ZeroAmount"
    plain = from_exception(ContractLogicError("execution reverted: no luck"))
    assert plain is not None
    assert plain.message == "The contract refused: no luck."
    bare = from_exception(RpcError("eth_call", 3, "execution reverted"))
    assert bare is not None
    assert bare.name == "Reverted"
    gas = from_exception(RpcError("eth_estimateGas", -32003, "EVM error OutOfGas"))
    assert gas is not None
    assert gas.name == "OutOfGas"
    assert from_exception(RpcError("eth_call", -32601, "method not found")) is None
    assert from_exception(ValueError("x")) is None


def test_contract_errors_travel_between_processes() -> None:
    error = decode_revert(encoded_named("TaskExists", [b"\x01" * 32]))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(again, ContractError)
    assert (again.name, again.arguments, str(again)) == (error.name, error.arguments, str(error))
    assert again.to_dict()["arguments"] == {"taskId": "0x" + "01" * 32}
