"""The devnet's chain as a service: `python -m mlbridge.devnet.chain PORT STATE_FILE BLOCK_TIME`."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path

from contracts.anvil import Anvil
from mlbridge import procs
from mlbridge.devnet.accounts import FUNDED
from mlbridge.devnet.services import write_json


def end_leftover(pid_file: Path, patience_s: float = 20.0) -> None:
    """End an anvil whose keeper was killed: it still holds the port, and its state is worth writing."""
    if not pid_file.exists():
        return
    pid, started = json.loads(pid_file.read_text())
    left = procs.Process(pid, started)
    procs.send(left, signal.SIGINT)
    limit = time.monotonic() + patience_s
    while procs.alive(left):
        if time.monotonic() > limit:
            procs.send(left, signal.SIGKILL)
        time.sleep(0.1)
    pid_file.unlink()


def main() -> None:
    port, state_file, block_time = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    chain = Anvil(port, block_time=block_time, state_file=state_file, accounts=FUNDED)
    pid_file = state_file.with_name("anvil.pid")
    end_leftover(pid_file)
    with chain:
        if chain.pid is not None:
            write_json(pid_file, [chain.pid, procs.start_time(chain.pid)])
        while chain.running and not stop.wait(0.5):
            pass
        died = not chain.running
    # The supervisor starts a service again only when it ends.
    sys.exit(1 if died else 0)


if __name__ == "__main__":
    main()
