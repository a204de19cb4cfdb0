"""Who is who on a devnet: keys of the public development mnemonic.

Everybody knows these keys: whoever runs a devnet must never send real coin to them.
"""

from __future__ import annotations

from eth_account.signers.local import LocalAccount

from contracts.anvil import CHAIN_ID, dev_account

FUNDED = 100  # accounts that the chain starts with coin for

_DEPLOYER = 0
_REQUESTER = 1
_MODEL_PROVIDER = 2
_COORDINATOR = 3
_GATEWAY = 4
_VERIFIER = 5
_VERIFIER_NODE = 6
_FIRST_OPERATOR = 10
_FIRST_NODE = 40
MOST_PROVIDERS = _FIRST_NODE - _FIRST_OPERATOR - 1

__all__ = [
    "CHAIN_ID",
    "FUNDED",
    "MOST_PROVIDERS",
    "coordinator",
    "deployer",
    "gateway",
    "model_provider",
    "node",
    "operator",
    "requester",
    "verifier",
    "verifier_node",
]


def deployer() -> LocalAccount:
    """Deploys, holds the MLB supply and governs."""
    return dev_account(_DEPLOYER)


def requester() -> LocalAccount:
    """Pays for tasks; the default key of the command on a devnet."""
    return dev_account(_REQUESTER)


def model_provider() -> LocalAccount:
    """Publishes the demo models."""
    return dev_account(_MODEL_PROVIDER)


def coordinator() -> LocalAccount:
    """Pays for pokes, submissions, seeds and batches of the coordinator, and holds its bond."""
    return dev_account(_COORDINATOR)


def gateway() -> LocalAccount:
    """Pays for tasks that come through the gateway, also from its channel."""
    return dev_account(_GATEWAY)


def verifier() -> LocalAccount:
    """Cold key of the verifier that signs batches of the channel lane."""
    return dev_account(_VERIFIER)


def verifier_node() -> LocalAccount:
    """Hot key of that verifier."""
    return dev_account(_VERIFIER_NODE)


def operator(provider: int) -> LocalAccount:
    """Cold key of provider 1, 2, ..."""
    return dev_account(_FIRST_OPERATOR + provider)


def node(provider: int) -> LocalAccount:
    """Hot key of provider 1, 2, ..."""
    return dev_account(_FIRST_NODE + provider)
