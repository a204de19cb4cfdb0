"""What an account submitted earlier, perhaps without having heard the answer."""

from __future__ import annotations

import asyncio
import time

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.events import Event, as_hex, as_int, topic_of
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import hashing

_SETTLE_S = 60.0


async def find_submission(chain: Chain, requester: str, model_id: bytes, salt: bytes) -> Event | None:
    """The task that this account submitted with this salt. Raises as `await_own_transactions`."""
    await await_own_transactions(chain, requester)
    topics = [
        topic_of(artifacts.TASKS, "TaskSubmitted"),
        None,
        "0x" + requester[2:].lower().rjust(64, "0"),
        as_hex(model_id),
    ]
    for event in reversed(await reads.find_events(chain, topics, [chain.addresses.tasks])):
        args = event.args
        expected = hashing.task_id(
            chain.chain_id,
            chain.addresses.tasks,
            requester,
            model_id,
            hashing.input_hash(args["inputData"]),
            args["deadline"],
            args["reward"],
            args["seats"],
            salt,
        )
        if expected == args["taskId"]:
            return event
    return None


async def await_own_transactions(chain: Chain, address: str) -> None:
    """A submission whose answer was lost may still wait in the node's pool: it must count as made.

    Raises MLBridgeError `wallet.busy` when no block takes it within 60 s.
    """
    deadline = time.monotonic() + _SETTLE_S
    while True:
        counts = [
            as_int(await chain.provider.request("eth_getTransactionCount", [address, which]))
            for which in ("pending", "latest")
        ]
        if counts[0] <= counts[1]:
            return
        if time.monotonic() > deadline:
            raise MLBridgeError(
                "wallet.busy",
                f"{address} has transactions that no block takes, perhaps this very submission.",
                hint="Wait until they are mined, then submit again with the same salt.",
                exit_code=6,
            )
        await asyncio.sleep(min(1.0, chain.network.block_time / 2))
