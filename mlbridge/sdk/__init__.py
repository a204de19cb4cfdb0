"""The Python SDK: `Client` and `AsyncClient` submit tasks, wait for verified results and keep receipts."""

from mlbridge.sdk.async_client import AsyncClient, Claimed, Published
from mlbridge.sdk.client import Client, Task
from mlbridge.sdk.handle import Progress, TaskEndedError, TaskHandle, TaskResult
from mlbridge.sdk.receipt import Receipt, VerificationReport

__all__ = [
    "AsyncClient",
    "Claimed",
    "Client",
    "Progress",
    "Published",
    "Receipt",
    "Task",
    "TaskEndedError",
    "TaskHandle",
    "TaskResult",
    "VerificationReport",
]
