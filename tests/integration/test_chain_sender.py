"""The Sender against real chains that are slow, restless, lossy or shared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from web3.types import TxParams

from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain, Endpoint
from contracts.errors import ContractError
from contracts.events import as_hex, as_int
from contracts.rpc import Provider, RpcError, RpcUnreachableError, provider_of
from contracts.sender import Sender, SendPolicy
from mlbridge.errors import MLBridgeError
from tests.support.seats import MLB, fresh_account

pytestmark = pytest.mark.integration

QUICK = SendPolicy(poll_s=0.02, stuck_after_s=0.5, timeout_s=20.0)
SINK = "0x00000000000000000000000000000000000000ff"


@pytest.fixture
def quiet_anvil() -> Any:
    """A chain of the test's own that mines a block a transaction until told otherwise."""
    with Anvil(free_port(), block_time=None) as anvil:
        yield anvil


@pytest.fixture
async def endpoint(quiet_anvil: Anvil) -> AsyncIterator[Endpoint]:
    async with await Endpoint.open(quiet_anvil.rpc_url) as opened:
        yield opened


async def rpc(endpoint: Endpoint, method: str, *params: object) -> Any:
    return await endpoint.provider.request(method, list(params))


async def balance(endpoint: Endpoint, address: str) -> int:
    return as_int(await rpc(endpoint, "eth_getBalance", address, "latest"))


async def nonce(endpoint: Endpoint, account: LocalAccount) -> int:
    return as_int(await rpc(endpoint, "eth_getTransactionCount", account.address, "latest"))


async def test_concurrent_sends_each_get_a_nonce(endpoint: Endpoint) -> None:
    await rpc(endpoint, "evm_setIntervalMining", 1)
    sender = Sender(endpoint, dev_account(2), QUICK)
    receipts = await asyncio.gather(*(sender.transfer(SINK, 1) for _ in range(40)))
    assert len({bytes.fromhex(str(r["transactionHash"])[2:]) for r in receipts}) == 40
    assert await balance(endpoint, SINK) == 40
    assert await nonce(endpoint, dev_account(2)) == 40


async def test_two_senders_may_share_a_key(endpoint: Endpoint, quiet_anvil: Anvil) -> None:
    async with await Endpoint.open(quiet_anvil.rpc_url) as other:
        senders = [Sender(endpoint, dev_account(2), QUICK), Sender(other, dev_account(2), QUICK)]
        await asyncio.gather(*(sender.transfer(SINK, 1) for sender in senders for _ in range(10)))
    assert await balance(endpoint, SINK) == 20


async def test_a_stuck_transaction_is_replaced(endpoint: Endpoint) -> None:
    sender = Sender(endpoint, dev_account(2), QUICK)
    await rpc(endpoint, "evm_setAutomine", False)
    sending = asyncio.create_task(sender.transfer(SINK, 5))
    await asyncio.sleep(0.3)
    # the base fee rises above what the transaction offers, so that only a replacement can be mined
    block = await rpc(endpoint, "eth_getBlockByNumber", "latest", False)
    await rpc(endpoint, "anvil_setNextBlockBaseFeePerGas", hex(as_int(block["baseFeePerGas"]) * 4))
    await rpc(endpoint, "evm_mine")
    assert await balance(endpoint, SINK) == 0
    await rpc(endpoint, "evm_setIntervalMining", 1)
    receipt = await sending
    assert receipt["status"] == 1
    assert await balance(endpoint, SINK) == 5
    assert await nonce(endpoint, dev_account(2)) == 1


class LossyProvider(Provider):
    """Forwards transactions, then loses the answers of the first few."""

    losses = 0

    async def request(self, method: str, params: Sequence[object] = ()) -> Any:
        answer = await super().request(method, params)
        if method == "eth_sendRawTransaction" and self.losses > 0:
            self.losses -= 1
            raise RpcUnreachableError("test", "the answer was lost")
        return answer


