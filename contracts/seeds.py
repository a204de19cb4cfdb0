"""Seeds of epochs: what RandomnessBeacon.post wants from whoever posts first.

PrevrandaoSource is proven by three headers one after another, DrandSource by the signature of a round
(docs/design/randomness.md). A seed is the same whoever posts it and whenever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import rlp
from eth_utils.crypto import keccak

from contracts.chain import Endpoint
from contracts.drand import PERIOD, DrandRelays
from contracts.errors import ContractError
from contracts.events import as_hex, as_int
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError

_FIELDS: Final = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)
_NUMBERS: Final = frozenset(
    (
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
    )
)


def header_rlp(block: dict[str, Any]) -> bytes:
    """RLP of a header as eth_getBlockByNumber shows it.

    Raises MLBridgeError `seed.header` if that does not hash to the block's hash: a fork with other fields.
    """
    values = [
        as_int(block[name]) if name in _NUMBERS else bytes.fromhex(block[name][2:])
        for name in _FIELDS
        if block.get(name) is not None
    ]
    data = bytes(rlp.encode(values))
    if as_hex(keccak(data)) != as_hex(block["hash"]):
        raise MLBridgeError(
            "seed.header",
            f"The header of block {as_int(block['number'])} has fields that this version does not know.",
            hint="Update mlbridge.",
        )
    return data


async def prevrandao_proof(endpoint: Endpoint, target: int) -> bytes | None:
    """Headers of the child of the first block at or after `target` (unix seconds), of it, and of its parent.

    None while that block or its child is not made yet.
    """
    low, high = 0, (await endpoint.head()).number
    while low < high:
        middle = (low + high) // 2
        header = await endpoint.header(middle)
        if header is not None and header.timestamp >= target:
            high = middle
        else:
            low = middle + 1
    first = await endpoint.header(low)
    if first is None or first.timestamp < target or low == 0:
        return None
    blocks = [
        await endpoint.provider.request("eth_getBlockByNumber", [hex(low + step), False])
        for step in (1, 0, -1)
    ]
    if blocks[0] is None:
        return None
    return b"".join(header_rlp(block) for block in blocks)


async def post_seed(sender: Sender, endpoint: Endpoint, beacon: Any, source: Any, epoch: int) -> bytes | None:
    """Post an epoch's seed from PrevrandaoSource unless it stands already; the seed, or None if too early.

    beacon, source: the contracts. Raises what a Sender raises, but not because another was faster.
    """

    async def prove(start: int) -> bytes | None:
        return await prevrandao_proof(endpoint, int(await call(source.functions.targetOf(start), "pending")))

    return await _post(sender, beacon, epoch, prove)


async def post_drand_seed(
    sender: Sender, beacon: Any, source: Any, relays: DrandRelays, epoch: int, *, now: float
) -> bytes | None:
    """Post an epoch's seed from DrandSource unless it stands already; the seed, or None if too early.

    now: the chain's time, unix seconds. Raises as `post_seed`, and what DrandRelays.signature raises.
    """

    async def prove(start: int) -> bytes | None:
        # relays have a round a moment after its time
        if now < int(await call(source.functions.readyAt(start))) + PERIOD:
            return None
        return await relays.signature(int(await call(source.functions.roundFor(start))))

    return await _post(sender, beacon, epoch, prove)


async def _post(
    sender: Sender, beacon: Any, epoch: int, prove: Callable[[int], Awaitable[bytes | None]]
) -> bytes | None:
    """prove: the proof for an epoch that begins then (unix seconds), None if it cannot be made yet."""
    seed = bytes(await call(beacon.functions.seedOf(epoch)))
    if any(seed):
        return seed
    proof = await prove(int(await call(beacon.functions.startOf(epoch))))
    if proof is None:
        return None
    try:
        await sender.send(beacon.functions.post(epoch, proof))
    except ContractError as error:
        if error.name != "SeedExists":
            raise
    return bytes(await call(beacon.functions.seedOf(epoch)))
