"""The node's part in the reward pool: check in, collect and claim, each when it pays for its gas."""

from __future__ import annotations

from typing import Final

import structlog
from web3.contract.async_contract import AsyncContractFunction

from cluster.context import Context
from contracts.errors import ContractError
from contracts.events import as_int
from contracts.rewards import LONGEST_INTERVAL, Rewards
from mlbridge.protocol.types import Role

log = structlog.get_logger()

_CHECK_IN_GAS: Final = 160_000
_COLLECT_GAS: Final = 140_000
_CLAIM_GAS: Final = 120_000
_MINT_GAS: Final = 120_000
_MINT_WORTH: Final = 1_000  # inflation is everybody's: its gas is to be a thousandth of it at most
_WORTH: Final = 5  # what is fetched must be this many times its gas
_SOONEST: Final = 3600.0
_LATEST: Final = LONGEST_INTERVAL - 4 * 3600.0  # beyond a day an interval earns nothing more
# Somebody came first, or the account is not up: the next round looks again.
_LATER: Final = frozenset(
    {"NotUp", "NotServing", "NothingToCollect", "NothingToClaim", "SeasonNotOpen", "NothingToMint"}
)


def check_in_due(elapsed: float, value: int, gas: int) -> bool:
    """Whether to check in again. elapsed: seconds since the last time; value, gas: wei.

    An interval can be forfeited as a whole, so it is ended as soon as that pays, and never lost to a day's
    end for being small.
    """
    if elapsed < _SOONEST:
        return False
    return value >= (gas if elapsed >= _LATEST else _WORTH * gas)


async def fetch_rewards(context: Context) -> None:
    """One round of everything that is due. MLB count at the governed price, which lies below the market's.

    Raises what the chain raises.
    """
    rewards, operator = Rewards(context.chain), context.operator
    price = as_int(await context.chain.provider.request("eth_gasPrice"))
    await _check_in(context, rewards, price)
    rebate = await rewards.rebate(operator)
    # The first collection of a season sets the mark from which fees count at all.
    if rebate.opens or await rewards.worth(rebate.amount) >= _WORTH * _COLLECT_GAS * price:
        await _send(context, rewards.collect_rebate(operator))
    owed = await rewards.owed(operator)
    if owed and await rewards.worth(owed) >= _WORTH * _CLAIM_GAS * price:
        await _send(context, rewards.claim(operator))
        log.info("rewards_claimed", to=operator, amount=owed)
    # Of all nodes the first one that looks in an epoch of inflation sends; the others find nothing left.
    due = await rewards.mintable()
    pays = await rewards.worth(due) >= _MINT_WORTH * _MINT_GAS * price
    if due and pays and await _send(context, rewards.mint_inflation()):
        log.info("inflation_minted", amount=due)


async def _check_in(context: Context, rewards: Rewards, price: int) -> None:
    account = next((number for number, role in context.accounts.items() if role is Role.COMPUTE), None)
    if account is None:
        return
    model = await rewards.first_served(account, list(context.served.all()))
    if model is None:
        return
    interval, gas = await rewards.interval(account), _CHECK_IN_GAS * price
    if interval.since == 0:
        due = await rewards.worth(await rewards.day_of(account)) >= _WORTH * gas
    else:
        elapsed = context.clock.now() - interval.since
        due = check_in_due(elapsed, await rewards.worth(await rewards.uptime(account)), gas)
    if due and await _send(context, rewards.check_in(account, model)):
        log.info("checked_in", account=account, model="0x" + model.hex()[:16])


async def _send(context: Context, call: AsyncContractFunction) -> bool:
    """Whether it was done; False where there was nothing to do any more."""
    try:
        await context.sender.send(call)
    except ContractError as error:
        if error.name not in _LATER:
            raise
        log.info("reward_later", call=call.fn_name, reason=error.name)
        return False
    return True
