"""Which chain, which contracts: one YAML or JSON file a network."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

import yaml
from eth_utils.address import is_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mlbridge.errors import MLBridgeError

HOME_ENV = "MLBRIDGE_HOME"
RPC_ENV = "MLBRIDGE_RPC_URL"
_SUFFIXES = (".yaml", ".yml", ".json")


def _checksum(value: str) -> str:
    if not is_address(value):
        raise ValueError(f"{value!r} is not an address")
    return str(to_checksum_address(value))


Address = Annotated[str, AfterValidator(_checksum)]


class Addresses(BaseModel):
    """Where the contracts of one deployment live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authority: Address
    token: Address
    registry: Address
    distributor: Address
    task_module: Address
    serving_module: Address
    tasks: Address
    verifier: Address
    bridge: Address
    vesting: Address
    reward_pool: Address

    def named(self) -> dict[str, str]:
        """Contract name -> address."""
        from contracts import artifacts

        return {
            artifacts.AUTHORITY: self.authority,
            artifacts.TOKEN: self.token,
            artifacts.REGISTRY: self.registry,
            artifacts.DISTRIBUTOR: self.distributor,
            artifacts.TASK_MODULE: self.task_module,
            artifacts.SERVING_MODULE: self.serving_module,
            artifacts.TASKS: self.tasks,
            artifacts.VERIFIER: self.verifier,
            artifacts.BRIDGE: self.bridge,
            artifacts.VESTING: self.vesting,
            artifacts.REWARD_POOL: self.reward_pool,
        }


class LaneAddresses(BaseModel):
    """Where the contracts of the channel lane live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beacon: Address
    snapshots: Address
    channels: Address
    attesters: Address
    settlement: Address
    dissents: Address

    def named(self) -> dict[str, str]:
        """Contract name -> address."""
        from contracts import artifacts

        return {
            artifacts.BEACON: self.beacon,
            artifacts.SNAPSHOTS: self.snapshots,
            artifacts.CHANNELS: self.channels,
            artifacts.ATTESTERS: self.attesters,
            artifacts.SETTLEMENT: self.settlement,
            artifacts.DISSENTS: self.dissents,
        }


class GovernanceAddresses(BaseModel):
    """Where the contracts that govern a deployment live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timelock: Address
    roll: Address
    governor: Address

    def named(self) -> dict[str, str]:
        """Contract name -> address."""
        from contracts import artifacts

        return {
            artifacts.TIMELOCK: self.timelock,
            artifacts.ROLL: self.roll,
            artifacts.GOVERNOR: self.governor,
        }


class Network(BaseModel):
    """One deployment.

    confirmations: blocks below the head that count as settled; start_block: first block that can hold our
    events; block_time: seconds between blocks, the pace at which followers ask; storage_url: see
    mlbridge.storage.open_store; lane: None without channels; governance: None while the deployer governs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    chain_id: int = Field(gt=0)
    rpc_url: str
    addresses: Addresses
    confirmations: int = Field(default=0, ge=0)
    start_block: int = Field(default=0, ge=0)
    block_time: float = Field(default=12.0, gt=0)
    storage_url: str = ""
    lane: LaneAddresses | None = None
    governance: GovernanceAddresses | None = None


def search_path() -> list[Path]:
    """Folders in which a network's name is looked up, first match wins."""
    home = Path(os.environ.get(HOME_ENV, "") or Path.home() / ".mlbridge")
    return [
        Path.cwd() / "configs" / "networks",
        home / "networks",
        Path(__file__).resolve().parent.parent / "configs" / "networks",
    ]


def load_network(name_or_path: str | Path) -> Network:
    """Network by file path, or by name from `search_path()`. MLBRIDGE_RPC_URL overrides its rpc_url.

    Raises MLBridgeError `network.unknown` or `network.invalid`.
    """
    path = _find(name_or_path)
    try:
        text = path.read_text()
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        network = Network.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise MLBridgeError(
            "network.invalid", f"The network file {path} is not valid: {problems}.", exit_code=2
        ) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise MLBridgeError(
            "network.invalid", f"The network file {path} cannot be read: {error}.", exit_code=2
        ) from error
    rpc_url = os.environ.get(RPC_ENV)
    return network.model_copy(update={"rpc_url": rpc_url}) if rpc_url else network


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    direct = Path(text).expanduser()
    if direct.suffix in _SUFFIXES and direct.is_file():
        return direct
    if os.sep not in text:
        for folder in search_path():
            for suffix in _SUFFIXES:
                candidate = folder / f"{text}{suffix}"
                if candidate.is_file():
                    return candidate
    folders = [folder for folder in search_path() if folder.is_dir()]
    known = sorted({file.stem for folder in folders for file in folder.iterdir() if file.suffix in _SUFFIXES})
    raise MLBridgeError(
        "network.unknown",
        f"There is no network {text!r}.",
        hint=f"Known networks: {', '.join(known) or 'none'}. A path to a network file works too.",
        exit_code=5,
        network=text,
    )


def save(network: Network, path: str | Path) -> Path:
    """Write the network file (YAML, or JSON by suffix), whole or not at all. Returns its path."""
    target = Path(path)
    data = network.model_dump(mode="json")
    if target.suffix == ".json":
        text = json.dumps(data, indent=2) + "\n"
    else:
        text = yaml.safe_dump(data, sort_keys=False)
    write_whole(target, text)
    return target


def write_whole(target: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file atomically: readers see the old text or the new, never half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
