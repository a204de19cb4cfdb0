"""Seeds made of drand's rounds: a coordinator fetches and posts them, whatever some relays say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from eth_abi.abi import encode as abi_encode
from eth_utils.address import to_checksum_address

from contracts import artifacts, channels
from contracts.anvil import Anvil, free_port
from contracts.chain import Chain
from contracts.drand import CHAIN_HASH, PERIOD, DrandRelays
from contracts.lane import Lane
from contracts.laneview import LaneView
from contracts.network import LaneAddresses
from contracts.reads import call
from contracts.sender import Sender
from coordinator import database
from coordinator.lane.room import LaneRoom
from coordinator.lane.seeds import SeedPoster
from coordinator.lane.settings import LaneConfig
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak
from tests.support.drand import LIARS, RelayServer, relay_server, rounds
from tests.support.lane import EPOCH, LaneRig, lane_rig
from tests.support.lane_rooms import DEPOSIT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]
ROUND = 32_285_085
SEED_TYPE = b"MLBridgeSeed(uint256 chainId,address beacon,uint256 epoch,bytes32 value)"


class Drawn:
    """A lane whose beacon takes ROUND for `epoch`, and a coordinator with a channel."""

    def __init__(self, rig: LaneRig, lane: Lane, epoch: int, sender: Sender, account: Any) -> None:
        self.rig, self.lane, self.epoch = rig, lane, epoch
        self.sender, self.account = sender, account

    async def sent(self) -> int:
        """Transactions of the coordinator so far."""
        return int(await self.rig.chain.w3.eth.get_transaction_count(self.sender.address))

    async def open(self, tmp: Path, **settings: Any) -> LaneRoom:
        engine = database.open_engine(database.database_url(f"sqlite:///{tmp / 'coordinator.db'}"))
        await database.migrate(engine)
        return await LaneRoom.open(
            self.rig.chain,
            self.lane.addresses,
            self.account,
            engine,
            LaneConfig(**settings),
            content=None,
            sender=self.sender,
        )


async def deployed_source(rig: LaneRig, delay: int) -> str:
    artifact = artifacts.load(artifacts.DRAND_SOURCE)
    maker: Any = rig.chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    receipt = await rig.treasury.send(maker.constructor(delay))
    return str(to_checksum_address(receipt["contractAddress"]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made() -> AsyncIterator[Drawn]:
    """On the day of the round, an epoch before the one that it serves."""
    time = rounds()[ROUND]["time"]
    # The genesis is some seconds later, so the round comes at about half of its epoch.
    began = ("--timestamp", str(time - 12 * EPOCH - EPOCH // 2))
    anvil = Anvil(free_port(), block_time=None, extra_arguments=began)
    async with lane_rig(members=0, verifiers=0, anvil=anvil) as rig:
        beacon = rig.lane.beacon
        genesis = int(await call(beacon.functions.genesis()))
        epoch = (time - genesis) // EPOCH + 1
        address = await deployed_source(rig, time - int(await call(beacon.functions.startOf(epoch))))
        # Governance names drand after RANDAO, so the epoch says which of them counts.
        await rig.treasury.send(beacon.functions.setSource(address))
        lane = Lane(rig.chain, rig.lane.addresses.model_copy(update={"drand_source": address}))
        coordinator, sender = await rig.funded()
        _, client = await rig.funded()
        await channels.open_channel(
            lane, client, coordinator.address, deposit=DEPOSIT, salt=bytes(32), share=300
        )
        await rig.warp(time - EPOCH - await rig.now())
        yield Drawn(rig, lane, epoch, sender, coordinator)


@pytest_asyncio.fixture(loop_scope="module")
async def drawn(made: Drawn) -> AsyncIterator[Drawn]:
    """The stage as it was, for each test again."""
    provider = made.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    yield made
    await provider.request("evm_revert", [snapshot])


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[RelayServer]:
    async with relay_server() as opened:
        yield opened


def expected_seed(drawn: Drawn) -> bytes:
    """Of the randomness that drand published, as docs/design/randomness.md writes it."""
    chain, beacon = drawn.rig.chain.chain_id, drawn.lane.beacon.address
    value = bytes.fromhex(rounds()[ROUND]["randomness"][2:])
    return keccak(
        abi_encode(
            ["bytes32", "uint256", "address", "uint256", "bytes32"],
            [keccak(SEED_TYPE), chain, beacon, drawn.epoch, value],
        )
    )


async def to_the_round(drawn: Drawn) -> None:
    await drawn.rig.warp(rounds()[ROUND]["time"] + PERIOD - await drawn.rig.now())


async def test_the_contract_names_the_network_that_relays_are_asked_for(drawn: Drawn) -> None:
    source = drawn.lane.drand_source
    assert source is not None
    assert bytes(await call(source.functions.CHAIN_HASH())).hex() == CHAIN_HASH
    assert await call(source.functions.PERIOD()) == PERIOD
    start = await call(drawn.lane.beacon.functions.startOf(drawn.epoch))
    assert await call(source.functions.roundFor(start)) == ROUND


async def test_the_round_becomes_the_seed_whatever_other_relays_say(
    drawn: Drawn, server: RelayServer
) -> None:
    await to_the_round(drawn)
    view, sent = await LaneView.open(drawn.lane), await drawn.sent()
    relays = DrandRelays(server.urls(*LIARS, "honest"), patience_s=0.3)
    poster = SeedPoster(view, drawn.sender, relays)
    await poster.step()
    assert await drawn.lane.seed(drawn.epoch) == expected_seed(drawn)
    assert await drawn.sent() == sent + 1, "no lie cost a transaction"
    assert all(server.asked[lie] == 1 for lie in LIARS)
    await poster.step()
    assert server.asked["honest"] == 1, "a seed that stands is asked for no more"
    assert await view.drawing_epoch() == drawn.epoch
    await relays.close()


async def test_where_all_lie_nothing_is_sent_and_the_next_turn_asks_again(
    drawn: Drawn, server: RelayServer
) -> None:
    await to_the_round(drawn)
    view, sent = await LaneView.open(drawn.lane), await drawn.sent()
    relays = DrandRelays(server.urls("wrong", "other", "garbage"))
    poster = SeedPoster(view, drawn.sender, relays)
    for turn in (1, 2):
        with pytest.raises(MLBridgeError) as caught:
            await poster.step()
        assert caught.value.code == "drand.no_round"
        assert server.asked["wrong"] == turn
    assert await drawn.sent() == sent
    assert await drawn.lane.seed(drawn.epoch) is None
    await relays.close()


async def test_nobody_is_asked_before_the_round_is_due(drawn: Drawn, server: RelayServer) -> None:
    start = int(await call(drawn.lane.beacon.functions.startOf(drawn.epoch)))
    await drawn.rig.warp(start + 1 - await drawn.rig.now())
    relays = DrandRelays(server.urls("honest"))
    await SeedPoster(await LaneView.open(drawn.lane), drawn.sender, relays).step()
    assert not server.asked
    await relays.close()


async def test_a_coordinator_posts_from_the_relays_of_its_file(
    drawn: Drawn, server: RelayServer, tmp_path: Path
) -> None:
    await to_the_round(drawn)
    room = await drawn.open(tmp_path, drand_relays=server.urls("other", "honest"))
    for name, step, _ in room.steps:
        if name == "lane-seed":
            await step()
    await room.stop()
    assert await drawn.lane.seed(drawn.epoch) == expected_seed(drawn)


async def test_or_from_those_of_the_network_s(drawn: Drawn, server: RelayServer, tmp_path: Path) -> None:
    await to_the_round(drawn)
    network = drawn.rig.chain.network.model_copy(update={"drand_relays": server.urls("honest")})
    async with await Chain.connect(network) as chain:
        rig = replace(drawn.rig, chain=chain)
        room = await Drawn(rig, drawn.lane, drawn.epoch, drawn.sender, drawn.account).open(tmp_path)
        steps = {name: step for name, step, _ in room.steps}
        await steps["lane-seed"]()
        await room.stop()
    assert await drawn.lane.seed(drawn.epoch) == expected_seed(drawn)


async def test_without_relays_a_coordinator_says_what_is_missing(drawn: Drawn, tmp_path: Path) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await drawn.open(tmp_path)
    assert caught.value.code == "drand.no_relays"
    assert "drand_relays" in caught.value.hint
    room = await drawn.open(tmp_path, post_seeds=False)
    assert "lane-seed" not in {name for name, _, _ in room.steps}
    await room.stop()


async def test_a_source_that_the_file_does_not_name_is_said(drawn: Drawn, server: RelayServer) -> None:
    await to_the_round(drawn)
    addresses: LaneAddresses = drawn.lane.addresses.model_copy(update={"drand_source": None})
    relays = DrandRelays(server.urls("honest"))
    view = await LaneView.open(Lane(drawn.rig.chain, addresses))
    with pytest.raises(MLBridgeError) as caught:
        await SeedPoster(view, drawn.sender, relays).step()
    assert caught.value.code == "seed.unknown_source"
    await relays.close()
