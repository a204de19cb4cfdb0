"""Put a deployment under its token holders: timelock, voter roll, governor, then every role.

Resumable, and the same result when run twice: each step looks at the chain before it acts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract

from contracts import artifacts, roles
from contracts.chain import Chain
from contracts.deploy import DAY
from contracts.economy import MLB
from contracts.network import GovernanceAddresses, Network, save, write_whole
from contracts.proposals import Category, Terms
from contracts.reads import call
from contracts.sender import Sender, SendPolicy
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)
NOBODY: Final = "0x" + "00" * 20
COIN: Final = 10**18


@dataclass(frozen=True)
class GovernanceParams:
    """What governance is made with.

    least_delay: the timelock's own; maturity, guardian_term, vote_extension, least_voting_period: seconds;
    roll_minimum, token_grant_limit: MLB with 18 decimals; coin_grant_limit: wei; guardian: empty for none.
    """

    terms: Mapping[Category, Terms]
    least_delay: int = 2 * DAY
    roll_minimum: int = 10_000 * MLB
    maturity: int = 14 * DAY
    guardian: str = ""
    guardian_term: int = 180 * DAY
    vote_extension: int = 1 * DAY
    least_voting_period: int = 1 * DAY
    token_grant_limit: int = 250_000 * MLB
    coin_grant_limit: int = 10 * COIN


# docs/design/governance.md says why.
PUBLIC_TERMS: Final[Mapping[Category, Terms]] = {
    Category.TECHNICAL: Terms(DAY, 5 * DAY, 3 * DAY, 300, 5_000, False, 1_000_000 * MLB, 0),
    Category.ECONOMIC: Terms(2 * DAY, 7 * DAY, 7 * DAY, 400, 5_000, False, 2_000_000 * MLB, 0),
    Category.GOVERNANCE: Terms(2 * DAY, 7 * DAY, 15 * DAY, 600, 6_666, False, 5_000_000 * MLB, 0),
    # the floor is the weight of 100 accounts at the roll's minimum, the root of 1e22 each
    Category.ECOSYSTEM: Terms(DAY, 5 * DAY, 2 * DAY, 1_000, 5_000, True, 100_000 * MLB, 100 * 10**11),
}
PUBLIC_GOVERNANCE: Final = GovernanceParams(PUBLIC_TERMS)
# Votes in minutes. A change of power waits for the unbonding delay even here: the contract insists.
DEVNET_GOVERNANCE: Final = GovernanceParams(
    {
        category: replace(
            terms,
            voting_delay=10,
            voting_period=300,
            timelock_delay=terms.timelock_delay if category is Category.GOVERNANCE else 60,
        )
        for category, terms in PUBLIC_TERMS.items()
    },
    least_delay=60,
    maturity=60,
    vote_extension=60,
    least_voting_period=60,
)


@dataclass
class GovernanceRecord:
    """What has been created so far; a JSON file. done: contract name -> address."""

    chain_id: int
    authority: str
    deployer: str
    fingerprint: str
    done: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path | None) -> None:
        """Save it, if it has a file."""
        if path is not None:
            write_whole(path, json.dumps(asdict(self), indent=2) + "\n")


async def deploy_governance(
    network: Network,
    deployer: LocalAccount,
    params: GovernanceParams,
    *,
    record_file: Path | None = None,
    network_file: Path | None = None,
    policy: SendPolicy | None = None,
    progress: Callable[[str], None] | None = None,
) -> Network:
    """Create what is missing, hand every power to it, and return the network with its governance.

    deployer: administrator of the AccessManager; it has no power left in the end. With a record_file a run
    that was cut off goes on. Raises MLBridgeError `governance.not_admin`, `governance.changed`,
    `governance.gone`, `governance.incomplete`, or what a Sender raises.
    """
    tell = progress or (lambda _: None)
    async with await Chain.connect(network) as chain:
        record = await _open_record(chain, deployer, params, record_file)
        sender = Sender(chain, deployer, policy)
        arguments: dict[str, Callable[[], tuple[Any, ...]]] = {
            artifacts.TIMELOCK: lambda: (params.least_delay, [], [], deployer.address),
            artifacts.ROLL: lambda: (network.addresses.distributor, params.roll_minimum, params.maturity),
            artifacts.GOVERNOR: lambda: _governor_arguments(network, params, record.done),
        }
        for name in artifacts.GOVERNANCE_NAMES:
            if name not in record.done:
                record.done[name] = await _create(chain, sender, name, arguments[name]())
                record.write(record_file)
                tell(name)
        governance = GovernanceAddresses(
            timelock=record.done[artifacts.TIMELOCK],
            roll=record.done[artifacts.ROLL],
            governor=record.done[artifacts.GOVERNOR],
        )
        done = network.model_copy(update={"governance": governance})
        await _hand_over(chain, sender, done)
        tell("roles")
    if network_file is not None:
        save(done, network_file)
    return done


def addresses_of(network: Network) -> dict[str, str]:
    """Contract name -> address, governance included. Raises MLBridgeError `governance.none`."""
    if network.governance is None:
        raise MLBridgeError(
            "governance.none",
            f"The network {network.name} has no governance: whoever deployed it governs it.",
            hint="Its network file must name the governor, the timelock and the voter roll.",
            exit_code=5,
        )
    return network.addresses.named() | network.governance.named()


def open_contract(chain: Chain, name: str, address: str) -> AsyncContract:
    """A contract by name and address."""
    factory: Any = chain.w3.eth.contract(abi=artifacts.load(name).abi)
    contract: AsyncContract = factory(to_checksum_address(address))
    return contract


async def check_governance(chain: Chain) -> list[str]:
    """Every power that is not where contracts/roles.py says; empty when all are."""
    addresses = addresses_of(chain.network)
    timelock = open_contract(chain, artifacts.TIMELOCK, addresses[artifacts.TIMELOCK])
    return await roles.audit(chain, addresses, timelock)


async def _open_record(
    chain: Chain, deployer: LocalAccount, params: GovernanceParams, path: Path | None
) -> GovernanceRecord:
    code = [artifacts.load(name).source_hash for name in artifacts.GOVERNANCE_NAMES]
    text = json.dumps([asdict(params), code], sort_keys=True)
    mine = GovernanceRecord(chain.chain_id, chain.addresses.authority, str(deployer.address), text)
    if path is None or not path.exists():
        return mine
    record = GovernanceRecord(**json.loads(path.read_text()))
    if replace(record, done={}) != mine:
        raise MLBridgeError(
            "governance.changed",
            f"{path} was begun for another deployment, deployer, parameters or code.",
            hint="Use another file for a new governance.",
        )
    for name, address in record.done.items():
        if await chain.provider.request("eth_getCode", [address, "latest"]) in ("0x", None):
            raise MLBridgeError(
                "governance.gone",
                f"{path} names a {name} at {address} that is not on chain {chain.chain_id}.",
                hint="The chain was reset or the node is behind. Delete the file to begin anew.",
            )
    return record


def _governor_arguments(
    network: Network, params: GovernanceParams, done: Mapping[str, str]
) -> tuple[Any, ...]:
    setup = (
        network.addresses.token,
        done[artifacts.TIMELOCK],
        network.addresses.authority,
        network.addresses.distributor,
        done[artifacts.ROLL],
        params.guardian or NOBODY,
        params.guardian_term,
        params.vote_extension,
        params.least_voting_period,
        params.token_grant_limit,
        params.coin_grant_limit,
    )
    terms = [params.terms[category].as_tuple() for category in Category]
    return setup, terms, roles.listings(network.addresses.named())


async def _create(chain: Chain, sender: Sender, name: str, arguments: tuple[Any, ...]) -> str:
    artifact = artifacts.load(name)
    factory: Any = chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    receipt = await sender.send(factory.constructor(*arguments))
    address = str(to_checksum_address(str(receipt["contractAddress"])))
    log.info("contract_deployed", contract=name, address=address)
    return address


async def _hand_over(chain: Chain, sender: Sender, network: Network) -> None:
    """Roles first, the deployer's own powers last, so that a run that was cut off can go on."""
    addresses = addresses_of(network)
    timelock = open_contract(chain, artifacts.TIMELOCK, addresses[artifacts.TIMELOCK])
    await _grant_timelock_roles(timelock, sender, addresses)
    manager = chain.authority.functions
    if (await call(manager.hasRole(roles.ADMIN.id, sender.address)))[0]:
        await roles.apply(chain, sender, addresses)
        await sender.send(manager.renounceRole(roles.ADMIN.id, sender.address))
    admin = await call(timelock.functions.DEFAULT_ADMIN_ROLE())
    if await call(timelock.functions.hasRole(admin, sender.address)):
        await sender.send(timelock.functions.renounceRole(admin, sender.address))
    wrong = await roles.audit(chain, addresses, timelock)
    if wrong:
        raise MLBridgeError(
            "governance.incomplete",
            f"Not every power is where it should be: {'; '.join(wrong)}.",
            hint="Somebody else is an administrator of the AccessManager: have it give up its roles.",
        )


async def _grant_timelock_roles(
    timelock: AsyncContract, sender: Sender, addresses: Mapping[str, str]
) -> None:
    for name, holder in roles.TIMELOCK_ROLES.items():
        role = await call(timelock.functions[name]())
        if not await call(timelock.functions.hasRole(role, addresses[holder])):
            await sender.send(timelock.functions.grantRole(role, addresses[holder]))
