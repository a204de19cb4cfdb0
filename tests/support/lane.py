"""A channel lane for tests: real contracts on an anvil of its own whose clock the test moves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from eth_account.signers.local import LocalAccount

from contracts import artifacts
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import DEVNET, deploy
from contracts.deploy_params import LaneParams, ReviewParams
from contracts.lane import Lane
from contracts.reads import call
from contracts.seeds import post_seed
from contracts.sender import Sender
from mlbridge.models import Manifest
from mlbridge.protocol.types import Role
from tests.support.seats import FAST, ScriptedMember, fresh_account, fund, make_member, register_model

EPOCH: Final = 300
DELAY: Final = 12
SETTLE: Final = 600
CHALLENGE: Final = 3_600
ANSWER: Final = 600
BOND: Final = 10**19
LEAF_PENALTY: Final = 10**18
DEMAND_BOND: Final = 10**17
PRICE: Final = 10**12
LANE: Final = LaneParams(
    epoch_seconds=EPOCH,
    source_delay=DELAY,
    settle_window=SETTLE,
    closing_delay=2 * SETTLE,
    challenge_window=CHALLENGE,
    answer_window=ANSWER,
    bond=BOND,
    leaf_penalty=LEAF_PENALTY,
    demand_bond=DEMAND_BOND,
)


@dataclass
class LaneRig:
    """One lane with a model, its compute members and some verifiers, all recorded and drawable.

    secrets: BLS secrets of verifiers by account, where they are in an attester set.
    """

    anvil: Anvil
    chain: Chain
    lane: Lane
    source: Any
    treasury: Sender
    model: bytes
    provider: LocalAccount
    params: LaneParams = LANE
    members: list[ScriptedMember] = field(default_factory=list)
    verifiers: list[ScriptedMember] = field(default_factory=list)
    secrets: dict[int, bytes] = field(default_factory=dict)

    def attesting_key(self, verifier: ScriptedMember) -> bytes:
        """What a verifier signs batches with: its BLS secret if it has one, else its node key."""
        return self.secrets.get(verifier.account, bytes(verifier.node.key))

    async def now(self) -> int:
        """Chain time, unix seconds."""
        return (await self.chain.head()).timestamp

    async def warp(self, seconds: int) -> None:
        """Let chain time pass, and a block be made."""
        await self.chain.provider.request("evm_increaseTime", [seconds])
        await self.chain.provider.request("evm_mine", [])

    async def advance(self) -> int:
        """Into the next epoch, whose seed becomes known; its number."""
        genesis = int(await call(self.lane.beacon.functions.genesis()))
        length = self.params.epoch_seconds
        await self.warp(length - (await self.now() - genesis) % length + self.params.source_delay)
        await self.warp(1)
        epoch = await self.lane.current_epoch()
        seed = await post_seed(self.treasury, self.chain, self.lane.beacon, self.source, epoch)
        assert seed is not None, "the seed is ripe"
        return epoch

    async def record(self) -> None:
        """Record the model and every member for the next epoch."""
        functions = self.lane.snapshots.functions
        await self.treasury.send(functions.recordModel(self.model))
        for member in self.members:
            await self.treasury.send(functions.recordWeight(self.model, member.account))

    async def funded(self, coins: int = 100 * 10**18) -> tuple[LocalAccount, Sender]:
        """A fresh key with coins (wei)."""
        account = fresh_account()
        await fund(self.treasury, self.chain, account.address, coins=coins)
        return account, Sender(self.chain, account, FAST)


@contextlib.asynccontextmanager
async def lane_rig(
    *,
    members: int = 6,
    verifiers: int = 3,
    params: LaneParams = LANE,
    reviews: ReviewParams | None = None,
    anvil: Anvil | None = None,
    published: tuple[Manifest, str] | None = None,
) -> AsyncIterator[LaneRig]:
    """Deploy everything, stake, serve, record, and move to the first epoch that can draw.

    reviews: None leaves every slash final at once; anvil: one that the caller has a use for, not started yet;
    it mines a block for each transaction; published: the model's manifest and CID, None: one that nobody
    could load.
    """
    with anvil or Anvil(free_port(), block_time=None) as anvil:
        rules = replace(DEVNET, epoch_seconds=params.epoch_seconds, lane=params, reviews=reviews)
        network = await deploy(anvil.rpc_url, dev_account(0), rules, name="lane", block_time=0.1, policy=FAST)
        async with await Chain.connect(network) as chain:
            treasury = Sender(chain, dev_account(0), FAST)
            assert network.lane is not None
            lane = Lane(chain, network.lane)
            factory: Any = chain.w3.eth.contract(abi=artifacts.load(artifacts.PREVRANDAO_SOURCE).abi)
            source = factory(network.lane.prevrandao_source)
            provider = fresh_account()
            await fund(treasury, chain, provider.address, mlb=10_000 * 10**18)
            owner = Sender(chain, provider, FAST)
            await owner.send(chain.token.functions.approve(chain.addresses.distributor, 10_000 * 10**18))
            await owner.send(chain.distributor.functions.stake(int(Role.MODEL_PROVIDER), 10_000 * 10**18))
            model = await _register(chain, treasury, provider, published)
            rig = LaneRig(anvil, chain, lane, source, treasury, model, provider, params)
            for place in range(members):
                mlb = 50_000 * (1 + place % 3)
                rig.members.append(await make_member(chain, treasury, [model], mlb=mlb))
            for _ in range(verifiers):
                rig.verifiers.append(await make_member(chain, treasury, [], role=Role.VERIFIER))
            # A source serves from the second epoch after it was named.
            await rig.warp(2 * params.epoch_seconds)
            await rig.advance()
            await rig.record()
            yield rig


async def _register(
    chain: Chain, treasury: Sender, provider: LocalAccount, published: tuple[Manifest, str] | None
) -> bytes:
    if published is None:
        return await register_model(chain, treasury, price=PRICE, provider=provider)
    manifest, cid = published
    return await register_model(
        chain,
        treasury,
        price=PRICE,
        provider=provider,
        cid=cid,
        name=manifest.name,
        exec_class=manifest.exec_class_id,
    )
