"""What the chain says about one task, in a form that survives JSON.

A `TaskEvent` is a decoded log whose arguments are plain JSON values: bytes as 0x hex, integers of any
size, lists. It carries the time of its block, so that phases can be measured without asking the chain again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.events import Event


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One log about one task.

    task_id, block_hash, tx_hash: 0x hex of 32 bytes; timestamp: unix seconds of the block; args: JSON values.
    """

    name: str
    task_id: str
    args: Mapping[str, Any]
    block: int
    block_hash: str
    timestamp: int
    tx_hash: str
    log_index: int

    @property
    def position(self) -> tuple[int, int]:
        """(block, log index): the order of the chain, and what makes the log unique on one chain."""
        return self.block, self.log_index


def from_log(log: Event, timestamp: int) -> TaskEvent | None:
    """The task event of a decoded log, or None when the log names no task."""
    if "taskId" not in log.args:
        return None
    args = {name: plain(value) for name, value in log.args.items()}
    return TaskEvent(
        name=log.name,
        task_id=args.pop("taskId"),
        args=args,
        block=log.block_number,
        block_hash=log.block_hash,
        timestamp=timestamp,
        tx_hash=log.tx_hash,
        log_index=log.log_index,
    )


def plain(value: Any) -> Any:
    """The JSON form of a decoded ABI value: bytes as 0x hex, tuples as lists, enums as integers."""
    if isinstance(value, bytes | bytearray):
        return "0x" + bytes(value).hex()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dump_args(args: Mapping[str, Any]) -> str:
    """Arguments as one line of JSON with sorted keys."""
    return json.dumps(args, sort_keys=True, separators=(",", ":"))
