"""Deploys and dies by SIGKILL right after its n-th transaction went out.

python -m tests.support.killed_deploy RPC_URL N
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from contracts.anvil import dev_account
from contracts.deploy import DEVNET, deploy
from contracts.governance_params import PUBLIC_GOVERNANCE
from contracts.sender import Sender
from tests.support.seats import FAST


def main() -> None:
    url, last = sys.argv[1], int(sys.argv[2])
    broadcast, sent = Sender._broadcast, 0

    async def and_die(self: Sender, pending: Any) -> Any:
        nonlocal sent
        refusal = await broadcast(self, pending)
        sent += refusal is None
        if sent == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return refusal

    Sender._broadcast = and_die  # type: ignore[method-assign]
    asyncio.run(deploy(url, dev_account(0), DEVNET, governance=PUBLIC_GOVERNANCE, policy=FAST))


if __name__ == "__main__":
    main()
