"""An operator whom judges ruled against sees its slash, appeals by command, and gets what it is due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts import keystore, reads
from contracts.anvil import dev_account
from contracts.appeals import Appeals
from contracts.chain import Chain
from contracts.deploy import MLB
from contracts.network import save
from contracts.reserves import dispute_reserve
from contracts.sender import Sender
from contracts.slashes import Slashes
from mlbridge.protocol.types import Fault, Policy
from tests.support.command import Said, Say
from tests.support.providers import ended
from tests.support.reviewed import (
    WINDOW,
    Condemned,
    condemned,
    panel_for,
    reviewed_chain,
    stake_of,
)
from tests.support.seats import FAST, Script, acting, fund, until
from tests.support.tasks import FAR, HONEST, LIAR, NEAR, TEXT

pytestmark = pytest.mark.integration
PASSWORD = "open sesame"


@pytest.fixture
async def court() -> AsyncIterator[Chain]:
    async with reviewed_chain() as chain:
        yield chain


@pytest.fixture
def bank(court: Chain) -> Sender:
    return Sender(court, dev_account(0), FAST)


@dataclass
class Operator:
    """The slashed operator at its terminal."""

    say: Say
    chain: Chain
    loser: Condemned
    folder: Path

    def __post_init__(self) -> None:
        self.network = save(self.chain.network, self.folder / "network.yaml")
        (self.folder / "password").write_text(PASSWORD)
        keystore.create(self.folder / "operator.json", PASSWORD, self.loser.member.operator, rounds=2)

    async def does(self, *arguments: str) -> Said:
        """With its own key."""
        key = ("--keystore", str(self.folder / "operator.json"))
        password = ("--password-file", str(self.folder / "password"))
        return await self.looks(*arguments, *key, *password)

    async def looks(self, *arguments: str) -> Said:
        """Without a key."""
        named = ("--network", str(self.network), "--json")
        return await asyncio.to_thread(self.say, *arguments, *named)

    @property
    def address(self) -> str:
        return str(self.loser.member.operator.address)

    async def tokens(self) -> int:
        return int(await self.chain.token.functions.balanceOf(self.address).call())


def refusal(said: Said) -> tuple[int, Any]:
    return said.code, said.json["error"]["code"]


async def held_by_ledger(chain: Chain) -> int:
    return int(await chain.distributor.functions.heldSlashes().call())


async def test_a_wrongly_slashed_operator_appeals_and_gets_its_stake_back(
    court: Chain, bank: Sender, say: Say, tmp_path: Path
) -> None:
    loser = await condemned(court, bank, [HONEST, LIAR, LIAR], [LIAR] * 3)
    operator = Operator(say, court, loser, tmp_path)
    assert await stake_of(court, loser.member) == 25_000 * MLB
    assert await held_by_ledger(court) == 25_000 * MLB

    (listed,) = (await operator.looks("slash", "list", operator.address)).json
    assert (listed["fault"], listed["amount_mlb"], listed["status"]) == ("incorrect", 25_000 * MLB, "held")
    assert (listed["task"], listed["appeal"]) == (loser.receipt.task.id, None)
    assert listed["final_from"] == listed["slashed_at"] + WINDOW
    case = listed["case"]
    assert f"mlbridge appeal open {case}" in (await operator.looks("slash", "show", case)).json["next"]

    asked = await operator.does("appeal", "open", case)
    assert refusal(asked) == (2, "appeal.bond_unknown")
    assert asked.json["error"]["hint"] == "Agree to it: --max-bond 1000"
    low = await operator.does("appeal", "open", case, "--max-bond", "999.5")
    assert refusal(low) == (4, "appeal.bond_too_high")
    poor = await operator.does("appeal", "open", case, "--max-bond", "1000")
    assert refusal(poor) == (4, "appeal.no_tokens")
    stranger = await operator.looks("appeal", "open", case, "--max-bond", "1000")
    assert refusal(stranger) == (3, "contract.NotAppellant")

    panel = await panel_for(court, bank, loser.model, [HONEST] * 5)
    await fund(bank, court, operator.address, coins=0, mlb=1_500 * MLB)
    opened = (await operator.does("appeal", "open", case, "--max-bond", "1000")).json
    assert (opened["status"], opened["appeal"]["bond_mlb"]) == ("appealed", 1_000 * MLB)
    review = opened["appeal"]["review"]
    again = (await operator.does("appeal", "open", case, "--max-bond", "1000")).json
    assert again["appeal"] == opened["appeal"]
    assert await operator.tokens() == 500 * MLB
    assert refusal(await operator.does("appeal", "settle", review)) == (6, "appeal.pending")
    assert (await operator.looks("task", "show", review)).json["asked_by"] == "Appeals"
    assert (await operator.looks("task", "show", loser.receipt.task.id)).json["asked_by"] is None

    async with acting(panel):
        await court_sits(court, bank, review)
    assert (await operator.looks("appeal", "show", review)).json["outcome"] == "won"
    assert "appeal settle" in (await operator.looks("slash", "show", case)).json["next"]
    # Anybody may: the devnet's requester does.
    settled = (await operator.looks("appeal", "settle", review)).json
    assert (settled["status"], settled["appeal"]["settled"]) == ("overturned", True)
    assert await stake_of(court, loser.member) == 50_000 * MLB
    assert await operator.tokens() == 1_500 * MLB
    assert await held_by_ledger(court) == 0
    assert (await operator.looks("appeal", "settle", review)).json == settled
    undone = await operator.looks("slash", "finalise", case)
    assert refusal(undone) == (1, "contract.WrongCaseStatus")


async def test_a_liar_that_appeals_loses_its_bond_too(
    court: Chain, bank: Sender, say: Say, tmp_path: Path
) -> None:
    # With two silent members most runs have somebody replaced, whom the record names too.
    scripts = [LIAR, HONEST, HONEST, HONEST, *[Script(commit=False)] * 2]
    loser = await condemned(court, bank, scripts, [HONEST] * 3, seats=4)
    operator = Operator(say, court, loser, tmp_path)
    panel = await panel_for(court, bank, loser.model, [HONEST] * 6)
    await fund(bank, court, operator.address, coins=0, mlb=1_200 * MLB)
    (listed,) = (await operator.looks("slash", "list", operator.address)).json
    case, taken = listed["case"], listed["amount_mlb"]
    supply, reserve = await supply_of(court), await dispute_reserve(court, loser.model)

    opened = await operator.does("appeal", "open", case, "--max-bond", "1200")
    review = opened.json["appeal"]["review"]
    async with acting(panel):
        await court_sits(court, bank, review)
    settled = (await operator.does("appeal", "settle", review)).json
    assert (settled["status"], settled["appeal"]["outcome"]) == ("heard", "lost")
    # The bond: half pays the panel of six, half is burned.
    assert await operator.tokens() == 0
    assert await dispute_reserve(court, loser.model) == reserve
    assert supply - await supply_of(court) == 600 * MLB
    assert await held_by_ledger(court) == taken

    early = await operator.looks("slash", "finalise", case)
    assert refusal(early) == (1, "contract.WindowOpen")
    await court.provider.request("evm_increaseTime", [WINDOW + 10])
    await court.provider.request("evm_mine", [])
    late = await operator.does("appeal", "open", case, "--max-bond", "1200")
    assert late.json["appeal"]["review"] == review
    final = (await operator.looks("slash", "finalise", case)).json
    assert final["status"] == "taken"
    assert (await operator.looks("slash", "finalise", case)).json == final
    assert await held_by_ledger(court) == 0
    assert await stake_of(court, loser.member) == 50_000 * MLB - taken
    assert await dispute_reserve(court, loser.model) == reserve + taken // 2


async def test_a_panel_votes_on_a_numeric_result_beside_the_one_that_won(
    court: Chain, bank: Sender, say: Say, tmp_path: Path
) -> None:
    scripts = [NEAR[0], FAR, FAR]
    loser = await condemned(court, bank, scripts, [FAR] * 3, policy=Policy.NUMERIC, value=TEXT)
    operator = Operator(say, court, loser, tmp_path)
    panel = await panel_for(court, bank, loser.model, [*NEAR, NEAR[0], NEAR[1]])
    await fund(bank, court, operator.address, coins=0, mlb=1_000 * MLB)
    (listed,) = (await operator.looks("slash", "list", operator.address)).json
    opened = await operator.does("appeal", "open", listed["case"], "--max-bond", "1000")
    review = opened.json["appeal"]["review"]
    async with acting(panel):
        await court_sits(court, bank, review)
    settled = (await operator.does("appeal", "settle", review)).json
    assert (settled["status"], settled["appeal"]["outcome"]) == ("overturned", "won")
    assert await stake_of(court, loser.member) == 50_000 * MLB
    assert await operator.tokens() == 1_000 * MLB


async def test_what_no_panel_can_judge_and_who_pays_the_panel(
    court: Chain, bank: Sender, say: Say, tmp_path: Path
) -> None:
    loser = await condemned(court, bank, [LIAR, HONEST, HONEST, Script(reveal="no")], [HONEST] * 3, seats=4)
    operator = Operator(say, court, loser, tmp_path)
    unopened = next(slash for slash in loser.receipt.payment.slashes if slash.fault == "unopened")
    held = (await Slashes(court).of_account(unopened.account))[0]
    facts = await operator.looks("slash", "show", "0x" + held.id.hex())
    assert "appeal open" not in facts.json["next"]
    refused = await operator.does("appeal", "open", "0x" + held.id.hex(), "--max-bond", "5000")
    assert refusal(refused) == (3, "contract.NotAppellant")
    with pytest.raises(Exception, match="no result that judges"):
        await Appeals(court).price(held)

    # Judges and a second case have used up the model's reserve: 1,000 MLB less 300 paid.
    (mine,) = await Slashes(court).of_operator(operator.address)
    price = await Appeals(court).price(mine)
    await bank.send(court.distributor.functions.setJudgeFee(400 * MLB))
    await fund(bank, court, operator.address, coins=0, mlb=10_000 * MLB)
    case = "0x" + mine.id.hex()
    empty = await operator.does("appeal", "open", case, "--max-bond", "5000")
    assert refusal(empty) == (4, "appeal.no_judge_fees")
    assert empty.json["error"]["missing"] == 2_400 * MLB - price.reserve
    opened = await operator.does("appeal", "open", case, "--max-bond", "5000", "--fund-reserve", "2000")
    assert opened.json["status"] == "appealed"
    assert await dispute_reserve(court, loser.model) == 0
    assert await operator.tokens() == 10_000 * MLB - 4_800 * MLB - (2_400 * MLB - price.reserve)
    # As a dissent of the channel lane is punished: a panel has judged it, and no task is on record.
    order = b"\x07" * 32
    punished = court.distributor.functions.punish(
        loser.member.account, order, mine.case.model, int(Fault.INCORRECT), 10_000
    )
    await bank.send(punished)
    dissent = (await Slashes(court).of_operator(operator.address))[0]
    assert (dissent.case.task_id, dissent.appealable) == (order, False)
    judged = await operator.does("appeal", "open", "0x" + dissent.id.hex(), "--max-bond", "5000")
    assert refusal(judged) == (1, "contract.NotAppealable")
    unknown = await operator.looks("slash", "show", "0x" + "ab" * 32)
    assert refusal(unknown) == (5, "slash.unknown")
    assert refusal(await operator.looks("appeal", "show", "0x12")) == (2, "id.invalid")


async def supply_of(chain: Chain) -> int:
    return int(await chain.token.functions.totalSupply().call())


async def court_sits(chain: Chain, bank: Sender, review: str) -> None:
    """Draw the panel once it can be drawn, and wait until it has judged."""
    task = bytes.fromhex(review[2:])
    armed = (await reads.get_task(chain, task)).randomness_block
    await until(lambda: _past(chain, armed))
    await bank.send(chain.tasks.functions.assign(task))
    await ended(chain, task)


async def _past(chain: Chain, block: int) -> bool:
    return (await chain.head()).number > block
