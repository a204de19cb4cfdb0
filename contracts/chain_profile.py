"""A chain and what a deployment to it is built with: one YAML file each in configs/networks/.

Facts of the chain stand beside the choices made for it, each fact with its source, and `check` refuses
choices that the facts make unsafe. docs/design/deployment.md says why each rule is one.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts import artifacts
from contracts.deploy_gas import largest_creation
from contracts.deploy_params import DEVNET, PUBLIC, DeployParams, LaneParams, ReviewParams, unsafe
from contracts.governance_params import DEVNET_GOVERNANCE, PUBLIC_GOVERNANCE, GovernanceParams
from contracts.network import Url, search_path
from contracts.proposals import Category
from contracts.randomness import Source, require_safe
from mlbridge.errors import MLBridgeError

SHIPPED = Path(__file__).resolve().parent.parent / "configs" / "networks"
# What a window leaves at least for a transaction that nobody keeps out but that is not the first in line.
LEAST_BLOCKS = 10
# Consecutive blocks of one proposer that must not tell it a value early (docs/design/randomness.md).
PREVRANDAO_DELAY_BLOCKS = 4
DRAND_DELAY = 30
OPCODE_REACH = 256  # blocks that BLOCKHASH knows
HISTORY_REACH = 8_191  # blocks that the history of EIP-2935 knows
T = TypeVar("T")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finality(_Part):
    """blocks: how deep a block must lie to be acted on; seconds: until it is for good; by: what says so."""

    blocks: int = Field(ge=0)
    seconds: int = Field(ge=0)
    by: str


class Gas(_Part):
    """block_limit, tx_cap: gas that a block holds, and that one transaction may ask for."""

    block_limit: int = Field(gt=0)
    tx_cap: int = Field(gt=0)


class Choices(_Part):
    """What differs from a preset, by the names of DeployParams and its parts; integers in their units."""

    preset: Literal["public", "devnet"] = "public"
    owners: dict[str, str] = Field(default_factory=dict)
    core: dict[str, int] = Field(default_factory=dict)
    parameters: dict[str, int] = Field(default_factory=dict)
    rates: dict[str, int] = Field(default_factory=dict)
    pricing: dict[str, int] = Field(default_factory=dict)
    lane: dict[str, int | str] = Field(default_factory=dict)
    reviews: dict[str, int] = Field(default_factory=dict)
    governance: dict[str, int | str] = Field(default_factory=dict)


class ChainProfile(_Part):
    """One chain.

    block_time: seconds; confirmations: blocks on top of what is acted on; exclusion_seconds: how long one
    party can keep a transaction out of the chain; eip2537, eip2935: whether the chain has BLS precompiles
    and the history of block hashes; coin: its native coin; drand_relays: who is asked for drand's rounds.
    """

    name: str
    chain_id: int = Field(gt=0)
    rpc_url: str
    coin: str = "ETH"
    block_time: float = Field(gt=0)
    confirmations: int = Field(ge=0)
    finality: Finality
    exclusion_seconds: int = Field(ge=0)
    gas: Gas
    eip2537: bool
    eip2935: bool
    storage_url: str = ""
    drand_relays: tuple[Url, ...] = ()
    deploy: Choices = Field(default_factory=Choices)

    def params(self) -> DeployParams:
        """What the contracts are built with, all parts included. Raises `profile.invalid`."""
        choices = self.deploy
        base = DEVNET if choices.preset == "devnet" else PUBLIC
        lane = _changed(base.lane or LaneParams(), choices.lane, "lane")
        return _changed(
            replace(
                base,
                parameters=_changed(base.parameters, choices.parameters, "parameters"),
                rates=_changed(base.rates, choices.rates, "rates"),
                pricing=_changed(base.pricing, choices.pricing, "pricing"),
                lane=lane,
                reviews=_changed(base.reviews or ReviewParams(), choices.reviews, "reviews"),
            ),
            {**choices.core, **choices.owners},
            "core and owners",
        )

    def governance(self) -> GovernanceParams:
        """What governance is made with. Raises `profile.invalid`."""
        base = DEVNET_GOVERNANCE if self.deploy.preset == "devnet" else PUBLIC_GOVERNANCE
        return _changed(base, self.deploy.governance, "governance")

    def check(self) -> None:
        """Whether the choices are safe on this chain.

        Raises MLBridgeError `deploy.unsafe` or `randomness.*` for the first that is not, with a way out.
        """
        params = self.params()
        params.check()
        self._check_confirmations()
        self._check_gas()
        self._check_direct_lane(params)
        if params.lane is not None:
            self._check_randomness(params.lane)
            self._check_channel_lane(params.lane)
        if params.reviews is not None:
            self._check_reviews(params.reviews)

    def _check_confirmations(self) -> None:
        if self.confirmations < self.finality.blocks:
            raise unsafe(
                f"{self.confirmations} confirmations are fewer than the {self.finality.blocks} blocks after"
                f" which {self.name} keeps a block ({self.finality.by}).",
                f"Set confirmations to {self.finality.blocks} or more.",
            )
        for known in shipped_profiles():
            if known.chain_id == self.chain_id and self.finality.blocks < known.finality.blocks:
                raise unsafe(
                    f"finality.blocks of {self.finality.blocks} is less than chain {self.chain_id} needs:"
                    f" {known.finality.blocks} ({known.finality.by}).",
                    f"Take the facts from configs/networks/{known.name}.yaml.",
                )

    def _check_gas(self) -> None:
        name, needed = largest_creation()
        for limit, what in ((self.gas.tx_cap, "a transaction"), (self.gas.block_limit, "a block")):
            if needed > limit:
                raise unsafe(
                    f"Creating {name} takes up to {needed:,} gas, but {what} of {self.name} holds {limit:,}.",
                    "This chain cannot have the contracts. If the figure in its file is wrong, mend that.",
                )

    def _check_direct_lane(self, params: DeployParams) -> None:
        rules = params.parameters
        self._require_window("parameters.commit_window", rules.commit_window, blocks=LEAST_BLOCKS)
        # providers open their results only when the closed set of commitments lies deep enough
        deep = self.confirmations + LEAST_BLOCKS
        self._require_window("parameters.reveal_window", rules.reveal_window, blocks=deep)
        if rules.min_task_time <= rules.commit_window:
            raise unsafe(
                f"A task may end after {rules.min_task_time} s, before {rules.commit_window} s to commit.",
                f"Set parameters.min_task_time above {rules.commit_window}.",
            )

    def _check_channel_lane(self, lane: LaneParams) -> None:
        self._require_window("lane.epoch_seconds", lane.epoch_seconds, blocks=LEAST_BLOCKS)
        final = self.finality.seconds
        self._require_window("lane.settle_window", lane.settle_window, blocks=LEAST_BLOCKS, seconds=final)
        # as in the direct lane: who is summoned commits and opens in transactions
        self._require_window("lane.summons_commit", lane.summons_commit, blocks=LEAST_BLOCKS)
        deep = self.confirmations + LEAST_BLOCKS
        self._require_window("lane.summons_reveal", lane.summons_reveal, blocks=deep)
        # who answers a lie or a demand late pays, so nobody alone may be able to make it late
        reach = final + self.exclusion_seconds
        for name, seconds in (
            ("lane.challenge_window", lane.challenge_window),
            ("lane.answer_window", lane.answer_window),
        ):
            self._require_window(name, seconds, blocks=LEAST_BLOCKS, seconds=reach)

    def _check_reviews(self, reviews: ReviewParams) -> None:
        # who is silent in a round of a game, or as an author of a decoy, loses
        reach = self.finality.seconds + self.exclusion_seconds
        for name, seconds in (
            ("reviews.decoy_window", reviews.decoy_window),
            ("reviews.game_window", reviews.game_window),
        ):
            self._require_window(name, seconds, blocks=LEAST_BLOCKS, seconds=reach)
        terms = self.governance().terms[Category.TECHNICAL]
        vote = terms.voting_delay + terms.voting_period + terms.timelock_delay
        if reviews.escrow_window <= vote:
            raise unsafe(
                f"A slash waits {reviews.escrow_window} s, but a vote for its veto takes {vote} s.",
                f"Set reviews.escrow_window well above {vote}.",
            )

    def _require_window(self, name: str, given: int, *, blocks: int, seconds: int = 0) -> None:
        least = seconds + int(-(-blocks * self.block_time // 1))
        if given < least:
            why = f"{blocks} blocks of {self.block_time:g} s"
            if seconds:
                why += f" and {seconds} s until nobody can undo a block or keep a transaction out"
            raise unsafe(
                f"{name} of {given} s is shorter than {self.name} needs: {why}.",
                f"Set {name} to {least} or more.",
            )

    def _check_randomness(self, lane: LaneParams) -> None:
        source = require_safe(self.chain_id, str(lane.source))
        needs_curve = source is Source.DRAND or lane.attesters == artifacts.BLS_ATTESTATIONS
        if needs_curve and not self.eip2537:
            what = source if source is Source.DRAND else lane.attesters
            raise unsafe(
                f"{what} needs the BLS12-381 precompiles of EIP-2537, and {self.name} has none.",
                "Use another chain, or another source or attesters where the chain makes them safe.",
            )
        if source is Source.DRAND:
            least, cut = DRAND_DELAY, None
        else:
            least = int(PREVRANDAO_DELAY_BLOCKS * self.block_time)
            reach = HISTORY_REACH if self.eip2935 else OPCODE_REACH
            cut = int(reach * self.block_time)
        if lane.source_delay < least:
            raise unsafe(
                f"A seed taken {lane.source_delay} s after its epoch begins may be known before that.",
                f"Set lane.source_delay to {least} or more.",
            )
        if cut is not None and lane.source_window > cut:
            raise unsafe(
                f"{self.name} forgets block hashes after {cut} s, before lane.source_window of"
                f" {lane.source_window} s is over: a seed could be lost that still counts.",
                f"Set lane.source_window to {cut} or less.",
            )


def find_profile(name_or_path: str | Path) -> Path | None:
    """The file of a chain by path or name, also where a deployment has the same name; None if it is none."""
    text = str(name_or_path)
    named = [folder / f"{text}{suffix}" for folder in search_path() for suffix in (".yaml", ".yml")]
    return next((path for path in (Path(text), *named) if path.is_file() and is_profile(path)), None)


def load_profile(path: Path) -> ChainProfile:
    """A chain's file. Not checked for safety yet. Raises MLBridgeError `profile.invalid`."""
    return _read(path)


