"""Who governs a deployment: give every power to its token holders, and check where each power is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract

from contracts import artifacts, roles
from contracts.chain import Chain
from contracts.network import Network
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError


def addresses_of(network: Network) -> dict[str, str]:
    """Contract name -> address, governance included. Raises MLBridgeError `governance.none`."""
    if network.governance is None:
        raise MLBridgeError(
            "governance.none",
            f"The network {network.name} has no governance: whoever deployed it governs it.",
            hint="Its network file must name the governor, the timelock and the voter roll.",
            exit_code=5,
        )
    return network.named()


def open_contract(chain: Chain, name: str, address: str) -> AsyncContract:
    """A contract by name and address."""
    factory: Any = chain.w3.eth.contract(abi=artifacts.load(name).abi)
    contract: AsyncContract = factory(to_checksum_address(address))
    return contract


async def check_governance(chain: Chain) -> list[str]:
    """Every power that is not where contracts/roles.py says, and who reports votes if not the governor."""
    addresses = addresses_of(chain.network)
    timelock = open_contract(chain, artifacts.TIMELOCK, addresses[artifacts.TIMELOCK])
    wrong = await roles.audit(chain, addresses, timelock)
    recorder = await call(chain.reward_pool.functions.voteRecorder())
    if recorder != addresses[artifacts.GOVERNOR]:
        wrong.append(f"votes are reported to the reward pool by {recorder} instead of the governor")
    return wrong


async def hand_over(chain: Chain, sender: Sender) -> None:
    """Give functions their roles, roles their holders, and take every power from the sender.

    First the reward pool is told who reports votes; the sender's own powers go last, so a run that was cut
    off can go on. Raises MLBridgeError `governance.none`, `governance.incomplete`, or what a Sender raises.
    """
    addresses = addresses_of(chain.network)
    timelock = open_contract(chain, artifacts.TIMELOCK, addresses[artifacts.TIMELOCK])
    await _grant_timelock_roles(timelock, sender, addresses)
    manager = chain.authority.functions
    if (await call(manager.hasRole(roles.ADMIN.id, sender.address)))[0]:
        governor = addresses[artifacts.GOVERNOR]
        if await call(chain.reward_pool.functions.voteRecorder()) != governor:
            await sender.send(chain.reward_pool.functions.setVoteRecorder(governor))
        await roles.apply(chain, sender, addresses)
        await sender.send(manager.renounceRole(roles.ADMIN.id, sender.address))
    admin = await call(timelock.functions.DEFAULT_ADMIN_ROLE())
    if await call(timelock.functions.hasRole(admin, sender.address)):
        await sender.send(timelock.functions.renounceRole(admin, sender.address))
    wrong = await check_governance(chain)
    if wrong:
        raise MLBridgeError(
            "governance.incomplete",
            f"Not every power is where it should be: {'; '.join(wrong)}.",
            hint="Somebody else is an administrator of the AccessManager: have it call what is missing and"
            " give up its roles.",
        )


async def _grant_timelock_roles(
    timelock: AsyncContract, sender: Sender, addresses: Mapping[str, str]
) -> None:
    for name, holder in roles.TIMELOCK_ROLES.items():
        role = await call(timelock.functions[name]())
        if not await call(timelock.functions.hasRole(role, addresses[holder])):
            await sender.send(timelock.functions.grantRole(role, addresses[holder]))
