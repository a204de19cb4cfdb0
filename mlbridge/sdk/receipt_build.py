"""Receipts from the chain alone: the task's events and the calldata of their transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from contracts import reads
from contracts.chain import Chain
from contracts.events import Event, as_hex
from contracts.network import Addresses
from contracts.reads import ModelInfo
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, hashing
from mlbridge.protocol.types import Fault, Policy, RoundKind
from mlbridge.sdk.receipt_model import (
    EventPart,
    JudgeFeePart,
    ModelPart,
    PaymentPart,
    Receipt,
    ResultPart,
    RoundPart,
    SeatPart,
    SlashPart,
    TaskPart,
    TipPart,
    VerdictPart,
)
from mlbridge.sdk.receipt_openings import cid_of, openings

REVIEW = "task.review"
"""Code of the error for a task that has no receipt because it is a review."""
TERMINAL = {"TaskFinalized": "finalized", "TaskRefunded": "refunded", "TaskCancelled": "cancelled"}


@dataclass(frozen=True)
class Facts:
    """What the chain says of one finished task.

    events: all up to the end of the transaction that ended it; calls: transaction hash -> (function name,
    arguments) of calls to MLBridge; operators: account -> address.
    """

    chain_id: int
    addresses: Addresses
    model: ModelInfo
    events: Sequence[Event]
    calls: Mapping[str, tuple[str, Mapping[str, Any]]]
    operators: Mapping[int, str]


async def build(chain: Chain, task_id: bytes, *, first_block: int | None = None) -> Receipt:
    """The receipt of a finished task. first_block: where to begin looking, default the deployment's first.

    Raises MLBridgeError `task.unknown`, `task.unfinished`, or `task.review` for a panel that judged something
    else and delivered nothing.
    """
    return assemble(await collect(chain, task_id, first_block=first_block))


async def collect(chain: Chain, task_id: bytes, *, first_block: int | None = None) -> Facts:
    """Ask the chain for everything a receipt is made of. Raises as `build`."""
    found = await reads.task_events(chain, task_id, first=first_block)
    if not any(event.name == "TaskSubmitted" for event in found):
        raise MLBridgeError(
            "task.unknown",
            f"There is no task 0x{task_id.hex()} on {chain.network.name}.",
            hint="Check the id and the network.",
            exit_code=5,
        )
    if is_review(found):
        raise MLBridgeError(
            REVIEW,
            f"The task 0x{task_id.hex()} is a review: its panel judges what another contract asked, "
            "and delivers no result, so it has no receipt.",
            hint="`mlbridge task show` says who asked; `mlbridge appeal show` tells of an appeal.",
        )
    events = up_to_end(found)
    if not events:
        raise MLBridgeError(
            "task.unfinished",
            f"The task 0x{task_id.hex()} has not ended, so there is no receipt yet.",
            hint="Wait for it, or poke it if a phase has run out.",
        )
    accounts = sorted({account for event in events for account in _accounts(event)})
    hashes = sorted({e.tx_hash for e in events if e.name in ("TaskSubmitted", "ResultRevealed")})
    submitted = _one(events, "TaskSubmitted")
    model, infos, calls = await asyncio.gather(
        reads.get_model(chain, submitted.args["modelId"]),
        asyncio.gather(*(reads.get_account(chain, account) for account in accounts)),
        asyncio.gather(*(_call(chain, tx_hash) for tx_hash in hashes)),
    )
    return Facts(
        chain_id=chain.chain_id,
        addresses=chain.addresses,
        model=model,
        events=events,
        calls={tx: call for tx, call in zip(hashes, calls, strict=True) if call is not None},
        operators={info.id: info.operator for info in infos},
    )


def is_review(events: Sequence[Event]) -> bool:
    """Whether a task's events are a review's: its judges were paid for in the transaction that opened it."""
    opened = {event.tx_hash for event in events if event.name == "TaskSubmitted"}
    return any(event.name == "JudgesEarmarked" and event.tx_hash in opened for event in events)


def up_to_end(events: Sequence[Event]) -> list[Event]:
    """The events up to the end of the transaction that ended the task; empty if it has not ended.

    What comes later, such as a slash for a contradiction, belongs to no receipt.
    """
    ends = [event for event in events if event.name in TERMINAL]
    if not ends:
        return []
    end = ends[0]
    last = max(event.order for event in events if event.tx_hash == end.tx_hash)
    return [event for event in events if event.order <= last]


def _accounts(event: Event) -> list[int]:
    listed = event.args.get("accounts", [])
    return [*listed, *([event.args["account"]] if "account" in event.args else [])]


async def _call(chain: Chain, tx_hash: str) -> tuple[str, Mapping[str, Any]] | None:
    """The call of MLBridge that a transaction is; None for one that goes through another contract."""
    raw = await chain.provider.request("eth_getTransactionByHash", [tx_hash])
    if raw is None or not raw.get("to") or to_checksum_address(raw["to"]) != chain.addresses.bridge:
        return None
    try:
        function, arguments = chain.bridge.decode_function_input(raw["input"])
    except ValueError:
        return None
    return function.fn_name, {**arguments, "_block": int(raw["blockNumber"], 16)}


def _one(events: Sequence[Event], name: str) -> Event:
    return next(event for event in events if event.name == name)


def assemble(facts: Facts) -> Receipt:
    """The receipt that these facts make. Pure."""
    submitted = _one(facts.events, "TaskSubmitted")
    end = next(event for event in facts.events if event.name in TERMINAL)
    status: Any = TERMINAL[end.name]
    rounds = tuple(_rounds(facts))
    return Receipt(
        chain_id=facts.chain_id,
        contracts=facts.addresses,
        model=_model(facts.model),
        task=_task(facts, submitted),
        status=status,
        rounds=rounds,
        result=_result(rounds, end) if status == "finalized" else None,
        payment=_payment(facts, end),
        events=tuple(_event(event) for event in facts.events),
    )


def _model(model: ModelInfo) -> ModelPart:
    return ModelPart(
        id=as_hex(model.id),
        provider=model.provider,
        manifest_cid=model.cid,
        exec_class=as_hex(model.exec_class),
        policy="numeric" if model.policy is Policy.NUMERIC else "exact",
    )


def _task(facts: Facts, submitted: Event) -> TaskPart:
    args = submitted.args
    name, call = facts.calls.get(submitted.tx_hash, ("", {}))
    salt: bytes | None = None
    if name == "submitTaskWith":
        salt = call["salt"]
    elif name == "submitTask":
        salt = hashing.submit_salt(submitted.block_number)
    return TaskPart(
        id=as_hex(args["taskId"]),
        requester=args["requester"],
        deadline=args["deadline"],
        payment=args["reward"],
        seats=args["seats"],
        salt=as_hex(salt) if salt is not None else None,
        input_data=as_hex(args["inputData"]),
        input_hash=as_hex(hashing.keccak(args["inputData"])),
        input_root=as_hex(content.root_of(args["inputData"])),
    )


def _rounds(facts: Facts) -> list[RoundPart]:
    drawn: dict[int, Event] = {}
    judges = {e.args["round"] for e in facts.events if e.name == "TaskEscalated"}
    for event in facts.events:
        if event.name == "CommitteeDrawn":
            drawn[event.args["round"]] = event
    return [_round(facts, drawn[index], index in judges) for index in sorted(drawn)]


def _round(facts: Facts, drawn: Event, judges: bool) -> RoundPart:
    index = drawn.args["round"]
    events = [event for event in facts.events if event.args.get("round") == index]
    by_name = {
        name: {event.args["account"]: event for event in events if event.name == name}
        for name in ("ResultCommitted", "ResultRevealed", "RevealFault")
    }
    closed = next((event for event in events if event.name == "RoundClosed"), None)
    seats = []
    for account, weight in zip(drawn.args["accounts"], drawn.args["weights"], strict=True):
        committed, revealed = by_name["ResultCommitted"].get(account), by_name["ResultRevealed"].get(account)
        state: Any = "silent"
        if account in by_name["RevealFault"]:
            state = "faulty"
        elif revealed is not None:
            state = "revealed"
        elif committed is not None:
            state = "committed"
        seats.append(
            SeatPart(
                account=account,
                operator=facts.operators[account],
                weight=weight,
                state=state,
                commitment=as_hex(committed.args["commitment"]) if committed else None,
                digest=as_hex(revealed.args["digest"]) if revealed else None,
                result=as_hex(revealed.args["result"]) if revealed else None,
                salt=_salt(facts, revealed),
            )
        )
    return RoundPart(
        index=index,
        kind="vote" if RoundKind(drawn.args["kind"]) is RoundKind.VOTE else "result",
        judges=judges,
        seed=as_hex(drawn.args["seed"]),
        seats=tuple(seats),
        replaced=tuple(a for e in events if e.name == "SeatsVacated" for a in e.args["accounts"]),
        verdict=_verdict(closed),
    )


def _salt(facts: Facts, revealed: Event | None) -> str | None:
    if revealed is None:
        return None
    name, call = facts.calls.get(revealed.tx_hash, ("", {}))
    if name != "submitResult" or call["result"] != revealed.args["result"]:
        return None
    return as_hex(call["proof"][:32])


def _verdict(closed: Event | None) -> VerdictPart | None:
    if closed is None:
        return None
    args = closed.args
    return VerdictPart(
        passed=args["passed"],
        dissent=args["dissent"],
        winner=as_hex(args["winner"]),
        confidence=args["confidence"],
    )


def _result(rounds: Sequence[RoundPart], end: Event) -> ResultPart:
    digest = as_hex(end.args["digest"])
    index, seat = openings(rounds, digest)[0]
    data = bytes.fromhex((seat.result or "0x")[2:])
    return ResultPart(
        digest=digest,
        payload_root=as_hex(content.root_of(data)),
        data=as_hex(data),
        cid=cid_of(data),
        account=seat.account,
        round=index,
        confidence=end.args["confidence"],
    )


def _payment(facts: Facts, end: Event) -> PaymentPart:
    def named(name: str) -> list[Mapping[str, Any]]:
        return [event.args for event in facts.events if event.name == name]

    settled: Mapping[str, Any] = next(iter(named("TaskSettled")), {})
    faults: tuple[Any, ...] = ("absent", "unopened", "incorrect", "malicious")
    return PaymentPart(
        model_fee=settled.get("modelFee", 0),
        protocol_fee=settled.get("protocolFee", 0),
        seat_fee=settled.get("seatFee", 0),
        winners=tuple(settled.get("winners", ())),
        refund=settled.get("refund", end.args.get("amount", 0)),
        reason=end.args.get("reason"),
        tips=tuple(TipPart(to=args["to"], amount=args["amount"]) for args in named("TipPaid")),
        judge_fees=tuple(
            JudgeFeePart(account=args["account"], amount=args["amount"]) for args in named("JudgePaid")
        ),
        slashes=tuple(
            SlashPart(
                account=args["account"],
                fault=faults[Fault(args["fault"])],
                amount=args["amount"],
                basis_points=args["basisPoints"],
            )
            for args in named("Slashed")
        ),
    )


def _event(event: Event) -> EventPart:
    return EventPart(
        event=event.name,
        contract=event.contract,
        transaction=event.tx_hash,
        block=event.block_number,
        block_hash=event.block_hash,
        index=event.log_index,
    )
