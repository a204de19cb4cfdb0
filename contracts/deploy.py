"""Deploy to any chain: the same addresses everywhere; cut off it goes on, run twice it changes nothing.

The chain itself is the record: the factory keeps what each contract was made from, so every run compares
what stands with what it would send. docs/design/deployment.md gives the reasons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from eth_account.signers.local import LocalAccount

from contracts import artifacts, create3, handover, roles
from contracts.chain import Chain, Endpoint
from contracts.deploy_builder import TX_GAS_CAP, Builder, Progress
from contracts.deploy_params import DAY, DEVNET, PUBLIC, DeployParams
from contracts.deploy_table import LINKS, NOBODY, PART_ROLES, Plan, plan_addresses
from contracts.economy import MLB
from contracts.events import topic_of
from contracts.governance_params import GovernanceParams
from contracts.network import (
    Addresses,
    Deployment,
    GovernanceAddresses,
    LaneAddresses,
    Network,
    ReviewAddresses,
    load_network,
    save,
)
from contracts.reads import call
from contracts.reserves import COMMON, fund_reserve
from contracts.rpc import public_part
from contracts.sender import Sender, SendPolicy
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak

__all__ = [
    "DAY",
    "DEVNET",
    "MLB",
    "PUBLIC",
    "SALT",
    "DeployParams",
    "deploy",
    "describe",
    "plan_addresses",
]

SALT: Final = "mlbridge"


async def deploy(
    rpc_url: str,
    deployer: LocalAccount,
    params: DeployParams,
    *,
    name: str = "devnet",
    salt: str = SALT,
    governance: GovernanceParams | None = None,
    chain_id: int | None = None,
    network_file: Path | None = None,
    confirmations: int = 0,
    block_time: float = 12.0,
    storage_url: str = "",
    drand_relays: tuple[str, ...] = (),
    tx_gas_cap: int = TX_GAS_CAP,
    policy: SendPolicy | None = None,
    progress: Progress | None = None,
) -> Network:
    """Deploy what is missing, check what is there, and return the network.

    The addresses follow from deployer and salt alone. governance: hands every power to token holders; without
    it the AccessManager's administrator is params.admin alone. chain_id: refuse any other chain.
    network_file: written at the end; what it says must still be so. progress: told each contract's name.
    Raises MLBridgeError `deploy.unsafe`, `deploy.wrong_chain`, `deploy.gone` (the file's contracts are not on
    the chain), `deploy.no_proxy`, and what Builder and a hand-over raise.
    """
    timelock = create3.contract_address(str(deployer.address), salt, artifacts.TIMELOCK)
    full = params.with_owners(deployer.address, timelock)
    full.check()
    plan = Plan(str(deployer.address), salt, full, governance)
    async with await Endpoint.open(rpc_url) as endpoint:
        _require_chain(endpoint, rpc_url, chain_id)
        before = await _network_before(endpoint, plan, network_file)
        if before is not None:
            planned = {row.name for row in plan.rows()}
            kept = {part: at for part, at in before.named().items() if part not in planned}
            plan = replace(plan, standing=kept)
        start_block = before.start_block if before else await _first_block(endpoint, plan)
        sender = Sender(endpoint, deployer, policy)
        builder = Builder(endpoint, sender, plan, policy=policy, tx_gas_cap=tx_gas_cap, progress=progress)
        await builder.build()
        network = Network(
            name=name,
            chain_id=endpoint.chain_id,
            rpc_url=rpc_url,
            confirmations=confirmations,
            start_block=start_block,
            block_time=block_time,
            storage_url=storage_url,
            drand_relays=drand_relays,
            nodes=before.nodes if before is not None else (),
            **_books(plan),
            deployment=await describe(endpoint, plan, before),
        )
        await _finish(network, sender, plan, progress, fresh=before is None)
    if network_file is not None:
        save(network, network_file)
    return network


async def describe(endpoint: Endpoint, plan: Plan, before: Network | None = None) -> Deployment:
    """What is to be known of a plan that was carried out. before: what stood when it began."""
    named = plan.named()
    codes = await asyncio.gather(*(create3.code_of(endpoint, address) for address in named.values()))
    known = before.deployment if before is not None else None
    parameters = {} if known is None else dict(known.parameters)
    if plan.params is not None:
        parameters |= asdict(plan.params)
    if plan.governance is not None:
        terms = {category.name.lower(): asdict(t) for category, t in plan.governance.terms.items()}
        parameters["governance"] = asdict(replace(plan.governance, terms={})) | {"terms": terms}
    return Deployment(
        deployer=plan.deployer,
        salt=plan.salt,
        factory=create3.factory_address(),
        code_hashes={name: "0x" + keccak(code).hex() for name, code in zip(named, codes, strict=True)},
        parameters=parameters,
    )


def _books(plan: Plan) -> dict[str, Any]:
    named = plan.named()
    return {
        "addresses": Addresses.of(named),
        "lane": LaneAddresses.of(named) if artifacts.BEACON in named else None,
        "reviews": ReviewAddresses.of(named) if artifacts.ESCROW in named else None,
        "governance": GovernanceAddresses.of(named) if artifacts.GOVERNOR in named else None,
    }


def _require_chain(endpoint: Endpoint, rpc_url: str, wanted: int | None) -> None:
    if wanted is not None and wanted != endpoint.chain_id:
        raise MLBridgeError(
            "deploy.wrong_chain",
            f"{public_part(rpc_url)} serves chain {endpoint.chain_id}, but this is a deployment to {wanted}.",
            hint="Name a node of the right chain with --rpc-url, or choose another network file.",
            exit_code=2,
            expected=wanted,
            actual=endpoint.chain_id,
        )


async def _network_before(endpoint: Endpoint, plan: Plan, file: Path | None) -> Network | None:
    """What the network file says of this deployment, if it still holds; None without one."""
    if file is None or not file.exists():
        return None
    before = load_network(file)
    made = before.deployment
    if made is None or (made.deployer, made.salt, before.chain_id) != (
        plan.deployer,
        plan.salt,
        endpoint.chain_id,
    ):
        raise MLBridgeError(
            "deploy.changed",
            f"{file} describes another deployment: its chain, deployer or salt is not that of this one.",
            hint="Write this deployment to another file.",
        )
    for name, address in before.named().items():
        code = await create3.code_of(endpoint, address)
        if not code:
            raise MLBridgeError(
                "deploy.gone",
                f"{name}, which {file} names, is not on chain {endpoint.chain_id}.",
                hint="The chain was reset or the node is behind. Delete the file to deploy anew.",
            )
        if "0x" + keccak(code).hex() != made.code_hashes.get(name):
            raise MLBridgeError(
                "deploy.changed",
                f"The code of {name} at {address} is not the code that {file} names.",
                hint="Ask another node. If it says the same, the file is wrong: delete it, run again.",
                contract=name,
            )
    return before


async def _first_block(endpoint: Endpoint, plan: Plan) -> int:
    """A block before our first event: the head, or, where the token stands, the last one older than it."""
    head = await endpoint.head()
    token = plan.at[artifacts.TOKEN]
    if not await create3.has_code(endpoint, token):
        return head.number
    contract: Any = endpoint.w3.eth.contract(abi=artifacts.load(artifacts.TOKEN).abi)
    genesis = int(await call(contract(token).functions.genesis()))
    low, high = 0, head.number
    while low < high:
        middle = (low + high + 1) // 2
        block = await endpoint.header(middle)
        if block is not None and block.timestamp < genesis:
            low = middle
        else:
            high = middle - 1
    return low


async def _finish(
    network: Network, sender: Sender, plan: Plan, progress: Progress | None, *, fresh: bool
) -> None:
    """Connect the parts, fund the reserve, hand over: each step asks the chain whether it is done."""
    tell = progress or (lambda _: None)
    async with await Chain.connect(network) as chain:
        steps = [_connect(chain, sender, plan, tell)]
        if fresh:
            steps.append(_fund_reserve(chain, sender, plan))
        # Whoever tries again after an error must not meet transactions of the first try still on their way.
        for outcome in await asyncio.gather(*steps, return_exceptions=True):
            if outcome is not None:
                raise outcome
        if plan.governance is not None:
            await handover.hand_over(chain, sender)
            tell("roles")


async def _connect(chain: Chain, sender: Sender, plan: Plan, tell: Progress) -> None:
    for link in LINKS:
        if link.part not in plan.parts:
            continue
        contract = handover.open_contract(chain, link.contract, plan.at[link.contract])
        wanted = plan.at[link.value]
        current = await call(contract.functions[link.getter]())
        if current == wanted:
            continue
        if current != NOBODY:
            raise MLBridgeError(
                "deploy.changed",
                f"{link.contract}.{link.getter} names {current} already, and it can be named once.",
                hint="This core has its part. A deployment with another salt gets its own.",
            )
        await _require_admin(chain, sender, plan, [f"{link.contract}.{link.setter}({wanted})"])
        await sender.send(contract.functions[link.setter](wanted))
        tell(link.setter)
    for part, needed in PART_ROLES.items():
        if part in plan.parts:
            waiting = await roles.missing(chain, chain.network.named(), needed)
            if waiting:
                await _require_admin(chain, sender, plan, [f"AccessManager.{words}" for words, _ in waiting])
            for _, function in waiting:
                await sender.send(function)


async def _require_admin(chain: Chain, sender: Sender, plan: Plan, calls: Sequence[str]) -> None:
    if not (await call(chain.authority.functions.hasRole(0, sender.address)))[0]:
        raise MLBridgeError(
            "deploy.not_admin",
            f"Everything stands, but only {plan.core.admin} or governance may call {', '.join(calls)}.",
            hint="Have that called (`mlbridge gov propose` under governance), then run this again.",
            exit_code=3,
        )


async def _fund_reserve(chain: Chain, sender: Sender, plan: Plan) -> None:
    params, distributor = plan.core, chain.distributor
    if params.reserve == 0 or params.treasury != sender.address:
        return
    # asked of the log: the reserve itself may have been spent since
    topics: list[object] = [topic_of(artifacts.DISTRIBUTOR, "ReserveFunded")]
    topics += ["0x" + bytes.fromhex(sender.address[2:]).rjust(32, b"\0").hex(), "0x" + bytes(32).hex()]
    head = await chain.head()
    if await chain.logs(
        chain.network.start_block, head.number, topics=topics, addresses=[str(distributor.address)]
    ):
        return
    await fund_reserve(chain, sender, COMMON, params.reserve)
