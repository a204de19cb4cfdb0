"""A checked connection to one deployment: the right chain, and code at every address."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from eth_utils.address import to_checksum_address
from web3 import AsyncWeb3
from web3.contract import AsyncContract

from contracts import artifacts
from contracts.events import BlockRef, as_hex, as_int
from contracts.network import Addresses, Network
from contracts.rpc import Provider, open_web3, provider_of, public_part
from mlbridge.errors import MLBridgeError


class Endpoint:
    """A chain without a deployment: what the Sender and the deployment need."""

    def __init__(self, w3: AsyncWeb3[Any], chain_id: int) -> None:
        self.w3 = w3
        self.chain_id = chain_id

    @classmethod
    async def open(cls, rpc_url: str, *, timeout_s: float = 20.0) -> Endpoint:
        """Connect and ask for the chain id. Raises RpcUnreachableError."""
        w3 = open_web3(rpc_url, timeout_s=timeout_s)
        return cls(w3, as_int(await provider_of(w3).request("eth_chainId")))

    @property
    def provider(self) -> Provider:
        """Raw JSON-RPC access."""
        return provider_of(self.w3)

    async def head(self) -> BlockRef:
        """The newest block."""
        block = await self._block("eth_getBlockByNumber", "latest")
        if block is None:
            raise MLBridgeError("chain.empty", "The chain node has no newest block yet.")
        return block

    async def header(self, number: int) -> BlockRef | None:
        """The canonical block of a number; None beyond the head."""
        return await self._block("eth_getBlockByNumber", hex(number))

    async def block_by_hash(self, block_hash: str) -> BlockRef | None:
        """A block by hash; None if the node does not have it (any more)."""
        return await self._block("eth_getBlockByHash", block_hash)

    async def _block(self, method: str, which: str) -> BlockRef | None:
        raw = await self.provider.request(method, [which, False])
        if raw is None:
            return None
        return BlockRef(
            as_int(raw["number"]), as_hex(raw["hash"]), as_int(raw["timestamp"]), as_hex(raw["parentHash"])
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.provider.disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Chain(Endpoint):
    """One deployment on one chain. authority ... reward_pool are web3 AsyncContracts."""

    def __init__(self, network: Network, w3: AsyncWeb3[Any]) -> None:
        super().__init__(w3, network.chain_id)
        self.network = network
        self.authority = self._contract(artifacts.AUTHORITY, network.addresses.authority)
        self.token = self._contract(artifacts.TOKEN, network.addresses.token)
        self.registry = self._contract(artifacts.REGISTRY, network.addresses.registry)
        self.distributor = self._contract(artifacts.DISTRIBUTOR, network.addresses.distributor)
        self.tasks = self._contract(artifacts.TASKS, network.addresses.tasks)
        self.verifier = self._contract(artifacts.VERIFIER, network.addresses.verifier)
        self.bridge = self._contract(artifacts.BRIDGE, network.addresses.bridge)
        self.vesting = self._contract(artifacts.VESTING, network.addresses.vesting)
        self.reward_pool = self._contract(artifacts.REWARD_POOL, network.addresses.reward_pool)
        self.contract_names = {a.lower(): name for name, a in network.named().items()}

    def _contract(self, name: str, address: str) -> AsyncContract:
        factory: Any = self.w3.eth.contract(abi=artifacts.load(name).abi)
        contract: AsyncContract = factory(to_checksum_address(address))
        return contract

    @property
    def addresses(self) -> Addresses:
        """Where the contracts live."""
        return self.network.addresses

    @classmethod
    async def connect(cls, network: Network, *, timeout_s: float = 20.0) -> Chain:
        """Connect and check.

        Raises RpcUnreachableError, or MLBridgeError `chain.wrong_id` (another chain) or `chain.no_code`
        (no contract at an address of the network file).
        """
        chain = cls(network, open_web3(network.rpc_url, timeout_s=timeout_s))
        try:
            await chain._check()
        except BaseException:
            await chain.close()
            raise
        return chain

    async def _check(self) -> None:
        actual = as_int(await self.provider.request("eth_chainId"))
        if actual != self.chain_id:
            raise MLBridgeError(
                "chain.wrong_id",
                f"{public_part(self.network.rpc_url)} serves chain {actual}, "
                f"but network {self.network.name} is chain {self.chain_id}.",
                hint="Point rpc_url at a node of the right chain, or choose another network.",
                expected=self.chain_id,
                actual=actual,
            )
        named = self.network.named()
        codes = await asyncio.gather(
            *(self.provider.request("eth_getCode", [address, "latest"]) for address in named.values())
        )
        empty = [
            f"{name} ({address})"
            for (name, address), code in zip(named.items(), codes, strict=True)
            if code in ("0x", None)
        ]
        if empty:
            raise MLBridgeError(
                "chain.no_code",
                f"On chain {self.chain_id} there is no contract at the address of {', '.join(empty)}.",
                hint="The network file belongs to another deployment, or the node is behind or was reset.",
            )

    async def logs(
        self, first: int, last: int, *, topics: list[object] | None = None, addresses: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Raw logs of our contracts in blocks first..last, one request. Raises RpcError if too many."""
        query: dict[str, object] = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": addresses or list(self.addresses.named().values()),
        }
        if topics:
            query["topics"] = topics
        found: list[dict[str, Any]] = await self.provider.request("eth_getLogs", [query])
        return found

    async def logs_of_block(
        self, block_hash: str, *, topics: list[object] | None = None, addresses: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Raw logs of our contracts in exactly this block. Raises RpcError if the node lacks it."""
        query: dict[str, object] = {
            "blockHash": block_hash,
            "address": addresses or list(self.addresses.named().values()),
        }
        if topics:
            query["topics"] = topics
        found: list[dict[str, Any]] = await self.provider.request("eth_getLogs", [query])
        return found
