"""Real members of the channel lane behind HTTP whose model says what a test lets it say.

Guard, store, keys, streams and views of the chain are the provider's own; only the engine is a script.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from cluster.lane.follower import LaneFollower
from contracts.anvil import free_port
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import encode_output
from serve.engines.base import Hear
from serve.http import error_response
from serve.lane.admission import Admission, AdmissionRules
from serve.lane.faults import conduct_for
from serve.lane.http import LaneFace
from serve.lane.member import LaneMember, Model, Signer
from serve.lane.settings import LaneFault
from serve.lane.store import LaneStore
from serve.lane.view import View, ViewWriter
from tests.support.fake_serve import FakeRecorder
from tests.support.lane import LaneRig
from tests.support.lane_servers import serving

MODEL_PATH = "model"
PIECES = ("Hel", "lo", ", you.")
TEXT = "".join(PIECES)


def chat(text: str) -> bytes:
    """A chat answer's payload."""
    return encode_output("chat", {"token_ids": [1, 2, 3], "text": text, "finish_reason": "stop"})


@dataclass
class Voice:
    """What the scripted models do: they tell their first `told` pieces at once, the rest once `go` is set."""

    pieces: tuple[str, ...] = PIECES
    told: int = 1
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, data: bytes, hear: Hear | None) -> bytes:
        for place, piece in enumerate(self.pieces):
            if place == self.told:
                await self.go.wait()
            if hear is not None:
                hear(piece)
        await self.go.wait()
        return chat("".join(self.pieces))


@dataclass
class Speaker:
    """One member. asked: requests by route."""

    account: int
    member: LaneMember
    asked: Counter[str] = field(default_factory=Counter)


@dataclass
class Speakers:
    """A running web server with members; `voice` is that of all of their models."""

    base: str
    voice: Voice
    speakers: dict[int, Speaker]
    folder: Path
    rig: LaneRig

    @property
    def nodes(self) -> tuple[str, ...]:
        """Base URLs of the members' nodes."""
        return tuple(f"{self.base}/m/{account}" for account in self.speakers)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """URLs of attesters: no batch is looked at here."""
        return ()

    def asked(self, route: str) -> int:
        """How often members were asked for something."""
        return sum(speaker.asked[route] for speaker in self.speakers.values())

    def behave(self, account: int, fault: LaneFault | None) -> None:
        """Another conduct of a member from now on."""
        self.speakers[account].member = make_member(self.rig, self.folder, account, self.voice, fault)


def make_member(
    rig: LaneRig, folder: Path, account: int, voice: Voice, fault: LaneFault | None = None
) -> LaneMember:
    """A provider's seat as its replica puts it together."""
    home = folder / str(account)
    key = next(bytes(member.node.key) for member in rig.members if member.account == account)
    view = View(home / "view.sqlite", rig.model, stale_s=300)
    rules = AdmissionRules(rig.lane.domain, rig.model, None, 0, 1.0, 3600, 60)
    return LaneMember(
        Model("chat", voice.run, lambda: False),
        Admission(rules, view, None),
        view,
        LaneStore(home / "lane.sqlite"),
        Signer(key, rig.lane.domain),
        None,
        FakeRecorder(),
        conduct_for(fault),
    )


@contextlib.asynccontextmanager
async def speakers(rig: LaneRig, folder: Path) -> AsyncIterator[Speakers]:
    """Every member of a rig, with an agent that follows the chain for it."""
    port, voice = free_port(), Voice()
    server = Speakers(f"http://127.0.0.1:{port}", voice, {}, folder, rig)
    async with contextlib.AsyncExitStack() as stack:
        for member in rig.members:
            home = folder / str(member.account)
            home.mkdir(parents=True, exist_ok=True)
            await stack.enter_async_context(_followed(rig, home, member.account))
            made = make_member(rig, folder, member.account, voice)
            server.speakers[member.account] = Speaker(member.account, made)
        routes = [
            Mount(f"/m/{account}", _app(speaker, server.base, rig.model))
            for account, speaker in server.speakers.items()
        ]
        await stack.enter_async_context(serving(Starlette(routes=routes), port))
        yield server


@contextlib.asynccontextmanager
async def _followed(rig: LaneRig, home: Path, account: int) -> AsyncIterator[None]:
    writer = ViewWriter(home / "view.sqlite")
    follower = LaneFollower(rig.lane, writer, account, confirmations=0, poll_s=0.2)
    task = asyncio.create_task(follower.run())
    head = await rig.chain.head()
    try:
        async with asyncio.timeout(60):
            while f'"number": {head.number},' not in (writer.fact("head") or ""):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        writer.close()


def _app(speaker: Speaker, base: str, model: bytes) -> Starlette:
    async def page(_: Request) -> Response:
        endpoint = f"{base}/m/{speaker.account}/{MODEL_PATH}"
        models = [{"id": "0x" + model.hex(), "endpoint": endpoint}]
        return JSONResponse({"accounts": {str(speaker.account): {}}, "models": models})

    class Replica:
        """The routes of the replica, whichever member stands behind them now."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["path"].partition(f"/{MODEL_PATH}")[2]
            speaker.asked[path.rpartition("/")[2]] += 1
            try:
                handler = LaneFace(speaker.member).routes[scope["method"], path]
                response = await handler(Request(scope, receive))
            except MLBridgeError as error:
                response = error_response(error)
            await response(scope, receive, send)

    return Starlette(routes=[Route("/node", page), Mount(f"/{MODEL_PATH}", Replica())])
