"""A chain whose deployment has reviews, and members that judges ruled against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from contracts import reads
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import DEVNET, deploy
from contracts.deploy_params import ReviewParams
from contracts.sender import Sender
from mlbridge.protocol.types import Policy, Role
from mlbridge.sdk import Receipt, TaskEndedError
from tests.support.seats import FAST, Script, ScriptedMember, acting, make_members, register_model
from tests.support.tasks import IMAGE, client_for

WINDOW: Final = 3_600
_WINDOWS: Final = replace(DEVNET.parameters, commit_window=8, reveal_window=8, min_task_time=10)


@asynccontextmanager
async def reviewed_chain(*, storage: Path | None = None, calm: bool = False) -> AsyncIterator[Chain]:
    """A chain of the test's own whose heavy slashes wait an hour. storage: folder of the content store;
    calm: phases that a loaded machine does not miss.
    """
    windows = replace(DEVNET.parameters, reveal_window=300) if calm else _WINDOWS
    reviews = ReviewParams(escrow_window=WINDOW, decoy_interval=60, decoy_window=WINDOW)
    params = replace(DEVNET, epoch_seconds=1, parameters=windows, lane=None, reviews=reviews)
    with Anvil(free_port(), block_time=0.25, extra_arguments=("--mixed-mining",)) as anvil:
        network = await deploy(
            anvil.rpc_url,
            dev_account(0),
            params,
            name="reviewed",
            block_time=0.25,
            storage_url="" if storage is None else f"file://{storage}",
            policy=FAST,
        )
        async with await Chain.connect(network) as chain:
            yield chain


@dataclass(frozen=True)
class Condemned:
    """The member of the first script, whom judges ruled against, its model and the task's receipt."""

    member: ScriptedMember
    model: bytes
    receipt: Receipt


async def condemned(
    chain: Chain,
    treasury: Sender,
    scripts: Sequence[Script],
    judges: Sequence[Script],
    *,
    policy: Policy = Policy.EXACT,
    value: dict[str, object] = IMAGE,
    seats: int | None = None,
) -> Condemned:
    """Run a task of a fresh model whose first member loses before these judges."""
    model = await register_model(chain, treasury, policy=policy)
    members = await make_members(chain, treasury, model, scripts)
    benched = await make_members(chain, treasury, model, judges, role=Role.VERIFIER, mlb=25_000)
    async with client_for(chain) as client, acting([*members, *benched]):
        handle = await client.submit(model, value, seats=seats)
        try:
            receipt = (await handle.wait(90)).receipt
        except TaskEndedError as error:
            receipt = error.receipt
    slashed = [slash.account for slash in receipt.payment.slashes if slash.fault == "incorrect"]
    assert slashed == [members[0].account]
    return Condemned(members[0], model, receipt)


async def panel_for(
    chain: Chain, treasury: Sender, model: bytes, scripts: Sequence[Script]
) -> list[ScriptedMember]:
    """Fresh verifiers of a model: with everybody of its case excluded, the next panel are they."""
    return await make_members(chain, treasury, model, scripts, role=Role.VERIFIER, mlb=25_000)


async def stake_of(chain: Chain, member: ScriptedMember) -> int:
    """MLB (18 decimals) that a member has bonded as compute provider."""
    return await reads.stake_of(chain, member.operator.address, Role.COMPUTE)
