"""Receipts of real tasks: built from the chain, checked against it, refused when any field was changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import deploy
from contracts.rpc import Provider
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import Receipt
from mlbridge.sdk.receipt import build, verify
from mlbridge.sdk.receipt_checks import check_receipt
from mlbridge.sdk.receipt_model import leaves
from mlbridge.storage import LocalStore
from tests.integration.conftest import PARAMS
from tests.support.seats import FAST, Script, make_members, register_model
from tests.support.tasks import CASES, HONEST, IMAGE, client_for, run_task, vector

pytestmark = pytest.mark.integration

EXPECTED = {
    "agreeing": ("finalized", ["result"], 3),
    "judged": ("finalized", ["result", "result"], 2),
    "voted": ("finalized", ["result", "vote"], 3),
    "voted_and_judged": ("finalized", ["result", "vote", "vote"], 2),
    "replaced": ("finalized", ["result"], 4),
    "unopened": ("finalized", ["result", "result"], 1),
    "refunded": ("refunded", ["result"], 0),
}


class CachingProvider(Provider):
    """Remembers every answer: hundreds of checks of one finished task ask the same."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.known: dict[str, bytes] = {}

    async def _make_request(self, method: Any, request_data: bytes) -> bytes:
        asked = json.loads(request_data)
        key = json.dumps([method, asked["params"]])
        if key not in self.known:
            self.known[key] = await super()._make_request(method, request_data)
        answer = json.loads(self.known[key])
        return json.dumps({**answer, "id": asked["id"]}).encode()


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def changed(value: Any, path: str) -> Any:
    """Another value that this leaf might have."""
    name = path.rsplit(".", 1)[-1]
    choices = {
        "status": ["finalized", "refunded", "cancelled"],
        "kind": ["result", "vote"],
        "state": ["silent", "committed", "revealed", "faulty"],
        "policy": ["exact", "numeric"],
        "fault": ["absent", "unopened", "incorrect", "malicious"],
        "contract": ["TaskManager", "ConsensusVerifier", "RewardDistributor"],
        "event": ["TaskFinalized", "TipPaid", "Credited"],
    }
    if name in choices and isinstance(value, str):
        return next(choice for choice in choices[name] if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 if value < 10_000 or name not in ("confidence", "basis_points") else value - 1
    if isinstance(value, str) and value.isdecimal():
        return str(int(value) + 1)
    if isinstance(value, str) and value.startswith("0x"):
        digit = "1" if value[-1] != "1" else "2"
        text = value[:-1] + digit
        return to_checksum_address(text.lower()) if len(value) == 42 else text
    if isinstance(value, str):
        return value + "x"
    if value is None:
        return {"commitment": "0x" + "1" * 64, "digest": "0x" + "1" * 64, "salt": "0x" + "1" * 64}.get(
            name, "0x11" if name in ("result", "data") else "something"
        )
    extra: dict[str, Any] = {
        "tips": {"to": dev_account(5).address, "amount": "1"},
        "judge_fees": {"account": 3, "amount": "1"},
        "slashes": {"account": 3, "fault": "absent", "amount": "1", "basis_points": 500},
    }
    return [extra.get(name, 7)]


def with_leaf(data: Any, path: str, value: Any) -> Any:
    copy = json.loads(json.dumps(data))
    *parents, last = path.split(".")
    target: Any = copy
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    target[int(last) if isinstance(target, list) else last] = value
    return copy


async def test_receipts_of_every_ending(chain: Chain, treasury: Sender, case: str, tmp_path: Path) -> None:
    """Built twice alike, proven, and false in every single leaf that is changed."""
    receipt = await CASES[case](chain, treasury)
    status, kinds, winners = EXPECTED[case]
    assert receipt.status == status
    assert [part.kind for part in receipt.rounds] == kinds
    assert len(receipt.payment.winners) == winners
    assert receipt == await build(chain, receipt.task_id)

    report = await verify(receipt, chain)
    assert report.failures == []
    assert report.ok
    assert len(report.proved) >= 10
    assert any("RPC node" in sentence for sentence in report.not_proved)
    assert any("independent people" in sentence for sentence in report.not_proved)

    receipt.save(tmp_path / "receipt.json")
    assert Receipt.load(tmp_path / "receipt.json") == receipt

    caching = CachingProvider(chain.network.rpc_url)
    original, chain.w3.provider = chain.w3.provider, caching
    try:
        await every_leaf_counts(receipt, chain, sample=case != "judged")
    finally:
        chain.w3.provider = original
        await caching.disconnect()


async def every_leaf_counts(receipt: Receipt, chain: Chain, *, sample: bool) -> None:
    """sample: of leaves that differ by their position in lists only, the first one."""
    data = json.loads(receipt.to_bytes())
    unnoticed = []
    seen: set[str] = set()
    for path, value in leaves(data):
        kind = ".".join("*" if part.isdecimal() else part for part in path.split("."))
        if sample and kind in seen:
            continue
        seen.add(kind)
        forged = json.dumps(with_leaf(data, path, changed(value, path))).encode()
        try:
            parsed = Receipt.from_bytes(forged)
        except MLBridgeError as error:
            named = str(error.context["field"])
            if not path.startswith(named):
                unnoticed.append((path, [error.message]))
            continue
        assert parsed != receipt
        report = await verify(parsed, chain)
        if report.ok or not any(failure.startswith(path) for failure in report.failures):
            unnoticed.append((path, report.failures))
    assert unnoticed == []


async def test_events_left_out_or_added_are_noticed(chain: Chain, treasury: Sender) -> None:
    receipt = await CASES["agreeing"](chain, treasury)
    for index in range(len(receipt.events)):
        events = receipt.events[:index] + receipt.events[index + 1 :]
        report = await verify(receipt.model_copy(update={"events": events}), chain)
        assert not report.ok
    doubled = receipt.model_copy(update={"events": (*receipt.events, receipt.events[0])})
    assert not (await verify(doubled, chain)).ok


async def test_a_consistent_forgery_passes_alone_but_not_against_the_chain(
    chain: Chain, treasury: Sender
) -> None:
    """Somebody who makes up a whole task can make it add up; only the chain shows that it never was."""
    receipt = await CASES["agreeing"](chain, treasury)
    pay = receipt.payment
    forged_pay = pay.model_copy(update={"refund": pay.refund + 1, "model_fee": pay.model_fee - 1})
    forged = receipt.model_copy(update={"payment": forged_pay})
    assert check_receipt(forged).failures == []
    report = await verify(forged, chain)
    assert {failure.split(":")[0] for failure in report.failures} == {"payment.refund", "payment.model_fee"}


async def test_depth_is_demanded(chain: Chain, treasury: Sender) -> None:
    receipt = await CASES["agreeing"](chain, treasury)
    report = await verify(receipt, chain, confirmations=100_000)
    assert not report.ok
    assert all("deep" in failure for failure in report.failures)


async def test_another_deployment_does_not_know_the_task(chain: Chain, treasury: Sender) -> None:
    receipt = await CASES["agreeing"](chain, treasury)
    with Anvil(free_port(), block_time=None) as anvil:
        network = await deploy(anvil.rpc_url, dev_account(3), PARAMS, policy=FAST)
        async with await Chain.connect(network) as other:
            report = await verify(receipt, other)
    assert not report.ok
    assert any(failure.startswith("contracts.bridge") for failure in report.failures)
    assert any(failure.startswith("task.id") for failure in report.failures)


async def test_unknown_and_unfinished_tasks_have_no_receipt(chain: Chain, treasury: Sender) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await build(chain, b"\x05" * 32)
    assert caught.value.code == "task.unknown"
    assert caught.value.exit_code == 5
    model = await register_model(chain, treasury)
    await make_members(chain, treasury, model, [HONEST] * 3)
    async with client_for(chain) as client:
        handle = await client.submit(model, IMAGE)
        with pytest.raises(MLBridgeError) as caught:
            await handle.receipt()
    assert caught.value.code == "task.unfinished"


async def test_cancelled_tasks_have_one(chain: Chain, treasury: Sender) -> None:
    model = await register_model(chain, treasury)
    await make_members(chain, treasury, model, [HONEST] * 3)
    async with client_for(chain) as client:
        handle = await client.submit(model, IMAGE)
        await handle.cancel()
        receipt = await handle.receipt()
    assert receipt.status == "cancelled"
    assert receipt.rounds == ()
    assert receipt.payment.refund == receipt.task.payment
    report = await verify(receipt, chain)
    assert report.ok, report.failures


async def test_large_payloads_by_cid(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    text: dict[str, object] = {"kind": "embedding", "text": "word " * 2_000}
    receipt = await run_task(
        chain, treasury, [Script(result=vector(*[0.5] * 2_000), store=store)] * 3, value=text, store=store
    )
    assert receipt.status == "finalized"
    assert receipt.result is not None
    assert receipt.result.cid is not None
    report = await verify(receipt, chain, store=store)
    assert report.ok
    assert sum("payload in the store" in sentence for sentence in report.proved) == 2
    (empty := tmp_path / "empty").mkdir()
    report = await verify(receipt, chain, store=LocalStore(empty))
    assert report.ok
    assert sum("still to be had" in sentence for sentence in report.not_proved) == 2


def test_other_files_are_no_receipts(tmp_path: Path) -> None:
    for text, field in (("{}", "chain_id"), ("[", "the file"), ('{"version": 2}', "version")):
        with pytest.raises(MLBridgeError) as caught:
            Receipt.from_bytes(text.encode())
        assert caught.value.code == "receipt.invalid"
        assert str(caught.value.context["field"]) == field
    with pytest.raises(MLBridgeError) as caught:
        Receipt.load(tmp_path / "none")
    assert caught.value.code == "receipt.missing"
