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
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


class RpcUnreachableError(MLBridgeError):
    """No answer: the request may or may not have arrived."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            "chain.unreachable",
            f"The chain node at {public_part(url)} does not answer ({reason}).",
            hint="Is it running? `rpc_url` in the network file or MLBRIDGE_RPC_URL names it.",
        )
        self.url = url
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return RpcUnreachableError, (self.url, self.reason)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP status {error.status}"
    if isinstance(error, aiohttp.InvalidURL):
        return "its address is not a URL"
    return str(error) or type(error).__name__


def _worth_retrying(error: Exception) -> bool:
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, aiohttp.ClientError | TimeoutError | OSError)


class Provider(AsyncHTTPProvider):
    """AsyncHTTPProvider that keeps its connections and retries idempotent reads only."""

    def __init__(self, url: str, *, timeout_s: float = 20.0, attempts: int = ATTEMPTS) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        try:
            if method not in IDEMPOTENT:
                return await self._post(request_data)
            async for attempt in stamina.retry_context(
                on=_worth_retrying, attempts=self._attempts, timeout=60, wait_initial=0.1, wait_max=3.0
            ):
                with attempt:
                    return await self._post(request_data)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RpcUnreachableError(self._url, _reason(error)) from error
        raise AssertionError("retry_context ends by return or raise")

    async def _post(self, data: bytes) -> bytes:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=data, headers=headers) as response:
            body = await response.read()
            # several nodes answer JSON-RPC errors with 4xx: the body says more than the status
            if response.status >= 400 and not body.lstrip().startswith(b"{"):
                response.raise_for_status()
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
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise RpcUnreachableError(self._url, f"not a JSON-RPC answer: {body[:80]!r}") from error
        if "error" in answer and answer["error"] is not None:
            problem = answer["error"]
            raise RpcError(
                method, int(problem.get("code", 0)), str(problem.get("message", "")), problem.get("data")
            )
        return answer.get("result")

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
