"""Reverts in words: which custom error a contract raised, what it means, what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_names, get_abi_input_types
from eth_utils.address import to_checksum_address
from web3.exceptions import ContractLogicError, Web3RPCError

from contracts import artifacts
from contracts.error_words import PANICS, WORDS
from contracts.proposals import Category, ProposalState, id_text
from contracts.rpc import RpcError
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role, TaskStatus

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


class ContractError(MLBridgeError):
    """A contract refused a call.

    name: the custom error's Solidity name, `Error` for require strings, `Panic`, `OutOfGas`, or `Reverted`
    when the node gave no reason; arguments: by Solidity name, bytes32 as bytes.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], message: str, hint: str = "") -> None:
        super().__init__(
            f"contract.{name}",
            message,
            hint=hint,
            exit_code=_EXIT_CODES.get(name, 1),
            arguments={key: plain(value) for key, value in arguments.items()},
        )
        self.name = name
        self.arguments = dict(arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return ContractError, (self.name, self.arguments, self.message, self.hint)


_EXIT_CODES = {
    "PaymentTooLow": 4,
    "PaymentTooHigh": 4,
    "ERC20InsufficientBalance": 4,
    "InsufficientStake": 4,
    "AccessManagedUnauthorized": 3,
    "NotRequester": 3,
    "NotAppellant": 3,
    "NotGuardian": 3,
    "NoVotingPower": 3,
    "GovernorInsufficientProposerVotes": 3,
    "GovernorUnableToCancel": 3,
    "UnknownTask": 5,
    "UnknownModel": 5,
    "UnknownAccount": 5,
    "GovernorNonexistentProposal": 5,
}


def plain(value: Any) -> Any:
    """A contract value as JSON can hold it: bytes as 0x hex."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


class _Shown:
    """A value in a sentence, shown by its format spec: mlb, wei, time, status, role, category, state, id."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        value = self._value
        if spec == "mlb":
            return f"{value / 10**18:,.6g} MLB"
        if spec == "wei":
            return f"{value:,} wei"
        if spec == "time":
            if value >= 2**40:
                return f"time {value}"
            return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if spec == "status":
            return TaskStatus(value).name.capitalize() if value < len(TaskStatus) else str(value)
        if spec == "role":
            return Role(value).name.replace("_", " ").lower() if value < len(Role) else f"role {value}"
        if spec == "category":
            return Category(value).name.lower() if value < len(Category) else f"category {value}"
        if spec == "state":
            return ProposalState(value).name.lower() if value < len(ProposalState) else f"state {value}"
        if spec == "id":
            return id_text(value)
        return str(plain(value))


@cache
def _selectors() -> dict[bytes, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Selector -> (name, argument names, argument types) of every error in every ABI."""
    found: dict[bytes, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}
    for artifact in artifacts.load_known():
        for item in artifact.abi:
            if item["type"] != "error":
                continue
            entry: Any = item
            names = tuple(str(name) for name in get_abi_input_names(entry))
            as_function: Any = {**entry, "type": "function"}
            selector = bytes(function_abi_to_4byte_selector(as_function))
            found[selector] = (item["name"], names, tuple(get_abi_input_types(entry)))
    return found


def describe(name: str, arguments: Mapping[str, Any]) -> ContractError:
    """The ContractError for a custom error by name; one without words says its name and arguments."""
    words = WORDS.get(name)
    if words is None:
        listed = ", ".join(f"{key}={plain(value)}" for key, value in arguments.items())
        return ContractError(name, arguments, f"The contract refused: {name}({listed}).")
    shown = {key: _Shown(value) for key, value in arguments.items()}
    return ContractError(name, arguments, words[0].format(**shown), words[1].format(**shown))


def decode_revert(data: bytes) -> ContractError:
    """The ContractError that revert bytes stand for; never raises."""
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            (text,) = abi_decode(["string"], body)
            return ContractError("Error", {"message": text}, f"The contract refused: {text}.")
        if selector == _PANIC:
            (code,) = abi_decode(["uint256"], body)
            meaning = PANICS.get(code, "unknown cause")
            return ContractError(
                "Panic",
                {"code": code},
                f"The contract failed an internal check (panic 0x{code:02x}: {meaning}).",
                "This is a defect in the contract or a call with impossible values: please report it.",
            )
        known = _selectors().get(selector)
        if known is not None:
            name, names, types = known
            values = abi_decode(list(types), body)
            pairs = zip(names, types, values, strict=True)
            return describe(
                name, {n: str(to_checksum_address(v)) if t == "address" else v for n, t, v in pairs}
            )
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return ContractError(
            "Reverted", {"data": data}, f"The contract refused with unreadable data 0x{data.hex()}."
        )
    if not data:
        return ContractError(
            "Reverted",
            {},
            "The contract refused without saying why.",
            "Usual causes: a function the contract does not have, or no contract at the address.",
        )
    return ContractError(
        "Reverted", {"data": data}, f"The contract refused with unknown error 0x{data.hex()}."
    )


def _revert_bytes(data: object) -> bytes | None:
    """Revert bytes from the `data` member of a JSON-RPC error, in the shapes that nodes use."""
    if isinstance(data, Mapping):
        for key in ("data", "result", "output"):
            found = _revert_bytes(data.get(key))
            if found is not None:
                return found
        return None
    if isinstance(data, str):
        text = data.removeprefix("Reverted ").removeprefix("execution reverted: ")
        if text.startswith("0x"):
            try:
                return bytes.fromhex(text[2:])
            except ValueError:
                return None
    return None


def from_exception(error: BaseException) -> ContractError | None:
    """The ContractError behind what a provider or web3 raised; None if it was no revert."""
    if isinstance(error, ContractError):
        return error
    if isinstance(error, ContractLogicError):
        data = _revert_bytes(error.data)
        if data is None and error.message and not error.message.startswith("execution reverted: 0x"):
            text = error.message.removeprefix("execution reverted").lstrip(": ,") or "no reason given"
            return ContractError("Error", {"message": text}, f"The contract refused: {text}.")
        return decode_revert(data or b"")
    if isinstance(error, RpcError):
        return _from_rpc(error.rpc_code, error.text, error.data)
    if isinstance(error, Web3RPCError) and error.rpc_response is not None:
        problem: Any = error.rpc_response.get("error")
        if isinstance(problem, Mapping):
            return _from_rpc(
                int(problem.get("code", 0)), str(problem.get("message", "")), problem.get("data")
            )
    return None


def _from_rpc(code: int, text: str, data: object) -> ContractError | None:
    found = _revert_bytes(data)
    if found is not None:
        return decode_revert(found)
    lowered = text.lower()
    if code == 3 or "revert" in lowered:
        return decode_revert(b"")
    if "out of gas" in lowered or "outofgas" in lowered:
        return describe("OutOfGas", {})
    return None
