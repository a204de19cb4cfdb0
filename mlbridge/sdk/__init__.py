"""The Python SDK: `Client` and `AsyncClient` submit tasks, wait for verified results and keep receipts."""

from mlbridge.sdk.async_client import AsyncClient, Claimed, Published
from mlbridge.sdk.channel import AsyncChannel, ChannelResult, OrderFailedError, StreamMismatchError
from mlbridge.sdk.client import Channel, Client, Task
from mlbridge.sdk.draft import Draft
from mlbridge.sdk.handle import Progress, TaskEndedError, TaskHandle, TaskResult
from mlbridge.sdk.lane_receipt import LaneReceipt
from mlbridge.sdk.lane_summons import SummonedOrder
from mlbridge.sdk.receipt import Receipt, VerificationReport

__all__ = [
    "AsyncChannel",
    "AsyncClient",
    "Channel",
    "ChannelResult",
    "Claimed",
    "Client",
    "Draft",
    "LaneReceipt",
    "OrderFailedError",
    "Progress",
    "Published",
    "Receipt",
    "StreamMismatchError",
    "SummonedOrder",
    "Task",
    "TaskEndedError",
    "TaskHandle",
    "TaskResult",
    "VerificationReport",
]
