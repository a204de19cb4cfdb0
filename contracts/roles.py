"""Who may do what: one table of every governed function, code that applies it, and code that checks a chain.

`python -m contracts.roles` prints docs/design/roles.md. tests/unit/test_roles.py holds the table against the
sources, tests/integration/test_roles.py against a deployment.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_utils.abi import abi_to_signature, function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.contract import AsyncContract
from web3.contract.async_contract import AsyncContractFunction

from contracts import artifacts, fixed
from contracts.chain import Chain
from contracts.events import topic_of
from contracts.proposals import Category
from contracts.reads import call
from contracts.sender import Sender


@dataclass(frozen=True)
class Role:
    """A role of the AccessManager. holders: contract names; delay: seconds the AccessManager adds."""

    id: int
    name: str
    holders: tuple[str, ...]
    delay: int
    why: str


@dataclass(frozen=True)
class Rule:
    """One restricted function. category: of a proposal that calls it; None leaves it to the strictest."""

    contract: str
    function: str
    role: Role
    category: Category | None
    why: str


ADMIN: Final = Role(
    0, "ADMIN", (artifacts.TIMELOCK,), 0, "Every function that no other role is given, and every role itself."
)
PAUSER: Final = Role(
    1,
    "PAUSER",
    (artifacts.TIMELOCK, artifacts.GOVERNOR),
    0,
    "The governor pauses for the guardian, for as long as that one is in office.",
)
REVIEWER: Final = Role(
    2,
    "REVIEWER",
    (artifacts.APPEALS, artifacts.DECOYS, artifacts.BISECTION, artifacts.DISSENT_CASES),
    0,
    "Has panels judge, paid from the model's dispute reserve; each asks for a bond or a budget itself.",
)
FINER: Final = Role(
    3, "FINER", (artifacts.DECOYS,), 0, "Takes small fixed amounts from judges that were proven careless."
)
SLASHER: Final = Role(
    4,
    "SLASHER",
    (artifacts.SUMMONS, artifacts.DISSENT_CASES),
    0,
    "Punishes silence to a summons, and results that a panel found wrong, by the rules of every slash.",
)
ROLES: Final = (ADMIN, PAUSER, REVIEWER, FINER, SLASHER)

RULES: Final = (
    Rule(artifacts.BRIDGE, "pause", PAUSER, Category.TECHNICAL, "Stops new tasks; nothing else."),
    Rule(artifacts.BRIDGE, "unpause", ADMIN, Category.TECHNICAL, "Lets new tasks in again."),
    Rule(artifacts.REGISTRY, "setSuspended", ADMIN, Category.TECHNICAL, "Keeps tasks from a model."),
    Rule(
        artifacts.TASKS,
        "setParameters",
        ADMIN,
        Category.TECHNICAL,
        "Sizes, windows and fees of tasks to come, within bounds.",
    ),
    Rule(
        artifacts.DISTRIBUTOR,
        "allocateReserve",
        ADMIN,
        Category.ECONOMIC,
        "Moves MLB from the common dispute reserve to a model's.",
    ),
    Rule(artifacts.DISTRIBUTOR, "setJudgeFee", ADMIN, Category.ECONOMIC, "Pay of judges, up to 500 MLB."),
    Rule(
        artifacts.DISTRIBUTOR,
        "assignProtocolFees",
        ADMIN,
        Category.ECONOMIC,
        "Gives the protocol fees collected so far to somebody.",
    ),
    Rule(
        artifacts.REGISTRY,
        "setPricing",
        ADMIN,
        Category.ECONOMIC,
        "Seats that a provider is expected to fill an epoch, and the ceiling of prices.",
    ),
    Rule(
        artifacts.REWARD_POOL,
        "setRates",
        ADMIN,
        Category.ECONOMIC,
        "What stake, uptime, fees and votes earn.",
    ),
    Rule(artifacts.REWARD_POOL, "setVoteRecorder", ADMIN, None, "Who tells the reward pool of votes."),
    Rule(artifacts.DISTRIBUTOR, "setChannels", ADMIN, None, "Names the channel lane's contract, once."),
    Rule(artifacts.CHANNELS, "pause", PAUSER, Category.TECHNICAL, "Stops new channels; nothing else."),
    Rule(artifacts.CHANNELS, "unpause", ADMIN, Category.TECHNICAL, "Lets new channels in again."),
    Rule(artifacts.CHANNELS, "setProtocolShare", ADMIN, Category.ECONOMIC, "The protocol's part of orders."),
    Rule(artifacts.SETTLEMENT, "setLimits", ADMIN, None, "Windows, bonds and attesters of batches to come."),
    Rule(
        artifacts.SUMMONS,
        "setLimits",
        ADMIN,
        Category.TECHNICAL,
        "Windows, deposit and fee of summonses to come, within bounds.",
    ),
    Rule(artifacts.DISTRIBUTOR, "setSlashEscrow", ADMIN, None, "Names where heavy slashes wait, once."),
    Rule(artifacts.DISTRIBUTOR, "fine", FINER, None, "Takes at most 7,500 MLB of an account's stake."),
    Rule(
        artifacts.DISTRIBUTOR,
        "punish",
        SLASHER,
        None,
        "Slashes an account for a fault other than contradiction.",
    ),
    Rule(artifacts.TASKS, "openReview", REVIEWER, None, "Has a panel judge something."),
    Rule(
        artifacts.ESCROW,
        "veto",
        ADMIN,
        Category.TECHNICAL,
        "Gives back a slash that waits, within its window.",
    ),
    Rule(artifacts.ESCROW, "setRules", ADMIN, None, "Which slashes to come wait, and for how long."),
    Rule(artifacts.APPEALS, "setMinimumBond", ADMIN, Category.ECONOMIC, "Least bond, up to 100,000 MLB."),
    Rule(artifacts.DECOYS, "setTimes", ADMIN, Category.TECHNICAL, "Time between cases, and for authors."),
    Rule(artifacts.BISECTION, "openGame", ADMIN, None, "Has two trails compared."),
    Rule(artifacts.BISECTION, "setWindow", ADMIN, Category.TECHNICAL, "Time for a round of later games."),
    Rule(artifacts.POLICIES, "setAdapter", ADMIN, None, "Which adapter judges a policy."),
    Rule(artifacts.PROOFS, "setCircuit", ADMIN, None, "Which verifier proves a model."),
    Rule(artifacts.QUOTES, "setQuoteVerifier", ADMIN, None, "Which contract checks hardware quotes."),
    Rule(artifacts.QUOTES, "setAllowList", ADMIN, None, "Which code may be attested."),
    Rule(artifacts.BEACON, "setSource", ADMIN, None, "Where the seeds of later epochs come from."),
)

# Powers outside the AccessManager, held by OpenZeppelin's AccessControl in the timelock: role -> holder.
TIMELOCK_ROLES: Final[Mapping[str, str]] = {
    "DEFAULT_ADMIN_ROLE": artifacts.TIMELOCK,
    "PROPOSER_ROLE": artifacts.GOVERNOR,
    "EXECUTOR_ROLE": artifacts.GOVERNOR,
    "CANCELLER_ROLE": artifacts.GOVERNOR,
}

# Functions of the governor itself that only an executed proposal reaches, always of the strictest category.
GOVERNOR_RULES: Final[Mapping[str, str]] = {
    "listCall": "What category a call is of.",
    "relay": "Recovers what was sent to the governor by mistake.",
    "setGrantLimits": "How much one Ecosystem proposal may grant.",
    "setLateQuorumVoteExtension": "How long a vote stays open after a late quorum.",
    "setProposalGuardian": "Names the guardian, or renews its term.",
    "setTerms": "Threshold, quorum, approval, delays and counting of a category.",
    "setVoteRecorder": "Whom to tell of votes.",
    "updateTimelock": "Moves the governor to another timelock.",
}


def function_abi(contract: str, name: str) -> dict[str, Any]:
    """ABI of a function that a contract has once. Raises KeyError."""
    found = [
        item for item in artifacts.load(contract).abi if item["type"] == "function" and item["name"] == name
    ]
    if len(found) != 1:
        raise KeyError(f"{contract} has {len(found)} functions {name}")
    return found[0]


def selector(contract: str, name: str) -> bytes:
    """The four bytes that name a function."""
    return _selector(function_abi(contract, name))


def _selector(item: dict[str, Any]) -> bytes:
    entry: Any = item
    return bytes(function_abi_to_4byte_selector(entry))


def listings(addresses: Mapping[str, str]) -> list[tuple[str, bytes, int]]:
    """The governor's table of calls: (target, selector, category). addresses: by contract name."""
    return [
        (addresses[rule.contract], selector(rule.contract, rule.function), int(rule.category))
        for rule in RULES
        if rule.category is not None and rule.contract in addresses
    ]


