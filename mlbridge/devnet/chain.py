"""The devnet's chain as a service: `python -m mlbridge.devnet.chain PORT STATE_FILE BLOCK_TIME`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from contracts.anvil import Anvil
from mlbridge.devnet.accounts import FUNDED


def main() -> None:
    port, state_file, block_time = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    chain = Anvil(port, block_time=block_time, state_file=state_file, accounts=FUNDED)
    with chain:
        while chain.running and not stop.wait(0.5):
            pass
        died = not chain.running
    # The supervisor starts a service again only when it ends.
    sys.exit(1 if died else 0)


if __name__ == "__main__":
    main()