def shipped_profiles() -> list[ChainProfile]:
    """The chains of this release."""
    if not SHIPPED.is_dir():
        return []
    files = sorted(SHIPPED.glob("*.yaml"))
    return [_read(file) for file in files if is_profile(file)]


def is_profile(path: Path) -> bool:
    """Whether a file describes a chain. Those of deployments name addresses."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(data, dict) and "finality" in data and "addresses" not in data


def _read(path: Path) -> ChainProfile:
    try:
        return ChainProfile.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise _invalid(f"The chain file {path} is not valid: {problems}.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _invalid(f"The chain file {path} cannot be read: {error}.") from error


def _invalid(message: str) -> MLBridgeError:
    return MLBridgeError(
        "profile.invalid", message, hint="configs/networks/ethereum.yaml shows every field.", exit_code=2
    )


def _changed(base: T, changes: dict[str, Any], part: str) -> T:
    """A dataclass with some fields changed; a name that it lacks is refused."""
    known = {field.name: field for field in fields(base)}  # type: ignore[arg-type]
    for name, value in changes.items():
        if name not in known or not isinstance(getattr(base, name), type(value)):
            kind = type(getattr(base, name)).__name__ if name in known else "nothing"
            raise _invalid(f"deploy.{part}: {name} takes {kind}, not {value!r}.")
    made: Any = replace(base, **_typed(changes))  # type: ignore[type-var]
    return made  # type: ignore[no-any-return]


def _typed(changes: dict[str, Any]) -> dict[str, Any]:
    if "source" not in changes:
        return changes
    return changes | {"source": _source(str(changes["source"]))}


def _source(name: str) -> Source:
    try:
        return Source(name)
    except ValueError as error:
        raise _invalid(
            f"deploy.lane: there is no source {name}; choose one of {', '.join(Source)}."
        ) from error
