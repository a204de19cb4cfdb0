"""Deploy every contract to any chain: resumable, and the same result when run twice with the same record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.contract.async_contract import AsyncContractConstructor

from contracts import artifacts
from contracts.chain import Chain, Endpoint
from contracts.economy import MLB, Pricing, RewardRates
from contracts.events import as_int
from contracts.network import Addresses, Network, save, write_whole
from contracts.reads import Parameters
from contracts.sender import Sender, SendPolicy
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak as keccak256

log = structlog.get_logger(__name__)

DAY: Final = 86_400


@dataclass(frozen=True)
class DeployParams:
    """What a deployment is built with.

    epoch_seconds, unbonding_delay, jail_seconds: seconds; judge_fee, reserve: MLB with 18 decimals. admin
    may set parameters, pause and suspend; treasury: who gets the shares of the supply that name nobody
    else; empty: the deployer. ecosystem, liquidity, reserve_fund: 20, 10 and 15 % of the supply; team:
    owner of the vesting wallet with 15 %; empty: the treasury. The community's 40 % go to the RewardPool.
    reserve: taken from the treasury into the common dispute reserve, only where the deployer is the treasury;
    models get their parts of it by `contracts.reserves`.
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

    def with_owners(self, deployer: str) -> DeployParams:
        """The same with every empty address filled in."""
        treasury = self.treasury or deployer
        return replace(
            self,
            admin=self.admin or deployer,
            treasury=treasury,
            team=self.team or treasury,
            ecosystem=self.ecosystem or treasury,
            liquidity=self.liquidity or treasury,
            reserve_fund=self.reserve_fund or treasury,
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


@dataclass
class DeployRecord:
    """What one deployment has done so far; a JSON file beside the network file.

    first_nonce: the deployer's nonce of the first contract; done: contract name -> address.
    """

    chain_id: int
    deployer: str
    first_nonce: int
    fingerprint: str
    start_block: int
    done: dict[str, str] = field(default_factory=dict)
    reserve_funded: bool = False

    @classmethod
    def read(cls, path: Path | None) -> DeployRecord | None:
        """The record in a file; None without file or name."""
        if path is None or not path.exists():
            return None
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path | None) -> None:
        """Save it, if it has a file."""
        if path is not None:
            write_whole(path, json.dumps(asdict(self), indent=2) + "\n")


def create_address(deployer: str, nonce: int) -> str:
    """Address of the contract that an account creates with its transaction number `nonce`."""
    # RLP of [20 bytes, number]: both are short, so every length is one byte
    digits = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    number = digits if len(digits) == 1 and digits[0] < 0x80 else bytes([0x80 + len(digits)]) + digits
    body = b"\x94" + bytes.fromhex(deployer.removeprefix("0x")) + number
    return str(to_checksum_address(keccak256(bytes([0xC0 + len(body)]) + body)[12:]))


def plan_addresses(deployer: str, first_nonce: int) -> Addresses:
    """Where the contracts will stand, one transaction each, in the order of `artifacts.NAMES`."""
    at = {name: create_address(deployer, first_nonce + i) for i, name in enumerate(artifacts.NAMES)}
    return Addresses(
        authority=at[artifacts.AUTHORITY],
        token=at[artifacts.TOKEN],
        registry=at[artifacts.REGISTRY],
        distributor=at[artifacts.DISTRIBUTOR],
        task_module=at[artifacts.TASK_MODULE],
        serving_module=at[artifacts.SERVING_MODULE],
        tasks=at[artifacts.TASKS],
        verifier=at[artifacts.VERIFIER],
        bridge=at[artifacts.BRIDGE],
        vesting=at[artifacts.VESTING],
        reward_pool=at[artifacts.REWARD_POOL],
    )


def constructor_arguments(name: str, at: Addresses, params: DeployParams) -> tuple[Any, ...]:
    """Constructor arguments of a contract. params: with every owner filled in."""
    rooms = (at.bridge, at.verifier, at.distributor, at.registry)
    shares = (at.reward_pool, at.vesting, params.ecosystem, params.liquidity, params.reserve_fund)
    arguments: dict[str, tuple[Any, ...]] = {
        artifacts.AUTHORITY: (params.admin,),
        artifacts.TOKEN: (shares, at.distributor),
        artifacts.REGISTRY: (
            at.authority,
            at.tasks,
            at.distributor,
            params.epoch_seconds,
            params.pricing.as_tuple(),
        ),
        artifacts.DISTRIBUTOR: (
            at.authority,
            at.token,
            at.bridge,
            at.tasks,
            at.verifier,
            params.unbonding_delay,
            params.jail_seconds,
            params.judge_fee,
        ),
        artifacts.TASK_MODULE: (at.authority, *rooms, params.epoch_seconds),
        artifacts.SERVING_MODULE: (at.authority, at.task_module, *rooms, params.epoch_seconds),
        artifacts.TASKS: (
            at.authority,
            at.task_module,
            at.serving_module,
            *rooms,
            params.epoch_seconds,
            params.parameters.as_tuple(),
        ),
        artifacts.VERIFIER: (at.tasks, at.distributor),
        artifacts.BRIDGE: (at.authority, at.tasks, at.distributor),
        artifacts.VESTING: (params.team,),
        artifacts.REWARD_POOL: (
            at.authority,
            at.token,
            at.distributor,
            at.tasks,
            at.registry,
            params.rates.as_tuple(),
        ),
    }
    return arguments[name]


