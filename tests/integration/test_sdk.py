"""The SDK on a real chain: submit, watch, poke, take the result; retries, refusals and money."""

from __future__ import annotations

import asyncio
import secrets
import threading
from pathlib import Path
from typing import Any

import pytest

from contracts import reads
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import deploy
from contracts.errors import ContractError
from contracts.rpc import RpcUnreachableError
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import ClassificationOutput, EmbeddingOutput
from mlbridge.protocol.types import Policy, Role
from mlbridge.sdk import AsyncClient, Client, Draft, Progress, TaskEndedError
from mlbridge.sdk import handle as handle_module
from mlbridge.storage import LocalStore
from tests.integration.conftest import PARAMS
from tests.support.seats import (
    FAST,
    MLB,
    Script,
    acting,
    fresh_account,
    fund,
    make_members,
    register_model,
    scripts,
)
from tests.support.tasks import HONEST, IMAGE, LIAR, NEAR, TEXT, client_for

pytestmark = pytest.mark.integration


async def balance(chain: Chain, address: str) -> int:
    return int(await chain.provider.request("eth_getBalance", [address, "latest"]), 16)


async def test_one_task_from_submission_to_money(chain: Chain, treasury: Sender) -> None:
    name = f"digits-{secrets.token_hex(4)}"
    model = await register_model(chain, treasury, name=name)
    members = await make_members(chain, treasury, model, scripts(honest=3))
    account = fresh_account()
    await fund(treasury, chain, account.address)
    shown: list[Progress] = []
    async with client_for(chain, account) as client, acting(members):
        before = await balance(chain, account.address)
        price = await client.quote(name)
        handle = await client.submit(name, IMAGE, max_price_wei=price)
        result = await handle.wait(60, progress=shown.append)
        assert isinstance(result.output, ClassificationOutput)
        assert result.confidence == 1.0
        assert {seat.account for seat in result.committee} == {member.account for member in members}
        assert result.task_id == handle.task_id == result.receipt.task.id
        refund = result.receipt.payment.refund
        tips = sum(t.amount for t in result.receipt.payment.tips if t.to == account.address)
        assert result.cost_wei == price - refund
        assert await balance(chain, account.address) == before - price - result.gas_wei
        assert result.gas_used > 0
        # whoever poked was tipped; both that and the refund wait to be claimed
        claimed = await client.claim()
        assert claimed.wei == refund + tips
        assert (await client.claim()).wei == 0
        again = await (await client.task(handle.task_id)).wait(5)
        assert again.output == result.output
        assert again.gas_used == 0
        assert (await client.verify(result.receipt)).ok
    names = [step.status.name for step in shown]
    assert names[-1] == "FINALIZED"
    assert "COMMITTING" in names
    assert any("committing" in str(step) or "revealing" in str(step) for step in shown)
    assert all(len(step.committee) == 3 for step in shown if step.status.name == "COMMITTING")


async def test_members_are_paid_and_liars_slashed(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, [HONEST, HONEST, LIAR])
    judges = await make_members(chain, treasury, model, [HONEST] * 3, role=Role.VERIFIER, mlb=25_000)
    async with client_for(chain) as client, acting([*members, *judges]):
        result = await (await client.submit(model, IMAGE)).wait(90)
    honest, liar = members[:2], members[2]
    assert [slash.account for slash in result.receipt.payment.slashes] == [liar.account]
    assert (await reads.get_account(chain, liar.account)).bonded < 50_000 * MLB
    assert (await reads.get_account(chain, liar.account)).jailed_until > 0
    for member in honest:
        coins, _ = await reads.claimable(chain, member.operator.address)
        assert coins == result.receipt.payment.seat_fee
    for judge in judges:
        _, tokens = await reads.claimable(chain, judge.operator.address)
        assert tokens == 100 * MLB
    assert isinstance(result.output, ClassificationOutput)
    assert result.output.label < 10


async def test_numeric_results_are_voted_on(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury, policy=Policy.NUMERIC)
    members = await make_members(chain, treasury, model, NEAR)
    async with client_for(chain) as client, acting(members):
        result = await (await client.submit(model, TEXT)).wait(90)
    assert isinstance(result.output, EmbeddingOutput)
    assert result.output.vector[0] == pytest.approx(1.0, abs=0.1)


