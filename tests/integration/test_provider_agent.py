"""The agent on a real chain, with a scripted model: honest work, crashes, lies, votes, pokes."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import reads
from contracts.chain import Chain
from contracts.sender import Sender
from mlbridge.protocol.types import TaskStatus
from tests.support.providers import make_node
from tests.support.seats import acting, make_members, next_epoch, register_model, scripts, until
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration


async def test_an_honest_agent_earns_its_seat(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, node.running() as agent, acting(members):
        handle = await client.submit(model, IMAGE)
        result = await handle.wait(60)
        await until(lambda: _closed(node))
        status = agent.status()
    assert result.confidence >= 7000
    assert node.door.calls == [handle.id]
    assert status["outcomes"] == {"won": 1}
    assert int(status["income"]["seat"]) > 0
    assert status["open_tasks"] == {}


async def _closed(node) -> bool:
    return "open" not in node.outcomes() and bool(node.outcomes())