async def deploy(
    rpc_url: str,
    deployer: LocalAccount,
    params: DeployParams,
    *,
    name: str = "devnet",
    record_file: Path | None = None,
    network_file: Path | None = None,
    confirmations: int = 0,
    block_time: float = 12.0,
    storage_url: str = "",
    policy: SendPolicy | None = None,
    progress: Callable[[str], None] | None = None,
) -> Network:
    """Deploy what is missing and return the network.

    With a record_file a second run finds what the first one did, even one that was cut off, and does only
    the rest. No role is granted: the AccessManager's administrator is params.admin alone. progress: told
    each contract's name. Raises MLBridgeError `deploy.moved` (the deployer's account was used in between),
    `deploy.changed` (other parameters or code than the record's), or what a Sender raises.
    """
    full = params.with_owners(deployer.address)
    async with await Endpoint.open(rpc_url) as endpoint:
        record = await _open_record(endpoint, deployer, full, record_file)
        addresses = plan_addresses(record.deployer, record.first_nonce)
        sender = Sender(endpoint, deployer, policy)
        for index, (contract, address) in enumerate(addresses.named().items()):
            if contract in record.done:
                continue
            if not await _has_code(endpoint, address):
                await _require_nonce(endpoint, record, index)
                await _create(endpoint, sender, contract, addresses, full)
            record.done[contract] = address
            record.write(record_file)
            log.info("contract_deployed", contract=contract, address=address)
            if progress is not None:
                progress(contract)
        network = Network(
            name=name,
            chain_id=endpoint.chain_id,
            rpc_url=rpc_url,
            addresses=addresses,
            confirmations=confirmations,
            start_block=record.start_block,
            block_time=block_time,
            storage_url=storage_url,
        )
    await _fund_reserve(network, deployer, full, record, record_file, policy)
    if network_file is not None:
        save(network, network_file)
    return network


def _fingerprint(params: DeployParams) -> str:
    """Names parameters and code: a record made with others describes another deployment."""
    code = b"".join(keccak256(artifact.bytecode) for artifact in artifacts.load_all())
    return keccak256(json.dumps(asdict(params), sort_keys=True).encode() + code).hex()


async def _open_record(
    endpoint: Endpoint, deployer: LocalAccount, params: DeployParams, path: Path | None
) -> DeployRecord:
    fingerprint = _fingerprint(params)
    record = DeployRecord.read(path)
    if record is not None:
        mine = (endpoint.chain_id, deployer.address, fingerprint)
        if (record.chain_id, record.deployer, record.fingerprint) != mine:
            raise MLBridgeError(
                "deploy.changed",
                f"The deployment in {path} was begun for another chain, deployer, parameters or code.",
                hint="Use another file for a new deployment.",
            )
        if all([await _has_code(endpoint, address) for address in record.done.values()]):
            return record
        raise MLBridgeError(
            "deploy.gone",
            f"Contracts that {path} names are not on chain {endpoint.chain_id}.",
            hint="The chain was reset or the node is behind. Delete the file to deploy anew.",
        )
    nonce = as_int(await endpoint.provider.request("eth_getTransactionCount", [deployer.address, "pending"]))
    head = await endpoint.head()
    record = DeployRecord(endpoint.chain_id, str(deployer.address), nonce, fingerprint, head.number)
    record.write(path)
    return record


async def _has_code(endpoint: Endpoint, address: str) -> bool:
    return await endpoint.provider.request("eth_getCode", [address, "latest"]) not in ("0x", None)


async def _require_nonce(endpoint: Endpoint, record: DeployRecord, index: int) -> None:
    nonce = as_int(await endpoint.provider.request("eth_getTransactionCount", [record.deployer, "pending"]))
    if nonce != record.first_nonce + index:
        raise MLBridgeError(
            "deploy.moved",
            f"The deployer {record.deployer} sent other transactions (nonce {nonce}, expected "
            f"{record.first_nonce + index}), so the remaining contracts would get other addresses.",
            hint="Start a new deployment with a new file and an account that nobody else uses meanwhile.",
        )


async def _create(
    endpoint: Endpoint, sender: Sender, contract: str, addresses: Addresses, params: DeployParams
) -> None:
    artifact = artifacts.load(contract)
    factory: Any = endpoint.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    creation: AsyncContractConstructor = factory.constructor(
        *constructor_arguments(contract, addresses, params)
    )
    receipt = await sender.send(creation)
    created = to_checksum_address(str(receipt["contractAddress"]))
    expected = addresses.named()[contract]
    if created != expected:
        raise MLBridgeError(
            "deploy.moved",
            f"{contract} was created at {created} instead of {expected}: the deployer sent something else.",
            hint="Start a new deployment with a new file and an account that nobody else uses meanwhile.",
        )


async def _fund_reserve(
    network: Network,
    deployer: LocalAccount,
    params: DeployParams,
    record: DeployRecord,
    path: Path | None,
    policy: SendPolicy | None,
) -> None:
    if params.reserve == 0 or params.treasury != deployer.address or record.reserve_funded:
        return
    async with await Chain.connect(network) as chain:
        # asked on chain too: the record may have been lost after the transaction
        if int(await chain.distributor.functions.disputeReserve(0).call()) < params.reserve:
            sender = Sender(chain, deployer, policy)
            await sender.send(chain.token.functions.approve(network.addresses.distributor, params.reserve))
            await sender.send(chain.distributor.functions.fundReserve(0, params.reserve))
    record.reserve_funded = True
    record.write(path)
