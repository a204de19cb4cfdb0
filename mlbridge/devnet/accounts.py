"""Who is who on a devnet: keys derived from the test phrase that every local chain tool knows.

These keys are public; whoever runs a devnet must never send real coin to them.
"""

from __future__ import annotations

from eth_account import Account
from eth_account.signers.local import LocalAccount

PHRASE = "test test test test test test test test test test test junk"
CHAIN_ID = 31337
FUNDED = 100  # accounts that the chain starts with coin for

_DEPLOYER = 0
_REQUESTER = 1
_MODEL_PROVIDER = 2
_COORDINATOR = 3
_FIRST_OPERATOR = 10
_FIRST_NODE = 40
MOST_PROVIDERS = _FIRST_NODE - _FIRST_OPERATOR


def account(index: int) -> LocalAccount:
    """The account at m/44'/60'/0'/0/index (BIP-44) of the test phrase."""
    Account.enable_unaudited_hdwallet_features()
    found: LocalAccount = Account.from_mnemonic(PHRASE, account_path=f"m/44'/60'/0'/0/{index}")
    return found


def deployer() -> LocalAccount:
    """Deploys, holds the MLB supply and governs."""
    return account(_DEPLOYER)


def requester() -> LocalAccount:
    """Pays for tasks; the default key of the command on a devnet."""
    return account(_REQUESTER)


def model_provider() -> LocalAccount:
    """Publishes the demo models."""
    return account(_MODEL_PROVIDER)


def coordinator() -> LocalAccount:
    """Pays for pokes and submissions of the coordinator."""
    return account(_COORDINATOR)


def operator(provider: int) -> LocalAccount:
    """Cold key of provider 1, 2, ..."""
    return account(_FIRST_OPERATOR + provider)


def node(provider: int) -> LocalAccount:
    """Hot key of provider 1, 2, ..."""
    return account(_FIRST_NODE + provider)
