"""A chain whose deployment is governed, with people who hold, delegate and stake."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contracts.anvil import Anvil, dev_account
from contracts.chain import Chain
from contracts.deploy import DEVNET, MLB, deploy
from contracts.deploy_params import ReviewParams
from contracts.governance import Governance
from contracts.governance_deploy import deploy_governance
from contracts.governance_params import PUBLIC_GOVERNANCE
from contracts.network import Network
from contracts.sender import Sender
from mlbridge.protocol.types import Role
from tests.support.seats import FAST

REP = 1  # the delegate; the command's default key on a devnet
HOLDERS = (2, 3)
MEMBERS = (4, 5, 6)
STAKE = 12_250_000 * MLB
STRANGER = 7
GUARDIAN = 9
GRANTED = dev_account(19).address


@dataclass(frozen=True)
class Governed:
    """A chain whose deployment is governed, and its deployer without power."""

    anvil: Anvil
    network: Network


async def later(chain: Chain, seconds: int) -> None:
    """Time passes."""
    await chain.provider.request("evm_increaseTime", [seconds])
    await chain.provider.request("evm_mine", [])


async def until(chain: Chain, moment: int) -> None:
    """It is this time or later."""
    now = (await chain.head()).timestamp
    if now < moment:
        await later(chain, moment - now)


async def settle_in(anvil: Anvil) -> Network:
    """Deploy with everything there is, hand over, and give people what they vote with."""
    whole = replace(DEVNET, reviews=ReviewParams())
    network = await deploy(anvil.rpc_url, dev_account(0), whole, name="governed", policy=FAST)
    params = replace(PUBLIC_GOVERNANCE, guardian=dev_account(GUARDIAN).address)
    network = await deploy_governance(network, dev_account(0), params, policy=FAST)
    async with await Chain.connect(network) as chain:
        treasury = Sender(chain, dev_account(0), FAST)
        assert network.governance is not None
        await treasury.send(chain.token.functions.transfer(network.governance.timelock, 10**7 * MLB))
        for index in HOLDERS:
            holder = Sender(chain, dev_account(index), FAST)
            await treasury.send(chain.token.functions.transfer(holder.address, 40 * 10**6 * MLB))
            await Governance(chain).delegate(holder, dev_account(REP).address)
        for index in MEMBERS:
            member = Sender(chain, dev_account(index), FAST)
            await treasury.send(chain.token.functions.transfer(member.address, STAKE))
            await member.send(chain.token.functions.approve(chain.addresses.distributor, STAKE))
            await member.send(chain.distributor.functions.stake(int(Role.HOLDER), STAKE))
            await Governance(chain).enrol(member)
        await later(chain, params.maturity + 1)
    return network


def sender(chain: Chain, index: int) -> Sender:
    """Sends for development account `index`."""
    return Sender(chain, dev_account(index), FAST)
