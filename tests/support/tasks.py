"""Clients and inputs for tests that run tasks."""

from __future__ import annotations

from typing import Final

from eth_account.signers.local import LocalAccount

from contracts.anvil import dev_account
from contracts.chain import Chain
from mlbridge.sdk import AsyncClient
from mlbridge.storage import ContentStore
from tests.support.seats import FAST

IMAGE: Final[dict[str, object]] = {"kind": "classification", "image": [i % 17 for i in range(64)]}


def client_for(
    chain: Chain, account: LocalAccount | None = None, store: ContentStore | None = None
) -> AsyncClient:
    """An SDK client of its own connection; default account: a rich one that is not the treasury."""
    return AsyncClient(chain.network, account or dev_account(1), store, policy=FAST)
