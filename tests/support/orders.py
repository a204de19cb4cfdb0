"""Signed orders by a test's node key."""

from __future__ import annotations

import time

from serve.orders import HEADER, make_order, sign_order

KEY, MODEL_ID, CHAIN_ID = b"\x11" * 32, b"\x07" * 32, 31337
NODE = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


def ordered(
    body: bytes, task: int, *, key: bytes = KEY, model: bytes = MODEL_ID, chain_id: int = CHAIN_ID
) -> dict[str, str]:
    """The header that lets a replica run `body` for the task with this number."""
    order = make_order(
        task_id=task.to_bytes(32, "big"),
        round=0,
        account=2,
        model_id=model,
        payload=body,
        expires_at=int(time.time()) + 60,
        key=key,
    )
    return {HEADER: sign_order(order, chain_id=chain_id, key=key).header()}
