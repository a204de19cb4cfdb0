"""Talking to members: offers and closed sets, several in a request when there are many at once.

A request to a member follows the last one no sooner than the member takes to answer one that needs no model:
under load that is what orders wait for anyway, and those of the meantime share what a request costs.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import structlog

from coordinator.lane.bodies import read_body
from coordinator.lane.directory import Directory
from coordinator.lane.patience import Presence
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange
from mlbridge.protocol.exchange import Answer, Refusal
from mlbridge.protocol.orders712 import Domain
from mlbridge.protocol.streams import MAX_STREAM_BYTES, FrameReader, Kind

log = structlog.get_logger(__name__)

PARALLEL: Final = 64
"""Requests under way to one route of one member; what comes then travels together in the next one."""
MARGIN_BYTES: Final = 64 << 10
VALID_S: Final = exchange.LONGEST_REQUEST_S // 2
"""Of a request's signature, looked at on arrival: half of what members take, for clocks that differ."""
CONNECT_S: Final = 3.0
LONGEST_GAP_S: Final = 0.05
BRIEF_S: Final = 0.25
"""Orders of a model that takes longer do not wait to travel together: the quick would wait for the slow."""
_SMOOTHING: Final = 0.2
_NOBODY: Final = frozenset({404, 502, 504})
"""What an ingress answers that has no replica behind it, as while a node starts: the member says nothing."""
_WITHOUT_MODEL: Final = "reveals"


@dataclass
class _Item:
    body: bytes
    until: float
    answer: asyncio.Future[Answer]


@dataclass
class _Pace:
    """Seconds that a member's answers take: of a route; without the model (reveals) if any was asked."""

    routes: dict[str, float] = field(default_factory=dict)

    def took(self, route: str, seconds: float) -> None:
        before = self.routes.get(route, seconds)
        self.routes[route] = before + _SMOOTHING * (seconds - before)

    def gap(self, route: str) -> float:
        """Seconds from one request to the next."""
        talk = self.routes.get(_WITHOUT_MODEL, 0.0)
        model = self.routes.get(route, talk) - talk
        return min(LONGEST_GAP_S, talk) if model <= BRIEF_S else 0.0


@dataclass
class _Pipe:
    """One route of one member. sent_at, call_at: loop times of its last request and of the next."""

    url: str
    route: str
    account: int
    pace: _Pace
    waiting: deque[_Item] = field(default_factory=deque)
    under_way: int = 0
    sent_at: float = -math.inf
    call: asyncio.Handle | None = None
    call_at: float = 0.0


