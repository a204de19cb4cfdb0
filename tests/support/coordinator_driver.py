"""A Ray driver for tests: gives the coordinator's actor a task by a method call and waits for its end."""

from __future__ import annotations

import json
import sys

import ray

from coordinator import driver
from coordinator.actor import find_actor
from mlbridge.errors import MLBridgeError


def main() -> None:
    """Reads {"request", "wait_s"}; prints the task's view, with the code that a request without key meets."""
    asked = json.loads(sys.stdin.read())
    driver.connect()
    actor = find_actor()
    view = ray.get(actor.submit.remote(asked["request"]))
    done = ray.get(actor.task.remote(view["task_id"], asked["wait_s"]))
    request = {name: value for name, value in asked["request"].items() if name != "idempotency_key"}
    try:
        ray.get(actor.submit.remote(request))
    except MLBridgeError as error:
        done["missing_key"] = error.code
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
