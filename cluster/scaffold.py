"""`provider init`: a commented provider file and the keys it names."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from contracts import keystore
from mlbridge.errors import MLBridgeError

TEMPLATE = """\
# ML Bridge provider {name}. Check it with `mlbridge provider doctor --config {file}`,
# start it with `mlbridge provider up --config {file}`.
name: {name}

# A network's name (looked up in configs/networks and ~/.mlbridge/networks) or the path of its file.
network: {network}

# Journal, logs, models and state. The journal holds the salts of open commitments: losing it costs stake.
home: {home}

keys:
  # Hot: signs commits and reveals. It needs a little coin for gas and nothing else.
  node:
    keystore: {node_keystore}
    password_file: {node_password}
{operator}
# Whole MLB to bond in each role; leave a role out not to take part in it.
stake:
{stake}
# What to serve: "*" for every active model, or names or ids, each with what it may use.
models:
  - model: "*"
    replicas: 1
    num_cpus: 0.1 # reserved per replica; a fraction is fine for small models
    num_gpus: 0
    # engine: vllm # default: what the model's manifest says

ray:
  mode: own # or join, with address, token_file and http_port of a cluster of yours that runs
  base_port: {base_port} # first of 300 ports; others for each provider here (a devnet: 20000 and up)
  num_cpus: {num_cpus}
  include_dashboard: false # true: Ray's dashboard, 250 MB more
  haproxy: false # true: faster HTTP ingress, 160 MB more

# Where results too large for the chain go; default: the network's store.
# storage_url: kubo://127.0.0.1:5001

limits:
  concurrent_tasks: 4
  execute_timeout_s: 300
  free_disk_gb: 2
  any_model_gb: 20 # what all models chosen only by "*" may take together
  poke: all # move stalled tasks of your models on and earn the tip; own: only yours; none
  drain_timeout_s: 180 # how long `down` waits for work in flight

# The channel lane, where the network has one.
lane:
  join: true # false: direct-lane tasks only
  seat_fee: null # least wei for one seat of an order; null: what the direct lane pays one
  peers: [] # other providers' /node URLs, asked for attestations of orders that a coordinator withheld

# Where others reach GET /node.
advertise:
  host: 127.0.0.1
  listen: 127.0.0.1 # 0.0.0.0 for every interface
"""

_OPERATOR = """\
  # Cold: owns the stake. Needed to register, unjail and stop serving; may stay off this machine afterwards.
  operator:
    keystore: {keystore}
    password_env: MLBRIDGE_OPERATOR_PASSWORD
"""


@dataclass(frozen=True)
class Made:
    """What `init` wrote. Addresses are checksummed."""

    file: Path
    node: str
    operator: str | None


def write(
    folder: Path,
    *,
    name: str,
    network: str,
    base_port: int,
    compute: int,
    verifier: int,
    operator_keystore: Path | None,
    operator_password: str | None,
    with_operator: bool,
) -> Made:
    """Write provider.yaml, the node's keystore with a random password, and the operator's unless it exists.

    operator_password: for a new operator keystore; None: MLBRIDGE_OPERATOR_PASSWORD. Raises MLBridgeError
    `provider.exists`, `keystore.*`.
    """
    folder = folder.expanduser().resolve()
    file = folder / "provider.yaml"
    if file.exists():
        raise MLBridgeError(
            "provider.exists", f"{file} exists.", hint="Edit it, or choose another folder with --dir."
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password_file = folder / "node.password"
    with open(os.open(password_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(secrets.token_urlsafe(24) + "\n")
    node = keystore.create(folder / "node.json", keystore.password_from(env="", file=password_file))
    operator, lines = None, ""
    if with_operator:
        if operator_keystore is None:
            operator_keystore = folder / "operator.json"
            password = keystore.password_from(operator_password, env="MLBRIDGE_OPERATOR_PASSWORD")
            keystore.create(operator_keystore, password)
        operator = keystore.address_of(operator_keystore)
        lines = _OPERATOR.format(keystore=operator_keystore)
    stake = "".join(
        f"  {role}: {amount}\n" for role, amount in (("compute", compute), ("verifier", verifier))
    )
    text = TEMPLATE.format(
        name=name,
        file=file,
        network=network,
        home=folder / "state",
        node_keystore=folder / "node.json",
        node_password=password_file,
        operator=lines,
        stake=stake,
        base_port=base_port,
        num_cpus=max(2, os.cpu_count() or 1),
    )
    file.write_text(text)
    return Made(file, node, operator)
