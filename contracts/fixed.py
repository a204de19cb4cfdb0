"""What no proposal changes, and why: every immutable of the sources, every parameter of a deployment.

contracts/roles.py prints the tables; tests/unit/test_fixed.py holds them against the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts import artifacts


@dataclass(frozen=True)
class Fixed:
    """Values that stand in code for ever. source: name of the file, without .sol; names: of immutables."""

    source: str
    names: tuple[str, ...]
    why: str


_CLOCK: Final = "Numbers of epochs name seeds and prices; another length would give past ones other numbers."
_COPY: Final = "A copy of what is fixed elsewhere, read without a call."
_CHANNEL: Final = "What a voucher, a close or an order waits for was signed under it."
_ROLL: Final = "Entries were made under it. A later governor, named by proposal, brings another roll."
_SOURCE: Final = "A source is replaced whole, by `RandomnessBeacon.setSource`."

FIXED: Final = (
    Fixed(
        "StakeLedger",
        ("unbondingDelay",),
        "Terms of votes, ages of attester sets and periods of votes rely on it: stake that "
        "leaves stays in reach of whatever began before.",
    ),
    Fixed(
        "StakeLedger",
        ("jailSeconds",),
        "Punishments are constants: no proposal makes a fault cheaper or dearer once it was committed.",
    ),
    Fixed("ChannelBook", ("closingDelay", "settleWindow"), _CHANNEL),
    Fixed("OrderDesk", ("orderEpochs",), _CHANNEL),
    Fixed("Settlement", ("settleWindow", "orderEpochs"), _COPY),
    Fixed(
        "BlsAttestations",
        ("maxAge",),
        "Longer than the unbonding delay, stake that left would attest. Another age is "
        "another contract, under another Settlement.",
    ),
    Fixed("VoterRoll", ("minimum", "maturity"), _ROLL),
    Fixed(
        "MLBridgeGovernor",
        ("guardianTerm",),
        "Whoever sets a guardian's term could keep it in office for ever; naming it again is the way.",
    ),
    Fixed("CategoryTerms", ("leastVotingPeriod",), "The bound of `setTerms`: terms cannot loosen it."),
    Fixed("CategoryTerms", ("_exitTime", "_leastDelay"), _COPY),
    Fixed(
        "CallTable",
        ("_mlb", "_timelockAddress", "_authority"),
        "What a call reaches decides its category.",
    ),
    Fixed(
        "BatchBook",
        ("treasury",),
        "Where penalties go: with governance the timelock, which stays when the governor is replaced.",
    ),
    Fixed("Rules", ("genesis", "epochSeconds"), _CLOCK),
    Fixed("ModelRegistry", ("epochSeconds",), _CLOCK),
    Fixed("RandomnessBeacon", ("genesis", "epochSeconds"), _CLOCK),
    Fixed("ChannelBook", ("genesis", "epochSeconds"), _CLOCK),
    Fixed("BlsAttestations", ("genesis", "epochSeconds"), _CLOCK),
    Fixed("PoolFunds", ("genesis",), "The early bonus falls from here."),
    Fixed(
        "MLBridgeToken",
        ("genesis",),
        "The schedule of inflation counts from here; nobody mints by decision.",
    ),
    Fixed("DrandSource", ("delay",), _SOURCE),
    Fixed("PrevrandaoSource", ("delay", "window"), _SOURCE),
)

# Addresses that a contract trusts: no proposal may swap the keeper of the money or the judge under those who
# came for these.
NEIGHBOURS: Final[Mapping[str, tuple[str, ...]]] = {
    "Appeals": ("token", "escrow", "distributor", "taskManager", "registry", "dissentCases"),
    "BatchBook": ("channels", "attesters", "beacon"),
    "BisectionGame": ("taskManager",),
    "BlsAttestations": ("distributor",),
    "ChannelBook": ("bridge", "ledger", "beacon"),
    "ConsensusVerifier": ("taskManager", "distributor"),
    "Decoys": ("token", "distributor", "taskManager", "registry"),
    "DissentCases": ("token", "channels", "dissents", "distributor", "taskManager", "registry"),
    "Dissents": ("channels", "taskManager"),
    "EcdsaAttestations": ("distributor", "taskManager"),
    "MLBridge": ("taskManager", "distributor"),
    "MLBridgeGovernor": ("roll",),
    "MLBridgeToken": ("distributor", "rewardPool"),
    "ModelRegistry": ("taskManager", "distributor"),
    "OrderDesk": ("snapshots", "taskManager"),
    "PaymentChannels": ("settlement",),
    "Payouts": ("bridge",),
    "PoolFunds": ("token", "distributor", "taskManager", "registry"),
    "Rules": ("bridge", "verifier", "distributor", "registry"),
    "SealingKeys": ("distributor",),
    "SlashEscrow": ("distributor", "appeals"),
    "Slashing": ("taskManager", "verifier"),
    "StakeLedger": ("token", "rewardPool"),
    "StakeSnapshots": ("beacon", "distributor", "taskManager", "registry"),
    "SummonsRules": ("channels", "distributor", "taskManager", "registry"),
    "TaskManager": ("module", "servingModule"),
    "VoterRoll": ("distributor",),
}

# What a deployment is made with (deploy_params.py, governance_params.py) -> the function that changes it.
SETTERS: Final[Mapping[str, tuple[str, str]]] = {
    "judge_fee": (artifacts.DISTRIBUTOR, "setJudgeFee"),
    "parameters": (artifacts.TASKS, "setParameters"),
    "rates": (artifacts.REWARD_POOL, "setRates"),
    "pricing": (artifacts.REGISTRY, "setPricing"),
    "source": (artifacts.BEACON, "setSource"),
    "source_delay": (artifacts.BEACON, "setSource"),
    "source_window": (artifacts.BEACON, "setSource"),
    "protocol_share": (artifacts.CHANNELS, "setProtocolShare"),
    "challenge_window": (artifacts.SETTLEMENT, "setLimits"),
    "answer_window": (artifacts.SETTLEMENT, "setLimits"),
    "bond": (artifacts.SETTLEMENT, "setLimits"),
    "leaf_penalty": (artifacts.SETTLEMENT, "setLimits"),
    "demand_bond": (artifacts.SETTLEMENT, "setLimits"),
    "min_signers": (artifacts.SETTLEMENT, "setLimits"),
    "min_weight": (artifacts.SETTLEMENT, "setLimits"),
    "summons_commit": (artifacts.SUMMONS, "setLimits"),
    "summons_reveal": (artifacts.SUMMONS, "setLimits"),
    "most_summonses": (artifacts.SUMMONS, "setLimits"),
    "summons_deposit": (artifacts.SUMMONS, "setLimits"),
    "answer_fee": (artifacts.SUMMONS, "setLimits"),
    "escrow_threshold": (artifacts.ESCROW, "setRules"),
    "escrow_window": (artifacts.ESCROW, "setRules"),
    "minimum_bond": (artifacts.APPEALS, "setMinimumBond"),
    "decoy_interval": (artifacts.DECOYS, "setTimes"),
    "decoy_window": (artifacts.DECOYS, "setTimes"),
    "game_window": (artifacts.BISECTION, "setWindow"),
    "terms": (artifacts.GOVERNOR, "setTerms"),
    "guardian": (artifacts.GOVERNOR, "setProposalGuardian"),
    "vote_extension": (artifacts.GOVERNOR, "setLateQuorumVoteExtension"),
    "token_grant_limit": (artifacts.GOVERNOR, "setGrantLimits"),
    "coin_grant_limit": (artifacts.GOVERNOR, "setGrantLimits"),
    # OpenZeppelin's, by a call of the timelock to itself
    "least_delay": (artifacts.TIMELOCK, "updateDelay"),
}
# The other parameters -> (source, immutable) of the tables above.
IMMUTABLES: Final[Mapping[str, tuple[str, str]]] = {
    "epoch_seconds": ("Rules", "epochSeconds"),
    "unbonding_delay": ("StakeLedger", "unbondingDelay"),
    "jail_seconds": ("StakeLedger", "jailSeconds"),
    "treasury": ("BatchBook", "treasury"),
    "attesters": ("BatchBook", "attesters"),
    "attester_max_age": ("BlsAttestations", "maxAge"),
    "order_epochs": ("OrderDesk", "orderEpochs"),
    "settle_window": ("ChannelBook", "settleWindow"),
    "closing_delay": ("ChannelBook", "closingDelay"),
    "roll_minimum": ("VoterRoll", "minimum"),
    "maturity": ("VoterRoll", "maturity"),
    "guardian_term": ("MLBridgeGovernor", "guardianTerm"),
    "least_voting_period": ("CategoryTerms", "leastVotingPeriod"),
}
# Who is given MLB at the beginning, and who administers until the hand-over; nothing runs by them afterwards.
BEGINNINGS: Final = frozenset(
    {"admin", "reserve", "team", "ecosystem", "liquidity", "reserve_fund", "lane", "reviews"}
)


def render() -> list[str]:
    """The part of docs/design/roles.md about them, in lines."""
    lines = [
        "## Fixed at deployment, and why",
        "Every other parameter is reached by a proposal, by a function above and by nothing else.",
        "",
        "| source | value | why |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{row.source}` | {', '.join(f'`{name}`' for name in row.names)} | {row.why} |" for row in FIXED
    ]
    lines += [
        "",
        "Contracts that these trust, likewise for ever: with another keeper of the money or another judge it"
        " would be another system, and nobody is moved into one by a vote. What governance may plug in"
        " (adapters, circuits, sources of randomness, the escrow and the channels once) stands above.",
        "",
        "| source | neighbours |",
        "|---|---|",
    ]
    lines += [
        f"| `{source}` | {', '.join(f'`{n}`' for n in names)} |" for source, names in NEIGHBOURS.items()
    ]
    return [*lines, ""]
