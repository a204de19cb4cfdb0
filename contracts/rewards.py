"""The reward pool: what somebody is owed for stake, uptime, fees and votes, and how it is fetched.

Amounts in MLB with 18 decimals, rates in basis points, times in unix seconds; docs/design/economy.md gives
the formulas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from web3.contract.async_contract import AsyncContractFunction
from web3.types import TxReceipt

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.economy import RewardRates
from contracts.errors import ContractError
from contracts.events import Event, decode_all, topic_of
from contracts.sender import Sender
from mlbridge.protocol.types import Role

LONGEST_INTERVAL: Final = 86_400
"""Seconds that a check-in pays for at most."""
_YEAR: Final = 365 * 86_400
_BASIS: Final = 10_000
_COIN: Final = 10**18
_VOTE_PERIOD: Final = 7 * 86_400
_UP_REFUSALS: Final = ("NotUp", "NotServing")


class Stream(IntEnum):
    """What MLB was credited for; same order as IRewardPool.sol."""

    STAKING = 0
    UPTIME = 1
    REPORT = 2
    PARTICIPATION = 3
    QUALITY = 4
    VOTE = 5


@dataclass(frozen=True, slots=True)
class Interval:
    """What an account's last check-in began. since: 0: nothing runs; rate: uptime rate times (10,000 + early
    bonus), both in basis points; model: its index.
    """

    since: int
    stake: int
    rate: int
    model: int


@dataclass(frozen=True, slots=True)
class Rebate:
    """What collecting fees would bring now. opens: it is the season's first, from which fees count."""

    amount: int = 0
    opens: bool = False


@dataclass(frozen=True)
class Standing:
    """What an address is owed, and what it was paid.

    owed: paid out by a claim; uptime: credited by the next check-in of its compute account, None without
    one; votes: of finished periods; credited: by stream, all that was ever credited (staking up to the last
    change of stake); claimed: all that was ever paid out.
    """

    owner: str
    owed: int
    uptime: int | None
    interval: Interval | None
    rebate: Rebate
    votes: int
    credited: dict[Stream, int]
    claimed: int

    @property
    def pending(self) -> int:
        """All that could be fetched now."""
        return self.owed + (self.uptime or 0) + self.rebate.amount + self.votes


@dataclass(frozen=True)
class Terms:
    """What the formulas multiply for an address. early_bonus: basis points of its operator."""

    rates: RewardRates
    staked: int
    compute: int
    early_bonus: int
    seat_fees_wei: int
    model_fees_wei: int
    quality: int


