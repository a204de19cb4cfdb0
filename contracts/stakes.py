"""Stake of an address by role, and taking it out: unbond, wait, withdraw. MLB with 18 decimals."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from contracts import reads
from contracts.chain import Chain
from contracts.errors import describe
from contracts.events import decode_all
from contracts.sender import Sender
from mlbridge.protocol.types import Role


@dataclass(frozen=True, slots=True)
class Stake:
    """What an address has in one role.

    unbonding: waits to be withdrawn, and can still be slashed; release_at: from when it may be, unix seconds;
    minimum: the least that a role holds, unless it holds nothing.
    """

    role: Role
    bonded: int
    unbonding: int
    release_at: int
    minimum: int


async def stake_in(chain: Chain, owner: str, role: Role) -> Stake:
    """The stake of an address in a role; all zero if it has none."""
    ledger = chain.distributor.functions
    bonded, (unbonding, release_at), minimum = await asyncio.gather(
        reads.stake_of(chain, owner, role),
        reads.call(ledger.unbondingOf(owner, int(role))),
        reads.minimum_stake(chain, role),
    )
    return Stake(role, bonded, int(unbonding), int(release_at), minimum)


async def unbond(chain: Chain, sender: Sender, role: Role, amount: int | None = None) -> Stake:
    """Begin to take stake out; None: all of it. What was unbonding in the role waits as long again.

    Raises ContractError `InsufficientStake`, `BelowMinimum` or `ZeroAmount`, before anything is sent.
    """
    held = await stake_in(chain, sender.address, role)
    wanted = held.bonded if amount is None else amount
    if wanted > held.bonded:
        raise describe("InsufficientStake", {"requested": wanted, "available": held.bonded})
    left = held.bonded - wanted
    if 0 < left < held.minimum:
        raise describe("BelowMinimum", {"role": int(role), "stake": left, "required": held.minimum})
    await sender.send(chain.distributor.functions.requestUnbond(int(role), wanted))
    return await stake_in(chain, sender.address, role)


async def withdraw(chain: Chain, sender: Sender, role: Role) -> int:
    """Take home what has unbonded; MLB paid, 0 where nothing was unbonding. Raises ContractError
    `StillBonded` before its time.
    """
    held = await stake_in(chain, sender.address, role)
    if not held.unbonding:
        return 0
    if (await chain.head()).timestamp < held.release_at:
        raise describe("StillBonded", {"releaseAt": held.release_at})
    await sender.send(chain.distributor.functions.withdraw(int(role)))
    return held.unbonding


async def release_vested(chain: Chain, sender: Sender) -> tuple[str, int]:
    """Pay what has vested of the team's share to its owner; anyone. (owner, MLB paid)."""
    owner = str(await reads.call(chain.vesting.functions.owner()))
    release = chain.vesting.get_function_by_signature("release(address)")
    receipt = await sender.send(release(chain.addresses.token))
    events = decode_all(receipt["logs"], chain.contract_names)
    return owner, sum(int(event.args["amount"]) for event in events if event.name == "ERC20Released")
