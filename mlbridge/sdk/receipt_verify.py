"""Check a receipt against the chain. Trusts nothing but what the RPC node says the chain holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.chain import Chain
from contracts.events import as_hex, as_int, decode
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest
from mlbridge.protocol import content, hashing
from mlbridge.sdk.receipt_build import Facts, assemble, collect
from mlbridge.sdk.receipt_checks import Findings, check_receipt, raw
from mlbridge.sdk.receipt_model import EventPart, Receipt, leaves
from mlbridge.sdk.receipt_openings import contents
from mlbridge.storage import ContentStore

ALWAYS_OPEN = (
    "that the RPC node tells the truth about the chain: use a node of your own, or ask several",
    "that the members are independent people: the chain knows operators, stakes and keys only",
    "that the result is right in itself: what is proved is that the committee's weight agreed on it",
)


@dataclass(frozen=True)
class VerificationReport:
    """ok: no failure. The lists are sentences for people; each failure begins with the field it is about."""

    ok: bool
    proved: list[str]
    not_proved: list[str]
    failures: list[str]


async def verify(
    receipt: Receipt, chain: Chain, *, confirmations: int | None = None, store: ContentStore | None = None
) -> VerificationReport:
    """Check every field of a receipt. confirmations: default the network's.

    store: also fetch the manifest and payloads by CID and check them. Raises RpcUnreachableError; whatever
    is wrong with the receipt is in the report.
    """
    depth = chain.network.confirmations if confirmations is None else confirmations
    found = Findings()
    if receipt.chain_id != chain.chain_id:
        found.failures.append(
            f"chain_id: the receipt is of chain {receipt.chain_id}, this is {chain.chain_id}"
        )
    _contracts(receipt, chain, found)
    await _events(receipt, chain, depth, found)
    await _against_chain(receipt, chain, found)
    own = _own(receipt)
    found.proved += own.proved
    found.not_proved += own.not_proved
    found.failures += own.failures
    await _stored(receipt, store, found)
    found.not_proved += ALWAYS_OPEN
    return VerificationReport(not found.failures, found.proved, found.not_proved, found.failures)


def _own(receipt: Receipt) -> Findings:
    try:
        return check_receipt(receipt)
    except MLBridgeError as error:
        return Findings(failures=[f"receipt: {error.message}"])


def _contracts(receipt: Receipt, chain: Chain, found: Findings) -> None:
    wrong = [
        f"contracts.{name}: the receipt names {said}, the network {chain.network.name} has {right}"
        for name, said, right in (
            (name, getattr(receipt.contracts, name), getattr(chain.addresses, name))
            for name in type(chain.addresses).model_fields
        )
        if said != right
    ]
    found.group(
        wrong, f"the task ran on the contracts of network {chain.network.name} (chain {chain.chain_id})"
    )


async def _events(receipt: Receipt, chain: Chain, depth: int, found: Findings) -> None:
    """Every event is in the named transaction, from the named contract, in a block that is deep enough."""
    hashes = sorted({part.transaction for part in receipt.events})
    numbers = sorted({part.block for part in receipt.events})
    transactions, headers, head = await asyncio.gather(
        asyncio.gather(*(chain.provider.request("eth_getTransactionReceipt", [h]) for h in hashes)),
        asyncio.gather(*(chain.header(number) for number in numbers)),
        chain.head(),
    )
    by_hash = dict(zip(hashes, transactions, strict=True))
    canonical = {
        number: header.hash if header else None for number, header in zip(numbers, headers, strict=True)
    }
    failures = []
    for i, part in enumerate(receipt.events):
        problem = _event_problem(part, by_hash[part.transaction], chain.contract_names)
        if problem is None and canonical[part.block] != part.block_hash:
            problem = f"block_hash: block {part.block} of this chain is {canonical[part.block]}"
        if problem is None and head.number - part.block < depth:
            problem = f"block: only {head.number - part.block} blocks deep, {depth} are wanted"
        if problem is not None:
            failures.append(f"events.{i}.{problem}")
    found.group(
        failures,
        f"each of the {len(receipt.events)} events is in the named transaction, from the named contract, "
        f"in a canonical block at least {depth} blocks deep",
    )


def _event_problem(
    part: EventPart, transaction: Mapping[str, Any] | None, names: Mapping[str, str]
) -> str | None:
    if transaction is None:
        return f"transaction: there is no transaction {part.transaction} on this chain"
    logs = [log for log in transaction["logs"] if as_int(log["logIndex"]) == part.index]
    event = decode(logs[0], names) if logs else None
    if event is None:
        return f"index: transaction {part.transaction} holds no log {part.index} of this deployment"
    for name, said, right in (
        ("contract", part.contract, event.contract),
        ("event", part.event, event.name),
        ("block", part.block, as_int(transaction["blockNumber"])),
        ("block_hash", part.block_hash, as_hex(transaction["blockHash"])),
    ):
        if said != right:
            return f"{name}: the receipt says {said}, the transaction {right}"
    return None


async def _against_chain(receipt: Receipt, chain: Chain, found: Findings) -> None:
    """The receipt that the chain itself gives for this task, leaf by leaf."""
    try:
        facts = await _facts(receipt, chain)
    except MLBridgeError as error:
        if not error.code.startswith("task."):
            raise
        found.failures.append(f"task.id: {error.message}")
        return
    true = assemble(facts)
    said = dict(leaves(json.loads(receipt.to_bytes())))
    right = dict(leaves(json.loads(true.to_bytes())))
    failures = [
        f"{path}: the receipt says {said.get(path, 'nothing')!r}, the chain {right.get(path, 'nothing')!r}"
        for path in sorted({*said, *right})
        if said.get(path, _MISSING) != right.get(path, _MISSING)
    ]
    found.group(
        failures, "every field is what the chain's own events, calldata and registry give, none left out"
    )
    if not failures:
        await _seeds(receipt, facts, chain, found)


_MISSING = object()


async def _facts(receipt: Receipt, chain: Chain) -> Facts:
    """What the chain says of the task, looked for from the first block named, else everywhere."""
    first = min((part.block for part in receipt.events), default=0)
    if first > chain.network.start_block:
        try:
            return await collect(chain, receipt.task_id, first_block=first)
        except MLBridgeError as error:
            if error.code != "task.unknown":
                raise
    return await collect(chain, receipt.task_id)


async def _seeds(receipt: Receipt, facts: Facts, chain: Chain, found: Findings) -> None:
    """Each draw's seed is the hash of the block that was named before anybody knew it."""
    armed: dict[int, int] = {}
    redraws: dict[int, int] = {}
    checked = True
    for event in facts.events:
        if event.name in ("TaskSubmitted", "TaskEscalated", "RandomnessArmed"):
            armed[event.args.get("round", 0) if event.name != "TaskSubmitted" else 0] = event.args[
                "randomnessBlock"
            ]
        elif event.name == "SeatsVacated":
            redraws[event.args["round"]] = redraws.get(event.args["round"], 0) + 1
        elif event.name == "CommitteeDrawn" and any(event.args["seed"]):
            index = event.args["round"]
            header = await chain.header(armed[index])
            expected = hashing.draw_seed(
                raw(header.hash if header else "0x" + "0" * 64), receipt.task_id, index, redraws.get(index, 0)
            )
            checked = checked and expected == event.args["seed"]
    if checked:
        found.proved.append("every draw used the hash of a block that was fixed before its hash was known")
    else:
        found.not_proved.append(
            "that every draw used the hash of its randomness block (a development chain that was restarted "
            "answers with other hashes than its headers)"
        )
    found.not_proved.append(
        "that the seats follow from the seeds: that takes the stake pools of the time "
        "(the TaskManager drew them)"
    )


