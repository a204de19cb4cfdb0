"""What a deployment is built with, and two sets of it: a devnet's and a public chain's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from contracts import artifacts
from contracts.economy import MLB, Pricing, RewardRates
from contracts.randomness import Source
from contracts.reads import Parameters
from mlbridge.errors import MLBridgeError

DAY: Final = 86_400
COIN: Final = 10**18
TIMELOCK_OWNER: Final = "timelock"


def unsafe(message: str, hint: str) -> MLBridgeError:
    """A deployment that is refused before anything is sent."""
    return MLBridgeError("deploy.unsafe", message, hint=hint, exit_code=2)


@dataclass(frozen=True)
class LaneParams:
    """What the channel lane is built with. Times in seconds, bonds in wei, docs/design/channel-lane.md.

    source: of the beacon's seeds; source_delay: from an epoch's beginning to the value that counts;
    source_window: after which an unposted value from RANDAO gives way to another; attesters: contract that
    counts a batch's signatures; attester_max_age: epochs that a set of attesters counts; order_epochs: in
    which an order may settle; protocol_share: basis points; min_weight: whole MLB times reputation;
    most_summonses: that an account may have open; answer_fee: least wei that a summoned seat gets.
    """

    epoch_seconds: int = 300
    source: Source = Source.PREVRANDAO
    source_delay: int = 48
    source_window: int = DAY
    attesters: str = artifacts.ECDSA_ATTESTATIONS
    attester_max_age: int = 2_016
    order_epochs: int = 3
    settle_window: int = 3_600
    closing_delay: int = 2 * DAY
    protocol_share: int = 500
    challenge_window: int = DAY
    answer_window: int = 3_600
    bond: int = COIN
    leaf_penalty: int = COIN // 10
    demand_bond: int = COIN // 100
    min_signers: int = 3
    min_weight: int = 1
    summons_commit: int = 180
    summons_reveal: int = 120
    most_summonses: int = 16
    summons_deposit: int = COIN // 100
    answer_fee: int = COIN // 10**6


@dataclass(frozen=True)
class ReviewParams:
    """What judges of judges are built with: escrow, appeals, decoys, bisection; docs/design/verdict.md.

    escrow_threshold: basis points of stake above which a slash waits; windows and interval: seconds;
    minimum_bond: MLB with 18 decimals.
    """

    escrow_threshold: int = 1_000
    escrow_window: int = 14 * DAY
    minimum_bond: int = 1_000 * MLB
    decoy_interval: int = DAY
    decoy_window: int = 3_600
    game_window: int = 3_600


@dataclass(frozen=True)
class DeployParams:
    """What a deployment is built with.

    epoch_seconds, unbonding_delay, jail_seconds: seconds; judge_fee, reserve: MLB with 18 decimals. admin
    may set parameters, pause and suspend; treasury: who gets the shares of the supply that name nobody
    else, and penalties of batches; empty: the deployer. ecosystem, liquidity, reserve_fund: 20, 10 and 15 %
    of the supply; team: owner of the vesting wallet with 15 %; empty: the treasury. The word timelock for an
    owner: governance's, whether it stands yet or not. The community's 40 % go to the RewardPool.
    reserve: taken from the treasury into the common dispute reserve, where the deployer is the treasury;
    models get their parts of it by `contracts.reserves`. lane, reviews: None leaves them out.
    """

    epoch_seconds: int
    unbonding_delay: int
    jail_seconds: int
    judge_fee: int
    parameters: Parameters
    admin: str = ""
    treasury: str = ""
    reserve: int = 0
    team: str = ""
    ecosystem: str = ""
    liquidity: str = ""
    reserve_fund: str = ""
    rates: RewardRates = field(default_factory=RewardRates)
    pricing: Pricing = field(default_factory=Pricing)
    lane: LaneParams | None = field(default_factory=LaneParams)
    reviews: ReviewParams | None = None

    def with_owners(self, deployer: str, timelock: str) -> DeployParams:
        """The same with every address filled in. timelock: where it stands or will stand.

        Raises MLBridgeError `deploy.unsafe` if all that could vote would lie in the timelock.
        """

        def owner(given: str, otherwise: str) -> str:
            return timelock if given == TIMELOCK_OWNER else given or otherwise

        treasury = owner(self.treasury, deployer)
        full = replace(
            self,
            admin=owner(self.admin, deployer),
            treasury=treasury,
            team=owner(self.team, treasury),
            ecosystem=owner(self.ecosystem, treasury),
            liquidity=owner(self.liquidity, treasury),
            reserve_fund=owner(self.reserve_fund, treasury),
        )
        if {full.ecosystem, full.liquidity, full.reserve_fund} == {timelock}:
            raise unsafe(
                "All MLB that could vote at once would lie in the timelock, and nobody could ever propose.",
                "Give ecosystem, liquidity or reserve_fund to somebody who votes.",
            )
        if full.admin == timelock:
            raise unsafe(
                "The timelock cannot administer a deployment that is still to be put together.",
                "Leave admin out; with governance the timelock administers in the end.",
            )
        return full

    def check(self) -> None:
        """Raises MLBridgeError `deploy.unsafe` for what the contracts would take and must not be."""
        lane = self.lane
        if lane is None:
            return
        if lane.protocol_share < self.rates.rebate_fee:
            raise unsafe(
                f"The channel lane's protocol share of {lane.protocol_share} basis points is below the reward"
                f" pool's rebate of {self.rates.rebate_fee}: trading with oneself would earn the difference.",
                f"Set lane.protocol_share to {self.rates.rebate_fee} or more, or rates.rebate_fee lower.",
            )
        if lane.closing_delay < 2 * lane.settle_window:
            raise unsafe(
                f"A channel closes after {lane.closing_delay} s, less than twice the {lane.settle_window} s"
                " in which an order settles: whoever learns of a close late could not settle any more.",
                f"Set lane.closing_delay to {2 * lane.settle_window} or more.",
            )
        summoned = 2 * lane.summons_commit + lane.summons_reveal
        longest = min(lane.settle_window, (lane.order_epochs - 1) * lane.epoch_seconds)
        if summoned > longest:
            raise unsafe(
                f"A summons and the settlement after it take {summoned} s, but an order may settle for only"
                f" {longest} s.",
                "Set lane.summons_commit and lane.summons_reveal lower, or lane.order_epochs or"
                " lane.settle_window higher.",
            )
        if lane.attester_max_age * lane.epoch_seconds >= self.unbonding_delay:
            raise unsafe(
                f"Attester sets count for {lane.attester_max_age} epochs of {lane.epoch_seconds} s, longer"
                f" than the {self.unbonding_delay} s that stake stays in reach: who signed could be gone.",
                f"Set lane.attester_max_age below {self.unbonding_delay // lane.epoch_seconds}.",
            )


DEVNET: Final = DeployParams(
    epoch_seconds=5,
    unbonding_delay=14 * DAY,
    jail_seconds=60,
    judge_fee=100 * MLB,
    parameters=Parameters(
        default_seats=3,
        first_judge_seats=3,
        last_judge_seats=5,
        max_redraws=3,
        spare_seats=0,
        open_seats=64,
        commit_window=60,
        reveal_window=60,
        min_task_time=90,
        max_task_time=DAY,
        seat_fee=10**13,
        tip=10**12,
        protocol_fee=500,
    ),
    reserve=100_000 * MLB,
    # short epochs and bursts of tests: a price that moved between quote and payment would refuse tasks
    pricing=Pricing(seats_per_provider=1_000),
    # the devnet's only provers of evidence are its own three providers, and nobody waits for an hour
    lane=LaneParams(
        epoch_seconds=30,
        source_delay=0,
        order_epochs=10,
        settle_window=60,
        closing_delay=120,
        challenge_window=60,
        answer_window=30,
        bond=10**17,
        leaf_penalty=10**16,
        demand_bond=10**15,
        min_signers=1,
        summons_commit=20,
        summons_reveal=15,
        summons_deposit=10**15,
    ),
)
DEVNET_REVIEWS: Final = ReviewParams(
    # long enough to read about a slash and to appeal it by hand
    escrow_window=1_800,
    decoy_interval=60,
    decoy_window=300,
    game_window=300,
)
PUBLIC: Final = DeployParams(
    epoch_seconds=300,
    unbonding_delay=14 * DAY,
    jail_seconds=DAY,
    judge_fee=100 * MLB,
    parameters=Parameters(
        default_seats=3,
        first_judge_seats=5,
        last_judge_seats=9,
        max_redraws=3,
        spare_seats=5,
        open_seats=16,
        commit_window=300,
        reveal_window=300,
        min_task_time=600,
        max_task_time=7 * DAY,
        seat_fee=10**13,
        tip=10**12,
        protocol_fee=500,
    ),
)
