"""What a coordinator's file says about the channel lane."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from contracts.network import Url


class LaneConfig(BaseModel):
    """The channel lane: orders that requesters sign, paid from their channels to this coordinator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: tuple[Url, ...] = Field(default=(), description="base URLs of provider nodes")
    attesters: tuple[Url, ...] = Field(
        default=(), description="URLs of verifiers that look at batches and sign them"
    )
    share: int = Field(default=300, ge=0, le=10_000, description="basis points of each price")
    max_in_flight: int = Field(default=1_024, ge=1, description="orders under way at once; more are told 503")
    shards: int = Field(
        default=0,
        ge=0,
        le=64,
        description="further processes that carry orders, shared out by requester; 0: the coordinator's own "
        "carries all. One for each core that it may have; each takes `max_in_flight`",
    )
    max_seconds: int = Field(default=600, ge=1, description="most seconds until an order's deadline")
    collect_share: float = Field(
        default=0.7, gt=0, lt=1, description="part of an order's time in which its set must be closed"
    )
    linger_share: float = Field(
        default=0.05, ge=0, description="once a verdict is possible, wait this part longer for slow seats"
    )
    linger_s: float = Field(
        default=0.05, ge=0, description="seconds that this is at least, so that near ones are paid"
    )
    unreachable_s: float = Field(
        default=5, ge=0, description="an order fails once a seat that it needs was unreachable for so long"
    )
    hedge: float = Field(
        default=4,
        ge=1,
        description="or once it has taken so many times as long as the others and as it takes itself",
    )
    hedge_s: float = Field(default=5, ge=0, description="seconds that this is at least")
    late_s: float = Field(default=10, ge=0, description="seconds after a verdict for the slow seats")
    batch_orders: int = Field(default=512, ge=1, le=4_096, description="orders that close a batch")
    batch_age_s: float = Field(default=5, ge=0, description="age of the oldest order that closes a batch")
    bond_wei: int = Field(default=0, ge=0, description="bond to keep; 0: the least that it takes")
    post_seeds: bool = Field(default=True, description="post seeds of epochs that nobody has posted")
    drand_relays: tuple[Url, ...] = Field(
        default=(),
        description="drand relays that are asked for the rounds of which seeds are made; none: the network's",
    )
    keep_s: float = Field(
        default=86_400,
        ge=0,
        description="seconds for which ended orders are kept; never less than the chain may ask about them",
    )
    refresh_s: float = Field(default=30, gt=0, description="seconds between looks at the members' pages")
