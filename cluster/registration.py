"""What the operator's cold key does on chain: stake, allow the node key, join and leave draws. Safe to
repeat.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import structlog
from eth_account.signers.local import LocalAccount

from cluster.config import MLB, ProviderConfig
from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.consent import sign_consent
from contracts.events import topic_of
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role

log = structlog.get_logger()

_PERMIT_SECONDS = 3600
_PERMIT = {
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}


class Registration:
    """One operator's standing on chain."""

    def __init__(self, chain: Chain, operator: LocalAccount, config: ProviderConfig) -> None:
        self._chain = chain
        self._key = operator
        self._config = config
        self.sender = Sender(chain, operator)

    async def register(self, node: LocalAccount, *, top_up: bool = False) -> dict[int, Role]:
        """Stake what the provider file says and let the node key act; the accounts by role.

        Stake that a punishment took is only replaced if the rest is below the minimum and nothing is
        unbonding, or with top_up. Raises MLBridgeError `stake.*` or what a Sender raises.
        """
        for role, amount in self._config.stake.amounts().items():
            await self._stake(role, amount, top_up=top_up)
        accounts = await self.accounts()
        if not accounts:
            raise MLBridgeError(
                "stake.none",
                f"Operator {self._key.address} has no stake as compute provider or verifier.",
                hint="Set stake.compute or stake.verifier in the provider file.",
                exit_code=2,
            )
        await self._allow(node, next(iter(accounts)) // 2)
        return accounts

    async def accounts(self) -> dict[int, Role]:
        """Our seat-holding accounts."""
        found = {}
        for role in (Role.COMPUTE, Role.VERIFIER):
            account = await reads.account_id(self._chain, self._key.address, role)
            if account:
                found[account] = role
        return found

    async def _stake(self, role: Role, amount: int, *, top_up: bool) -> None:
        chain, address = self._chain, self._key.address
        minimum = await reads.minimum_stake(chain, role)
        bonded = await reads.stake_of(chain, address, role)
        name = role.name.lower()
        if amount < minimum:
            raise MLBridgeError(
                "stake.too_low",
                f"stake.{name} is {amount / MLB:g} MLB, below the minimum of {minimum / MLB:g} MLB.",
                hint=f"Raise stake.{name} in the provider file, or set it to 0.",
                exit_code=2,
            )
        if bonded >= amount:
            return
        account = await reads.account_id(chain, address, role)
        unbonding = (await reads.get_account(chain, account)).unbonding if account else 0
        if account and not top_up and (bonded >= minimum or unbonding):
            log.info("stake_below_file", role=name, bonded=bonded, wanted=amount, hint="up --top-up")
            return
        missing = amount - bonded
        balance = int(await reads.call(chain.token.functions.balanceOf(address)))
        if balance < missing:
            raise MLBridgeError(
                "stake.no_tokens",
                f"Operator {address} has {balance / MLB:g} MLB and needs {missing / MLB:g} MLB to stake.",
                hint=f"Send it {(missing - balance) / MLB:g} MLB.",
                exit_code=4,
            )
        await self._send_stake(role, missing)
        log.info("staked", role=name, amount=missing, operator=address)

    async def _send_stake(self, role: Role, amount: int) -> None:
        """One transaction: the permit travels with the stake."""
        chain, token = self._chain, self._chain.token.functions
        (_, name, version, chain_id, contract, _, _) = await reads.call(token.eip712Domain())
        nonce = await reads.call(token.nonces(self._key.address))
        deadline = max(int(time.time()), (await chain.head()).timestamp) + _PERMIT_SECONDS
        domain = {"name": name, "version": version, "chainId": chain_id, "verifyingContract": contract}
        message = {
            "owner": self._key.address,
            "spender": chain.addresses.distributor,
            "value": amount,
            "nonce": nonce,
            "deadline": deadline,
        }
        signed = self._key.sign_typed_data(domain, _PERMIT, message)
        await self.sender.send(
            chain.distributor.functions.stakeWithPermit(
                int(role),
                amount,
                deadline,
                signed.v,
                signed.r.to_bytes(32, "big"),
                signed.s.to_bytes(32, "big"),
            )
        )

    async def _allow(self, key: LocalAccount, operator_id: int) -> None:
        tasks, node = self._chain.tasks.functions, key.address
        bound, allowed = await reads.call(tasks.nodeBinding(node))
        if bound not in (0, operator_id):
            raise MLBridgeError(
                "node.taken",
                f"The node key {node} belongs to another operator for ever.",
                hint="Create another node key: mlbridge provider init",
            )
        if not allowed:
            consent = sign_consent(self._chain, key, self._key.address)
            await self.sender.send(tasks.setNodeKey(node, True, consent))
            log.info("node_key_allowed", node=node)

    async def serve(self, models: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, int]]:
        """Join the draw for (model id, execution class) with every account; what was joined now."""
        joined = []
        tasks = self._chain.tasks.functions
        for account in await self.accounts():
            if not await reads.call(self._chain.distributor.functions.weightOf(account)):
                log.warning("not_drawn", account=account, reason="jailed, or stake below the minimum")
                continue
            for model_id, exec_class in models:
                if await reads.call(tasks.isServing(model_id, account)):
                    continue
                await self.sender.send(tasks.serveModel(model_id, account, exec_class))
                log.info("serving", model="0x" + model_id.hex()[:16], account=account)
                joined.append((model_id, account))
        return joined

    async def leave_all_but(self, models: Iterable[bytes]) -> list[tuple[bytes, int]]:
        """Leave the draws of every other model: a seat for what does not run here would be a punishment."""
        kept = set(models)
        topic = topic_of(artifacts.TASKS, "ServingStarted")
        left = []
        for account in await self.accounts():
            topics: list[object] = [topic, None, "0x" + account.to_bytes(32, "big").hex()]
            joined = await reads.find_events(self._chain, topics, [self._chain.addresses.tasks])
            others = {event.args["modelId"] for event in joined} - kept
            left += await self._leave(sorted(others), account)
        return left

    async def stop_serving(self, models: Iterable[bytes]) -> list[tuple[bytes, int]]:
        """Leave the draw from the next epoch on; what was left."""
        models = list(models)
        return [item for account in await self.accounts() for item in await self._leave(models, account)]

    async def _leave(self, models: Iterable[bytes], account: int) -> list[tuple[bytes, int]]:
        tasks = self._chain.tasks.functions
        left = []
        for model_id in models:
            if await reads.call(tasks.isServing(model_id, account)):
                await self.sender.send(tasks.stopServing(model_id, account))
                log.info("stopped_serving", model="0x" + model_id.hex()[:16], account=account)
                left.append((model_id, account))
        return left