async def apply(
    chain: Chain, sender: Sender, addresses: Mapping[str, str], only: Collection[Role] = ROLES
) -> None:
    """Give functions their roles and roles their holders; what is so already is left alone.

    sender: an administrator, which stays one. addresses: by contract name, those that are deployed. only:
    the roles to see to. Raises ContractError.
    """
    for _, function in await missing(chain, addresses, only):
        await sender.send(function)


async def missing(
    chain: Chain, addresses: Mapping[str, str], only: Collection[Role] = ROLES
) -> list[tuple[str, AsyncContractFunction]]:
    """The calls of the AccessManager that `apply` would make, each in words and ready to be sent."""
    manager = chain.authority.functions
    found: list[tuple[str, AsyncContractFunction]] = []
    for rule in RULES:
        if rule.contract not in addresses or rule.role not in only:
            continue
        target, chosen = addresses[rule.contract], selector(rule.contract, rule.function)
        if await call(manager.getTargetFunctionRole(target, chosen)) != rule.role.id:
            words = f"setTargetFunctionRole({target}, [0x{chosen.hex()}], {rule.role.id})"
            found.append((words, manager.setTargetFunctionRole(target, [chosen], rule.role.id)))
    for role in only:
        for holder in role.holders:
            if holder not in addresses:
                continue
            if await call(manager.hasRole(role.id, addresses[holder])) != [True, role.delay]:
                words = f"grantRole({role.id}, {addresses[holder]}, {role.delay})"
                found.append((words, manager.grantRole(role.id, addresses[holder], role.delay)))
    return found


