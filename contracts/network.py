"""Which chain, which contracts: one YAML or JSON file a network."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import yaml
from eth_utils.address import is_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from contracts import artifacts
from mlbridge.errors import MLBridgeError

HOME_ENV = "MLBRIDGE_HOME"
RPC_ENV = "MLBRIDGE_RPC_URL"
_SUFFIXES = (".yaml", ".yml", ".json")


def _checksum(value: str) -> str:
    if not is_address(value):
        raise ValueError(f"{value!r} is not an address")
    return str(to_checksum_address(value))


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{value!r} is no http URL")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_checksum)]
Url = Annotated[str, AfterValidator(_url)]


class AddressBook(BaseModel):
    """Addresses of contracts. The title of a field is the contract's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def named(self) -> dict[str, str]:
        """Contract name -> address, of those that are there."""
        titles = {field: str(info.title) for field, info in type(self).model_fields.items()}
        found = {title: getattr(self, field) for field, title in titles.items()}
        return {title: address for title, address in found.items() if address is not None}

    @classmethod
    def of(cls, named: Mapping[str, str]) -> Self:
        """From contract name -> address; other contracts are left out."""
        titles = {field: str(info.title) for field, info in cls.model_fields.items()}
        return cls(**{field: named[title] for field, title in titles.items() if title in named})


class Addresses(AddressBook):
    """Where the contracts of the direct lane and the economy live."""

    authority: Address = Field(title=artifacts.AUTHORITY)
    token: Address = Field(title=artifacts.TOKEN)
    registry: Address = Field(title=artifacts.REGISTRY)
    distributor: Address = Field(title=artifacts.DISTRIBUTOR)
    task_module: Address = Field(title=artifacts.TASK_MODULE)
    serving_module: Address = Field(title=artifacts.SERVING_MODULE)
    tasks: Address = Field(title=artifacts.TASKS)
    verifier: Address = Field(title=artifacts.VERIFIER)
    bridge: Address = Field(title=artifacts.BRIDGE)
    vesting: Address = Field(title=artifacts.VESTING)
    reward_pool: Address = Field(title=artifacts.REWARD_POOL)


class LaneAddresses(AddressBook):
    """Where the contracts of the channel lane live, the beacon among them."""

    prevrandao_source: Address | None = Field(default=None, title=artifacts.PREVRANDAO_SOURCE)
    drand_source: Address | None = Field(default=None, title=artifacts.DRAND_SOURCE)
    beacon: Address = Field(title=artifacts.BEACON)
    snapshots: Address = Field(title=artifacts.SNAPSHOTS)
    channels: Address = Field(title=artifacts.CHANNELS)
    ecdsa_attestations: Address = Field(title=artifacts.ECDSA_ATTESTATIONS)
    bls_attestations: Address | None = Field(default=None, title=artifacts.BLS_ATTESTATIONS)
    settlement: Address = Field(title=artifacts.SETTLEMENT)
    dissents: Address = Field(title=artifacts.DISSENTS)
    summons: Address | None = Field(default=None, title=artifacts.SUMMONS)
    dissent_cases: Address | None = Field(default=None, title=artifacts.DISSENT_CASES)


class ReviewAddresses(AddressBook):
    """Where the contracts live that judge judgements: escrow and appeals, decoys, adapters, sealing keys."""

    escrow: Address = Field(title=artifacts.ESCROW)
    appeals: Address = Field(title=artifacts.APPEALS)
    decoys: Address = Field(title=artifacts.DECOYS)
    bisection: Address = Field(title=artifacts.BISECTION)
    policies: Address = Field(title=artifacts.POLICIES)
    proofs: Address = Field(title=artifacts.PROOFS)
    quotes: Address = Field(title=artifacts.QUOTES)
    sealing_keys: Address = Field(title=artifacts.SEALING_KEYS)


class GovernanceAddresses(AddressBook):
    """Where the contracts that govern a deployment live."""

    timelock: Address = Field(title=artifacts.TIMELOCK)
    roll: Address = Field(title=artifacts.ROLL)
    governor: Address = Field(title=artifacts.GOVERNOR)


class Deployment(BaseModel):
    """How a network came to be. Whoever has these and the code can tell what must stand at each address.

    factory: the Create3Factory; code_hashes: contract name -> keccak256 of its code on chain;
    parameters: what the constructors were given, by the names of DeployParams and GovernanceParams.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployer: Address
    salt: str
    factory: Address
    code_hashes: dict[str, str]
    parameters: dict[str, Any]


class Network(BaseModel):
    """One deployment.

    confirmations: blocks below the head that count as settled; start_block: first block that can hold our
    events; block_time: seconds between blocks, the pace at which followers ask; storage_url: see
    mlbridge.storage.open_store; drand_relays: who is asked for drand's rounds where seeds are made of them;
    nodes: base URLs of provider nodes, whom requesters ask for an answer that a coordinator does not bring;
    lane, reviews: None without them; governance: None while the deployer governs; deployment: None in files
    written by hand.
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
    drand_relays: tuple[Url, ...] = ()
    nodes: tuple[Url, ...] = ()
    lane: LaneAddresses | None = None
    reviews: ReviewAddresses | None = None
    governance: GovernanceAddresses | None = None
    deployment: Deployment | None = None

    def named(self) -> dict[str, str]:
        """Contract name -> address, of every contract."""
        books = (self.addresses, self.lane, self.reviews, self.governance)
        return {name: at for book in books if book is not None for name, at in book.named().items()}


def home() -> Path:
    """Where a user's own files are."""
    return Path(os.environ.get(HOME_ENV, "") or Path.home() / ".mlbridge")


def search_path() -> list[Path]:
    """Folders in which a network's name is looked up, first match wins."""
    return [
        Path.cwd() / "deployments",
        Path.cwd() / "configs" / "networks",
        home() / "networks",
        Path(__file__).resolve().parent.parent / "configs" / "networks",
    ]


def load_network(name_or_path: str | Path) -> Network:
    """Network by file path, or by name from `search_path()`. MLBRIDGE_RPC_URL overrides its rpc_url.

    Raises MLBridgeError `network.unknown` or `network.invalid`.
    """
    path = find_file(name_or_path)
    try:
        text = path.read_text()
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if isinstance(data, dict) and "finality" in data and "addresses" not in data:
            raise MLBridgeError(
                "network.not_deployed",
                f"{path} describes a chain, and names no contracts on it.",
                hint=f"Choose the file of a deployment; `mlbridge deploy --network {path.stem}` makes one.",
                exit_code=5,
            )
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


def find_file(name_or_path: str | Path) -> Path:
    """The file of a network or chain, by path or by name. Raises MLBridgeError `network.unknown`."""
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
