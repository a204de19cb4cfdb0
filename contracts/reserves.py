"""What pays the judges of a model's disputes: each model has a reserve of its own."""

from __future__ import annotations

from typing import Final

from contracts import reads
from contracts.chain import Chain
from contracts.sender import Sender

COMMON: Final = 0
"""What belongs to no model: governance allocates it."""


async def dispute_reserve(chain: Chain, model_id: bytes | None) -> int:
    """MLB (18 decimals) in the dispute reserve of a model, or in the common one for None."""
    return int(await reads.call(chain.distributor.functions.disputeReserve(await _index(chain, model_id))))


async def ensure_reserve(chain: Chain, governor: Sender, model_id: bytes, amount: int) -> None:
    """Fill a model's dispute reserve up to `amount` MLB (18 decimals) from the common one.

    governor: an account that may call allocateReserve. Does nothing when the reserve holds as much already.
    Raises ContractError `AmountTooLarge` when the common reserve holds too little.
    """
    missing = amount - await dispute_reserve(chain, model_id)
    if missing > 0:
        index = await _index(chain, model_id)
        await governor.send(chain.distributor.functions.allocateReserve(index, missing))


async def fund_reserve(chain: Chain, sender: Sender, index: int, amount: int) -> None:
    """Add the sender's own MLB (18 decimals) to the reserve of a model (by its index, 0: the common one)."""
    token, ledger = chain.token.functions, chain.addresses.distributor
    if int(await reads.call(token.allowance(sender.address, ledger))) < amount:
        await sender.send(token.approve(ledger, amount))
    await sender.send(chain.distributor.functions.fundReserve(index, amount))


async def _index(chain: Chain, model_id: bytes | None) -> int:
    if model_id is None:
        return COMMON
    return int((await reads.call(chain.registry.functions.terms(model_id)))[0])
