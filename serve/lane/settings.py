"""What a replica needs to know to hold a seat in the channel lane: plain values, as in a Serve YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.keyfile import KeyFile
from contracts.network import Address
from serve.guard import node_keys

LaneFault = Literal[
    "wrong-result",
    "copy-commitment",
    "silent",
    "no-reveal",
    "wrong-reveal",
    "unbond",
    "double-sign",
    "late",
    "wrong-stream",
    "half-stream",
]


class LaneSettings(BaseModel):
    """A replica's seat in the channel lane.

    channels: address of PaymentChannels; view, store: the provider's files of these kinds; key: the node key
    that signs; storage_url: where inputs and outputs lie that travel by CID.
    rpc_url: a chain node that is asked about requesters that are contract accounts (ERC-1271); None: they are
    refused, because they can take their word back after the work.
    coordinators: whose requests are taken, None: anybody's; seat_fee: least wei for a seat.
    least_time_s, max_validity_s: seconds that an order must and may leave; settle_margin_s: so long after its
    deadline the provider settles an order that its coordinator withheld; stale_s: age at which the view is
    not trusted any more. fault: devnets only, see serve.lane.faults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: Address
    view: Path
    store: Path
    key: KeyFile
    storage_url: str = ""
    rpc_url: str | None = None
    coordinators: Annotated[list[str], Field(max_length=256)] | None = None
    seat_fee: Annotated[int, Field(ge=0)] = 0
    least_time_s: Annotated[float, Field(ge=0)] = 1.0
    max_validity_s: Annotated[int, Field(ge=1)] = 3600
    settle_margin_s: Annotated[float, Field(ge=0)] = 60.0
    stale_s: Annotated[float, Field(gt=0)] = 15.0
    fault: LaneFault | None = None

    @field_validator("coordinators")
    @classmethod
    def _checksummed(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else sorted(node_keys(value))
