"""Deploy to any chain: the same addresses everywhere; cut off it goes on, run twice it changes nothing.

The chain itself is the record: the factory keeps what each contract was made from, so every run compares
what stands with what it would send. docs/design/deployment.md gives the reasons.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import structlog
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.types import TxParams

from contracts import artifacts, create3, handover
from contracts.chain import Chain, Endpoint
from contracts.deploy_params import DAY, DEVNET, PUBLIC, DeployParams
from contracts.deploy_table import LINKS, NOBODY, Plan, Row, plan_addresses
from contracts.economy import MLB
from contracts.errors import ContractError
from contracts.events import as_int, topic_of
from contracts.governance_params import GovernanceParams
from contracts.network import (
    Addresses,
    Deployment,
    GovernanceAddresses,
    LaneAddresses,
    Network,
    load_network,
    save,
)
from contracts.reads import call
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
    "TX_GAS_CAP",
    "Builder",
    "DeployParams",
    "deploy",
    "describe",
    "plan_addresses",
]

log = structlog.get_logger(__name__)
SALT: Final = "mlbridge"
# EIP-7825: what one transaction may use at most. No chain that we know allows less.
TX_GAS_CAP: Final = 16_777_216
Progress = Callable[[str], None]


class Builder:
    """Makes the contracts of a plan, those at once that do not wait for each other.

    Raises MLBridgeError `deploy.changed` (something else stands at an address), `deploy.gas` (a contract does
    not fit into a transaction), or what a Sender raises; a constructor's refusal as a ContractError.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sender: Sender,
        plan: Plan,
        *,
        policy: SendPolicy | None = None,
        tx_gas_cap: int = TX_GAS_CAP,
        progress: Progress | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.plan = plan
        self._sender = sender
        self._policy = policy or SendPolicy()
        self._cap = tx_gas_cap
        self._factory = create3.open_factory(endpoint)
        self._stands = {row.name: asyncio.Event() for row in plan.rows()}
        self._tell = progress or (lambda _: None)

    async def build(self) -> None:
        """Make whatever of the plan does not stand yet."""
        await self._let_pending_land()
        if await create3.put_factory(self.endpoint, self._sender):
            self._tell(artifacts.FACTORY)
        tasks = [asyncio.create_task(self._row(row)) for row in self.plan.rows()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _let_pending_land(self) -> None:
        """A run that was killed may have transactions under way: what they make shall not be sent again."""
        until = time.monotonic() + self._policy.stuck_after_s
        while await self._nonce("latest") < await self._nonce("pending"):
            if time.monotonic() > until:
                # they are stuck; the sender replaces what blocks its way, and no address is made twice
                log.warning("deploy_pending_stuck", address=self._sender.address)
                return
            await asyncio.sleep(self._policy.poll_s)

    async def _nonce(self, which: str) -> int:
        answer = await self.endpoint.provider.request(
            "eth_getTransactionCount", [self._sender.address, which]
        )
        return as_int(answer)

    async def _row(self, row: Row) -> None:
        for name in row.needs:
            if name in self._stands:
                await self._stands[name].wait()
        at, code = self.plan.at[row.name], self.creation_code(row)
        found = await self._made_from(at)
        if found is None:
            await self._make(row.name, code)
            found = await self._made_from(at)
            log.info("contract_deployed", contract=row.name, address=at)
        if found != keccak(code):
            raise MLBridgeError(
                "deploy.changed",
                f"{row.name} at {at} was made from other code or parameters than these.",
                hint="Go on with the release and parameters of its beginning, or take another salt.",
                contract=row.name,
            )
        if row.name == artifacts.TASK_MODULE:
            await self._learn_genesis(at)
        self._tell(row.name)
        self._stands[row.name].set()

    def creation_code(self, row: Row) -> bytes:
        """Creation code with arguments. Only once what the row needs stands."""
        artifact = artifacts.load(row.name)
        maker: Any = self.endpoint.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        return bytes.fromhex(maker.constructor(*row.arguments(self.plan)).data_in_transaction[2:])

    async def _made_from(self, at: str) -> bytes | None:
        """keccak256 of what the factory made a contract from; None where it made none."""
        found = bytes(await call(self._factory.functions.creationOf(at)))
        return found if any(found) else None

    async def _learn_genesis(self, module: str) -> None:
        abi = artifacts.load(artifacts.TASK_MODULE).abi
        contract: Any = self.endpoint.w3.eth.contract(abi=abi)
        genesis = int(await call(contract(module).functions.genesis()))
        self.plan = replace(self.plan, genesis=genesis)

    async def _make(self, name: str, code: bytes) -> None:
        fn = self._factory.functions.make(create3.salt_of(self.plan.salt, name), code)
        request: TxParams = {
            "from": to_checksum_address(self._sender.address),
            "to": self._factory.address,
            "data": fn._encode_transaction_data(),
        }
        try:
            gas = await self._sender.estimate(request)
            if gas > self._cap:
                raise MLBridgeError(
                    "deploy.gas",
                    f"{name} takes {gas:,} gas, but a transaction may use only {self._cap:,} on this chain.",
                    hint="Shrink the contract; nothing can be deployed in two transactions.",
                    contract=name,
                )
            await self._sender.send_call(request, gas=gas)
        except ContractError as error:
            if error.name != "AlreadyMade":
                raise
            # by a transaction of a run before, which no node had told of: in a block, or soon
            await self._wait_for(self.plan.at[name])

    async def _wait_for(self, at: str) -> None:
        until = time.monotonic() + self._policy.timeout_s
        while await self._made_from(at) is None:
            if time.monotonic() > until:
                raise MLBridgeError(
                    "deploy.pending",
                    f"A transaction of an earlier run that makes {at} is in no block yet.",
                    hint="Wait until it is, or raise its fee, and run this again.",
                )
            await asyncio.sleep(self._policy.poll_s)


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
    full = params.with_owners(deployer.address)
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
        await asyncio.gather(*steps)
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
        if not (await call(chain.authority.functions.hasRole(0, sender.address)))[0]:
            raise MLBridgeError(
                "deploy.not_admin",
                f"Everything stands, but only {plan.core.admin} or governance may call"
                f" {link.contract}.{link.setter}({wanted}).",
                hint="Have that call made (`mlbridge gov propose` under governance), then run this again.",
                exit_code=3,
            )
        await sender.send(contract.functions[link.setter](wanted))
        tell(link.setter)


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
    allowance = int(await call(chain.token.functions.allowance(sender.address, distributor.address)))
    if allowance < params.reserve:
        await sender.send(chain.token.functions.approve(distributor.address, params.reserve))
    await sender.send(distributor.functions.fundReserve(0, params.reserve))
