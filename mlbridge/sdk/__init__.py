"""The Python SDK: `Client` and `AsyncClient` submit tasks, wait for verified results and keep receipts."""

from mlbridge.sdk.async_client import AsyncClient, Claimed, Published
from mlbridge.sdk.client import Client, Task
from mlbridge.sdk.draft import Draft
from mlbridge.sdk.handle import Progress, TaskEndedError, TaskHandle, TaskResult
from mlbridge.sdk.receipt import Receipt, VerificationReport

__all__ = [
    "AsyncClient",
    "Claimed",
    "Client",
    "Draft",
    "Progress",
    "Published",
    "Receipt",
    "Task",
    "TaskEndedError",
    "TaskHandle",
    "TaskResult",
    "VerificationReport",
]
