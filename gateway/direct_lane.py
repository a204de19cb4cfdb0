"""The direct lane: every step of a task on chain, paid by the gateway's own key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from contracts import reads
from contracts.errors import ContractError
from gateway.lanes import Accepted, LaneEvent, Offer, Order, Receipt, Refunded, Refused, Seated, Verdict
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import decode_input
from mlbridge.sdk import AsyncClient, Draft, Progress, TaskEndedError, TaskHandle, TaskResult
from mlbridge.sdk.draft import FINAL_REFUSALS

log = structlog.get_logger(__name__)


class DirectLane:
    """Carries tasks over the SDK. An offer's terms are a draft, which fixes the task's id."""

    def __init__(self, client: AsyncClient, *, claim_wei: int | None) -> None:
        self._client, self._claim_wei = client, claim_wei

    async def offer(self, order: Order) -> Offer:
        """See Lane.offer."""
        draft = await self._client.draft(
            order.model.info,
            decode_input(order.payload),
            seats=order.seats,
            deadline_s=order.deadline_s,
            max_price_wei=order.max_price_wei,
        )
        return Offer("0x" + draft.id.hex(), draft.price, draft.to_dict())

    async def carry(self, offer: Offer, *, resumed: bool) -> AsyncIterator[LaneEvent]:
        """See Lane.carry."""
        draft = Draft.from_dict(offer.terms)
        handle = await self._client.drafted(draft) if resumed else None
        if handle is None:
            sent = await self._send(draft, resumed=resumed)
            if isinstance(sent, Refused):
                yield sent
                return
            handle = sent
        yield Accepted()
        async for event in self._watch(handle):
            yield event

    async def _send(self, draft: Draft, *, resumed: bool) -> TaskHandle | Refused:
        try:
            return await self._client.send(draft)
        except ContractError as error:
            if error.name not in FINAL_REFUSALS:
                raise
            if resumed:
                # An earlier try may be out still: only when none is can the refusal be the last word.
                await self._client.settle()
                handle = await self._client.drafted(draft)
                if handle is not None:
                    return handle
            log.info("task_refused", task="0x" + draft.id.hex(), reason=error.name)
            return Refused(error.code, error.message, error.hint)

    async def _watch(self, handle: TaskHandle) -> AsyncIterator[LaneEvent]:
        seated: asyncio.Queue[Progress] = asyncio.Queue()
        waiting = asyncio.create_task(handle.wait(progress=seated.put_nowait))
        shown: tuple[int, ...] = ()
        try:
            while not waiting.done():
                looking = asyncio.create_task(seated.get())
                await asyncio.wait({waiting, looking}, return_when=asyncio.FIRST_COMPLETED)
                if not looking.done():
                    looking.cancel()
                    continue
                committee = looking.result().committee
                if committee and committee != shown:
                    shown = committee
                    yield Seated(committee)
            for event in _ending(waiting):
                yield event
        finally:
            waiting.cancel()

    async def proof(self, receipt: str) -> str:
        """See Lane.proof: a direct task's receipt is whole at its end."""
        return receipt

    async def cancel(self, offer: Offer) -> None:
        """See Lane.cancel."""
        handle = await self._client.drafted(Draft.from_dict(offer.terms))
        if handle is None:
            raise MLBridgeError(
                "task.unsent",
                "The task is on its way to the chain and cannot be taken back yet.",
                hint="Try again in a few seconds.",
                retry_after_s=2,
            )
        await handle.cancel()

    async def upkeep(self) -> None:
        """Fetch what settled tasks owe to the gateway's key, when it is worth a transaction."""
        chain, account = await self._client.chain(), self._client.account
        if self._claim_wei is None or account is None:
            return
        coins, _ = await reads.claimable(chain, account.address)
        if coins >= self._claim_wei:
            await self._client.claim()
            log.info("claimed", wei=coins)

    async def close(self) -> None:
        """See Lane.close."""
        await self._client.close()


def _ending(waiting: asyncio.Task[TaskResult]) -> list[LaneEvent]:
    """The last events of a task. Raises what its wait raised, unless that is its end."""
    try:
        result = waiting.result()
    except TaskEndedError as error:
        payment = error.receipt.payment
        return [
            Refunded(
                cost_wei=error.receipt.task.payment - payment.refund,
                reason=payment.reason or error.receipt.status,
                status="cancelled" if error.receipt.status == "cancelled" else "refunded",
                receipt=error.receipt.to_bytes().decode(),
            )
        ]
    return [
        Verdict(result.payload, result.confidence, result.cost_wei),
        Receipt(result.receipt.to_bytes().decode()),
    ]