async def test_a_lost_answer_or_a_retry_finds_the_same_task(
    chain: Chain, treasury: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await register_model(chain, treasury)
    await make_members(chain, treasury, model, scripts(honest=3))
    account = fresh_account()
    await fund(treasury, chain, account.address)
    original = Sender._wait

    async def lost(self: Sender, pending: Any) -> Any:
        await original(self, pending)
        raise RpcUnreachableError("test", "the answer was lost")

    async with client_for(chain, account) as client:
        monkeypatch.setattr(Sender, "_wait", lost)
        with pytest.raises(RpcUnreachableError):
            await client.submit(model, IMAGE, idempotency_key="order 7")
        monkeypatch.setattr(Sender, "_wait", original)
        spent = await balance(chain, account.address)
        await asyncio.sleep(1.1)  # another deadline would make another id
        first = await client.submit(model, IMAGE, idempotency_key="order 7")
        second = await client.submit(model, IMAGE, idempotency_key="order 7")
        assert first.id == second.id
        assert await balance(chain, account.address) == spent
        with pytest.raises(MLBridgeError) as caught:
            await client.submit(model, {**IMAGE, "image": [0] * 64}, idempotency_key="order 7")
        assert caught.value.code == "salt.reused"
        third = await client.submit(model, IMAGE, idempotency_key="order 8")
        fourth = await client.submit(model, IMAGE)
        assert len({first.id, third.id, fourth.id}) == 3
        salt = secrets.token_bytes(32)
        assert (await client.submit(model, IMAGE, salt=salt)).id == (
            await client.submit(model, IMAGE, salt=salt)
        ).id


async def test_what_is_refused_before_anything_is_paid(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    account = fresh_account()
    await fund(treasury, chain, account.address)
    async with client_for(chain, account) as client:
        before = await balance(chain, account.address)
        price = await client.quote(model)
        cases: list[tuple[dict[str, Any], str, int]] = [
            ({"max_price_wei": price - 1}, "price.too_high", 4),
            ({"input": {**IMAGE, "image": [99] * 64}}, "payload.invalid", 2),
            ({"input": "text"}, "input.kind", 2),
            ({"input": {"image": [1] * 64}}, "input.kind", 2),
            ({"input": {"kind": "embedding", "text": "x" * 5_000}}, "input.too_large", 2),
            ({"model": "no such model"}, "model.unknown", 5),
            ({"model": "0x" + "12" * 32}, "model.unknown", 5),
            ({"salt": b"short"}, "salt.size", 2),
            ({"salt": bytes(32), "idempotency_key": "x"}, "salt.both", 2),
            ({"seats": 2}, "contract.BadCommitteeSize", 1),
            ({"deadline_s": 1}, "contract.BadDeadline", 1),
            ({}, "contract.TooFewProviders", 1),
        ]
        for change, code, exit_code in cases:
            wanted = {"model": model, "input": IMAGE, **change}
            with pytest.raises(MLBridgeError) as caught:
                await client.submit(**wanted)
            assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
        assert await balance(chain, account.address) == before
        for task_id, code in (("0x12", "task.bad_id"), ("0x" + "12" * 32, "task.unknown")):
            with pytest.raises(MLBridgeError) as caught:
                await client.task(task_id)
            assert caught.value.code == code


async def test_without_an_account_one_can_only_look(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    async with AsyncClient(chain.network) as client:
        assert (await client.model(model)).id == model
        assert model in {known.id for known in await client.models()}
        for attempt in (client.submit(model, IMAGE), client.claim(), client.stake(Role.COMPUTE, 1)):
            with pytest.raises(MLBridgeError) as caught:
                await attempt
            assert caught.value.code == "wallet.none"
            assert caught.value.exit_code == 3


async def test_waiting_has_an_end(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, [Script(commit=False)] * 3)
    async with client_for(chain) as client, acting(members):
        handle = await client.submit(model, IMAGE)
        with pytest.raises(MLBridgeError) as caught:
            await handle.wait(1.5)
        assert caught.value.code == "task.timeout"
        assert caught.value.exit_code == 6
        # nobody commits and nobody can replace them: poked on, the task refunds itself
        with pytest.raises(TaskEndedError) as ended:
            await handle.wait(60)
        assert ended.value.code == "task.refunded"
        assert ended.value.receipt.payment.reason
        assert ended.value.receipt.payment.refund > 0
        assert (await client.claim()).wei > 0


async def test_a_task_can_be_taken_back_at_once_only(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with client_for(chain) as client:
        handle = await client.submit(model, IMAGE)
        await client.cancel(handle.id)
        with pytest.raises(TaskEndedError) as ended:
            await handle.wait(10)
        assert ended.value.code == "task.cancelled"
        late = await client.submit(model, IMAGE)
        async with acting(members):
            await late.wait(60)
        with pytest.raises(ContractError) as caught:
            await late.cancel()
        assert caught.value.name == "WrongStatus"


async def test_confirmations_are_waited_for(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with client_for(chain) as client, acting(members):
        result = await (await client.submit(model, IMAGE)).wait(60, confirmations=8)
        end = result.receipt.events[-1].block
        assert (await chain.head()).number - end >= 8


async def test_large_inputs_and_manifests_come_from_the_store(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "store")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"\0" * 100)
    exec_class = {"engine": "torch", "build": "test 1", "dtype": "float32", "quantisation": "none"}
    exec_class |= {"kernel": "test", "sampling": "greedy"}
    draft: dict[str, object] = {
        "name": f"m{secrets.token_hex(4)}",
        "version": "1",
        "kind": "classification",
        "engine": "torch",
        "exec_class": {**exec_class, "threads": 1},
        "policy": "exact",
        "licence": "MIT",
    }
    owner = fresh_account()
    await fund(treasury, chain, owner.address, mlb=10_000 * MLB)
    async with client_for(chain, owner, store) as provider:
        with pytest.raises(ContractError) as caught:
            await provider.publish(folder, 10**12, draft=draft)
        assert caught.value.name == "ModelProviderStakeTooLow"
        published = await provider.publish(folder, 10**12, draft=draft, stake=True)
        assert await provider.publish(folder, 10**12, draft=draft) == published
        info = await provider.model(published.manifest.name)
        assert (info.id, info.cid, info.name) == (published.id, published.cid, draft["name"])
        assert info.exec_class == published.manifest.exec_class_id
        assert await provider.manifest(info) == published.manifest
    members = await make_members(chain, treasury, published.id, scripts(honest=3))
    async with client_for(chain, store=store) as client, acting(members):
        with pytest.raises(MLBridgeError) as refused:
            await client.submit(published.id, TEXT)
        assert refused.value.code == "input.kind"
        handle = await client.submit(published.manifest.name, {"image": [1] * 64})
        result = await handle.wait(60)
        report = await client.verify(result.receipt)
        assert report.ok
        assert any("pins what was to run" in sentence for sentence in report.proved)


async def test_pointers_to_nowhere_do_not_hide_a_result_that_another_member_carries(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    unreachable = Script(store=LocalStore(tmp_path / "members"))
    (tmp_path / "client").mkdir()
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, [unreachable, unreachable, HONEST])
    async with client_for(chain, store=LocalStore(tmp_path / "client")) as client, acting(members):
        result = await (await client.submit(model, IMAGE)).wait(60)
        assert isinstance(result.output, ClassificationOutput)
        assert result.receipt.result is not None
        assert result.receipt.result.account == members[2].account
        assert (await client.verify(result.receipt)).ok


def test_the_synchronous_client(devchain: Any) -> None:
    """In a thread of its own loop, beside members that act in another."""
    ready, done = threading.Event(), threading.Event()
    made: dict[str, bytes] = {}

    async def serve() -> None:
        async with await Chain.connect(devchain.network) as chain:
            treasury = Sender(chain, dev_account(0), FAST)
            made["model"] = await register_model(chain, treasury)
            async with acting(await make_members(chain, treasury, made["model"], scripts(honest=3))):
                ready.set()
                while not done.is_set():  # noqa: ASYNC110 - set by another thread
                    await asyncio.sleep(0.1)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        with Client(devchain.network, dev_account(1), policy=FAST) as client:
            assert client.quote(made["model"]) > 0
            assert client.model(made["model"]).id == made["model"]
            task = client.submit(made["model"], IMAGE)
            seen: list[Progress] = []
            result = task.wait(60, progress=seen.append)
            assert task.status().status.terminal
            assert isinstance(result.output, ClassificationOutput)
            assert seen
            assert client.verify(task.receipt()).ok
            assert client.task(task.task_id).id == task.id
            assert client.claim().wei > 0
            assert len(client.models()) >= 1
            with pytest.raises(MLBridgeError):
                client.cancel(task.id)
    finally:
        done.set()
        thread.join()
    wrong = devchain.network.model_copy(update={"chain_id": 1})
    with pytest.raises(MLBridgeError, match="serves chain"), Client(wrong):
        pass


async def test_a_submission_that_a_reorganisation_took_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handle_module, "_GRACE_S", 0.3)
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(0), PARAMS, block_time=0.1, policy=FAST)
        async with await Chain.connect(network) as chain, client_for(chain) as client:
            treasury = Sender(chain, dev_account(0), FAST)
            model = await register_model(chain, treasury)
            mining = asyncio.create_task(keep_mining(chain))  # epochs pass by blocks only
            members = await make_members(chain, treasury, model, scripts(honest=3))
            mining.cancel()
            first = await client.submit(model, IMAGE, idempotency_key="once")
            await chain.provider.request("anvil_reorg", [1, []])
            with pytest.raises(MLBridgeError) as caught:
                await first.wait(30)
            assert caught.value.code == "task.dropped"
            again = await client.submit(model, IMAGE, idempotency_key="once")
            mining = asyncio.create_task(keep_mining(chain))
            async with acting(members):
                result = await again.wait(60)
            mining.cancel()
            assert (await client.verify(result.receipt)).ok


async def keep_mining(chain: Chain) -> None:
    while True:
        await chain.provider.request("evm_mine")
        await asyncio.sleep(0.1)


async def test_a_draft_spends_nothing_and_is_paid_once_by_whoever_made_it(
    chain: Chain, treasury: Sender
) -> None:
    model = await register_model(chain, treasury)
    await make_members(chain, treasury, model, scripts(honest=3))
    async with client_for(chain) as client, client_for(chain, dev_account(2)) as other:
        draft = await client.draft(model, IMAGE)
        assert await client.drafted(draft) is None
        with pytest.raises(MLBridgeError) as foreign:
            await other.send(draft)
        assert foreign.value.code == "draft.foreign"
        first, second = await asyncio.gather(
            client.send(draft), client.send(Draft.from_dict(draft.to_dict()))
        )
        assert first.id == second.id == draft.id
        await client.settle()
        found = await client.drafted(draft)
        assert found is not None
        assert found.id == draft.id
        assert (await found.status()).reward == draft.price
