"""Dissents on record, and the steps of a case about one that anybody may take. See `contracts.summons`.

Each step looks first, and says whether it did anything, so that several callers do each other no harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from contracts import artifacts, reads, summons
from contracts.ballots import PanelBallot, ballot_of
from contracts.errors import ContractError
from contracts.lane import Lane
from contracts.reads import call
from contracts.sender import Sender
from contracts.summons import CaseStatus, DissentCase
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.protocol.disagreement import Attested
from mlbridge.protocol.evidence import Evidence, closed_set
from mlbridge.protocol.orders712 import Attestation, TaskOrder, commitments_root
from mlbridge.protocol.wire import Signed


@dataclass(frozen=True, slots=True)
class Dissent:
    """What an account attested (result) against a verdict; digests for the order, 32 bytes."""

    account: int
    verdict: bytes
    result: bytes


async def on_record(lane: Lane, order: bytes) -> list[Dissent]:
    """The dissents that were reported about an order."""
    events = await lane.events(artifacts.DISSENTS, "DissentReported", "0x" + order.hex())
    return [
        Dissent(event.args["account"], bytes(event.args["verdict"]), bytes(event.args["result"]))
        for event in events
    ]


async def open_case(
    lane: Lane, sender: Sender, evidence: Evidence, dissenter: int, payload: bytes, *, most: int
) -> None:
    """Allow the bond and have a panel judge the order. most: MLB (18 decimals) to pay at most.

    Raises MLBridgeError `dissent.bond_too_high`, ContractError.
    """
    await _allow_bond(lane, sender, most)
    await summons.open_case(lane, sender, evidence, dissenter, payload)


async def open_split(
    lane: Lane, sender: Sender, order: TaskOrder, attested: Attested, payload: bytes, *, most: int
) -> None:
    """As `open_case`, for an order that came to no verdict because its seats disagreed."""
    await _allow_bond(lane, sender, most)
    await summons.open_split(lane, sender, order, attested, payload)


async def _allow_bond(lane: Lane, sender: Sender, most: int) -> None:
    bond = await summons.case_bond(lane)
    if bond > most:
        raise MLBridgeError(
            "dissent.bond_too_high",
            f"The bond is {bond} units of 10^-18 MLB now, more than your limit of {most}.",
            hint="Raise the limit: --max-bond (most= in code).",
            exit_code=4,
            bond=bond,
        )
    token, spender = lane.chain.token.functions, lane.addresses.dissent_cases
    if int(await call(token.allowance(sender.address, spender))) < bond:
        await sender.send(token.approve(spender, bond))


async def rule(lane: Lane, sender: Sender, order: bytes) -> bool:
    """Say what the panel of an order's case found, as its events tell it. False: there was nothing to say.

    Raises MLBridgeError `dissent.no_ballot` where the node does not return the panel's events.
    """
    case = await summons.dissent_case(lane, order)
    if case.status is not CaseStatus.JUDGED:
        return False
    ballot = ballot_of(await reads.task_events(lane.chain, case.review_id))
    shown = None if ballot is None else ballot.shown(case.winner)
    if ballot is None or shown is None:
        raise MLBridgeError(
            "dissent.no_ballot",
            f"The node does not return what the panel 0x{case.review_id.hex()} opened.",
            hint="Use a node that keeps every event since the deployment.",
        )
    return await _done(_ruled(lane, sender, order, ballot, content.parse(shown).root))


async def _ruled(lane: Lane, sender: Sender, order: bytes, ballot: PanelBallot, root: bytes) -> None:
    accounts, values, revealed = ballot.as_tuple()
    await summons.rule(lane, sender, order, root, accounts=accounts, values=values, revealed=revealed)


async def condemn_reported(lane: Lane, sender: Sender, order: bytes) -> list[int]:
    """Have every account slashed whose dissent is on record and differs from a ruling; those that were."""
    case = await summons.dissent_case(lane, order)
    if not any(case.truth):
        return []
    wrong = {one.account for one in await on_record(lane, order) if one.result != case.truth}
    left = sorted(wrong - await condemned(lane, order))
    return [one for one in left if await _done(summons.condemn_reported(lane, sender, order, one))]


async def condemn_attested(lane: Lane, sender: Sender, evidence: Evidence) -> list[int]:
    """The same for whoever attested the verdict of some evidence, if a ruling contradicts it."""
    order = evidence.order.digest(lane.domain)
    return await _condemn(lane, sender, order, attestations(evidence, order))


async def condemn_known(lane: Lane, sender: Sender, order: bytes, attested: Attested) -> list[int]:
    """The same for whoever attested any of this, on record or not."""
    return await _condemn(lane, sender, order, attested)


async def condemn_shown(lane: Lane, sender: Sender, order: bytes) -> list[int]:
    """The same for whoever a case was opened with because the seats disagreed."""
    if not any((await summons.dissent_case(lane, order)).truth):
        return []
    return await _condemn(lane, sender, order, await shown(lane, order))


async def shown(lane: Lane, order: bytes) -> Attested:
    """What seats attested with which a case was opened because they disagreed; nothing for other cases."""
    events = await lane.events(artifacts.DISSENT_CASES, "SplitShown", "0x" + order.hex())
    return tuple(
        Signed(Attestation(bytes(of), account, bytes(result), bytes(salt), bytes(root)), bytes(signature))
        for event in events[-1:]
        for (of, account, result, salt, root), signature in zip(
            event.args["attestations"], event.args["signatures"], strict=True
        )
    )


async def _condemn(
    lane: Lane, sender: Sender, order: bytes, attested: Iterable[Signed[Attestation]]
) -> list[int]:
    case = await summons.dissent_case(lane, order)
    if not any(case.truth):
        return []
    wrong = [one for one in attested if one.message.result != case.truth]
    before = await condemned(lane, order) if wrong else set()
    left = [one for one in wrong if one.message.account not in before]
    return [one.message.account for one in left if await _done(summons.condemn(lane, sender, one))]


def attestations(evidence: Evidence, order: bytes) -> Iterable[Signed[Attestation]]:
    """What the seats of some evidence signed. order: its digest."""
    root = commitments_root(closed_set(evidence, order))
    for seat in evidence.seats:
        if seat.signature:
            message = Attestation(order, seat.account, evidence.result, seat.word, root)
            yield Signed(message, seat.signature)


async def condemned(lane: Lane, order: bytes) -> set[int]:
    """Accounts that were slashed for a wrong result of an order."""
    events = await lane.events(artifacts.DISSENT_CASES, "AttestedWrongly", "0x" + order.hex())
    return {int(event.args["account"]) for event in events}


async def conclude(lane: Lane, sender: Sender, order: bytes, now: float) -> bool:
    """Deal with a case's bond, if that can be done at `now` (the chain's unix seconds)."""
    if not can_conclude(await summons.dissent_case(lane, order), now):
        return False
    return await _done(summons.conclude(lane, sender, order))


def can_conclude(case: DissentCase, now: float) -> bool:
    """Whether a case's bond can be dealt with now, as DissentCases.conclude decides it."""
    if case.status is CaseStatus.UNDECIDED:
        return True
    if case.status is CaseStatus.RULED and case.taken >= case.bond:
        return True
    return case.status in (CaseStatus.JUDGED, CaseStatus.RULED) and now >= case.until


# Somebody else was faster.
_OVER = frozenset({"WrongDissentStatus", "AlreadyProvenFault"})


async def _done(step: Awaitable[None]) -> bool:
    try:
        await step
    except ContractError as error:
        if error.name not in _OVER:
            raise
        return False
    return True
