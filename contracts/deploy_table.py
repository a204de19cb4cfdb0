"""The deployment as a table: each contract, what its constructor takes, what must stand before it.

Adding a contract is one row here, its name in `contracts.artifacts` and its field in `contracts.network`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeVar

from contracts import artifacts, create3, roles
from contracts.deploy_params import DeployParams, LaneParams, ReviewParams
from contracts.governance_params import GovernanceParams
from contracts.network import Addresses
from contracts.proposals import Category

T = TypeVar("T")
NOBODY: Final = "0x" + "00" * 20


class Part(StrEnum):
    """What a deployment may have or lack. The core is always there."""

    CORE = "core"
    CHANNELS = "channels"
    REVIEWS = "reviews"
    GOVERNANCE = "governance"


@dataclass(frozen=True)
class Plan:
    """One deployment, before and while it is made.

    deployer: checksummed; salt: names the deployment among its deployer's; params: with every owner, lane
    and reviews None without them, or None where the core stands already; governance: None while the deployer
    governs; standing: contract name -> address of what is not this plan's to make; genesis: unix seconds at
    which the task module was made, known once it stands.
    """

    deployer: str
    salt: str
    params: DeployParams | None
    governance: GovernanceParams | None = None
    standing: Mapping[str, str] = field(default_factory=dict)
    genesis: int | None = None

    @cached_property
    def at(self) -> dict[str, str]:
        """Contract name -> address, of every row whether it is planned or not."""
        own = {row.name: create3.contract_address(self.deployer, self.salt, row.name) for row in ROWS}
        return own | dict(self.standing)

    @property
    def core(self) -> DeployParams:
        """`params`. Only for rows of core and channels."""
        return _known(self.params)

    @property
    def lane(self) -> LaneParams:
        """Parameters of the channel lane. Only for rows of it."""
        return _known(self.core.lane)

    @property
    def reviews(self) -> ReviewParams:
        """Parameters of reviews. Only for rows of them."""
        return _known(self.core.reviews)

    @property
    def rules(self) -> GovernanceParams:
        """`governance`. Only for rows of it."""
        return _known(self.governance)

    @property
    def began(self) -> int:
        """`genesis`. Only for rows that need the task module."""
        return _known(self.genesis)

    @property
    def parts(self) -> frozenset[Part]:
        """What is planned."""
        wanted = {
            Part.CORE: self.params is not None,
            Part.CHANNELS: self.params is not None and self.params.lane is not None,
            Part.REVIEWS: self.params is not None and self.params.reviews is not None,
            Part.GOVERNANCE: self.governance is not None,
        }
        return frozenset(part for part, planned in wanted.items() if planned)

    def rows(self) -> tuple[Row, ...]:
        """The contracts that this plan makes, in the order of the table."""
        return tuple(row for row in ROWS if row.part in self.parts and row.wanted(self))

    def named(self) -> dict[str, str]:
        """Contract name -> address, of what stands when the plan is carried out."""
        return dict(self.standing) | {row.name: self.at[row.name] for row in self.rows()}


def _known(value: T | None) -> T:
    """What the rows that ask for it have by the rules of the table."""
    if value is None:
        raise TypeError("a row of the deployment's table asks for what its part does not have")
    return value


@dataclass(frozen=True)
class Row:
    """One contract.

    arguments: of its constructor; needs: contracts that its constructor calls, or that its arguments are read
    from: they must stand first. Others may come later: their addresses are known.
    """

    part: Part
    name: str
    arguments: Callable[[Plan], tuple[Any, ...]]
    needs: tuple[str, ...] = ()
    wanted: Callable[[Plan], bool] = lambda _: True


@dataclass(frozen=True)
class Link:
    """A setter that works once: `contract.setter(at[value])`, done when `contract.getter()` says so."""

    part: Part
    contract: str
    setter: str
    getter: str
    value: str


def plan_addresses(deployer: str, salt: str) -> Addresses:
    """Where the core of a deployment stands, on every chain."""
    return Addresses.of({row.name: create3.contract_address(deployer, salt, row.name) for row in ROWS})


def _rooms(plan: Plan) -> tuple[str, ...]:
    at = plan.at
    return at[artifacts.BRIDGE], at[artifacts.VERIFIER], at[artifacts.DISTRIBUTOR], at[artifacts.REGISTRY]


def _token(plan: Plan) -> tuple[Any, ...]:
    at, params = plan.at, plan.core
    shares = (at[artifacts.REWARD_POOL], at[artifacts.VESTING])
    owners = (params.ecosystem, params.liquidity, params.reserve_fund)
    return (*shares, *owners), at[artifacts.DISTRIBUTOR]


def _registry(plan: Plan) -> tuple[Any, ...]:
    at, params = plan.at, plan.core
    neighbours = (at[artifacts.AUTHORITY], at[artifacts.TASKS], at[artifacts.DISTRIBUTOR])
    return *neighbours, params.epoch_seconds, params.pricing.as_tuple()


def _distributor(plan: Plan) -> tuple[Any, ...]:
    at, params = plan.at, plan.core
    names = (artifacts.AUTHORITY, artifacts.TOKEN, artifacts.BRIDGE, artifacts.TASKS, artifacts.VERIFIER)
    return *(at[name] for name in names), params.unbonding_delay, params.jail_seconds, params.judge_fee


def _tasks(plan: Plan) -> tuple[Any, ...]:
    at, params = plan.at, plan.core
    first = (at[artifacts.AUTHORITY], at[artifacts.TASK_MODULE], at[artifacts.SERVING_MODULE])
    return *first, *_rooms(plan), params.epoch_seconds, params.parameters.as_tuple()


def _reward_pool(plan: Plan) -> tuple[Any, ...]:
    names = (
        artifacts.AUTHORITY,
        artifacts.TOKEN,
        artifacts.DISTRIBUTOR,
        artifacts.TASKS,
        artifacts.REGISTRY,
    )
    return *(plan.at[name] for name in names), plan.core.rates.as_tuple()


def _beacon(plan: Plan) -> tuple[Any, ...]:
    source = plan.at[plan.lane.source]
    return plan.at[artifacts.AUTHORITY], plan.began, plan.lane.epoch_seconds, source


def _channels(plan: Plan) -> tuple[Any, ...]:
    lane = plan.lane
    before = (artifacts.AUTHORITY, artifacts.BRIDGE, artifacts.DISTRIBUTOR, artifacts.BEACON)
    after = (artifacts.SNAPSHOTS, artifacts.TASKS, artifacts.SETTLEMENT)
    # the beacon counts from 1 at its genesis, so its epoch 0 would have begun one epoch before
    clock = (plan.began - lane.epoch_seconds, lane.epoch_seconds)
    neighbours = (*(plan.at[name] for name in before), *clock, *(plan.at[name] for name in after))
    return neighbours, lane.closing_delay, lane.settle_window, lane.order_epochs, lane.protocol_share


def _settlement(plan: Plan) -> tuple[Any, ...]:
    at, lane = plan.at, plan.lane
    limits = (
        lane.challenge_window,
        lane.answer_window,
        lane.bond,
        lane.min_signers,
        lane.leaf_penalty,
        lane.demand_bond,
        lane.min_weight,
    )
    neighbours = (artifacts.AUTHORITY, artifacts.CHANNELS, lane.attesters, artifacts.BEACON)
    return *(at[name] for name in neighbours), plan.core.treasury, limits


def _summons(plan: Plan) -> tuple[Any, ...]:
    at, lane = plan.at, plan.lane
    limits = (
        lane.summons_commit,
        lane.summons_reveal,
        lane.most_summonses,
        lane.summons_deposit,
        lane.answer_fee,
    )
    neighbours = (artifacts.AUTHORITY, artifacts.CHANNELS, artifacts.DISTRIBUTOR, artifacts.REGISTRY)
    return *(at[name] for name in neighbours), limits


def _dissent_cases(plan: Plan) -> tuple[Any, ...]:
    names = (
        artifacts.TOKEN,
        artifacts.CHANNELS,
        artifacts.DISSENTS,
        artifacts.DISTRIBUTOR,
        artifacts.TASKS,
        artifacts.REGISTRY,
    )
    return tuple(plan.at[name] for name in names)


def _appeals(plan: Plan) -> tuple[Any, ...]:
    names = (
        artifacts.AUTHORITY,
        artifacts.TOKEN,
        artifacts.ESCROW,
        artifacts.DISTRIBUTOR,
        artifacts.TASKS,
        artifacts.REGISTRY,
        # Where they stand, or would stand if channels were added.
        artifacts.DISSENT_CASES,
    )
    return *(plan.at[name] for name in names), plan.reviews.minimum_bond


def _decoys(plan: Plan) -> tuple[Any, ...]:
    names = (
        artifacts.AUTHORITY,
        artifacts.TOKEN,
        artifacts.DISTRIBUTOR,
        artifacts.TASKS,
        artifacts.REGISTRY,
    )
    return *(plan.at[name] for name in names), plan.reviews.decoy_interval, plan.reviews.decoy_window


def _authority(plan: Plan) -> tuple[Any, ...]:
    return (plan.at[artifacts.AUTHORITY],)


def _governor(plan: Plan) -> tuple[Any, ...]:
    at, rules = plan.at, plan.rules
    setup = (
        at[artifacts.TOKEN],
        at[artifacts.TIMELOCK],
        at[artifacts.AUTHORITY],
        at[artifacts.DISTRIBUTOR],
        at[artifacts.ROLL],
        rules.guardian or NOBODY,
        rules.guardian_term,
        rules.vote_extension,
        rules.least_voting_period,
        rules.token_grant_limit,
        rules.coin_grant_limit,
        at[artifacts.REWARD_POOL],
    )
    terms = [rules.terms[category].as_tuple() for category in Category]
    return setup, terms, roles.listings(plan.named())


_SOURCES: Final = (artifacts.PREVRANDAO_SOURCE, artifacts.DRAND_SOURCE)
ROWS: Final[tuple[Row, ...]] = (
    Row(Part.CORE, artifacts.AUTHORITY, lambda plan: (plan.core.admin,)),
    Row(Part.CORE, artifacts.TOKEN, _token),
    Row(Part.CORE, artifacts.REGISTRY, _registry),
    Row(Part.CORE, artifacts.DISTRIBUTOR, _distributor, needs=(artifacts.TOKEN,)),
    Row(
        Part.CORE,
        artifacts.TASK_MODULE,
        lambda plan: (plan.at[artifacts.AUTHORITY], *_rooms(plan), plan.core.epoch_seconds),
    ),
    Row(
        Part.CORE,
        artifacts.SERVING_MODULE,
        lambda plan: (
            plan.at[artifacts.AUTHORITY],
            plan.at[artifacts.TASK_MODULE],
            *_rooms(plan),
            plan.core.epoch_seconds,
        ),
        needs=(artifacts.TASK_MODULE,),
    ),
    Row(
        Part.CORE,
        artifacts.TASKS,
        _tasks,
        needs=(artifacts.TASK_MODULE, artifacts.SERVING_MODULE, artifacts.DISTRIBUTOR),
    ),
    Row(
        Part.CORE,
        artifacts.VERIFIER,
        lambda plan: (plan.at[artifacts.TASKS], plan.at[artifacts.DISTRIBUTOR]),
    ),
    Row(
        Part.CORE,
        artifacts.BRIDGE,
        lambda plan: (
            plan.at[artifacts.AUTHORITY],
            plan.at[artifacts.TASKS],
            plan.at[artifacts.DISTRIBUTOR],
        ),
    ),
    Row(Part.CORE, artifacts.VESTING, lambda plan: (plan.core.team,)),
    Row(Part.CORE, artifacts.REWARD_POOL, _reward_pool),
    Row(
        Part.CHANNELS,
        artifacts.PREVRANDAO_SOURCE,
        lambda plan: (plan.lane.source_delay, plan.lane.source_window),
        wanted=lambda plan: plan.lane.source == artifacts.PREVRANDAO_SOURCE,
    ),
    Row(
        Part.CHANNELS,
        artifacts.DRAND_SOURCE,
        lambda plan: (plan.lane.source_delay,),
        wanted=lambda plan: plan.lane.source == artifacts.DRAND_SOURCE,
    ),
    Row(Part.CHANNELS, artifacts.BEACON, _beacon, needs=(artifacts.TASK_MODULE, *_SOURCES)),
    Row(
        Part.CHANNELS,
        artifacts.SNAPSHOTS,
        lambda plan: (
            plan.at[artifacts.BEACON],
            plan.at[artifacts.DISTRIBUTOR],
            plan.at[artifacts.TASKS],
            plan.at[artifacts.REGISTRY],
        ),
    ),
    Row(Part.CHANNELS, artifacts.CHANNELS, _channels, needs=(artifacts.TASK_MODULE, artifacts.BEACON)),
    Row(
        Part.CHANNELS,
        artifacts.ECDSA_ATTESTATIONS,
        lambda plan: (plan.at[artifacts.DISTRIBUTOR], plan.at[artifacts.TASKS]),
    ),
    Row(
        Part.CHANNELS,
        artifacts.BLS_ATTESTATIONS,
        lambda plan: (
            plan.at[artifacts.DISTRIBUTOR],
            plan.at[artifacts.BEACON],
            plan.lane.attester_max_age,
        ),
        needs=(artifacts.DISTRIBUTOR, artifacts.BEACON),
    ),
    Row(Part.CHANNELS, artifacts.SETTLEMENT, _settlement, needs=(artifacts.CHANNELS,)),
    Row(
        Part.CHANNELS,
        artifacts.DISSENTS,
        lambda plan: (plan.at[artifacts.CHANNELS], plan.at[artifacts.TASKS]),
    ),
    Row(Part.CHANNELS, artifacts.SUMMONS, _summons, needs=(artifacts.CHANNELS,)),
    Row(Part.CHANNELS, artifacts.DISSENT_CASES, _dissent_cases),
    Row(
        Part.REVIEWS,
        artifacts.ESCROW,
        lambda plan: (
            plan.at[artifacts.AUTHORITY],
            plan.at[artifacts.DISTRIBUTOR],
            plan.at[artifacts.APPEALS],
            plan.reviews.escrow_threshold,
            plan.reviews.escrow_window,
        ),
    ),
    Row(Part.REVIEWS, artifacts.APPEALS, _appeals),
    Row(Part.REVIEWS, artifacts.DECOYS, _decoys),
    Row(
        Part.REVIEWS,
        artifacts.BISECTION,
        lambda plan: (plan.at[artifacts.AUTHORITY], plan.at[artifacts.TASKS], plan.reviews.game_window),
    ),
    Row(Part.REVIEWS, artifacts.POLICIES, _authority),
    Row(Part.REVIEWS, artifacts.PROOFS, _authority),
    Row(Part.REVIEWS, artifacts.QUOTES, _authority),
    Row(Part.REVIEWS, artifacts.SEALING_KEYS, lambda plan: (plan.at[artifacts.DISTRIBUTOR],)),
    Row(
        Part.GOVERNANCE,
        artifacts.TIMELOCK,
        lambda plan: (plan.rules.least_delay, [], [], plan.deployer),
    ),
    Row(
        Part.GOVERNANCE,
        artifacts.ROLL,
        lambda plan: (plan.at[artifacts.DISTRIBUTOR], plan.rules.roll_minimum, plan.rules.maturity),
    ),
    Row(
        Part.GOVERNANCE,
        artifacts.GOVERNOR,
        _governor,
        needs=(artifacts.TOKEN, artifacts.TIMELOCK, artifacts.DISTRIBUTOR, artifacts.ROLL),
    ),
)

LINKS: Final[tuple[Link, ...]] = (
    Link(Part.CHANNELS, artifacts.DISTRIBUTOR, "setChannels", "channels", artifacts.CHANNELS),
    Link(Part.REVIEWS, artifacts.DISTRIBUTOR, "setSlashEscrow", "slashEscrow", artifacts.ESCROW),
)
# Held by contracts of a part, and needed whoever governs.
PART_ROLES: Final[Mapping[Part, tuple[roles.Role, ...]]] = {
    Part.CHANNELS: (roles.REVIEWER, roles.SLASHER),
    Part.REVIEWS: (roles.REVIEWER, roles.FINER),
}
