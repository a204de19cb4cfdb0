"""A requester with a channel of its own, real members, and whoever stands between it and its coordinator."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from contracts import channels
from contracts.anvil import free_port
from contracts.laneview import LaneView
from contracts.reads import claimable
from coordinator.engine import Engine
from coordinator.lane.attest import Attester, attester_app
from mlbridge.sdk import AsyncChannel, AsyncClient
from mlbridge.storage import LocalStore
from serve.lane.store import LaneStore
from tests.support.lane_rooms import LaneStage
from tests.support.lane_servers import serving
from tests.support.lane_shop import running
from tests.support.lane_speakers import Speakers, speakers
from tests.support.lane_withholder import Withholder
from tests.support.seats import FAST, until

ASK: dict[str, Any] = {"kind": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
PATIENCE_S = 60.0


@dataclass
class Court:
    """A requester with a channel, members, and a coordinator that stands behind one that withholds."""

    stage: LaneStage
    folder: Path
    server: Speakers
    engine: Engine
    view: LaneView
    content: LocalStore

    @property
    def home(self) -> Path:
        return self.folder / "mine"

    def client(self, **choices: Any) -> AsyncClient:
        return AsyncClient(
            self.engine.network,
            self.stage.requester,
            self.content,
            policy=FAST,
            channel_book=self.home / "channels.db",
            **choices,
        )

    @contextlib.asynccontextmanager
    async def channel(self, at: Withholder | None = None, **choices: Any) -> AsyncIterator[AsyncChannel]:
        """at: who stands before the coordinator; None: nobody."""
        url = self.engine.config.local_url if at is None else at.url
        async with self.client(**choices) as client:
            made = await client.channel(self.stage.terms.channel(), url=url)
            yield made
            await made.close_connection()

    async def balance(self) -> int:
        """Wei that the requester's channel holds."""
        return (await channels.channel_state(self.stage.rig.lane, self.stage.terms.channel())).balance

    async def earned(self) -> dict[int, int]:
        """Wei that each member could take home."""
        rig = self.stage.rig
        return {one.account: (await claimable(rig.chain, one.operator.address))[0] for one in rig.members}

    async def spent(self) -> None:
        """Until the channel was debited."""
        full = (await channels.channel_state(self.stage.rig.lane, self.stage.terms.channel())).deposited

        async def debited() -> bool:
            return await self.balance() < full

        await until(debited, timeout_s=PATIENCE_S, every_s=0.1)

    async def attested(self) -> None:
        """Until every member attested an order."""
        stores = [
            LaneStore(self.folder / "members" / str(account) / "lane.sqlite")
            for account in self.server.speakers
        ]

        async def all_of_them() -> bool:
            return all(store.endings() and store.owed(2**40) for store in stores)

        await until(all_of_them, timeout_s=PATIENCE_S, every_s=0.05)
        for store in stores:
            store.close()


@contextlib.asynccontextmanager
async def court_of(stage: LaneStage, folder: Path, *, batches_posted: bool) -> AsyncIterator[Court]:
    provider = stage.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    view, content = await LaneView.open(stage.rig.lane), LocalStore(folder / "content")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(speakers(stage.rig, folder / "members"))
        server.voice.go.set()
        attesters: tuple[str, ...] = ()
        if batches_posted:
            attesters = await stack.enter_async_context(attesting(stage, view, content))
        engine = await stack.enter_async_context(running(stage, server, folder, attesters=attesters))
        yield Court(stage, folder, server, engine, view, content)
    await provider.request("evm_revert", [snapshot])


@contextlib.asynccontextmanager
async def attesting(stage: LaneStage, view: LaneView, content: LocalStore) -> AsyncIterator[tuple[str, ...]]:
    """URLs of the stage's verifiers."""
    port, rig = free_port(), stage.rig
    routes = [
        Mount(
            f"/v/{one.account}",
            attester_app(Attester(view, content, one.account, rig.attesting_key(one))),
        )
        for one in rig.verifiers
    ]
    async with serving(Starlette(routes=routes), port):
        yield tuple(f"http://127.0.0.1:{port}/v/{one.account}" for one in rig.verifiers)