async def audit(chain: Chain, addresses: Mapping[str, str], timelock: AsyncContract) -> list[str]:
    """Every way in which the chain differs from the tables, in words; empty when it does not."""
    manager = chain.authority.functions
    known = {(rule.contract, rule.function): rule.role.id for rule in RULES}
    governed = [name for name in addresses if name not in artifacts.GOVERNANCE_NAMES]
    functions = [
        (contract, item)
        for contract in governed
        for item in artifacts.load(contract).abi
        if item["type"] == "function" and item["stateMutability"] not in ("view", "pure")
    ]
    actual = await asyncio.gather(
        *(
            call(manager.getTargetFunctionRole(addresses[contract], _selector(item)))
            for contract, item in functions
        )
    )
    wrong = []
    for (contract, item), role_id in zip(functions, actual, strict=True):
        wanted = known.get((contract, item["name"]), ADMIN.id)
        if role_id != wanted:
            wrong.append(f"{contract}.{item['name']} needs role {role_id} instead of {wanted}")
    for contract in governed:
        if await call(manager.isTargetClosed(addresses[contract])):
            wrong.append(f"{contract} is closed")
    for role_id in sorted({role.id for role in ROLES} | await _granted_roles(chain)):
        role = next((role for role in ROLES if role.id == role_id), None)
        names = () if role is None else tuple(name for name in role.holders if name in addresses)
        wanted_holders = {} if role is None else {addresses[name]: role.delay for name in names}
        actual_holders = await _holders(chain, role_id)
        if actual_holders != wanted_holders:
            wrong.append(f"role {role_id} is held by {actual_holders} instead of {wanted_holders}")
    return wrong + await _audit_timelock(chain, addresses, timelock)


