"""What has to be done now and then: fetch rewards, keep draw weights true, come back from jail, tidy up."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from cluster.context import Context
from cluster.rewards import fetch_rewards
from contracts import reads
from contracts.chain import Chain
from contracts.errors import ContractError
from contracts.events import as_int
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role

log = structlog.get_logger()

_WEIGHT_STEP = 0.02  # smaller changes of weight are not worth the gas
_CLAIM_GAS = 120_000
_TIDY_EVERY = 3600.0
_WORTH = 5  # a claim must bring this many times its gas


class Upkeep:
    """The agent's periodic work. Nothing here is urgent, so errors are told and the next round tries
    again.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_claim = float("-inf")
        self._last_tidy: float | None = None
        self._epoch = -1
        self._soon = asyncio.Event()
        self.balance = 0
        self.stakes: dict[str, dict[str, object]] = {}
        self.problem: str | None = None

    async def run(self, period: float = 5.0) -> None:
        while True:
            try:
                await self.round()
                self.problem = None
            except MLBridgeError as error:
                self.problem = str(error)
                log.warning("upkeep_failed", code=error.code, problem=error.message)
            self._soon.clear()
            # Not wait_for: in Python 3.11 it loses a cancellation that comes with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period):
                    await self._soon.wait()

    def soon(self) -> None:
        """Our standing on chain just changed."""
        self._soon.set()

    async def round(self) -> None:
        chain = self._context.chain
        self.balance = as_int(
            await chain.provider.request("eth_getBalance", [self._context.key.address, "latest"])
        )
        for account, role in self._context.accounts.items():
            info = await reads.get_account(chain, account)
            self.stakes[str(account)] = {
                "role": role.name.lower(),
                "bonded": str(info.bonded),
                "unbonding": str(info.unbonding),
                "reputation": info.reputation,
                "jailed_until": info.jailed_until,
                "weight": info.weight,
            }
        epoch = int(await reads.call(chain.tasks.functions.currentEpoch()))
        if epoch != self._epoch:
            await self.refresh_weights()
            self._epoch = epoch
        if time.monotonic() - self._last_claim >= self._context.config.limits.claim_every_s:
            self._last_claim = time.monotonic()
            await claim(chain, self._context.sender, self._context.operator, worth=_WORTH)
            await fetch_rewards(self._context)

        if self._last_tidy is None or time.monotonic() - self._last_tidy >= _TIDY_EVERY:
            self._last_tidy = time.monotonic()
            # Once the stake of that time may have been withdrawn, nobody can hold the task against us.
            delay = int(await reads.call(chain.distributor.functions.unbondingDelay()))
            pruned = await asyncio.to_thread(self._context.journal.prune, time.time() - delay)
            if pruned:
                log.info("journal_pruned", tasks=pruned)

    async def refresh_weights(self) -> None:
        """Bring the draw weight of every model we serve up to date where it moved noticeably."""
        context, chain = self._context, self._context.chain
        for account in context.accounts:
            weight = int(await reads.call(chain.distributor.functions.weightOf(account)))
            for model_id in context.served.all():
                if not worth_refreshing(self._known(model_id, account), weight):
                    continue
                if not await reads.call(chain.tasks.functions.isServing(model_id, account)):
                    continue
                await context.sender.send(chain.tasks.functions.refreshWeight(model_id, account))
                self.note_weight(model_id, account, weight)
                log.info("weight_refreshed", model="0x" + model_id.hex()[:16], account=account, weight=weight)

    def note_weight(self, model_id: bytes, account: int, weight: int) -> None:
        """The draw tree now holds this weight."""
        self._context.journal.set_fact(_name(model_id, account), str(weight).encode())

    def _known(self, model_id: bytes, account: int) -> int | None:
        value = self._context.journal.fact(_name(model_id, account))
        return None if value is None else int(value)


def _name(model_id: bytes, account: int) -> str:
    return f"weight:{account}:{model_id.hex()}"


def worth_refreshing(known: int | None, weight: int) -> bool:
    """Whether a draw weight moved enough to pay for telling the tree; unknown counts as moved."""
    if known is None or known == weight:
        return known is None
    return known == 0 or weight == 0 or abs(weight - known) >= _WEIGHT_STEP * known


async def claim(chain: Chain, sender: Sender, claimant: str, *, worth: int = 0) -> tuple[int, int]:
    """Pay an address its wei and MLB; anybody may. worth: only if the coin is this many times the gas.

    Returns (wei, MLB) claimed. Raises ContractError unless it is that somebody else was faster.
    """
    coins, tokens = await reads.claimable(chain, claimant)
    least = worth * _CLAIM_GAS * as_int(await chain.provider.request("eth_gasPrice")) if worth else 1
    done = [0, 0]
    for index, (amount, enough, call) in enumerate(
        (
            (coins, coins >= max(1, least), chain.distributor.functions.claim(claimant)),
            (tokens, tokens > 0, chain.distributor.functions.claimTokens(claimant)),
        )
    ):
        if not enough:
            continue
        try:
            await sender.send(call)
            done[index] = amount
            log.info("claimed", to=claimant, kind="MLB" if index else "coin", amount=amount)
        except ContractError as error:
            if error.name != "NothingToClaim":
                raise
    return done[0], done[1]


async def unjail(chain: Chain, operator: Sender, now: float) -> list[int]:
    """Bring every account of the operator back whose jail term is over; returns them. Only its cold key
    may.
    """
    freed = []
    for role in (Role.COMPUTE, Role.VERIFIER):
        account = await reads.account_id(chain, operator.address, role)
        if account == 0:
            continue
        info = await reads.get_account(chain, account)
        if not 0 < info.jailed_until < now:
            continue
        if info.bonded < await reads.minimum_stake(chain, role):
            log.warning("still_jailed", account=account, reason="stake below the minimum", bonded=info.bonded)
            continue
        await operator.send(chain.distributor.functions.unjail(account))
        log.info("unjailed", account=account)
        freed.append(account)
    return freed
