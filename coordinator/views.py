"""Tasks as clients see them: JSON with amounts in wei as decimal strings and times in unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coordinator.events import TaskEvent
from coordinator.outbox import Submission
from coordinator.task import RoundState, SeatState, TaskState
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, encoding, hashing, payload
from mlbridge.protocol.types import Fault, RoundKind, TaskStatus
from mlbridge.storage import ContentStore

BASIS = 10_000
UNREADABLE = ("content.bad_reference", "content.bad_cid")


def task_view(state: TaskState) -> dict[str, Any]:
    """What is known of a task."""
    return {
        "task_id": state.task_id,
        "status": state.status.name.lower(),
        "ended": state.status.terminal,
        "review": state.review,
        "requester": state.requester,
        "model_id": state.model_id,
        "payment_wei": str(state.reward),
        "cost_wei": str(max(0, state.reward - state.refunded)) if state.status.terminal else None,
        "deadline": state.deadline,
        "submitted_at": state.submitted_at,
        "finished_at": state.finished_at,
        "phase_deadline": state.phase_deadline,
        "randomness_block": state.randomness_block,
        "confidence": None if state.confidence is None else state.confidence / BASIS,
        "digest": state.digest,
        "delivered_by": state.delivered_account,
        "winners": list(state.winners),
        "refunded_wei": str(state.refunded),
        "reason": state.reason or None,
        "tips_wei": str(state.tips),
        "rounds": [_round_view(item) for item in state.rounds],
        "slashes": [
            {
                "account": slash.account,
                "fault": Fault(slash.fault).name.lower(),
                "amount_mlb_base": str(slash.amount),
                "restored": slash.restored,
            }
            for slash in state.slashes
        ],
    }


def _round_view(item: RoundState) -> dict[str, Any]:
    return {
        "number": item.number,
        "kind": RoundKind(item.kind).name.lower(),
        "judges": item.judges,
        "draws": item.draws,
        "commit_deadline": item.commit_deadline,
        "reveal_deadline": item.reveal_deadline,
        "passed": item.passed,
        "dissent": item.dissent,
        "confidence": None if item.confidence is None else item.confidence / BASIS,
        "seats": [_seat_view(seat) for seat in item.seats],
    }


def _seat_view(seat: SeatState) -> dict[str, Any]:
    return {
        "account": seat.account,
        "weight": seat.weight,
        "committed": seat.commitment is not None,
        "revealed": seat.value is not None,
        "faulty": seat.faulty,
    }


def submission_view(submission: Submission) -> dict[str, Any]:
    """How far a submission has come on its way to the chain."""
    return {
        "idempotency_key": submission.key,
        "status": submission.status,
        "attempts": submission.attempts,
        "tx_hash": submission.tx_hash,
        "error": None
        if submission.error is None
        else {"code": submission.error_code, "message": submission.error},
    }


def waiting_view(submission: Submission) -> dict[str, Any]:
    """A submission whose task the chain does not know yet, in the shape of `task_view`."""
    failed = submission.status == "failed"
    return {
        "task_id": submission.task_id,
        "status": "failed" if failed else "queued",
        "ended": failed,
        "model_id": submission.model_id,
        "payment_wei": str(submission.payment),
        "deadline": submission.deadline,
        "submission": submission_view(submission),
    }


async def result_view(
    state: TaskState, events: Sequence[TaskEvent], storage: ContentStore | None, kind: str | None
) -> dict[str, Any] | None:
    """The delivered result of a finalized task: payload as hex, decoded output, or where it is kept. A review
    delivers none.

    kind: of the model's outputs; unknown: the output is shown as the plain map that it encodes.
    """
    if state.status is not TaskStatus.FINALIZED or state.review:
        return None
    # One digest is one payload: whoever opened it serves, who carries the payload before who points to it.
    openings = dict.fromkeys(
        event.args["result"]
        for event in events
        if event.name == "ResultRevealed" and event.args["digest"] == state.digest
    )
    problems: list[MLBridgeError] = []
    for opened in sorted(openings, key=lambda opened: not opened.startswith("0x00")):
        try:
            return await _readable(bytes.fromhex(opened[2:]), storage, kind)
        except MLBridgeError as error:
            problems.append(error)
    missing = MLBridgeError("result.missing", "Its opening was not among the events.")
    # a pointer that may come back to life says more than one that nobody can read
    problem = min(problems, key=lambda error: error.code in UNREADABLE, default=missing)
    return {"error": {"code": problem.code, "message": problem.message}}


async def _readable(data: bytes, storage: ContentStore | None, kind: str | None) -> dict[str, Any]:
    found = content.parse(data)
    if isinstance(found, content.Inline):
        return _shown(found.payload, None, kind)
    if storage is None:
        return {"cid": found.cid, "payload": None, "output": None}
    payload = await storage.get(found.cid)
    if hashing.payload_root(payload) != found.root:
        raise MLBridgeError("result.corrupt", f"What is kept at {found.cid} is not the result.")
    return _shown(payload, found.cid, kind)


def _shown(data: bytes, cid: str | None, kind: str | None) -> dict[str, Any]:
    return {"cid": cid, "payload": "0x" + data.hex(), "output": _output(data, kind)}


def _output(data: bytes, kind: str | None) -> Any:
    if kind is None:
        return _json(encoding.decode(data))
    found = payload.decode_output(kind, data)
    if isinstance(found, payload.EmbeddingOutput):
        return {"embedding": list(found.vector)}
    return found.model_dump(mode="json")


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value
