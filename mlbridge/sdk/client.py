"""The SDK without asyncio: the same calls, each waiting for its answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from eth_account.signers.local import LocalAccount

from contracts.network import Network
from contracts.reads import ModelInfo, TaskInfo
from contracts.sender import SendPolicy
from mlbridge.models import Manifest
from mlbridge.protocol.types import Role
from mlbridge.sdk.async_client import AsyncClient, Claimed, Published
from mlbridge.sdk.handle import Progress, TaskHandle, TaskResult
from mlbridge.sdk.inputs import Input
from mlbridge.sdk.receipt import Receipt, VerificationReport
from mlbridge.storage import ContentStore

T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own, so that it works wherever it is called, notebooks included."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mlbridge-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to its end. Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Task:
    """A TaskHandle whose methods wait."""

    def __init__(self, handle: TaskHandle, loop: _Loop) -> None:
        self._handle = handle
        self._loop = loop

    @property
    def id(self) -> bytes:
        """32 bytes."""
        return self._handle.id

    @property
    def task_id(self) -> str:
        """The id as 0x hex."""
        return self._handle.task_id

    def status(self) -> TaskInfo:
        """See TaskHandle.status."""
        return self._loop.run(self._handle.status())

    def wait(
        self,
        timeout: float | None = None,
        *,
        poke: bool = True,
        progress: Callable[[Progress], None] | None = None,
        confirmations: int | None = None,
    ) -> TaskResult:
        """See TaskHandle.wait. progress is called in another thread."""
        return self._loop.run(
            self._handle.wait(timeout, poke=poke, progress=progress, confirmations=confirmations)
        )

    def receipt(self) -> Receipt:
        """See TaskHandle.receipt."""
        return self._loop.run(self._handle.receipt())

    def cancel(self) -> None:
        """See TaskHandle.cancel."""
        self._loop.run(self._handle.cancel())


class Client:
    """AsyncClient whose methods wait. Close it, or use `with`."""

    def __init__(
        self,
        network: Network | str | Path,
        account: LocalAccount | None = None,
        store: ContentStore | None = None,
        *,
        policy: SendPolicy | None = None,
    ) -> None:
        self._client = AsyncClient(network, account, store, policy=policy)
        self._loop = _Loop()

    @property
    def network(self) -> Network:
        """The network."""
        return self._client.network

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._loop.run(self._client.close())
        self._loop.stop()

    def __enter__(self) -> Self:
        try:
            self._loop.run(self._client.chain())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def models(self) -> list[ModelInfo]:
        """See AsyncClient.models."""
        return self._loop.run(self._client.models())

    def model(self, name_or_id: str | bytes) -> ModelInfo:
        """See AsyncClient.model."""
        return self._loop.run(self._client.model(name_or_id))

    def namesakes(self, model: ModelInfo) -> list[bytes]:
        """See AsyncClient.namesakes."""
        return self._loop.run(self._client.namesakes(model))

    def manifest(self, model: ModelInfo) -> Manifest:
        """See AsyncClient.manifest."""
        return self._loop.run(self._client.manifest(model))

    def quote(self, model: str | bytes | ModelInfo, *, seats: int | None = None) -> int:
        """See AsyncClient.quote."""
        return self._loop.run(self._client.quote(model, seats=seats))

    def publish(
        self,
        folder: str | Path,
        price_wei: int,
        *,
        stake: bool = False,
        draft: Mapping[str, object] | None = None,
        ignore: Collection[str] = (),
    ) -> Published:
        """See AsyncClient.publish."""
        return self._loop.run(
            self._client.publish(folder, price_wei, stake=stake, draft=draft, ignore=ignore)
        )

    def submit(
        self,
        model: str | bytes | ModelInfo,
        input: Input,
        *,
        seats: int | None = None,
        deadline_s: float | None = None,
        max_price_wei: int | None = None,
        salt: bytes | None = None,
        idempotency_key: str | None = None,
        announce: Callable[[TaskHandle], None] | None = None,
    ) -> Task:
        """See AsyncClient.submit. announce is called in another thread."""
        work = self._client.submit(
            model,
            input,
            seats=seats,
            deadline_s=deadline_s,
            max_price_wei=max_price_wei,
            salt=salt,
            idempotency_key=idempotency_key,
            announce=announce,
        )
        return Task(self._loop.run(work), self._loop)

    def task(self, task_id: bytes | str) -> Task:
        """See AsyncClient.task."""
        return Task(self._loop.run(self._client.task(task_id)), self._loop)

    def cancel(self, task_id: bytes | str) -> None:
        """See AsyncClient.cancel."""
        self._loop.run(self._client.cancel(task_id))

    def verify(self, receipt: Receipt, *, confirmations: int | None = None) -> VerificationReport:
        """See AsyncClient.verify."""
        return self._loop.run(self._client.verify(receipt, confirmations=confirmations))

    def claim(self) -> Claimed:
        """See AsyncClient.claim."""
        return self._loop.run(self._client.claim())

    def stake(self, role: Role, amount: int) -> None:
        """See AsyncClient.stake."""
        self._loop.run(self._client.stake(role, amount))
