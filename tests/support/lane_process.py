"""One room of the channel lane as a process of its own, to be killed.

`python -m tests.support.lane_process ROLE FILE`; FILE: a coordinator's or gateway's configuration, or `Seats`
as JSON. Without Ray: what is tested is what the rooms keep on disk and how they find their way back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from cluster.lane.follower import LaneFollower
from contracts.chain import Chain
from contracts.lane import Lane
from contracts.laneview import LaneView
from contracts.network import load_network
from coordinator.config import load_config as load_coordinator
from coordinator.engine import Engine
from coordinator.lane.attest import Attester, attester_app
from gateway.config import load_config as load_gateway
from mlbridge.protocol.orders712 import Domain
from mlbridge.storage import open_store
from serve.engines import torch_engine
from serve.engines.base import Hear
from serve.lane.admission import Admission, AdmissionRules
from serve.lane.faults import conduct_for
from serve.lane.http import LaneFace
from serve.lane.member import LaneMember, Model
from serve.lane.signer import Signer
from serve.lane.store import LaneStore
from serve.lane.view import View, ViewWriter
from tests.support.fake_serve import FakeRecorder
from tests.support.gateways import serving as gateway_serving
from tests.support.lane_servers import serving
from tests.support.seats import honest_label

STALE_S = 60.0
RUN_S = 0.5
"""What an order takes, so that whoever is killed has some in hand."""


@dataclass(frozen=True)
class Seats:
    """Members and attesters that share a process. members, verifiers: node key (0x hex) by account; model: id
    (0x hex); home: where their stores are; folder: of the torch model that answers, None: a function does.
    """

    network: str
    home: str
    port: int
    model: str
    members: dict[int, str]
    verifiers: dict[int, str]
    folder: str | None = None

    @property
    def nodes(self) -> list[str]:
        """Base URLs of the members' nodes."""
        return [f"http://127.0.0.1:{self.port}/m/{account}" for account in self.members]

    @property
    def attesters(self) -> list[str]:
        """URLs of the verifiers."""
        return [f"http://127.0.0.1:{self.port}/v/{account}" for account in self.verifiers]

    def save(self, path: Path) -> Path:
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def load(cls, path: Path) -> Seats:
        fields: dict[str, Any] = json.loads(path.read_text())
        for name in ("members", "verifiers"):
            fields[name] = {int(account): key for account, key in fields[name].items()}
        return cls(**fields)


async def coordinate(path: Path) -> None:
    """Until killed."""
    engine = await Engine.start(load_coordinator(path))
    await engine.lost.wait()


async def door(path: Path) -> None:
    """A gateway, until killed."""
    async with gateway_serving(load_gateway(path)):
        await asyncio.Event().wait()


async def sit(path: Path) -> None:
    """Members and attesters, until killed."""
    seats = Seats.load(path)
    network = load_network(seats.network)
    assert network.lane is not None
    assert network.storage_url is not None
    content = open_store(network.storage_url)
    answer = honest_label if seats.folder is None else loaded(Path(seats.folder))
    async with await Chain.connect(network) as chain, contextlib.AsyncExitStack() as open_now:
        lane, model = Lane(chain, network.lane), bytes.fromhex(seats.model[2:])
        routes: list[Mount] = []
        for account, key in seats.members.items():
            home = Path(seats.home) / str(account)
            home.mkdir(parents=True, exist_ok=True)
            writer = ViewWriter(home / "lane-view.sqlite")
            follower = LaneFollower(lane, writer, account, confirmations=0, poll_s=0.2)
            task = asyncio.create_task(follower.run())
            open_now.callback(task.cancel)
            member = make_member(home, lane.domain, model, bytes.fromhex(key[2:]), answer)
            base = f"http://127.0.0.1:{seats.port}/m/{account}"
            routes.append(Mount(f"/m/{account}", node_app(account, seats.model, base, LaneFace(member))))
        if seats.verifiers:
            view = await LaneView.open(lane)
            for account, key in seats.verifiers.items():
                attester = Attester(view, content, account, bytes.fromhex(key[2:]))
                routes.append(Mount(f"/v/{account}", attester_app(attester)))
        async with serving(Starlette(routes=routes), seats.port):
            await asyncio.Event().wait()


def loaded(folder: Path) -> Callable[[bytes], bytes]:
    """What the classifier in a folder makes of an input."""
    engine = torch_engine("classification", folder)
    engine.load()
    return engine.run


def make_member(
    home: Path, domain: Domain, model: bytes, key: bytes, answer: Callable[[bytes], bytes]
) -> LaneMember:
    """The seat as a replica runs it, with its store on disk. answer: the model."""

    async def run(payload: bytes, hear: Hear | None) -> bytes:
        await asyncio.sleep(RUN_S)
        return answer(payload)

    view = View(home / "lane-view.sqlite", model, stale_s=STALE_S)
    rules = AdmissionRules(domain, model, None, 0, 1.0, 3_600, 60.0)
    return LaneMember(
        Model("classification", run, lambda: False),
        Admission(rules, view, None),
        view,
        LaneStore(home / "lane.sqlite"),
        Signer(key, domain),
        None,
        FakeRecorder(),
        conduct_for(None),
    )


def node_app(account: int, model: str, base: str, face: LaneFace) -> Starlette:
    """A node's page and the lane's routes of its model."""

    async def page(_: Request) -> Response:
        models = [{"id": model, "endpoint": f"{base}/model"}]
        return JSONResponse({"accounts": {str(account): {}}, "models": models})

    lane = [Route(f"/model{path}", handler, methods=[verb]) for (verb, path), handler in face.routes.items()]
    return Starlette(routes=[Route("/node", page), *lane])


ROLES = {"coordinator": coordinate, "gateway": door, "seats": sit}


if __name__ == "__main__":
    asyncio.run(ROLES[sys.argv[1]](Path(sys.argv[2])))
