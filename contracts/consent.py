"""A node key's signed word that it wants to serve an operator, by EIP-712 as in libraries/Consent.sol."""

from __future__ import annotations

from typing import Final

from eth_account.signers.local import LocalAccount

from contracts.chain import Chain

_TYPES: Final = {
    "NodeConsent": [{"name": "operator", "type": "address"}, {"name": "node", "type": "address"}]
}


def sign_consent(chain: Chain, node: LocalAccount, operator: str) -> bytes:
    """What TaskManager.setNodeKey asks for when it binds a key: 65 bytes, good for this chain and deployment.

    operator: address of the account that will send setNodeKey.
    """
    domain = {
        "name": "ML Bridge",
        "version": "1",
        "chainId": chain.chain_id,
        "verifyingContract": chain.addresses.tasks,
    }
    signed = node.sign_typed_data(domain, _TYPES, {"operator": operator, "node": node.address})
    return bytes(signed.signature)