class Members:
    """Sends to members and reads their answers, whose signatures are for the caller to check.

    now: the chain's time, unix seconds; key: the coordinator's, 32 bytes.
    """

    def __init__(
        self,
        directory: Directory,
        session: aiohttp.ClientSession,
        domain: Domain,
        key: bytes,
        now: Callable[[], float],
    ) -> None:
        self.directory, self.presence = directory, Presence()
        self._session, self._domain, self._key, self._now = session, domain, key, now
        self._pipes: dict[tuple[str, int, str], _Pipe] = {}
        self._paces: dict[tuple[str, int], _Pace] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, endpoint: str, account: int, route: str, item: bytes, *, until: float) -> Answer:
        """A member's answer to one item. route: orders, reveals; until: chain time at which it is useless.

        Raises MLBridgeError `member.unreachable` or `member.unreadable`.
        """
        pipe = self._pipe(endpoint, account, route)
        wanted = _Item(item, until, asyncio.get_running_loop().create_future())
        pipe.waiting.append(wanted)
        self._call(pipe)
        return await wanted.answer

    def usual(self, account: int, model_id: bytes) -> float:
        """Seconds that a member takes to answer an order as a rule; 0: not known."""
        urls = self.directory.endpoints(account, model_id)
        paces = [self._paces[url, account] for url in urls if (url, account) in self._paces]
        return max((pace.routes.get("orders", 0.0) for pace in paces), default=0.0)

    def _pipe(self, endpoint: str, account: int, route: str) -> _Pipe:
        key = endpoint, account, route
        if key not in self._pipes:
            pace = self._paces.setdefault((endpoint, account), _Pace())
            self._pipes[key] = _Pipe(f"{endpoint}/v1/lane/{route}", route, account, pace)
        return self._pipes[key]

    def _call(self, pipe: _Pipe) -> None:
        """Send what waits once it is time; what else comes until then travels along."""
        if not pipe.waiting or pipe.under_way >= PARALLEL:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        at = pipe.sent_at + pipe.pace.gap(pipe.route) if pipe.under_way else now
        if pipe.call is not None:
            if pipe.call_at <= at:
                return
            pipe.call.cancel()
        pipe.call_at = at
        pipe.call = loop.call_at(at, self._pump, pipe) if at > now else loop.call_soon(self._pump, pipe)

    def _pump(self, pipe: _Pipe) -> None:
        pipe.call, pipe.sent_at = None, asyncio.get_running_loop().time()
        while pipe.waiting and pipe.under_way < PARALLEL:
            items = _take(pipe.waiting)
            pipe.under_way += 1
            task = asyncio.create_task(self._send(pipe, items), name="lane-member")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, pipe: _Pipe, items: list[_Item]) -> None:
        began = asyncio.get_running_loop().time()
        try:
            answers = await self._exchange(pipe, items)
            pipe.pace.took(pipe.route, asyncio.get_running_loop().time() - began)
            self.presence.heard(pipe.account)
        except MLBridgeError as error:
            answers = [*[error] * len(items)]
        except asyncio.CancelledError:
            for item in items:
                item.answer.cancel()
            raise
        finally:
            pipe.under_way -= 1
        for item, answer in zip(items, answers, strict=True):
            if item.answer.done():
                continue
            if isinstance(answer, MLBridgeError):
                item.answer.set_exception(answer)
            else:
                item.answer.set_result(answer)
        self._call(pipe)

    async def _exchange(self, pipe: _Pipe, items: list[_Item]) -> list[Answer | MLBridgeError]:
        body = exchange.join([item.body for item in items])
        left = max(1.0, max(item.until for item in items) - self._now())
        try:
            async with self._session.post(
                pipe.url,
                data=body,
                headers=self._headers(body, pipe.account),
                timeout=aiohttp.ClientTimeout(total=left, sock_connect=CONNECT_S),
                allow_redirects=False,
            ) as response:
                status = response.status
                read = await read_body(response, exchange.MAX_ANSWER_BYTES)
                after = response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(pipe.account, error) from error
        if status in _NOBODY:
            raise _unreachable(pipe.account, f"its door says {status}")
        if status != 200:
            wait = int(after) if after.isdecimal() and len(after) < 6 else 1
            refusal = Refusal(f"http.{status}", "The member's door refused the whole request.", wait)
            return [*[refusal] * len(items)]
        return _read(pipe.account, read, len(items))

    async def stream(
        self, endpoint: str, account: int, order: bytes, *, until: float
    ) -> AsyncGenerator[bytes, None]:
        """What a member seals of an order's answer, as it comes. order: digest; until: as in `ask`.

        Raises MLBridgeError `member.unreachable`, `member.unreadable`, `member.refused` or, where it never
        will, `member.no_stream`.
        """
        body = exchange.join([order])
        left = max(1.0, until - self._now())
        try:
            async with self._session.post(
                f"{endpoint}/v1/lane/streams",
                data=body,
                headers=self._headers(body, account),
                timeout=aiohttp.ClientTimeout(total=left, sock_connect=CONNECT_S),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    code = "member.no_stream" if response.status == 404 else "member.refused"
                    raise MLBridgeError(code, f"Member {account} streams nothing: {response.status}.")
                async for sealed in _sealed(response):
                    yield sealed
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(account, error) from error

    def _headers(self, body: bytes, account: int) -> dict[str, str]:
        expires = int(self._now()) + VALID_S
        header = exchange.sign_request(body, account, expires, self._domain, self._key)
        return {exchange.HEADER: header, "Content-Type": "application/cbor"}

    async def close(self) -> None:
        """Give up what is under way."""
        for pipe in self._pipes.values():
            if pipe.call is not None:
                pipe.call.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _sealed(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    reader, left = FrameReader(), MAX_STREAM_BYTES
    while piece := await response.content.readany():
        try:
            frames = reader.feed(piece)
        except MLBridgeError as error:
            raise MLBridgeError("member.unreadable", f"A stream cannot be read: {error.message}") from error
        for kind, payload in frames:
            left -= len(payload)
            if kind is not Kind.SEALED or left < 0:
                raise MLBridgeError(
                    "member.unreadable", "A stream holds what is not a member's, or too much."
                )
            yield payload


def _unreachable(account: int, error: Exception | str) -> MLBridgeError:
    reason = str(error) or type(error).__name__
    return MLBridgeError("member.unreachable", f"Member {account} does not answer: {reason}.")


def _take(waiting: deque[_Item]) -> list[_Item]:
    items: list[_Item] = []
    size = MARGIN_BYTES
    while waiting and len(items) < exchange.MAX_ITEMS:
        size += len(waiting[0].body)
        if items and size > exchange.MAX_BODY_BYTES // 2:
            break
        items.append(waiting.popleft())
    return items


def _read(account: int, body: bytes, count: int) -> list[Answer | MLBridgeError]:
    try:
        parts = exchange.split(body)
        if len(parts) != count:
            raise MLBridgeError("message.malformed", f"{len(parts)} answers came to {count} items.")
    except MLBridgeError as error:
        raise MLBridgeError(
            "member.unreadable", f"Member {account} answered what cannot be read: {error.message}"
        ) from error
    answers: list[Answer | MLBridgeError] = []
    for part in parts:
        try:
            answers.append(exchange.read_answer(part))
        except MLBridgeError as error:
            told = f"Member {account} answered what cannot be read: {error.message}"
            answers.append(MLBridgeError("member.unreadable", told))
    return answers
