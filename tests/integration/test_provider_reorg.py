"""Live agents while the chain takes blocks back: nothing lost, nothing done twice, nobody punished."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cluster.upkeep import Upkeep
from contracts import reads
from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import TaskStatus
from tests.support.providers import Node, calm_chain, ended, make_node, outcome_is
from tests.support.seats import FAST, MLB, next_epoch, register_model, until
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration

DEPTH = 3
NAMES = ("alpha", "beta", "gamma")


@pytest.fixture(autouse=True)
def no_other_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upkeep would put blocks of its own on top of those that the tests take back."""

    async def nothing(_: Upkeep) -> None:
        return None

    monkeypatch.setattr(Upkeep, "round", nothing)


class Stage:
    """A model, the three providers that serve it, and a chain with a block for each transaction only."""

    def __init__(self, chain: Chain, treasury: Sender, nodes: Sequence[Node]) -> None:
        self.chain, self.treasury, self.nodes = chain, treasury, nodes
        self.task = b""

    async def mine(self, blocks: int) -> None:
        await self.chain.provider.request("anvil_mine", [hex(blocks)])

    async def reorganise(self) -> TaskStatus:
        """Take the newest three blocks back; where the task stands then."""
        await self.chain.provider.request("anvil_reorg", [DEPTH, []])
        return (await reads.get_task(self.chain, self.task)).status

    async def assign(self) -> None:
        await self.treasury.send(self.chain.tasks.functions.assign(self.task))

    async def bond(self, node: Node) -> bytes | None:
        """The node's commitment on chain."""
        seats = await reads.get_seats(self.chain, self.task, 0)
        return next(
            (seat.value for seat in seats if seat.account == node.member.account and seat.committed), None
        )

    async def check_the_end(self) -> None:
        """Finalised, every member paid once and its stake whole, no model run twice."""
        assert await ended(self.chain, self.task) is TaskStatus.FINALIZED
        for node in self.nodes:
            await until(outcome_is(node, won=1))
            assert node.agent is not None
            income = node.agent.context.journal.income()
            assert income == {"seat": (await reads.claimable(self.chain, node.member.operator.address))[0]}
            account = await reads.get_account(self.chain, node.member.account)
            assert account.bonded + account.unbonding == 50_000 * MLB
            assert node.door.calls == [self.task]


@contextlib.asynccontextmanager
async def staged(folder: Path, *, confirmations: int = 0) -> AsyncIterator[Stage]:
    """A stage with one task submitted, ready to be drawn."""
    async with calm_chain(confirmations=confirmations) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        model = await register_model(chain, treasury)
        nodes = [await make_node(chain, treasury, folder / name, [model]) for name in NAMES]
        await next_epoch(chain)
        await chain.provider.request("evm_setIntervalMining", [0])
        await chain.provider.request("evm_setAutomine", [True])
        stage = Stage(chain, treasury, nodes)
        async with client_for(chain) as client:
            stage.task = (await client.submit(model, IMAGE)).id
        await stage.mine(3)
        yield stage


async def all_won(stage: Stage) -> bool:
    return all([await outcome_is(node, won=1)() for node in stage.nodes])


async def idle(stage: Stage) -> bool:
    return not any(node.agent is not None and node.agent.status()["open_tasks"] for node in stage.nodes)


async def test_an_assignment_that_is_taken_back_is_done_once(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, contextlib.AsyncExitStack() as running:
        first = stage.nodes[0]
        agent = await running.enter_async_context(first.running())
        await stage.assign()

        async def on_chain() -> bool:
            return await stage.bond(first) is not None

        await until(on_chain)
        before = await stage.bond(first)
        await stage.mine(1)
        assert await stage.reorganise() is TaskStatus.SUBMITTED

        async def void() -> bool:
            return all(seat.void for seat in agent.context.journal.seats(stage.task))

        await until(void)
        for node in stage.nodes[1:]:
            await running.enter_async_context(node.running())
        await stage.assign()
        await stage.check_the_end()
        kept = agent.context.journal.bond(stage.task, 0, first.member.account)
        assert kept is not None
        assert kept.commitment == before


@pytest.mark.parametrize("confirmations", [0, DEPTH])
async def test_a_reveal_that_is_taken_back_with_the_ending_is_sent_again(
    tmp_path: Path, confirmations: int
) -> None:
    async with staged(tmp_path, confirmations=confirmations) as stage, contextlib.AsyncExitStack() as running:
        for node in stage.nodes:
            await running.enter_async_context(node.running())
        await stage.assign()

        async def opened() -> bool:
            return (await reads.get_task(stage.chain, stage.task)).status is not TaskStatus.COMMITTING

        await until(opened)
        await stage.mine(confirmations)
        await until(lambda: all_won(stage))
        if confirmations:
            # Not forgotten before the ending is as deep as the network asks for.
            assert not await idle(stage)
        else:
            await until(lambda: idle(stage))
        assert not (await stage.reorganise()).terminal
        await stage.mine(confirmations)
        await stage.check_the_end()
        await stage.mine(confirmations)
        await until(lambda: idle(stage))


async def test_an_answer_from_a_node_that_lags_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lagging = reads.get_task, [True]

    async def get_task(chain: Chain, task: bytes, *rest: int | str) -> object:
        if lagging:
            raise MLBridgeError("task.unknown", "There is no such task.")
        return await real(chain, task, *rest)  # type: ignore[arg-type]

    async with staged(tmp_path) as stage, contextlib.AsyncExitStack() as running:
        for node in stage.nodes:
            await running.enter_async_context(node.running())
        monkeypatch.setattr(reads, "get_task", get_task)
        await stage.assign()

        async def seated() -> bool:
            return all(n.agent is not None and n.agent.context.journal.seats(stage.task) for n in stage.nodes)

        await until(seated)
        lagging.clear()
        await stage.check_the_end()
