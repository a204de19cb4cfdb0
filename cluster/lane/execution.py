"""A summoned order's input, run by this provider's own model as an assignment of the direct lane is."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from cluster.content import INVALID_INPUT, is_invalid_input
from cluster.context import Context
from contracts.summons import Shown
from mlbridge.errors import MLBridgeError

log = structlog.get_logger()


async def run_model(context: Context, shown: Shown, account: int, left: Callable[[], float]) -> bytes | None:
    """The output payload of an order's input; None when no time is left. left: seconds.

    An input that nobody can run gets the answer that says so: it is the same for every seat, so the committee
    agrees on it. Raises MLBridgeError `model.not_served`, or as `Door.execute`.
    """
    model_id = shown.order.message.model_id
    route = context.served.get(model_id).route
    async with context.work:
        # Only now: the wait for others may have taken all there was.
        seconds = left()
        if seconds <= 0:
            return None
        try:
            return await context.door.execute(
                route,
                task=shown.digest,
                round=0,
                account=account,
                model=model_id,
                payload=shown.payload,
                timeout=min(seconds, context.config.limits.execute_timeout_s),
            )
        except MLBridgeError as error:
            if not is_invalid_input(error):
                raise
            log.warning("invalid_input", code=error.code, message=error.message)
            return INVALID_INPUT
