"""The SDK without asyncio: the same calls, each waiting for its answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from eth_account.signers.local import LocalAccount

from contracts.channels import ChannelState
from contracts.network import Network
from contracts.reads import ModelInfo, TaskInfo
from contracts.sealing import SealingKey
from contracts.sender import SendPolicy
from mlbridge.models import Manifest
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.protocol.types import Role
from mlbridge.sdk.async_client import AsyncClient, Claimed, Published
from mlbridge.sdk.channel import DEFAULT_S, DEFAULT_SEATS, AsyncChannel, ChannelResult
from mlbridge.sdk.handle import Progress, TaskHandle, TaskResult
from mlbridge.sdk.inputs import Input
from mlbridge.sdk.lane_receipt import LaneReceipt
from mlbridge.sdk.lane_summons import SummonedOrder
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


class Channel:
    """An AsyncChannel whose methods wait."""

    def __init__(self, channel: AsyncChannel, loop: _Loop) -> None:
        self._channel = channel
        self._loop = loop

    @property
    def id(self) -> bytes:
        """32 bytes."""
        return self._channel.id

    @property
    def terms(self) -> ChannelTerms:
        """What it was opened under."""
        return self._channel.terms

    def state(self) -> ChannelState:
        """See AsyncChannel.state."""
        return self._loop.run(self._channel.state())

    def order(
        self,
        model: str | bytes,
        input: Input,
        *,
        seats: int = DEFAULT_SEATS,
        max_price_wei: int | None = None,
        deadline_s: float = DEFAULT_S,
        idempotency_key: str | None = None,
    ) -> ChannelResult:
        """See AsyncChannel.order."""
        work = self._channel.order(
            model,
            input,
            seats=seats,
            max_price_wei=max_price_wei,
            deadline_s=deadline_s,
            idempotency_key=idempotency_key,
        )
        return self._loop.run(work)

    def stream(
        self,
        model: str | bytes,
        input: Input,
        *,
        seats: int = DEFAULT_SEATS,
        max_price_wei: int | None = None,
        deadline_s: float = DEFAULT_S,
        idempotency_key: str | None = None,
    ) -> Iterator[str | ChannelResult]:
        """See AsyncChannel.stream."""
        found = self._channel.stream(
            model,
            input,
            seats=seats,
            max_price_wei=max_price_wei,
            deadline_s=deadline_s,
            idempotency_key=idempotency_key,
        )

        async def following() -> str | ChannelResult | None:
            return await anext(found, None)

        try:
            while (item := self._loop.run(following())) is not None:
                yield item
        finally:
            self._loop.run(found.aclose())

    def resume(self) -> list[ChannelResult]:
        """See AsyncChannel.resume."""
        return self._loop.run(self._channel.resume())

    def settled(self, receipt: LaneReceipt) -> LaneReceipt:
        """See AsyncChannel.settled."""
        return self._loop.run(self._channel.settled(receipt))

    def fetch(self, order: str) -> ChannelResult:
        """See AsyncChannel.fetch."""
        return self._loop.run(self._channel.fetch(order))

    def summon(self, order: str, *, max_bond_wei: int | None = None) -> SummonedOrder:
        """See AsyncChannel.summon."""
        return self._loop.run(self._channel.summon(order, max_bond_wei=max_bond_wei))

    def summoned(self, order: str) -> SummonedOrder:
        """See AsyncChannel.summoned."""
        return self._loop.run(self._channel.summoned(order))

    def top_up(self, amount: int) -> None:
        """See AsyncChannel.top_up."""
        self._loop.run(self._channel.top_up(amount))

    def close(self) -> int:
        """See AsyncChannel.close."""
        return self._loop.run(self._channel.close())


class Client:
    """AsyncClient whose methods wait. Close it, or use `with`."""

    def __init__(
        self,
        network: Network | str | Path,
        account: LocalAccount | None = None,
        store: ContentStore | None = None,
        *,
        policy: SendPolicy | None = None,
        channel_book: Path | None = None,
        nodes: Collection[str] = (),
    ) -> None:
        self._client = AsyncClient(
            network, account, store, policy=policy, channel_book=channel_book, nodes=nodes
        )
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

    def open_channel(self, url: str, deposit: int, *, salt: bytes | None = None) -> Channel:
        """See AsyncClient.open_channel."""
        return Channel(self._loop.run(self._client.open_channel(url, deposit, salt=salt)), self._loop)

    def channel(self, channel: bytes | str, *, url: str | None = None) -> Channel:
        """See AsyncClient.channel."""
        return Channel(self._loop.run(self._client.channel(channel, url=url)), self._loop)

    def sealing_key(self, operator: str) -> SealingKey | None:
        """See AsyncClient.sealing_key."""
        return self._loop.run(self._client.sealing_key(operator))

    def claim(self) -> Claimed:
        """See AsyncClient.claim."""
        return self._loop.run(self._client.claim())

    def stake(self, role: Role, amount: int) -> None:
        """See AsyncClient.stake."""
        self._loop.run(self._client.stake(role, amount))