@dataclass
class Fetched:
    """What a claim did, in words. claimed: MLB paid out; refused: why a step was not taken."""

    claimed: int = 0
    steps: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Rewards:
    """One deployment's reward pool."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._pool = chain.reward_pool

    # ---- reading ----

    async def standing(self, owner: str) -> Standing:
        """What an address is owed and was paid."""
        account = await reads.account_id(self.chain, owner, Role.COMPUTE)
        owed, rebate, votes, credits, claims = await asyncio.gather(
            self.owed(owner),
            self.rebate(owner),
            self.votes(owner),
            self._events("Credited", _topic(owner)),
            self._events("Claimed", _topic(owner)),
        )
        credited = dict.fromkeys(Stream, 0)
        for event in credits:
            credited[Stream(event.args["stream"])] += int(event.args["amount"])
        return Standing(
            owner=owner,
            owed=owed,
            uptime=await self.uptime(account) if account else None,
            interval=await self.interval(account) if account else None,
            rebate=rebate,
            votes=sum(amount for _, amount in votes),
            credited=credited,
            claimed=sum(int(event.args["amount"]) for event in claims),
        )

    async def terms(self, owner: str) -> Terms:
        """What the formulas multiply for an address."""
        chain = self.chain
        rates, holder, provider, account, fees, quality = await asyncio.gather(
            reads.call(self._pool.functions.rates()),
            reads.stake_of(chain, owner, Role.HOLDER),
            reads.stake_of(chain, owner, Role.MODEL_PROVIDER),
            reads.account_id(chain, owner, Role.COMPUTE),
            reads.call(chain.distributor.functions.feesEarned(owner)),
            reads.call(chain.registry.functions.qualityOf(owner)),
        )
        bonus = int(await reads.call(self._pool.functions.earlyBonus(account >> 1))) if account else 0
        compute = await reads.stake_of(chain, owner, Role.COMPUTE)
        return Terms(
            RewardRates(*rates), holder + provider, compute, bonus, int(fees[0]), int(fees[1]), int(quality)
        )

    async def owed(self, owner: str) -> int:
        """What a claim pays out now: credits, and what stake has earned up to now."""
        return int(await reads.call(self._pool.functions.owedTo(owner)))

    async def uptime(self, account: int) -> int:
        """What a check-in of a compute account would credit now."""
        return int(await reads.call(self._pool.functions.uptimeOf(account)))

    async def interval(self, account: int) -> Interval:
        """What a compute account's last check-in began."""
        return Interval(*await reads.call(self._pool.functions.intervalOf(account)))

    async def day_of(self, account: int) -> int:
        """What a whole day after a check-in now would credit, with the account's stake and rate of now."""
        info, rates, bonus = await asyncio.gather(
            reads.get_account(self.chain, account),
            reads.call(self._pool.functions.rates()),
            reads.call(self._pool.functions.earlyBonus(account >> 1)),
        )
        rate = RewardRates(*rates).uptime_rate * (_BASIS + int(bonus))
        return info.bonded * rate * LONGEST_INTERVAL // (_BASIS * _BASIS * _YEAR)

    async def rebate(self, owner: str) -> Rebate:
        """What collecting an earner's fees would bring now."""
        try:
            amount = int(await reads.call(self._pool.functions.collectRebate(owner)))
        except ContractError as error:
            if error.name not in ("NothingToCollect", "SeasonNotOpen"):
                raise
            return Rebate()
        return Rebate(amount, opens=amount == 0)

    async def votes(self, owner: str) -> list[tuple[int, int]]:
        """(period, MLB) of every finished period in which an address voted and that it has not collected."""
        now, told = (await self.chain.head()).timestamp, await self._events("VoteRecorded", _topic(owner))
        periods = sorted({int(event.args["period"]) for event in told})
        found = []
        for period in periods:
            if now < (period + 1) * _VOTE_PERIOD:
                continue
            if await reads.call(self._pool.functions.voteShare(period, owner)):
                found.append(
                    (period, int(await reads.call(self._pool.functions.collectVotes(owner, period))))
                )
        return found

    async def worth(self, amount: int) -> int:
        """Wei that MLB count for at the governed price, which lies below the market's."""
        per_coin = RewardRates(*await reads.call(self._pool.functions.rates())).mlb_per_coin
        return amount * _COIN // per_coin if per_coin else 0

    async def mintable(self) -> int:
        """Inflation that may have been issued by now and that nobody has had minted."""
        return int(await reads.call(self.chain.token.functions.mintable()))

    async def served_by(self, account: int) -> bytes | None:
        """An active model that an account serves, first that of its last check-in; None without."""
        chain = self.chain
        interval = await self.interval(account)
        known = []
        if interval.since:
            known.append(bytes(await reads.call(chain.registry.functions.modelAt(interval.model))))
        topics: list[object] = [topic_of(artifacts.TASKS, "ServingStarted"), None]
        topics.append("0x" + account.to_bytes(32, "big").hex())
        joined = await reads.find_events(chain, topics, [chain.addresses.tasks])
        candidates = [*known, *(bytes(event.args["modelId"]) for event in reversed(joined))]
        return await self.first_served(account, list(dict.fromkeys(candidates)))

    async def first_served(self, account: int, models: Sequence[bytes]) -> bytes | None:
        """The first of these models that is active and that the account serves."""
        for model in models:
            terms, serving = await asyncio.gather(
                reads.call(self.chain.registry.functions.terms(model)),
                reads.call(self.chain.tasks.functions.isServing(model, account)),
            )
            if terms[4] and serving:
                return model
        return None

    # ---- acting ----

    def check_in(self, account: int, model: bytes) -> AsyncContractFunction:
        """Credit an account's uptime and begin its next interval, by its operator or a node key of that."""
        return self._pool.functions.checkIn(account, model)

    def mint_inflation(self) -> AsyncContractFunction:
        """Have all inflation up to now minted into the pool; anyone."""
        return self._pool.functions.mintInflation()

    async def mint(self, sender: Sender) -> int:
        """The same, now; MLB minted, 0 where somebody came first or no epoch of inflation has passed."""
        if not await self.mintable():
            return 0
        try:
            receipt = await sender.send(self.mint_inflation())
        except ContractError as error:
            if error.name != "NothingToMint":
                raise
            return 0
        events = decode_all(receipt["logs"], self.chain.contract_names)
        return sum(int(event.args["amount"]) for event in events if event.name == "InflationMinted")

    async def lower_rebate(self, sender: Sender) -> tuple[int, int]:
        """Lower the rebate to the protocol fee where that is lower; anyone. (before, after), basis points."""
        before = RewardRates(*await reads.call(self._pool.functions.rates())).rebate_fee
        lowest = min(before, (await reads.get_parameters(self.chain)).protocol_fee)
        if lowest < before:
            await sender.send(self._pool.functions.lowerRebateFee())
        return before, lowest

    def collect_rebate(self, owner: str) -> AsyncContractFunction:
        """Credit an earner with its part of protocol fees; anyone."""
        return self._pool.functions.collectRebate(owner)

    def claim(self, owner: str) -> AsyncContractFunction:
        """Pay out what is owed; anyone."""
        return self._pool.functions.claim(owner)

    async def fetch(self, sender: Sender, owner: str) -> Fetched:
        """Everything that an address can be paid now: check in (by its own key only), collect, claim.

        Nothing to claim is no error; repeated, it fetches what came since.
        """
        done = Fetched()
        await self._check_in(sender, owner, done)
        rebate = await self.rebate(owner)
        if rebate.amount or rebate.opens:
            await sender.send(self.collect_rebate(owner))
            done.steps.append("fees collected" if rebate.amount else "fees count from now on")
        for period, amount in await self.votes(owner):
            if amount:
                await sender.send(self._pool.functions.collectVotes(owner, period))
                done.steps.append("votes collected")
        if await self.owed(owner):
            receipt = await sender.send(self.claim(owner))
            done.claimed = self._paid(receipt)
            done.steps.append("claimed")
        return done

    # ---- internal ----

    def _paid(self, receipt: TxReceipt) -> int:
        """MLB that a claim's transaction paid out."""
        logs: Any = receipt["logs"]
        events = decode_all(logs, {self.chain.addresses.reward_pool.lower(): artifacts.REWARD_POOL})
        return sum(int(event.args["amount"]) for event in events if event.name == "Claimed")

    async def _check_in(self, sender: Sender, owner: str, done: Fetched) -> None:
        account = await reads.account_id(self.chain, owner, Role.COMPUTE)
        if not account or sender.address != owner:
            return
        model = await self.served_by(account)
        if model is None:
            done.refused.append("not checked in: the compute account serves no active model")
            return
        try:
            await sender.send(self.check_in(account, model))
            done.steps.append("checked in")
        except ContractError as error:
            if error.name not in _UP_REFUSALS:
                raise
            done.refused.append(f"not checked in: {error.message}")

    async def _events(self, name: str, *topics: str) -> list[Event]:
        wanted: list[object] = [topic_of(artifacts.REWARD_POOL, name), *topics]
        return await reads.find_events(self.chain, wanted, [self.chain.addresses.reward_pool])


def _topic(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")
