"""Put a deployment that stands under its token holders: timelock, voter roll, governor, then every role."""

from __future__ import annotations

from pathlib import Path

from eth_account.signers.local import LocalAccount

from contracts.chain import Chain
from contracts.deploy import SALT, describe
from contracts.deploy_builder import Builder, Progress
from contracts.deploy_table import Plan
from contracts.governance_params import GovernanceParams
from contracts.handover import hand_over
from contracts.network import GovernanceAddresses, Network, save
from contracts.sender import Sender, SendPolicy


async def deploy_governance(
    network: Network,
    deployer: LocalAccount,
    params: GovernanceParams,
    *,
    salt: str = SALT,
    network_file: Path | None = None,
    policy: SendPolicy | None = None,
    progress: Progress | None = None,
) -> Network:
    """Create what is missing, hand every power to it, and return the network with its governance.

    deployer: administrator of the AccessManager; it has no power left in the end. A run that was cut off goes
    on, and one with nothing to do sends nothing. Raises what Builder raises, and `governance.incomplete`.
    """
    standing = network.model_copy(update={"governance": None}).named()
    plan = Plan(str(deployer.address), salt, None, params, standing=standing)
    async with await Chain.connect(network) as chain:
        sender = Sender(chain, deployer, policy)
        builder = Builder(chain, sender, plan, policy=policy, progress=progress)
        await builder.build()
        found = GovernanceAddresses.of(plan.named())
        done = network.model_copy(update={"governance": found})
        if network.deployment is not None:
            made = await describe(chain, plan, network)
            made = made.model_copy(
                update={"deployer": network.deployment.deployer, "salt": network.deployment.salt}
            )
            done = done.model_copy(update={"deployment": made})
    async with await Chain.connect(done) as governed:
        await hand_over(governed, Sender(governed, deployer, policy))
        if progress is not None:
            progress("roles")
    if network_file is not None:
        save(done, network_file)
    return done
