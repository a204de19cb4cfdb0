"""Look before a deployment: can the chain carry the contracts, what is missing, what will it cost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from contracts import artifacts, create3
from contracts.chain import Endpoint
from contracts.chain_profile import ChainProfile
from contracts.deploy_gas import creation_gas, largest_creation
from contracts.deploy_params import unsafe
from contracts.deploy_table import Plan
from contracts.events import as_int
from contracts.randomness import Source
from contracts.rpc import RpcError
from mlbridge.errors import MLBridgeError

HISTORY: Final = "0x0000F90827F1C53a10cb7A02335B175320002935"  # EIP-2935
BLS_ADD: Final = "0x000000000000000000000000000000000000000b"  # EIP-2537
# Setters, roles and the reserve after the contracts.
_STEP_GAS: Final = 100_000
_STEPS: Final = 20


@dataclass(frozen=True)
class Found:
    """One contract of a plan. gas: upper bound of what making it takes; 0 when it stands."""

    name: str
    address: str
    stands: bool
    gas: int


@dataclass(frozen=True)
class Survey:
    """What a deployment would do. gas: upper bound; gas_price, balance: wei, the deployer's."""

    chain_id: int
    found: tuple[Found, ...]
    gas: int
    gas_price: int
    balance: int

    @property
    def cost(self) -> int:
        """Wei at the present price, at most."""
        return self.gas * self.gas_price


async def survey(endpoint: Endpoint, plan: Plan) -> Survey:
    """Ask the chain what stands, and send nothing. Raises `deploy.no_proxy` or `deploy.bad_factory`."""
    factory = create3.factory_address()
    if not await create3.factory_stands(endpoint):
        await create3.require_proxy(endpoint)
    rows = {artifacts.FACTORY: factory} | {row.name: plan.at[row.name] for row in plan.rows()}
    stands = await asyncio.gather(*(create3.has_code(endpoint, address) for address in rows.values()))
    found = tuple(
        Found(name, address, there, 0 if there else creation_gas(artifacts.load(name).bytecode))
        for (name, address), there in zip(rows.items(), stands, strict=True)
    )
    gas = sum(item.gas for item in found)
    price, balance = await asyncio.gather(
        endpoint.provider.request("eth_gasPrice", []),
        endpoint.provider.request("eth_getBalance", [plan.deployer, "latest"]),
    )
    steps = _STEPS * _STEP_GAS if gas else 0
    return Survey(endpoint.chain_id, found, gas + steps, as_int(price), as_int(balance))


async def require_able(endpoint: Endpoint, profile: ChainProfile, plan: Plan) -> None:
    """Whether the chain has what its file says. Asked of the chain itself: a file may be wrong.

    Raises MLBridgeError `deploy.unsafe`.
    """
    name, needed = largest_creation()
    block = await endpoint.provider.request("eth_getBlockByNumber", ["latest", False])
    limit = as_int(block["gasLimit"])
    if needed > limit:
        raise unsafe(
            f"Creating {name} takes up to {needed:,} gas, but a block of chain {endpoint.chain_id}"
            f" holds {limit:,}.",
            "This chain cannot have the contracts.",
        )
    if plan.params is None or plan.params.lane is None:
        return
    lane = plan.params.lane
    curve = lane.source is Source.DRAND or lane.attesters == artifacts.BLS_ATTESTATIONS
    if curve and not await _has_curve(endpoint):
        raise unsafe(
            f"Chain {endpoint.chain_id} has no precompiles of EIP-2537, which {lane.source}"
            f" or {lane.attesters} needs.",
            f"Mend eip2537 in the file of {profile.name}, and take a source that the chain makes safe.",
        )
    history = profile.eip2935 and lane.source is Source.PREVRANDAO
    if history and not await create3.has_code(endpoint, HISTORY):
        raise unsafe(
            f"Chain {endpoint.chain_id} keeps no history of block hashes (EIP-2935): seeds would be lost"
            " after 256 blocks.",
            f"Mend eip2935 in the file of {profile.name}; then lane.source_window must be shorter.",
        )


def require_coins(found: Survey, coin: str) -> None:
    """Whether the deployer can pay for all of it at the present price. Raises `wallet.empty`."""
    if found.gas and found.balance < found.cost:
        raise MLBridgeError(
            "wallet.empty",
            f"The deployer holds {found.balance / 10**18:.6g} {coin}, and what is missing costs up to"
            f" {found.cost / 10**18:.6g} {coin} now.",
            hint="Send it coins, or wait for a lower gas price.",
            exit_code=4,
        )


async def _has_curve(endpoint: Endpoint) -> bool:
    """Where the precompile is, two points at infinity add up to one; elsewhere nothing answers."""
    request = {"to": BLS_ADD, "data": "0x" + bytes(256).hex()}
    try:
        answer = await endpoint.provider.request("eth_call", [request, "latest"])
    except RpcError:
        return False
    return bytes.fromhex((answer or "0x")[2:]) == bytes(128)