async def _audit_timelock(chain: Chain, addresses: Mapping[str, str], timelock: AsyncContract) -> list[str]:
    wrong = []
    wanted: dict[bytes, set[str]] = {}
    for name, holder in TIMELOCK_ROLES.items():
        wanted[bytes(await call(timelock.functions[name]()))] = {addresses[holder]}
    topic = topic_of(artifacts.TIMELOCK, "RoleGranted")
    head = await chain.head()
    ever: dict[bytes, set[str]] = {role: set() for role in wanted}
    for log in await chain.logs(0, head.number, topics=[topic], addresses=[str(timelock.address)]):
        role, account = (bytes(HexBytes(part)) for part in log["topics"][1:3])
        ever.setdefault(role, set()).add(str(to_checksum_address(account[12:])))
    for role, accounts in ever.items():
        holding = {a for a in accounts if await call(timelock.functions.hasRole(role, a))}
        if holding != wanted.get(role, set()):
            wrong.append(f"timelock role 0x{role.hex()} is held by {sorted(holding)}")
    return wrong


async def _granted(chain: Chain) -> list[tuple[int, str]]:
    """Every (role, account) that the AccessManager ever granted."""
    topic = topic_of(artifacts.AUTHORITY, "RoleGranted")
    head = await chain.head()
    found = []
    for log in await chain.logs(0, head.number, topics=[topic], addresses=[chain.addresses.authority]):
        (role,) = abi_decode(["uint64"], bytes(HexBytes(log["topics"][1])))
        found.append((int(role), str(to_checksum_address(bytes(HexBytes(log["topics"][2]))[12:]))))
    return found


async def _granted_roles(chain: Chain) -> set[int]:
    return {role for role, _ in await _granted(chain)}


async def _holders(chain: Chain, role_id: int) -> dict[str, int]:
    """Who holds a role now -> the delay that applies."""
    found = {}
    for account in {account for role, account in await _granted(chain) if role == role_id}:
        since, delay, pending, _ = await call(chain.authority.functions.getAccess(role_id, account))
        if since:
            found[account] = max(int(delay), int(pending))
    return found


def render() -> str:
    """docs/design/roles.md."""
    lines = [
        "# Who may do what",
        "",
        "Made by `python -m contracts.roles` from the tables in `contracts/roles.py`; edit those. How a"
        " proposal becomes a change stands in [governance.md](governance.md).",
        "",
        "## Governed functions",
        "Nothing else in these contracts is privileged. The category is that of a proposal that makes the"
        " call.",
        "",
        "| contract | function | role | category | what it does |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES:
        category = Category.GOVERNANCE if rule.category is None else rule.category
        entry: Any = function_abi(rule.contract, rule.function)
        cells = (
            f"`{rule.contract}`",
            f"`{abi_to_signature(entry)}`",
            rule.role.name,
            category.name.capitalize(),
            rule.why,
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "## Roles of the AccessManager",
        "",
        "| role | id | held by | added delay | why |",
        "|---|---|---|---|---|",
    ]
    for role in ROLES:
        holders = ", ".join(f"`{name}`" for name in role.holders)
        lines.append(f"| {role.name} | {role.id} | {holders} | {role.delay} s | {role.why} |")
    lines += [
        "",
        "The delay of a change is the timelock's, by category; the AccessManager adds none. Roles are"
        " granted and revoked by ADMIN, so by proposal.",
        "",
        "## Roles of the timelock",
        "",
        "| role | held by |",
        "|---|---|",
    ]
    lines += [f"| {name} | `{holder}` |" for name, holder in TIMELOCK_ROLES.items()]
    lines += [
        "",
        "## Functions of the governor",
        "Only an executed proposal of the category Governance reaches them.",
        "",
        "| function | what it does |",
        "|---|---|",
    ]
    for name, why in GOVERNOR_RULES.items():
        governor_entry: Any = function_abi(artifacts.GOVERNOR, name)
        lines.append(f"| `{abi_to_signature(governor_entry)}` | {why} |")
    lines += [
        "",
        "## The guardian",
        "`MLBridgeGovernor.cancel` until a proposal's timelock has run out, never of a proposal that does"
        " nothing but replace the guardian; `MLBridgeGovernor.emergencyPause` of what PAUSER may pause. Its"
        " term ends by itself.",
        "",
        *fixed.render(),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
