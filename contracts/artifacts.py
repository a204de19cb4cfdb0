"""Compiled contracts: what `npm run abi` wrote below abi/, loaded once a process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlbridge.errors import MLBridgeError

ABI_DIR = Path(__file__).parent / "abi"

BRIDGE = "MLBridge"
REGISTRY = "ModelRegistry"
TASK_MODULE = "TaskModule"
SERVING_MODULE = "ServingModule"
TASKS = "TaskManager"
VERIFIER = "ConsensusVerifier"
DISTRIBUTOR = "RewardDistributor"
TOKEN = "MLBridgeToken"  # noqa: S105 - a contract's name
AUTHORITY = "AccessManager"
VESTING = "TeamVesting"
REWARD_POOL = "RewardPool"
NAMES = (
    AUTHORITY,
    TOKEN,
    REGISTRY,
    DISTRIBUTOR,
    TASK_MODULE,
    SERVING_MODULE,
    TASKS,
    VERIFIER,
    BRIDGE,
    VESTING,
    REWARD_POOL,
)

TIMELOCK = "TimelockController"
ROLL = "VoterRoll"
GOVERNOR = "MLBridgeGovernor"
GOVERNANCE_NAMES = (TIMELOCK, ROLL, GOVERNOR)
PREVRANDAO_SOURCE = "PrevrandaoSource"
DRAND_SOURCE = "DrandSource"
BEACON = "RandomnessBeacon"
SNAPSHOTS = "StakeSnapshots"
CHANNELS = "PaymentChannels"
ECDSA_ATTESTATIONS = "EcdsaAttestations"
BLS_ATTESTATIONS = "BlsAttestations"
SETTLEMENT = "Settlement"
DISSENTS = "Dissents"
SUMMONS = "Summons"
DISSENT_CASES = "DissentCases"
LANE_NAMES = (
    PREVRANDAO_SOURCE,
    DRAND_SOURCE,
    BEACON,
    SNAPSHOTS,
    CHANNELS,
    ECDSA_ATTESTATIONS,
    BLS_ATTESTATIONS,
    SETTLEMENT,
    DISSENTS,
    SUMMONS,
    DISSENT_CASES,
)
ESCROW = "SlashEscrow"
APPEALS = "Appeals"
DECOYS = "Decoys"
BISECTION = "BisectionGame"
POLICIES = "PolicyRegistry"
PROOFS = "ProofAdapter"
QUOTES = "AttestationAdapter"
SEALING_KEYS = "SealingKeys"
VERDICT_NAMES = (ESCROW, APPEALS, DECOYS, BISECTION, POLICIES, PROOFS, QUOTES, SEALING_KEYS)
FACTORY = "Create3Factory"


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. bytecode: creation code; source_hash: hex digest of its sources."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    source_hash: str


@cache
def load(name: str) -> Artifact:
    """Artifact of a contract by name. Raises MLBridgeError `contracts.artifact` if it cannot be read."""
    path = ABI_DIR / f"{name}.json"
    try:
        data = json.loads(path.read_text())
        return Artifact(
            name=data["contractName"],
            abi=data["abi"],
            bytecode=bytes.fromhex(data["bytecode"].removeprefix("0x")),
            source_hash=data["sourceHash"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise MLBridgeError(
            "contracts.artifact",
            f"The compiled contract {name} cannot be loaded ({error}).",
            hint="Reinstall the package, or in a checkout run `npm ci && npm run abi` in contracts/.",
            contract=name,
        ) from error


@cache
def load_known() -> tuple[Artifact, ...]:
    """Every contract whose errors and events are ours, also those that a deployment may do without."""
    others = (*GOVERNANCE_NAMES, *LANE_NAMES, *VERDICT_NAMES, FACTORY)
    return tuple(load(name) for name in (*NAMES, *others))
