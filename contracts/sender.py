"""Transactions from one key: nonces, fees, stuck and lost transactions, reverts in words."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from web3.contract.async_contract import AsyncContractConstructor, AsyncContractFunction
from web3.types import TxParams, TxReceipt

from contracts.chain import Endpoint
from contracts.errors import ContractError, describe, from_exception
from contracts.events import as_hex, as_int, as_receipt
from contracts.rpc import RpcError, RpcUnreachableError
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

_KNOWN = ("already known", "already imported", "known transaction", "transaction already in pool")
_NONCE_USED = ("nonce too low", "nonce is too low", "invalid nonce", "oldnonce")
_OCCUPIED = ("replacement transaction underpriced", "replacement not allowed", "could not replace existing")
_UNDERPRICED = ("underpriced", "fee too low", "max fee per gas less than block base fee", "feetoolow")
# What these cost depends on who comes first: the last commitment opens the reveal phase, the last reveal
# settles the task. Gas that is not used costs nothing.
_GAS_FLOOR = {"commitResult": 150_000, "submitResult": 500_000}
_POOR = ("insufficient funds", "insufficient balance")


@dataclass(frozen=True)
class SendPolicy:
    """How patient and how generous a Sender is. Times in seconds, fees in wei a unit of gas.

    gas_margin: factor on the estimate; gas_extra: gas on top of it, because the same call can cost more when
    another lands before it; look_every_s: how often a transaction that the node has lost is sent again;
    stuck_after_s: unmined for so long, a transaction is replaced with fees raised by bump; max_fee: what a
    unit of gas may cost at most; timeout_s: after that the wait ends with `tx.timeout`.
    """

    gas_margin: float = 1.3
    gas_extra: int = 30_000
    poll_s: float = 0.5
    look_every_s: float = 5.0
    stuck_after_s: float = 45.0
    timeout_s: float = 600.0
    bump: float = 1.25
    max_fee: int = 2_000 * 10**9
    min_tip: int = 1


@dataclass
class _Pending:
    """One nonce that was handed out, and every transaction signed for it."""

    call: TxParams
    nonce: int
    tip: int = 0
    fee: int = 0
    raw: bytes = b""
    hashes: list[str] = field(default_factory=list)
    sent_at: float = 0.0

    @property
    def name(self) -> str:
        """The newest transaction's hash, or the nonce while none is out."""
        return self.hashes[-1] if self.hashes else f"number {self.nonce}"


