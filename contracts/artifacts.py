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
BEACON = "RandomnessBeacon"
BEACON_NAMES = (BEACON, "PrevrandaoSource", "DrandSource", "BlsAttestations")
SNAPSHOTS = "StakeSnapshots"
CHANNELS = "PaymentChannels"
ATTESTERS = "EcdsaAttestations"
SETTLEMENT = "Settlement"
DISSENTS = "Dissents"
CHANNEL_NAMES = (SNAPSHOTS, CHANNELS, ATTESTERS, SETTLEMENT, DISSENTS)
ESCROW = "SlashEscrow"
APPEALS = "Appeals"
DECOYS = "Decoys"
BISECTION = "BisectionGame"
POLICIES = "PolicyRegistry"
PROOFS = "ProofAdapter"
QUOTES = "AttestationAdapter"
VERDICT_NAMES = (ESCROW, APPEALS, DECOYS, BISECTION, POLICIES, PROOFS, QUOTES, "SealingKeys")


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
def load_all() -> tuple[Artifact, ...]:
    """Every contract of the deployment, in deployment order."""
    return tuple(load(name) for name in NAMES)


@cache
def load_known() -> tuple[Artifact, ...]:
    """Every contract whose errors and events are ours, also those that a deployment may do without."""
    others = (*GOVERNANCE_NAMES, *BEACON_NAMES, *CHANNEL_NAMES, *VERDICT_NAMES)
    return load_all() + tuple(load(name) for name in others)
