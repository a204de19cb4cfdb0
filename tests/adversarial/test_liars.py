"""A liar in the committee: the right answer wins, the liar pays, the honest earn; read from the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts import reads
from contracts.chain import Chain
from contracts.reads import TaskInfo
from contracts.reserves import dispute_reserve
from contracts.sender import Sender
from mlbridge.protocol.payload import ClassificationOutput
from mlbridge.protocol.types import Role
from mlbridge.sdk import TaskResult
from tests.support.seats import (
    FAST,
    MLB,
    Script,
    ScriptedMember,
    acting,
    honest_label,
    make_member,
    make_members,
    next_epoch,
    register_model,
    wrong_label,
)
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration

HONEST = 6
LIAR_MLB = 20_000_000  # so heavy that a draw without it is all but impossible
BAND = (1_000, 5_000)  # basis points: incorrect, and unopened alike


@dataclass
class Copier(ScriptedMember):
    """Hands in another's commitment as its own, and later tries the other's opening."""

    copied: dict[bytes, int] = field(default_factory=dict)

    async def _commit(self, task: TaskInfo) -> None:
        for event in await reads.task_events(self.chain, task.id):
            if event.name == "ResultCommitted" and event.args["account"] != self.account:
                await self._send(self.chain.bridge.functions.commitResult(task.id, event.args["commitment"]))
                self.copied[task.id] = event.args["account"]
                return

    async def _reveal(self, task: TaskInfo) -> None:
        for event in await reads.task_events(self.chain, task.id):
            if event.name == "ResultRevealed" and event.args["account"] == self.copied[task.id]:
                sent = await self.chain.w3.eth.get_transaction(event.tx_hash)
                _, arguments = self.chain.bridge.decode_function_input(sent["input"])
                await self._send(
                    self.chain.bridge.functions.submitResult(task.id, arguments["result"], arguments["proof"])
                )
                return


@dataclass
class Leaver(ScriptedMember):
    """Lies, and asks for its stake back as soon as it has committed."""

    left: bool = False

    async def _commit(self, task: TaskInfo) -> None:
        await super()._commit(task)
        if not self.left:
            self.left = True
            bonded = await reads.stake_of(self.chain, self.operator.address, Role.COMPUTE)
            await Sender(self.chain, self.operator, FAST).send(
                self.chain.distributor.functions.requestUnbond(int(Role.COMPUTE), bonded)
            )


@dataclass(frozen=True)
class Scene:
    """What one task with one liar came to."""

    model: bytes
    result: TaskResult
    liar: ScriptedMember
    honest: Sequence[ScriptedMember]
    staked: int
    reserve: int
    supply: int
    earned: dict[int, int]

    @property
    def lost(self) -> int:
        """MLB taken from the liar, by the receipt."""
        return sum(s.amount for s in self.result.receipt.payment.slashes if s.account == self.liar.account)


async def play(
    chain: Chain, treasury: Sender, script: Script, kind: type[ScriptedMember] = ScriptedMember
) -> Scene:
    """One task whose committee holds the liar and two honest members; the other honest ones may judge."""
    model = await register_model(chain, treasury)
    honest = await make_members(chain, treasury, model, [Script()] * HONEST)
    liar = await make_member(chain, treasury, [model], mlb=LIAR_MLB, script=script)
    liar = kind(chain, liar.operator, liar.node, liar.account, script)
    await next_epoch(chain)
    staked = await total(chain, liar)
    reserve = await dispute_reserve(chain, model)
    supply = int(await reads.call(chain.token.functions.totalSupply()))
    async with client_for(chain) as client, acting([*honest, liar]):
        handle = await client.submit(model, IMAGE)
        result = await handle.wait(90)
        report = await client.verify(result.receipt)
    assert report.failures == []
    seats = [seat.account for part in result.receipt.rounds for seat in part.seats]
    vacated = [slash.account for slash in result.receipt.payment.slashes]
    assert liar.account in seats + vacated, "the liar was not drawn"
    earned = {
        member.account: (await reads.claimable(chain, member.operator.address))[0]
        for member in [*honest, liar]
    }
    return Scene(model, result, liar, honest, staked, reserve, supply, earned)


async def total(chain: Chain, member: ScriptedMember) -> int:
    """Bonded and unbonding MLB of a member."""
    found = await reads.get_account(chain, member.account)
    return found.bonded + found.unbonding


async def check_the_outcome(chain: Chain, scene: Scene, band: tuple[int, int], fault: str) -> None:
    """Right answer, guilty punished within the band, nobody else punished, honest first seats paid."""
    payload = honest_label_of()
    assert isinstance(scene.result.output, ClassificationOutput)
    assert scene.result.payload == payload
    assert scene.staked - await total(chain, scene.liar) == scene.lost
    slashes = scene.result.receipt.payment.slashes
    assert [(slash.account, slash.fault) for slash in slashes] == [(scene.liar.account, fault)]
    assert band[0] <= scene.lost * 10_000 // scene.staked <= band[1]
    for member in scene.honest:
        assert await total(chain, member) == 50_000 * MLB
    winners = scene.result.receipt.payment.winners
    fee = scene.result.receipt.payment.seat_fee
    assert winners
    assert scene.liar.account not in winners
    assert scene.earned[scene.liar.account] == 0
    for account in winners:
        assert scene.earned[account] == fee > 0
    # What was taken went to the dispute reserve and was burned; nobody who judged gained by the verdict.
    judges = await dispute_reserve(chain, scene.model) - scene.reserve
    burned = scene.supply - int(await reads.call(chain.token.functions.totalSupply()))
    fees = sum(fee.amount for fee in scene.result.receipt.payment.judge_fees)
    assert burned + judges + fees == scene.lost


def honest_label_of() -> bytes:
    """What honest members answer to IMAGE."""
    from mlbridge.sdk.inputs import to_payload

    return honest_label(to_payload(IMAGE, "classification"))


JUDGED: list[tuple[str, Any, type[ScriptedMember], str]] = [
    ("a wrong result", Script(result=wrong_label), ScriptedMember, "incorrect"),
    ("a copied commitment", Script(), Copier, "unopened"),
    ("a commitment never opened", Script(reveal="no"), ScriptedMember, "unopened"),
    ("an opening of something else", Script(reveal="wrong"), ScriptedMember, "unopened"),
    ("a wrong result and a request to unbond", Script(result=wrong_label), Leaver, "incorrect"),
]


@pytest.mark.parametrize(
    ("script", "kind", "fault"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED]
)
async def test_judges_find_for_the_honest_and_the_liar_pays(
    chain: Chain, treasury: Sender, script: Script, kind: type[ScriptedMember], fault: str
) -> None:
    scene = await play(chain, treasury, script, kind)
    assert len(scene.result.receipt.rounds) == 2, "judges must have decided"
    await check_the_outcome(chain, scene, BAND, fault)


async def test_a_silent_member_is_replaced_before_any_reveal_and_pays_for_its_absence(
    chain: Chain, treasury: Sender
) -> None:
    scene = await play(chain, treasury, Script(commit=False))
    assert len(scene.result.receipt.rounds) == 1, "nobody dissented, so nobody judged"
    assert scene.result.confidence == 1
    assert len(scene.result.receipt.payment.winners) == 3
    await check_the_outcome(chain, scene, (500, 500), "absent")


async def test_what_a_liar_loses_exceeds_what_it_could_earn(chain: Chain, treasury: Sender) -> None:
    # Even the smallest slash is far above a seat fee, in any price of MLB that makes stakes worth having.
    scene = await play(chain, treasury, Script(result=wrong_label))
    assert scene.lost * 10 >= scene.staked
    assert scene.result.receipt.payment.refund >= scene.result.receipt.payment.seat_fee


async def test_members_act_at_the_same_time_without_disturbing_each_other(
    chain: Chain, treasury: Sender
) -> None:
    model = await register_model(chain, treasury)
    honest = await make_members(chain, treasury, model, [Script()] * 4)
    async with client_for(chain) as client, acting(honest):
        handles = [await client.submit(model, IMAGE) for _ in range(4)]
        results = await asyncio.gather(*(handle.wait(90) for handle in handles))
    assert {result.payload for result in results} == {honest_label_of()}
    assert all(len(result.receipt.payment.winners) == 3 for result in results)