class Sender:
    """Sends from one account. Safe for concurrent use within one process.

    Another process that uses the same key is survived (the nonce is asked for again), but costs retries.
    """

    def __init__(self, chain: Endpoint, account: LocalAccount, policy: SendPolicy | None = None) -> None:
        self._chain = chain
        self._account = account
        self._policy = policy or SendPolicy()
        self._lock = asyncio.Lock()
        self._pending: dict[int, _Pending] = {}

    @property
    def address(self) -> str:
        """The account's checksummed address."""
        return str(self._account.address)

    async def send(
        self,
        fn: AsyncContractFunction | AsyncContractConstructor,
        *,
        value: int = 0,
        gas: int | None = None,
    ) -> TxReceipt:
        """Send a contract call (or a contract creation), wait until it is in a block, return its receipt.

        value: wei. Raises ContractError when the contract refuses (before sending, where the estimate shows
        it), MLBridgeError `wallet.empty`, `tx.fee`, or RpcUnreachableError. Once a transaction is out, no
        answer but its receipt ends the wait: `tx.timeout` then names its hash (context `transactions`).
        """
        call: TxParams = {"from": self._account.address, "value": cast(Any, value)}
        floor = 0
        if isinstance(fn, AsyncContractConstructor):
            call["data"] = fn.data_in_transaction
        else:
            call["to"] = fn.address
            call["data"] = fn._encode_transaction_data()
            floor = _GAS_FLOOR.get(fn.fn_name, 0)
        return await self.send_call(call, gas=gas, floor=floor)

    async def transfer(self, to: str, value: int) -> TxReceipt:
        """Send coins. value: wei. Raises as `send`."""
        call: TxParams = {
            "from": self._account.address,
            "to": to_checksum_address(to),
            "value": cast(Any, value),
            "data": HexStr("0x"),
        }
        return await self.send_call(call)

    async def send_call(self, call: TxParams, *, gas: int | None = None, floor: int = 0) -> TxReceipt:
        """Send a prepared call: from, to, value, data. floor: least gas limit. Raises as `send`."""
        fixed = gas is not None
        limit = gas if gas is not None else max(floor, await self.estimate(call))
        while True:
            receipt = await self._transact(cast(TxParams, {**call, "gas": limit}))
            if receipt["status"] == 1:
                return receipt
            error = await self._why_reverted(call, receipt, limit)
            if error.name != "OutOfGas" or fixed:
                raise error
            log.info("tx_out_of_gas", gas=limit, tx=as_hex(receipt["transactionHash"]))
            limit, fixed = 2 * limit, True

    async def estimate(self, call: TxParams) -> int:
        """Gas limit for a call, with margin. Raises ContractError when it would be refused."""
        request = {key: hex(item) if isinstance(item, int) else item for key, item in call.items()}
        try:
            # "pending" sees the block time and number that the transaction will meet, not the last block's
            needed = as_int(await self._rpc("eth_estimateGas", request, "pending"))
        except RpcError as error:
            raise self._in_words(error) from error
        return int(needed * self._policy.gas_margin) + self._policy.gas_extra

    async def _rpc(self, method: str, *params: object) -> Any:
        return await self._chain.provider.request(method, params)

    def _in_words(self, error: RpcError) -> MLBridgeError:
        refused = from_exception(error)
        if refused is not None:
            return refused
        if any(text in error.text.lower() for text in _POOR):
            return MLBridgeError(
                "wallet.empty",
                f"{self.address} has too few coins for this transaction and its gas.",
                hint="Send it coins of this chain and try again.",
                exit_code=4,
                address=self.address,
            )
        return error

    async def _transact(self, call: TxParams) -> TxReceipt:
        async with self._lock:
            pending = _Pending(call, await self._next_nonce())
            pending.tip, pending.fee = await self._fees()
            await self._broadcast_new(pending)
            self._pending[pending.nonce] = pending
        try:
            return await self._wait(pending)
        finally:
            self._pending.pop(pending.nonce, None)

    async def _count(self, which: str) -> int:
        return as_int(await self._rpc("eth_getTransactionCount", self.address, which))

    async def _next_nonce(self) -> int:
        """The first nonce that neither the chain nor a transaction of ours under way has used."""
        nonce = await self._count("pending")
        while nonce in self._pending:
            nonce += 1
        return nonce

    async def _fees(self) -> tuple[int, int]:
        """(priority fee, maximum fee) a unit of gas now. Raises MLBridgeError `tx.fee` beyond the policy."""
        block, suggested = await asyncio.gather(
            self._rpc("eth_getBlockByNumber", "latest", False), self._suggested_tip()
        )
        base = as_int(block.get("baseFeePerGas") or 0)
        tip = max(suggested, self._policy.min_tip)
        # twice the base fee: it can rise by an eighth a block for six blocks before this is too little
        fee = 2 * base + tip
        if base + tip > self._policy.max_fee:
            raise MLBridgeError(
                "tx.fee",
                f"Gas costs {base + tip} wei a unit now, more than the limit of {self._policy.max_fee}.",
                hint="Wait until the chain is quieter, or raise max_fee.",
            )
        return tip, min(fee, self._policy.max_fee)

    async def _suggested_tip(self) -> int:
        try:
            return as_int(await self._rpc("eth_maxPriorityFeePerGas"))
        except RpcError:
            # not every node has the method
            return 10**9

    def _sign(self, pending: _Pending) -> None:
        fields: Any = {key: item for key, item in pending.call.items() if key != "from"}
        fields |= {"type": 2, "chainId": self._chain.chain_id, "nonce": pending.nonce}
        fields |= {"maxPriorityFeePerGas": pending.tip, "maxFeePerGas": pending.fee}
        signed = self._account.sign_transaction(fields)
        pending.raw = bytes(signed.raw_transaction)
        pending.hashes.append(as_hex(signed.hash))

    async def _broadcast_new(self, pending: _Pending) -> None:
        """Get a fresh transaction accepted, with another nonce or higher fees where needed."""
        for _ in range(8):
            self._sign(pending)
            refusal = await self._broadcast(pending)
            if refusal is None:
                return
            # the refused transaction carries a nonce or fee that no node took: it cannot be mined later
            pending.hashes.pop()
            text = refusal.text.lower()
            # "known" without a lost try: another process with this key made the very same transaction
            taken = any(part in text for part in _OCCUPIED + _KNOWN)
            if taken or any(part in text for part in _NONCE_USED):
                pending.nonce = max(await self._next_nonce(), pending.nonce + taken)
            elif any(part in text for part in _UNDERPRICED):
                tip, fee = await self._fees()
                self._raise_fees(pending, tip, fee)
            else:
                raise self._in_words(refusal)
        raise MLBridgeError("tx.refused", "The chain node keeps refusing the transaction's nonce or fee.")

    async def _broadcast(self, pending: _Pending) -> RpcError | None:
        """Hand the signed transaction to the node; None once it has it or may have it, otherwise why not.

        A lost answer is no failure: the same bytes are sent again, which cannot pay twice. While none comes,
        the transaction counts as sent, and the wait for its receipt sends it again.
        """
        lost = False
        for attempt in range(5):
            try:
                pending.sent_at = time.monotonic()
                await self._rpc("eth_sendRawTransaction", as_hex(pending.raw))
                return None
            except RpcUnreachableError:
                lost = True
                await asyncio.sleep(min(2.0, 0.2 * 2**attempt))
            except RpcError as error:
                text = error.text.lower()
                if lost and any(part in text for part in _KNOWN):
                    return None
                nonce_used = any(part in text for part in _NONCE_USED)
                # a lost try of ours may be the one that used the nonce
                if lost and nonce_used and await self._may_have_landed(pending):
                    return None
                if not lost or any(part in text for part in _NONCE_USED + _OCCUPIED + _UNDERPRICED + _POOR):
                    return error
                # a rate limit or an outage says nothing about the try whose answer was lost
                await asyncio.sleep(min(2.0, 0.2 * 2**attempt))
        log.warning("tx_answer_lost", tx=pending.hashes[-1], address=self.address)
        pending.sent_at = time.monotonic() - self._policy.stuck_after_s + 5
        return None

    async def _landed(self, pending: _Pending) -> bool:
        """Whether a transaction of ours with this nonce is in a block; nodes may index it a little late."""
        for _ in range(6):
            if await self._receipt(pending) is not None:
                return True
            await asyncio.sleep(self._policy.poll_s)
        return False

    async def _may_have_landed(self, pending: _Pending) -> bool:
        """As `_landed`; a node that does not say counts as yes, because another try could pay twice."""
        try:
            return await self._landed(pending)
        except (RpcError, RpcUnreachableError) as error:
            log.warning("tx_look_failed", tx=pending.hashes[-1], reason=error.message)
            return True

    async def _receipt(self, pending: _Pending) -> TxReceipt | None:
        for tx_hash in reversed(pending.hashes):
            raw = await self._rpc("eth_getTransactionReceipt", tx_hash)
            if raw is not None and raw.get("blockHash"):
                return as_receipt(raw)
        return None

    async def _wait(self, pending: _Pending) -> TxReceipt:
        looked = time.monotonic()
        deadline = looked + self._policy.timeout_s
        pause = min(0.05, self._policy.poll_s)
        while True:
            try:
                receipt = await self._receipt(pending)
                if receipt is not None:
                    return receipt
                if time.monotonic() - pending.sent_at > self._policy.stuck_after_s:
                    async with self._lock:
                        await self._unstick(pending)
                elif time.monotonic() - looked > self._policy.look_every_s:
                    looked = time.monotonic()
                    await self._send_if_lost(pending)
            except MLBridgeError as error:
                # without a live transaction there is nothing to wait for, unless only the node was silent
                if not pending.hashes and not isinstance(error, RpcError | RpcUnreachableError):
                    raise
                log.warning("tx_wait_troubled", tx=pending.name, reason=error.message)
            if time.monotonic() > deadline:
                raise MLBridgeError(
                    "tx.timeout",
                    f"Transaction {pending.name} is in no block after {self._policy.timeout_s:g} s.",
                    hint="It may still be mined: look it up before paying again.",
                    exit_code=6,
                    transactions=list(pending.hashes),
                )
            await asyncio.sleep(pause)
            pause = min(self._policy.poll_s, pause * 1.5)

    async def _send_if_lost(self, pending: _Pending) -> None:
        """The same bytes again, where the node knows none of ours any more, as after a reorganisation."""
        for tx_hash in reversed(pending.hashes):
            if await self._rpc("eth_getTransactionByHash", tx_hash) is not None:
                return
        try:
            await self._rpc("eth_sendRawTransaction", as_hex(pending.raw))
        except RpcError as error:  # nonce taken, or fees too low by now: `_unstick` is for those
            log.info("tx_lost", tx=pending.name, refused=error.text)
        else:
            log.info("tx_sent_again", tx=pending.name)

    async def _unstick(self, pending: _Pending) -> None:
        """One step for a transaction that no block takes. Called under the lock."""
        mined = await self._count("latest")
        if mined > pending.nonce:
            if not await self._landed(pending):
                # another transaction used the nonce, so none of ours with it can ever be mined
                log.warning("tx_nonce_taken", nonce=pending.nonce, address=self.address)
                self._pending.pop(pending.nonce, None)
                pending.hashes.clear()
                pending.nonce = await self._next_nonce()
                pending.tip, pending.fee = await self._fees()
                await self._broadcast_new(pending)
                self._pending[pending.nonce] = pending
            return
        lowest = min(self._pending, default=pending.nonce)
        for nonce in range(mined, lowest):
            await self._fill_gap(nonce)
        tip, fee = await self._fees()
        self._raise_fees(pending, tip, fee)
        self._sign(pending)
        refusal = await self._broadcast(pending)
        if refusal is not None:
            # the older transaction stays valid; the next round bumps further
            pending.hashes.pop()
            log.warning("tx_replace_refused", nonce=pending.nonce, reason=refusal.text)
        else:
            log.info("tx_replaced", nonce=pending.nonce, fee=pending.fee, tx=pending.hashes[-1])

    async def _fill_gap(self, nonce: int) -> None:
        """Use up a nonce that a reorganisation or the node lost, with a transfer of nothing to oneself.

        Signing the waiting calls again with lower nonces could run them twice.
        """
        tip, fee = await self._fees()
        call: TxParams = {
            "to": self._account.address,
            "value": cast(Any, 0),
            "data": HexStr("0x"),
            "gas": 21_000,
        }
        filler = _Pending(call, nonce, tip, fee)
        self._sign(filler)
        refusal = await self._broadcast(filler)
        log.info("tx_nonce_gap", nonce=nonce, address=self.address, refused=refusal.text if refusal else None)

    def _raise_fees(self, pending: _Pending, tip: int, fee: int) -> None:
        bump = self._policy.bump
        pending.tip = max(tip, int(pending.tip * bump) + 1)
        pending.fee = min(self._policy.max_fee, max(fee, int(pending.fee * bump) + 1))
        pending.tip = min(pending.tip, pending.fee)

    async def _why_reverted(self, call: TxParams, receipt: TxReceipt, limit: int) -> ContractError:
        """The reason of a mined revert: the call again, on the state after its block and then before it."""
        number = int(receipt["blockNumber"])
        tx_hash = as_hex(receipt["transactionHash"])
        request = {key: hex(item) if isinstance(item, int) else item for key, item in call.items()}
        for block in (number, number - 1):
            try:
                await self._rpc("eth_call", request, hex(block))
            except RpcUnreachableError as error:
                log.warning("tx_revert_unexplained", tx=tx_hash, reason=error.message)
            except RpcError as error:
                refused = from_exception(error)
                if refused is not None:
                    refused.context["transaction"] = tx_hash
                    return refused
        if int(receipt["gasUsed"]) >= limit * 63 // 64 - 5_000:
            short = describe("OutOfGas", {})
            short.context["transaction"] = tx_hash
            return short
        return ContractError(
            "Reverted",
            {"transaction": tx_hash},
            f"The transaction {tx_hash} was reverted, and nothing says why.",
            "The same call may pass now: somebody else's transaction may have changed the state in between.",
        )
