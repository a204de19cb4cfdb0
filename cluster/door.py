"""The way from the agent to a model: its Serve application on this machine, over HTTP, by signed order."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx2
import structlog

from mlbridge.errors import MLBridgeError
from serve.orders import HEADER, make_order, sign_order

log = structlog.get_logger()

_PERMANENT: Final = frozenset({400, 401, 403, 409, 413, 422})
_LONGEST_PAUSE: Final = 5.0


class Door:
    """Executes tasks through the local Serve ingress.

    base_url: without a trailing slash; key: 32 bytes of the node key, which signs each order.
    """

    def __init__(
        self, base_url: str, key: bytes, chain_id: int, *, client: httpx2.AsyncClient | None = None
    ) -> None:
        self._base_url = base_url
        self._key = key
        self._chain_id = chain_id
        self._client = client or httpx2.AsyncClient(limits=httpx2.Limits(max_connections=64))

    async def execute(
        self,
        route: str,
        *,
        task: bytes,
        round: int,
        account: int,
        model: bytes,
        payload: bytes,
        timeout: float,
    ) -> bytes:
        """The output payload. A full, starting or restarting replica is asked again within `timeout` seconds.

        Raises MLBridgeError with the replica's own code when it refuses for good (`payload.*`, `input.*`,
        `order.*`, `engine.*`), or `execute.timeout`.
        """
        deadline = time.monotonic() + timeout
        pause = 0.1
        problem = "no answer"
        while (left := deadline - time.monotonic()) > 0:
            order = make_order(
                task_id=task,
                round=round,
                account=account,
                model_id=model,
                payload=payload,
                expires_at=int(time.time() + min(left, 3000)) + 1,
                key=self._key,
            )
            headers = {HEADER: sign_order(order, chain_id=self._chain_id, key=self._key).header()}
            try:
                answer = await self._client.post(
                    f"{self._base_url}{route}/v1/execute", content=payload, headers=headers, timeout=left
                )
            except httpx2.HTTPError as error:
                problem = f"{type(error).__name__} {error}".strip()
            else:
                if answer.status_code == 200:
                    return answer.content
                refusal = _refusal(answer)
                if answer.status_code in _PERMANENT:
                    raise refusal
                problem = str(refusal)
                pause = max(pause, _retry_after(answer))
            log.info("execute_again", route=route, problem=problem)
            await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(_LONGEST_PAUSE, pause * 2)
        raise MLBridgeError(
            "execute.timeout",
            f"The model at {route} gave no result within {timeout:.0f} s: {problem}.",
            hint="See `mlbridge provider status`; more replicas or fewer models may help.",
            exit_code=6,
        )

    async def close(self) -> None:
        await self._client.aclose()


def _refusal(answer: httpx2.Response) -> MLBridgeError:
    try:
        told = answer.json()
        return MLBridgeError(str(told["code"]), str(told["message"]), hint=str(told.get("hint", "")))
    except (ValueError, KeyError, TypeError):
        # Serve itself answers in plain text
        return MLBridgeError("execute.http", f"HTTP {answer.status_code}: {answer.text[:200]}")


def _retry_after(answer: httpx2.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
