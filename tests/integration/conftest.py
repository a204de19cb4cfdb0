"""One real anvil with one deployment for the tests of a session, and a channel lane for those of a file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import DEVNET, deploy
from contracts.network import Network, save
from contracts.sender import Sender
from tests.support.command import Say, saying
from tests.support.gateway_lane import Counter, lane_counter
from tests.support.gateways import Running, in_background, market_and_gateway
from tests.support.lane_rooms import LaneScene, LaneStage, lane_scene, lane_stage
from tests.support.lane_shop import Shop, lane_shop
from tests.support.providers import calm_chain
from tests.support.seats import FAST

# Short phases, so that tests of silence need not wait; short epochs, so that new members are drawn soon.
PARAMETERS = replace(DEVNET.parameters, commit_window=8, reveal_window=8, min_task_time=10)
PARAMS = replace(DEVNET, epoch_seconds=1, jail_seconds=5, parameters=PARAMETERS)


@dataclass(frozen=True)
class DevChain:
    """anvil, the deployment on it, and the key that deployed it and holds the treasury."""

    anvil: Anvil
    network: Network


@contextlib.contextmanager
def dev_chain(folder: Path) -> Iterator[DevChain]:
    """A chain with a block for every transaction and every quarter of a second."""
    arguments = ("--mixed-mining",)
    anvil = Anvil(free_port(), block_time=0.25, log_file=folder / "anvil.log", extra_arguments=arguments)
    with anvil:
        network = asyncio.run(
            deploy(anvil.rpc_url, dev_account(0), PARAMS, name="test", block_time=0.25, policy=FAST)
        )
        yield DevChain(anvil, network)


@pytest.fixture(scope="session")
def devchain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevChain]:
    """One for everybody who does not take it back."""
    with dev_chain(tmp_path_factory.mktemp("devchain")) as made:
        yield made


@pytest.fixture(scope="session")
def running(devchain: DevChain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that answers, on that chain, with a model of each kind and three members that act."""
    folder = tmp_path_factory.mktemp("market")
    with in_background(lambda: market_and_gateway(devchain.network, folder)) as found:
        yield found


@pytest.fixture
async def chain(devchain: DevChain) -> AsyncIterator[Chain]:
    """A connection of the test's own event loop."""
    async with await Chain.connect(devchain.network) as connected:
        yield connected


@pytest.fixture
async def calm(tmp_path: Path) -> AsyncIterator[Chain]:
    """A chain of the test's own with long windows, and a content store: for whole providers."""
    async with calm_chain(storage_url=f"file://{tmp_path / 'store'}") as connected:
        yield connected


@pytest.fixture
async def bank(calm: Chain) -> Sender:
    """As treasury, on the calm chain."""
    return Sender(calm, dev_account(0), FAST)


@pytest.fixture
async def treasury(chain: Chain) -> Sender:
    """Sends for the account that holds every coin and all MLB."""
    return Sender(chain, dev_account(0), FAST)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Run `mlbridge ...` in this process; consoles write to what pytest captures."""
    with saying(monkeypatch, capsys) as run:
        yield run


@pytest.fixture
def network_file(devchain: DevChain, tmp_path: Path) -> Path:
    """The session's network with a content store of the test's own."""
    network = devchain.network.model_copy(update={"storage_url": f"file://{tmp_path / 'blocks'}"})
    return save(network, tmp_path / "network.yaml")


# ---- the channel lane ----


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    """A chain with the lane, members, a channel and a coordinator's bond, for the tests of one file."""
    async with lane_stage() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def scene(stage: LaneStage, tmp_path: Path) -> AsyncIterator[LaneScene]:
    """A coordinator's room on that stage, which stands afterwards as it stood before."""
    async with lane_scene(stage, tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def shop(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Shop]:
    """A whole coordinator on it, and a client with a channel."""
    async with lane_shop(stage, tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def counter(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Counter]:
    """A gateway before that coordinator."""
    async with lane_counter(stage, tmp_path) as made:
        yield made
