"""Start the coordinator on a Ray cluster that runs already: the entry point of a Ray job.

    ray job submit --address http://127.0.0.1:8265 --working-dir . \\
        -- python -m coordinator.job --config coordinator.yaml

The job starts the detached actor, or finds the one that lives there, prints its status and ends; the actor
stays. With --stop it removes the actor. Paths in the YAML are relative to it; `home`, the keystore and the
password file must lie on the node where the job runs, outside its working directory.
"""

from __future__ import annotations

import argparse
import json
import sys

from coordinator import driver
from coordinator.config import load_config
from mlbridge.errors import MLBridgeError


def main(arguments: list[str] | None = None) -> int:
    """The job; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m coordinator.job", description="Start the coordinator.")
    parser.add_argument("--config", required=True, help="path of the coordinator's YAML file")
    parser.add_argument("--address", help="the cluster; default: the one that runs this job")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait until it answers")
    parser.add_argument("--stop", action="store_true", help="remove the actor instead")
    asked = parser.parse_args(arguments)
    try:
        config = load_config(asked.config)
        driver.connect(asked.address)
        reply = driver.stop() if asked.stop else driver.start(config, timeout_s=asked.timeout)
    except MLBridgeError as error:
        sys.stderr.write(json.dumps({"error": error.to_dict()}, default=str) + "\n")
        return error.exit_code
    sys.stdout.write(json.dumps(reply) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
