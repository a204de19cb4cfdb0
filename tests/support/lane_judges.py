"""A case about an order of the channel lane, taken by its panel to a ruling."""

from __future__ import annotations

from collections.abc import Sequence

from contracts import summons
from contracts.lane import Lane
from contracts.reads import task_events
from contracts.sender import Sender
from mlbridge.protocol.hashing import keccak
from tests.support.lane import LaneRig
from tests.support.seats import FAST, ScriptedMember, acting, until


async def ballot(lane: Lane, review: bytes) -> tuple[list[int], list[bytes], int]:
    """Who sat on a review's panel, what each revealed and which of them did, from its events."""
    events = await task_events(lane.chain, review)
    accounts = next(list(e.args["accounts"]) for e in events if e.name == "CommitteeDrawn")
    said = {e.args["account"]: e.args["digest"] for e in events if e.name == "ResultRevealed"}
    values = [bytes(said.get(account, bytes(32))) for account in accounts]
    return accounts, values, sum(1 << i for i, account in enumerate(accounts) if account in said)


async def agreed(
    rig: LaneRig, judges: Sequence[ScriptedMember], order: bytes
) -> tuple[list[int], list[bytes], int]:
    """Let judges and members act until the panel of an open case agrees; who it was, as `ballot` has it."""
    lane, chain = rig.lane, rig.chain
    review = (await summons.dissent_case(lane, order)).review_id
    for _ in range(3):
        await rig.warp(1)
    await Sender(chain, judges[0].node, FAST).send(chain.tasks.functions.assign(review))

    async def is_judged() -> bool:
        return (await summons.dissent_case(lane, order)).status is summons.CaseStatus.JUDGED

    async with acting([*judges, *rig.members]):
        await until(is_judged)
    return await ballot(lane, review)


async def judged(rig: LaneRig, judges: Sequence[ScriptedMember], order: bytes, output: bytes) -> list[int]:
    """As `agreed`, until the case has its ruling; the panel. output: what it agrees on."""
    accounts, values, revealed = await agreed(rig, judges, order)
    await summons.rule(
        rig.lane, rig.treasury, order, keccak(output), accounts=accounts, values=values, revealed=revealed
    )
    return accounts