@pytest.mark.parametrize("losses", [1, 3, 6])
@pytest.mark.parametrize("mined", [True, False])
async def test_a_lost_answer_never_pays_twice(quiet_anvil: Anvil, losses: int, mined: bool) -> None:
    async with await Endpoint.open(quiet_anvil.rpc_url) as endpoint:
        lossy = LossyProvider(quiet_anvil.rpc_url)
        endpoint.w3.provider = lossy
        if not mined:
            await rpc(endpoint, "evm_setIntervalMining", 1)
        lossy.losses = losses
        sender = Sender(endpoint, dev_account(2), QUICK)
        receipt = await sender.transfer(SINK, 7)
        assert receipt["status"] == 1
        assert await balance(endpoint, SINK) == 7
        assert await nonce(endpoint, dev_account(2)) == 1
        await lossy.disconnect()


class LimitedProvider(LossyProvider):
    """Loses an answer, then refuses the next tries for being too many."""

    async def request(self, method: str, params: Sequence[object] = ()) -> Any:
        if method == "eth_sendRawTransaction" and self.losses == 0:
            raise RpcError(method, -32005, "rate limit exceeded")
        return await super().request(method, params)


async def test_a_refusal_after_a_lost_answer_does_not_mean_that_nothing_was_sent(
    quiet_anvil: Anvil,
) -> None:
    async with await Endpoint.open(quiet_anvil.rpc_url) as endpoint:
        limited = LimitedProvider(quiet_anvil.rpc_url)
        endpoint.w3.provider = limited
        limited.losses = 1
        receipt = await Sender(endpoint, dev_account(2), QUICK).transfer(SINK, 7)
        assert receipt["status"] == 1
        assert await balance(endpoint, SINK) == 7
        await limited.disconnect()


class MoodyProvider(Provider):
    """Answers some methods with an error for as long as it is told to."""

    refused: frozenset[str] = frozenset()
    failure: Exception = RuntimeError("not set")

    async def request(self, method: str, params: Sequence[object] = ()) -> Any:
        if method in self.refused:
            raise self.failure
        return await super().request(method, params)


@pytest.fixture
async def moody(quiet_anvil: Anvil, endpoint: Endpoint) -> AsyncIterator[MoodyProvider]:
    provider = MoodyProvider(quiet_anvil.rpc_url)
    endpoint.w3.provider = provider
    yield provider
    await provider.disconnect()


async def in_the_pool(endpoint: Endpoint) -> None:
    while not int((await rpc(endpoint, "txpool_status"))["pending"], 16):  # noqa: ASYNC110 - anvil tells nobody
        await asyncio.sleep(0.02)


LOOKS = frozenset({"eth_getTransactionReceipt", "eth_getTransactionCount", "eth_getBlockByNumber"})


@pytest.mark.parametrize(
    "failure",
    [
        RpcError("eth_getTransactionReceipt", -32005, "rate limit"),
        RpcUnreachableError("http://node.example/secret", "gone"),
    ],
)
async def test_no_answer_ends_the_wait_for_a_live_transaction(
    endpoint: Endpoint, moody: MoodyProvider, failure: Exception
) -> None:
    await rpc(endpoint, "evm_setAutomine", False)
    sending = asyncio.create_task(Sender(endpoint, dev_account(2), QUICK).transfer(SINK, 5))
    await in_the_pool(endpoint)
    moody.refused, moody.failure = LOOKS, failure
    await asyncio.sleep(0.8)  # longer than stuck_after_s
    moody.refused = frozenset()
    await rpc(endpoint, "evm_setIntervalMining", 1)
    assert (await sending)["status"] == 1
    assert await balance(endpoint, SINK) == 5


