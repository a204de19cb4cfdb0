"""Check a channel receipt: at once without any chain, and on the chain once a batch holds its order."""

from __future__ import annotations

from contracts.errors import ContractError
from contracts.laneview import LaneView
from contracts.reads import call
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import Facts, Outcome, closed_set, prove
from mlbridge.protocol.exchange import result_of
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.merkle import root_of
from mlbridge.protocol.orders712 import Attestation, commitments_root
from mlbridge.protocol.signatures import recover
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.sdk.lane_accept import confidence_of
from mlbridge.sdk.lane_proof import Stage, standing
from mlbridge.sdk.lane_receipt import LaneReceipt, cost_part, header_of, leaf_of, outcome_of, raw
from mlbridge.sdk.receipt_checks import Findings
from mlbridge.sdk.receipt_verify import ALWAYS_OPEN, VerificationReport

NO_CHAIN = (
    "that the seed and the weights in the receipt are those of the chain",
    "that each node key is bound to the operator of its seat",
    "that the channel exists and was opened under these terms",
    "that the order's money moved",
)


def verify_offline(receipt: LaneReceipt) -> VerificationReport:
    """What the receipt proves by itself, given the seed and weights that it names."""
    found = Findings()
    _own(receipt, found)
    found.not_proved += NO_CHAIN
    return _report(found)


async def verify_receipt(receipt: LaneReceipt, view: LaneView) -> VerificationReport:
    """The same, and everything in it against the chain. Raises what a read of the chain raises."""
    await view.refresh()
    found = Findings()
    if receipt.chain_id != view.lane.chain.chain_id or receipt.channels != view.lane.addresses.channels:
        found.failures.append(
            f"channels: the receipt is for {receipt.channels} on chain {receipt.chain_id}, this is "
            f"{view.lane.addresses.channels} on chain {view.lane.chain.chain_id}"
        )
        return _report(found)
    _own(receipt, found)
    await _draw(receipt, view, found)
    await _evidence(receipt, view, found)
    await _money(receipt, view, found)
    return _report(found)


def _report(found: Findings) -> VerificationReport:
    found.not_proved += ALWAYS_OPEN
    return VerificationReport(not found.failures, found.proved, found.not_proved, found.failures)


# ---- without a chain ----


def _own(receipt: LaneReceipt, found: Findings) -> None:
    order, terms, digest = receipt.task_order(), receipt.channel_terms(), receipt.digest
    if terms.channel() != order.channel:
        found.failures.append("order.channel: it is not the channel of these terms")
    if _signer(digest, receipt.order.signature) != receipt.terms.requester:
        found.failures.append(f"order.signature: {receipt.terms.requester} did not sign the order")
    else:
        found.proved.append(f"{receipt.terms.requester} signed the order 0x{digest.hex()}")
    _committee(receipt, found)
    _attestations(receipt, found)
    if receipt.answer.payload is not None:
        payload = raw(receipt.answer.payload)
        if result_of(receipt.domain, digest, payload) != raw(receipt.result):
            found.failures.append("answer.payload: it is not what the seats attested")
        else:
            found.proved.append("the answer is the one that the seats attested")
        if payload_root(payload) != raw(receipt.answer.root):
            found.failures.append("answer.root: it is not of the payload")
    else:
        found.not_proved.append(f"the answer itself: it lies at {receipt.answer.cid}")
    outcome = _outcome(receipt, found)
    if receipt.batch is not None and outcome is not None:
        _place(receipt, found)


def _committee(receipt: LaneReceipt, found: Findings) -> None:
    snapshots = _given(receipt)
    try:
        drawn = seated(receipt.task_order(), raw(receipt.snapshot.seed), snapshots)
    except MLBridgeError as error:
        found.failures.append(f"snapshot.weights: {error.message}")
        return
    named = [seat.account for seat in receipt.seats]
    if drawn != named:
        found.failures.append(f"seats: the seed draws the accounts {drawn}, not {named}")
    else:
        found.proved.append(f"seed and weights draw exactly the committee {', '.join(map(str, drawn))}")


def _attestations(receipt: LaneReceipt, found: Findings) -> None:
    evidence, digest = receipt.evidence(), receipt.digest
    root = commitments_root(closed_set(evidence, digest))
    for place, (seat, part) in enumerate(zip(evidence.seats, receipt.seats, strict=True)):
        if (part.signature is None) != (part.node is None):
            found.failures.append(f"seats.{place}.node: a seat with a signature has a node, others none")
        if part.signature is None:
            continue
        said = Attestation(digest, seat.account, evidence.result, seat.word, root).digest(receipt.domain)
        if _signer(said, part.signature) != part.node:
            found.failures.append(f"seats.{place}.signature: {part.node} did not sign this attestation")
        else:
            found.proved.append(f"{part.node} attested the result for account {seat.account}")


