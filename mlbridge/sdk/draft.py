"""A task whose terms are fixed although nobody has paid for it yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import hashing

# What no later try can change: a draft fixes what the contract objects to.
FINAL_REFUSALS: Final = frozenset(
    {
        "BadCommitteeSize",
        "BadDeadline",
        "InputSize",
        "ModelNotActive",
        "PaymentTooHigh",
        "PaymentTooLow",
        "TooFewProviders",
        "UnknownModel",
    }
)


@dataclass(frozen=True)
class Draft:
    """Everything that a task's id is made of, so that sending it again can never pay twice.

    data: tagged input bytes; deadline: unix seconds; price: wei; salt: 32 bytes; block: no event of the task
    lies below it. Keep it (`to_dict`) before it is sent; after a crash send the same one again.
    """

    chain_id: int
    task_manager: str
    requester: str
    model_id: bytes
    data: bytes
    deadline: int
    price: int
    seats: int
    salt: bytes
    block: int

    @property
    def id(self) -> bytes:
        """The id that the task will have: 32 bytes."""
        return hashing.task_id(
            self.chain_id,
            self.task_manager,
            self.requester,
            self.model_id,
            hashing.input_hash(self.data),
            self.deadline,
            self.price,
            self.seats,
            self.salt,
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values: bytes as 0x hex."""
        return {
            name: "0x" + value.hex() if isinstance(value, bytes) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave. Raises MLBridgeError `draft.invalid`."""
        try:
            plain: dict[str, Any] = {
                field.name: bytes.fromhex(values[field.name].removeprefix("0x"))
                if field.type == "bytes"
                else values[field.name]
                for field in fields(cls)
            }
        except (KeyError, ValueError, AttributeError) as error:
            raise MLBridgeError(
                "draft.invalid", "The draft of a task is damaged.", hint="Draft the task again."
            ) from error
        return cls(**plain)
