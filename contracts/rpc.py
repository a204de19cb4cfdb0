"""JSON-RPC over HTTP: one kept connection, timeouts, retries where a second try cannot do harm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import stamina
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.types import RPCEndpoint

from mlbridge.errors import MLBridgeError

# sendRawTransaction is absent: the Sender itself decides what a lost answer means.
IDEMPOTENT = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "net_version",
        "web3_clientVersion",
    }
)
ATTEMPTS = 4
BATCH = 100
"""Requests that travel together; several public nodes take no more."""


class RpcError(MLBridgeError):
    """The node answered with an error. rpc_code: JSON-RPC code; data: its data member, as revert bytes."""

    def __init__(self, method: str, rpc_code: int, text: str, data: object = None) -> None:
        super().__init__("chain.rpc", f"The chain node refused {method}: {text}", method=method)
        self.method = method
        self.rpc_code = rpc_code
        self.text = text
        self.data = data

    def __reduce__(self) -> tuple[object, ...]:
        return RpcError, (self.method, self.rpc_code, self.text, self.data)


def public_part(url: str) -> str:
    """Scheme, host and port: paths and user names of node URLs often hold access keys."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the address given"
    return f"{parts.scheme}://{parts.hostname}{port}"


class RpcUnreachableError(MLBridgeError):
    """No answer of the node itself: the request may or may not have arrived.

    url: without its secret parts; passing: whether another try may succeed.
    """

    def __init__(self, url: str, reason: str, *, passing: bool = True) -> None:
        super().__init__(
            "chain.unreachable",
            f"The chain node at {public_part(url)} does not answer ({reason}).",
            hint="Is it running? `rpc_url` in the network file or MLBRIDGE_RPC_URL names it.",
        )
        self.url = public_part(url)
        self.reason = reason
        self.passing = passing

    def __reduce__(self) -> tuple[object, ...]:
        return _unreachable, (self.url, self.reason, self.passing)


def _unreachable(url: str, reason: str, passing: bool) -> RpcUnreachableError:
    return RpcUnreachableError(url, reason, passing=passing)


_NO_URL = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


def _reason(error: Exception) -> str:
    if isinstance(error, _NO_URL):
        return "its address is not a URL"
    return str(error) or type(error).__name__


def _passing(error: Exception) -> bool:
    return isinstance(error, RpcUnreachableError) and error.passing


def _problem(body: bytes) -> dict[str, Any] | None:
    """The JSON-RPC error in an answer, None if it holds none."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    found = answer.get("error") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else None


def _code(problem: dict[str, Any]) -> int:
    code = problem.get("code")
    return code if isinstance(code, int) else 0


def _busy(status: int, problem: dict[str, Any] | None) -> bool:
    """Whether a status says that the answer is not the node's last word.

    429 and 5xx come from proxies and rate limits, whatever is in the body; only a contract's revert can have
    come from nowhere but the chain.
    """
    reverted = problem is not None and (
        problem.get("code") == 3 or str(problem.get("data", "")).startswith("0x")
    )
    return status == 429 or (status >= 500 and not reverted)


class Provider(AsyncHTTPProvider):
    """AsyncHTTPProvider that keeps its connections and retries idempotent reads only."""

    def __init__(self, url: str, *, timeout_s: float = 20.0, attempts: int = ATTEMPTS) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        if method not in IDEMPOTENT:
            return await self._post(request_data)
        async for attempt in stamina.retry_context(
            on=_passing, attempts=self._attempts, timeout=60, wait_initial=0.1, wait_max=3.0
        ):
            with attempt:
                return await self._post(request_data)
        raise AssertionError("retry_context ends by return or raise")

    async def _post(self, data: bytes) -> bytes:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._url, data=data, headers=headers) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            passing = not isinstance(error, _NO_URL)
            # aiohttp's errors show the whole URL, in tracebacks and in stamina's log lines too
            raise RpcUnreachableError(self._url, _reason(error), passing=passing) from None
        if status >= 400:
            problem = _problem(body)
            busy = _busy(status, problem)
            # several nodes answer JSON-RPC errors with 4xx: then the body says more than the status
            if busy or problem is None:
                raise RpcUnreachableError(self._url, f"HTTP status {status}", passing=busy)
        return body

    async def request(self, method: str, params: Sequence[object] = ()) -> Any:
        """The bare `result` of one call, no web3 formatters. Raises RpcError or RpcUnreachableError."""
        payload = {
            "jsonrpc": "2.0",
            "id": next(self.request_counter),
            "method": method,
            "params": list(params),
        }
        body = await self._make_request(RPCEndpoint(method), json.dumps(payload).encode())
        problem = _problem(body)
        if problem is not None:
            raise RpcError(method, _code(problem), str(problem.get("message", "")), problem.get("data"))
        try:
            return json.loads(body)["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise RpcUnreachableError(self._url, f"not a JSON-RPC answer: {body[:80]!r}") from error

    async def request_many(self, method: str, many: Sequence[Sequence[object]]) -> list[Any]:
        """The bare results of one read with many parameters, BATCH of them in a request, in their order.

        A node that takes no batches is asked one by one. Raises as `request`, for the first that failed.
        """
        found: list[Any] = []
        for start in range(0, len(many), BATCH):
            some = many[start : start + BATCH]
            answers = await self._batch(method, some)
            if answers is None:
                answers = [await self.request(method, params) for params in some]
            found += answers
        return found

    async def _batch(self, method: str, some: Sequence[Sequence[object]]) -> list[Any] | None:
        """None: the node takes no batches."""
        asked = [
            {"jsonrpc": "2.0", "id": next(self.request_counter), "method": method, "params": list(params)}
            for params in some
        ]
        body = await self._make_request(RPCEndpoint(method), json.dumps(asked).encode())
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if not isinstance(told, list):
            return None
        by_id = {answer.get("id"): answer for answer in told if isinstance(answer, dict)}
        found = []
        for one in asked:
            answer = by_id.get(one["id"], {})
            problem = answer.get("error")
            if isinstance(problem, dict):
                raise RpcError(method, _code(problem), str(problem.get("message", "")), problem.get("data"))
            if "result" not in answer:
                raise RpcUnreachableError(self._url, "an answer is missing in its batch")
            found.append(answer["result"])
        return found

    async def disconnect(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def open_web3(rpc_url: str, *, timeout_s: float = 20.0) -> AsyncWeb3[Any]:
    """AsyncWeb3 on our provider; no ENS look-ups, no implicit gas estimates."""
    return AsyncWeb3(Provider(rpc_url, timeout_s=timeout_s), middleware=[])


def provider_of(w3: AsyncWeb3[Any]) -> Provider:
    """The provider that `open_web3` gave it."""
    return cast(Provider, w3.provider)