def _outcome(receipt: LaneReceipt, found: Findings) -> Outcome | None:
    nodes = {part.node: part.account // 2 for part in receipt.seats if part.node is not None}
    facts = Facts(receipt.domain, _given(receipt), nodes)
    try:
        outcome = prove(receipt.evidence(), facts)
    except MLBridgeError as error:
        found.failures.append(f"seats: {error.message}")
        return None
    found.proved.append("the attestations are a verdict: 70 % of the weight, two thirds of the seats")
    confidence = confidence_of(receipt.evidence(), facts.snapshots)
    if confidence != receipt.confidence:
        found.failures.append(f"confidence: it is {confidence}, not {receipt.confidence}")
    if cost_part(outcome) != receipt.cost:
        found.failures.append("cost: it is not what these attestations pay")
    else:
        found.proved.append(f"it costs {outcome.debit} wei, at most {receipt.order.max_fee}")
    return outcome


def _place(receipt: LaneReceipt, found: Findings) -> None:
    batch = receipt.batch
    if batch is None:
        return
    leaf, header, order = leaf_of(batch.leaf), header_of(batch.header), receipt.task_order()
    outcome = outcome_of(batch.cost, receipt.digest, receipt.snapshot.provider)
    if leaf.key != (order.channel, order.sequence):
        found.failures.append("batch.leaf: it is of another order")
    elif leaf.outcome != outcome.hash() or leaf.debit != outcome.debit:
        found.failures.append("batch.cost: the leaf says something else")
    elif leaf.debit > order.max_fee:
        found.failures.append(f"batch.leaf.debit: {leaf.debit} wei are more than the order allows")
    elif root_of(leaf.hash(), [raw(item) for item in batch.path]) != header.task_root:
        found.failures.append("batch.path: it does not lead from the leaf to the batch's root")
    else:
        found.proved.append(
            f"leaf {leaf.index} of batch 0x{header.batch_id().hex()} charges {leaf.debit} wei for the order"
        )


def _given(receipt: LaneReceipt) -> Snapshots:
    """The snapshot as the receipt tells it."""
    order, snapshot, told = receipt.order, Snapshots(), receipt.snapshot
    model = raw(order.model_id)
    for part in told.weights:
        snapshot.record_weight(model, part.account, order.epoch, part.weight)
    snapshot.record_model(model, order.epoch, told.provider, told.price)
    return snapshot


def _signer(digest: bytes, signature: str) -> str | None:
    try:
        return recover(digest, raw(signature))
    except MLBridgeError:
        return None


# ---- with a chain ----


async def _draw(receipt: LaneReceipt, view: LaneView, found: Findings) -> None:
    order, told = receipt.order, receipt.snapshot
    model = raw(order.model_id)
    if await view.seed(order.epoch) != raw(told.seed):
        found.failures.append(f"snapshot.seed: the chain has another seed for epoch {order.epoch}")
    snapshots = view.facts.snapshots
    named = {part.account: part.weight for part in told.weights if part.weight}
    if named != snapshots.weights(model, order.epoch):
        found.failures.append(f"snapshot.weights: the chain has others for epoch {order.epoch}")
    terms = snapshots.terms(model, order.epoch)
    if terms is None or (terms.price, terms.provider) != (told.price, told.provider):
        found.failures.append("snapshot.price: the chain has another price or provider for the model")
    if not found.failures:
        found.proved.append(f"seed, weights and price are those of epoch {order.epoch} on the chain")


async def _evidence(receipt: LaneReceipt, view: LaneView, found: Findings) -> None:
    evidence = receipt.evidence()
    try:
        if await view.terms(evidence.order.channel) != evidence.terms:
            found.failures.append("terms: the channel was opened under others")
        await call(view.lane.channels.functions.check(evidence.as_tuple()))
    except ContractError as error:
        found.failures.append(f"seats: PaymentChannels.check refuses them: {error.message}")
        return
    except MLBridgeError as error:
        if error.code != "channel.unknown":
            raise
        found.failures.append("terms: there is no such channel on the chain")
        return
    found.proved.append("PaymentChannels.check takes order, keys and attestations as evidence")


async def _money(receipt: LaneReceipt, view: LaneView, found: Findings) -> None:
    where = await standing(receipt, view.lane, view.now())
    name = "" if where.batch is None else f"batch 0x{where.batch.hex()}"
    told = None if receipt.batch is None else receipt.batch.final_at
    match where.stage:
        case Stage.OPEN | Stage.PASSED:
            done = "it is not settled yet" if where.stage is Stage.OPEN else "its sequence is done with"
            found.not_proved.append(
                f"that the order is final: the receipt names no batch, and {done} on the chain"
            )
        case Stage.ALONE:
            found.proved.append(f"the order settled by itself on the chain, for {where.debit} wei")
        case Stage.UNKNOWN:
            found.failures.append("batch.header: the chain knows no such batch")
        case Stage.VOID:
            found.not_proved.append(
                f"that the order is final: {name} was voided, and its channel got it back"
            )
        case Stage.STRUCK:
            found.not_proved.append(
                f"that the order is final: its leaf in {name} was struck, and its channel got it back"
            )
        case Stage.POSTED:
            found.proved.append(f"the answer is final: its {name} is on the chain")
            found.not_proved.append(f"that payouts stand: the batch can be challenged until {where.final_at}")
        case Stage.FINAL:
            found.proved.append(f"the answer is final, and {name} that pays it cannot be challenged any more")
    if told is not None and where.final_at is not None and told > where.final_at:
        found.failures.append(f"batch.final_at: the chain says {where.final_at}")