async def _stored(receipt: Receipt, store: ContentStore | None, found: Findings) -> None:
    """What the CIDs name: manifest, input, result."""
    if store is None:
        found.not_proved.append("what the manifest's CID holds: give a content store to check it")
        return
    try:
        manifest = Manifest.from_bytes(await store.get(receipt.model.manifest_cid))
    except MLBridgeError as error:
        found.not_proved.append(f"what the manifest's CID holds: {error.message}")
    else:
        same = (manifest.exec_class_id, manifest.policy) == (
            raw(receipt.model.exec_class),
            receipt.model.policy,
        )
        if found.expect(
            same, "model.manifest_cid: the manifest names another execution class or policy than the chain"
        ):
            found.proved.append(f"the manifest ({manifest.name} {manifest.version}) pins what was to run")
    await _payload("input", [raw(receipt.task.input_data)], store, found)
    if receipt.result is not None:
        await _payload("result", contents(receipt.rounds, receipt.result.digest), store, found)


async def _payload(name: str, choices: list[bytes], store: ContentStore, found: Findings) -> None:
    """Whether a payload can still be had by one of these tagged bytes; the chain itself keeps inline ones."""
    problems, wrong = [], []
    for data in choices:
        try:
            parsed = content.parse(data)
            if isinstance(parsed, content.Inline):
                return
            payload = await store.get(parsed.cid)
        except MLBridgeError as error:
            problems.append(error.message)
            continue
        if hashing.payload_root(payload) == parsed.root:
            found.proved.append(f"the {name}'s payload in the store is the one named on chain")
            return
        wrong.append(f"{name}: the payload at {parsed.cid} has another hash")
    found.failures += wrong
    if problems:
        found.not_proved.append(f"that the {name}'s payload is still to be had: {'; '.join(problems)}")