async def test_a_replacement_that_would_cost_too_much_is_not_made(endpoint: Endpoint) -> None:
    await rpc(endpoint, "evm_setAutomine", False)
    limit = SendPolicy(poll_s=0.02, stuck_after_s=0.1, timeout_s=0.6, max_fee=5 * 10**9)
    sending = asyncio.create_task(Sender(endpoint, dev_account(2), limit).transfer(SINK, 5))
    await in_the_pool(endpoint)
    await rpc(endpoint, "anvil_setNextBlockBaseFeePerGas", hex(10**12))
    await rpc(endpoint, "evm_mine")
    with pytest.raises(MLBridgeError) as caught:
        await sending
    # the transaction may still be mined: its hash is what the user needs
    assert caught.value.code == "tx.timeout"
    hashes: Any = caught.value.context["transactions"]
    assert hashes
    assert hashes[-1] in caught.value.message


async def test_a_revert_that_cannot_be_explained_names_its_transaction(
    endpoint: Endpoint, moody: MoodyProvider
) -> None:
    moody.refused = frozenset({"eth_call"})
    moody.failure = RpcUnreachableError("http://node.example", "gone")
    reverting: Any = {"from": dev_account(2).address, "value": 0, "data": "0x60006000fd"}
    with pytest.raises(ContractError) as caught:
        await Sender(endpoint, dev_account(2), QUICK).send_call(reverting, gas=100_000)
    assert caught.value.arguments["transaction"] in caught.value.message


async def test_transactions_survive_a_reorganisation_that_drops_their_elders(endpoint: Endpoint) -> None:
    sender = Sender(endpoint, dev_account(2), QUICK)
    for _ in range(3):
        await sender.transfer(SINK, 1)
    await rpc(endpoint, "evm_setAutomine", False)
    waiting = asyncio.create_task(sender.transfer(SINK, 10))  # nonce 3
    await asyncio.sleep(0.3)
    await rpc(endpoint, "anvil_reorg", 2, [])  # nonces 1 and 2 are gone
    await rpc(endpoint, "evm_setIntervalMining", 1)
    assert (await waiting)["status"] == 1
    assert await balance(endpoint, SINK) >= 11
    after = await sender.transfer(SINK, 100)
    assert after["status"] == 1


async def test_a_transaction_that_the_node_lost_is_sent_again_as_it_was(endpoint: Endpoint) -> None:
    sender = Sender(endpoint, dev_account(2), SendPolicy(poll_s=0.02, look_every_s=0.2, timeout_s=20.0))
    await rpc(endpoint, "evm_setAutomine", False)
    sending = asyncio.create_task(sender.transfer(SINK, 5))
    await asyncio.sleep(0.3)
    (waiting,) = (await rpc(endpoint, "txpool_content"))["pending"].values()
    (sent,) = waiting.values()
    await rpc(endpoint, "anvil_dropTransaction", sent["hash"])
    await rpc(endpoint, "evm_setIntervalMining", 1)
    assert as_hex((await sending)["transactionHash"]) == sent["hash"]
    assert await balance(endpoint, SINK) == 5


async def test_a_foreign_transaction_with_the_same_nonce(endpoint: Endpoint) -> None:
    account = dev_account(2)
    sender = Sender(endpoint, account, QUICK)
    await rpc(endpoint, "evm_setAutomine", False)
    sending = asyncio.create_task(sender.transfer(SINK, 5))
    await asyncio.sleep(0.3)
    head = await rpc(endpoint, "eth_getBlockByNumber", "latest", False)
    fee = 20 * as_int(head["baseFeePerGas"]) + 50 * 10**9
    fields: Any = {"to": SINK, "value": 1_000, "gas": 21_000, "nonce": 0, "chainId": endpoint.chain_id}
    fields |= {"maxFeePerGas": fee, "maxPriorityFeePerGas": 40 * 10**9}
    foreign = account.sign_transaction(fields)
    await rpc(endpoint, "eth_sendRawTransaction", "0x" + bytes(foreign.raw_transaction).hex())
    await rpc(endpoint, "evm_mine")
    await rpc(endpoint, "evm_setIntervalMining", 1)
    assert (await sending)["status"] == 1
    assert await balance(endpoint, SINK) == 1_005


