"""Event logs as typed values, decoded by the ABIs of this deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from eth_abi.abi import decode as abi_decode
from eth_utils.abi import event_abi_to_log_topic, get_abi_input_names, get_abi_input_types
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.types import TxReceipt

from contracts import artifacts


@dataclass(frozen=True)
class BlockRef:
    """One block. hash and parent: 0x hex; timestamp: unix seconds."""

    number: int
    hash: str
    timestamp: int
    parent: str = ""


@dataclass(frozen=True)
class Event:
    """One decoded log.

    args: by Solidity name; bytes32 and bytes as bytes, addresses as checksummed str, arrays as list, enums
    as int. address: emitting contract; block_hash and tx_hash: 0x hex.
    """

    name: str
    contract: str
    args: Mapping[str, Any] = field(hash=False)
    address: str
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int

    @property
    def task_id(self) -> bytes | None:
        """The task it belongs to; None for events that name no task."""
        value = self.args.get("taskId")
        return bytes(value) if value is not None else None

    @property
    def order(self) -> tuple[int, int]:
        """Sort key in chain order."""
        return self.block_number, self.log_index


@dataclass(frozen=True)
class EventType:
    """How to read one kind of event."""

    name: str
    contract: str
    topic: bytes
    indexed: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]


@cache
def event_types() -> dict[tuple[str, bytes], EventType]:
    """(contract name, topic 0) -> event type, for every event of every contract."""
    found: dict[tuple[str, bytes], EventType] = {}
    for artifact in artifacts.load_known():
        for item in artifact.abi:
            if item["type"] != "event" or item.get("anonymous"):
                continue
            entry: Any = item
            topic = bytes(event_abi_to_log_topic(entry))
            names = [str(name) for name in get_abi_input_names(entry)]
            inputs = list(zip(names, get_abi_input_types(entry), item["inputs"], strict=True))
            found[(artifact.name, topic)] = EventType(
                name=item["name"],
                contract=artifact.name,
                topic=topic,
                indexed=tuple((n, t) for n, t, i in inputs if i["indexed"]),
                plain=tuple((n, t) for n, t, i in inputs if not i["indexed"]),
            )
    return found


def topic_of(contract: str, name: str) -> str:
    """Topic 0 (0x hex) of an event by contract and event name. Raises KeyError if there is none."""
    for kind in event_types().values():
        if kind.contract == contract and kind.name == name:
            return "0x" + kind.topic.hex()
    raise KeyError(f"{contract} has no event {name}")


def _is_dynamic(abi_type: str) -> bool:
    return abi_type in ("string", "bytes") or abi_type.endswith("]") or abi_type.startswith("(")


def _clean(abi_type: str, value: Any) -> Any:
    if abi_type.endswith("]"):
        inner = abi_type[: abi_type.rindex("[")]
        return [_clean(inner, item) for item in value]
    if abi_type == "address":
        return str(to_checksum_address(value))
    return value


def as_int(value: Any) -> int:
    """A JSON-RPC quantity: 0x hex from a raw answer, or already an int."""
    return int(value, 16) if isinstance(value, str) else int(value)


def as_hex(value: Any) -> str:
    """Binary data as 0x hex, from hex, bytes or HexBytes."""
    return "0x" + bytes(HexBytes(value)).hex()


def as_receipt(raw: Mapping[str, Any]) -> TxReceipt:
    """A raw receipt with its quantities as int; hashes, addresses and logs stay as the node wrote them."""
    numbers = {
        "blockNumber",
        "cumulativeGasUsed",
        "effectiveGasPrice",
        "gasUsed",
        "status",
        "transactionIndex",
        "type",
    }
    return cast(
        TxReceipt,
        {key: as_int(item) if key in numbers and item is not None else item for key, item in raw.items()},
    )


def decode(log: Mapping[str, Any], contract_names: Mapping[str, str]) -> Event | None:
    """Decode one log (raw JSON or formatted by web3); None if its address or topic is not ours.

    contract_names: lower-case address -> contract name.
    """
    address = str(log["address"])
    contract = contract_names.get(address.lower())
    topics = [bytes(HexBytes(topic)) for topic in log["topics"]]
    kind = event_types().get((contract, topics[0])) if contract and topics else None
    if kind is None or len(topics) != 1 + len(kind.indexed):
        return None
    args: dict[str, Any] = {}
    for (name, abi_type), topic in zip(kind.indexed, topics[1:], strict=True):
        # only the hash of an indexed value of dynamic size is in the log
        args[name] = topic if _is_dynamic(abi_type) else _clean(abi_type, abi_decode([abi_type], topic)[0])
    values = abi_decode([abi_type for _, abi_type in kind.plain], bytes(HexBytes(log["data"])))
    for (name, abi_type), value in zip(kind.plain, values, strict=True):
        args[name] = _clean(abi_type, value)
    return Event(
        name=kind.name,
        contract=kind.contract,
        args=args,
        address=str(to_checksum_address(address)),
        block_number=as_int(log["blockNumber"]),
        block_hash=as_hex(log["blockHash"]),
        tx_hash=as_hex(log["transactionHash"]),
        log_index=as_int(log["logIndex"]),
    )


def decode_all(logs: Iterable[Mapping[str, Any]], contract_names: Mapping[str, str]) -> list[Event]:
    """Every log of ours, decoded, in chain order."""
    events = [event for event in (decode(log, contract_names) for log in logs) if event is not None]
    return sorted(events, key=lambda event: event.order)
