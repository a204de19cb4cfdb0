"""Addresses that are the same on every chain: the deterministic-deployment proxy, our factory behind it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from eth_abi.abi import encode as abi_encode
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract
from web3.types import TxParams

from contracts import artifacts
from contracts.chain import Endpoint
from contracts.errors import ContractError
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak

# github.com/Arachnid/deterministic-deployment-proxy: address, only signer, and the transaction without
# a chain id that puts it there. Nobody holds the key: the signature was made up, the signer follows.
PROXY: Final = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
PROXY_SIGNER: Final = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
PROXY_COST: Final = 10**16
PROXY_TRANSACTION: Final = (
    "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b808252505050"
    "6014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222"
    "222222222222222222222222222222222222222222222222"
)
_FACTORY_SALT: Final = bytes(32)
# Creation code of the small contract that OpenZeppelin's Create3 puts in between.
_BETWEEN_HASH: Final = keccak(bytes.fromhex("73365f5f37365f34f06012573d5f5f3e3d5ffd5b005f526014600cf3"))


def create2_address(maker: str, salt: bytes, code_hash: bytes) -> str:
    """Where CREATE2 puts a contract. salt, code_hash: 32 bytes."""
    word = keccak(b"\xff" + bytes.fromhex(maker[2:]) + salt + code_hash)
    return str(to_checksum_address(word[12:]))


@cache
def factory_address() -> str:
    """Where the Create3Factory stands on every chain."""
    return create2_address(PROXY, _FACTORY_SALT, keccak(artifacts.load(artifacts.FACTORY).bytecode))


def salt_of(salt: str, name: str) -> bytes:
    """The factory's salt of one contract. salt: names a deployment of one account."""
    return keccak(abi_encode(["string", "string"], [salt, name]))


def contract_address(maker: str, salt: str, name: str) -> str:
    """Where a maker's contract stands or will stand, on every chain. maker: checksummed."""
    bound = keccak(abi_encode(["address", "bytes32"], [maker, salt_of(salt, name)]))
    between = create2_address(factory_address(), bound, _BETWEEN_HASH)
    # CREATE by the contract in between with its nonce 1: RLP of [20 bytes, 1]
    return str(to_checksum_address(keccak(b"\xd6\x94" + bytes.fromhex(between[2:]) + b"\x01")[12:]))


async def has_code(endpoint: Endpoint, address: str) -> bool:
    """Whether a contract stands there now."""
    return await code_of(endpoint, address) != b""


async def code_of(endpoint: Endpoint, address: str) -> bytes:
    """The code at an address; empty without a contract."""
    found = await endpoint.provider.request("eth_getCode", [address, "latest"])
    return bytes.fromhex((found or "0x")[2:])


def open_factory(endpoint: Endpoint) -> AsyncContract:
    """The factory, whether it stands yet or not."""
    make: Any = endpoint.w3.eth.contract(abi=artifacts.load(artifacts.FACTORY).abi)
    contract: AsyncContract = make(factory_address())
    return contract


async def require_proxy(endpoint: Endpoint) -> None:
    """Raises MLBridgeError `deploy.no_proxy` where the chain lacks the proxy."""
    if await has_code(endpoint, PROXY):
        return
    raise MLBridgeError(
        "deploy.no_proxy",
        f"Chain {endpoint.chain_id} lacks the deterministic-deployment proxy at {PROXY}.",
        hint=f"Send 0.01 coin to {PROXY_SIGNER}, then this raw transaction by eth_sendRawTransaction: "
        f"{PROXY_TRANSACTION} (if the node asks for a chain id, allow unprotected transactions).",
    )


async def factory_stands(endpoint: Endpoint) -> bool:
    """Whether the factory is there. Raises MLBridgeError `deploy.bad_factory` where something else is."""
    code = await code_of(endpoint, factory_address())
    # it has no immutables, so its code is a piece of its creation code
    if code and code not in artifacts.load(artifacts.FACTORY).bytecode:
        raise _bad_factory(endpoint)
    return bool(code)


async def put_factory(endpoint: Endpoint, sender: Sender) -> bool:
    """Put the factory where it belongs unless it is there. Returns whether it had to be put.

    Raises MLBridgeError `deploy.no_proxy`, `deploy.bad_factory`, or what a Sender raises.
    """
    if await factory_stands(endpoint):
        return False
    await require_proxy(endpoint)
    data = _FACTORY_SALT + artifacts.load(artifacts.FACTORY).bytecode
    call: TxParams = {
        "from": to_checksum_address(sender.address),
        "to": to_checksum_address(PROXY),
        "data": HexStr("0x" + data.hex()),
    }
    try:
        await sender.send_call(call)
    except ContractError:
        # whoever was quicker put the same factory: its address depends on its code
        if not await factory_stands(endpoint):
            raise
        return False
    if not await factory_stands(endpoint):
        raise _bad_factory(endpoint)
    return True


def _bad_factory(endpoint: Endpoint) -> MLBridgeError:
    return MLBridgeError(
        "deploy.bad_factory",
        f"What stands at {factory_address()} on chain {endpoint.chain_id} is not our factory: this chain has"
        f" another contract than the known proxy at {PROXY}.",
        hint="Do not use this chain: what stands at an address there cannot be told from the address.",
    )
