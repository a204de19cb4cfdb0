"""Makes the contracts of a plan through the factory, and compares what stands with what it would send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog
from eth_utils.address import to_checksum_address
from web3.types import TxParams

from contracts import artifacts, create3
from contracts.chain import Endpoint
from contracts.deploy_table import Plan, Row
from contracts.errors import ContractError
from contracts.events import as_int
from contracts.reads import call
from contracts.sender import Sender, SendPolicy
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak

log = structlog.get_logger(__name__)
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
            found = await self._until_made(at)
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
            # by a transaction of a run before, which no node had told of: in a block, or soon
            if error.name != "AlreadyMade":
                raise

    async def _until_made(self, at: str) -> bytes:
        """As `_made_from`, where it must come: several nodes behind one address are not equally quick."""
        until = time.monotonic() + self._policy.timeout_s
        while (found := await self._made_from(at)) is None:
            if time.monotonic() > until:
                raise MLBridgeError(
                    "deploy.pending",
                    f"The transaction that makes {at} is in no block that the node knows.",
                    hint="Wait until it is, or ask another node, and run this again.",
                )
            await asyncio.sleep(self._policy.poll_s)
        return found