async def test_too_few_coins(endpoint: Endpoint) -> None:
    sender = Sender(endpoint, fresh_account(), QUICK)
    with pytest.raises(MLBridgeError) as caught:
        await sender.transfer(SINK, 1)
    assert caught.value.code == "wallet.empty"
    assert caught.value.exit_code == 4


async def test_fees_beyond_the_limit_are_not_paid(endpoint: Endpoint) -> None:
    sender = Sender(endpoint, dev_account(2), SendPolicy(max_fee=1))
    with pytest.raises(MLBridgeError) as caught:
        await sender.transfer(SINK, 1)
    assert caught.value.code == "tx.fee"


async def test_nothing_mines_until_the_timeout(endpoint: Endpoint) -> None:
    await rpc(endpoint, "evm_setAutomine", False)
    sender = Sender(endpoint, dev_account(2), SendPolicy(poll_s=0.02, timeout_s=0.5, stuck_after_s=0.1))
    with pytest.raises(MLBridgeError) as caught:
        await sender.transfer(SINK, 1)
    assert caught.value.code == "tx.timeout"
    assert caught.value.exit_code == 6


async def test_refusals_come_in_words_before_anything_is_paid(chain: Chain, treasury: Sender) -> None:
    before = await nonce(chain, dev_account(0))
    with pytest.raises(ContractError) as caught:
        await treasury.send(chain.distributor.functions.stake(2, MLB))
    assert caught.value.name in ("BelowMinimum", "ERC20InsufficientAllowance")
    assert caught.value.hint
    assert await nonce(chain, dev_account(0)) == before


async def test_a_mined_revert_says_why(chain: Chain, treasury: Sender) -> None:
    with pytest.raises(ContractError) as caught:
        await treasury.send(chain.bridge.functions.cancelTask(b"\x01" * 32), gas=200_000)
    assert caught.value.name == "UnknownTask"
    assert str(caught.value.context["transaction"]).startswith("0x")


async def test_too_little_gas_is_said(chain: Chain, treasury: Sender) -> None:
    with pytest.raises(ContractError) as caught:
        await treasury.send(chain.token.functions.transfer(SINK, MLB), gas=40_000)
    assert caught.value.name == "OutOfGas"


async def test_gas_that_suddenly_does_not_suffice_is_doubled(
    chain: Chain, treasury: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stingy(self: Sender, call: TxParams) -> int:
        return 40_000

    monkeypatch.setattr(Sender, "estimate", stingy)
    receipt = await treasury.send(chain.token.functions.transfer(fresh_account().address, MLB))
    assert receipt["status"] == 1


async def test_an_unreachable_node_is_named() -> None:
    port = free_port()
    with pytest.raises(RpcUnreachableError, match=str(port)):
        await Endpoint.open(f"http://127.0.0.1:{port}", timeout_s=1)


async def test_chain_connect_refuses_other_chains_and_empty_addresses(chain: Chain) -> None:
    other = chain.network.model_copy(update={"chain_id": 1})
    with pytest.raises(MLBridgeError) as caught:
        await Chain.connect(other)
    assert caught.value.code == "chain.wrong_id"
    assert "31337" in caught.value.message
    moved = chain.addresses.model_copy(update={"token": SINK})
    with pytest.raises(MLBridgeError) as caught:
        await Chain.connect(chain.network.model_copy(update={"addresses": moved}))
    assert caught.value.code == "chain.no_code"
    assert "MLBridgeToken" in caught.value.message
    assert "TaskManager" not in caught.value.message


async def test_heads_and_headers(chain: Chain) -> None:
    head = await chain.head()
    assert await chain.header(head.number) == head
    assert await chain.block_by_hash(head.hash) == head
    assert await chain.header(head.number + 1_000) is None
    assert provider_of(chain.w3) is chain.provider
