"""The YAML files of a devnet's machines, written as an operator would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contracts import keystore
from contracts.network import write_whole
from mlbridge.devnet import accounts
from mlbridge.devnet.plan import Plan

COMPUTE_STAKE = 50_000
_QUICK_SCRYPT = 2**12  # the keys are public; a strong work factor would only slow the start


def password_file(plan: Plan) -> Path:
    """The password of every keystore of this devnet."""
    path = plan.home / "keys" / "password"
    if not path.exists():
        write_whole(path, "devnet\n", mode=0o600)
    return path


def _key(plan: Plan, name: str, account: Any) -> dict[str, str]:
    path = plan.home / "keys" / f"{name}.json"
    secret = password_file(plan)
    if not path.exists():
        keystore.create(path, secret.read_text().strip(), account, rounds=_QUICK_SCRYPT)
    return {"keystore": str(path), "password_file": str(secret)}


def verifier_keys(plan: Plan) -> dict[str, str]:
    """The verifier's hot key, as files."""
    return _key(plan, "verifier-node", accounts.verifier_node())


def coordinator_file(plan: Plan) -> Path:
    """Write the coordinator's file. In a shared cluster its head serves the providers too."""
    home = plan.home / "coordinator"
    ray: dict[str, Any] = {"mode": "own", "base_port": plan.ray_port(0), "num_cpus": 1}
    if plan.shared_ray:
        # Serve's replicas of every provider are scheduled on this one head, by fractions of a core.
        ray |= {"num_cpus": max(4, plan.providers * (len(plan.models) + 1))}
    path = home / "coordinator.yaml"
    write_yaml(
        path,
        {
            "name": "coordinator",
            "network": str(plan.network_file),
            "home": str(home),
            "key": _key(plan, "coordinator", accounts.coordinator()),
            "http": {"port": plan.coordinator_port},
            "pokes": {"jitter_s": 0.2, "require_profit": False},
            "lane": {
                "members": [plan.provider_url(number) for number in range(1, plan.providers + 1)],
                "attesters": [plan.verifier_url],
                "refresh_s": 5,
            },
            "ray": ray,
        },
    )
    return path


def gateway_file(plan: Plan) -> Path:
    """Write the gateway's file: it runs on the coordinator's cluster."""
    home = plan.home / "gateway"
    path = home / "gateway.yaml"
    write_yaml(
        path,
        {
            "name": "gateway",
            "network": str(plan.network_file),
            "home": str(home),
            "key": _key(plan, "gateway", accounts.gateway()),
            "http": {"port": plan.gateway_port},
            "channel": {
                "coordinator": plan.coordinator_url,
                "coordinator_file": str(plan.home / "coordinator" / "coordinator.yaml"),
            },
            "ray": {
                "mode": "join",
                "address": f"127.0.0.1:{plan.ray_port(0)}",
                "token_file": str(plan.home / "coordinator" / "ray.token"),
            },
        },
    )
    return path


def provider_file(plan: Plan, number: int) -> Path:
    """Write provider `number`'s file (numbers count from 1)."""
    name = plan.provider_name(number)
    home = plan.home / "providers" / name
    ray: dict[str, Any] = {"mode": "own", "base_port": plan.ray_port(number), "num_cpus": 2}
    if plan.shared_ray:
        head = plan.home / "coordinator"
        port = plan.ray_port(0)
        ray = {
            "mode": "join",
            "address": f"127.0.0.1:{port}",
            "token_file": str(head / "ray.token"),
            "http_port": plan.gateway_port,
        }
    others = [other for other in range(1, plan.providers + 1) if other != number]
    settings: dict[str, Any] = {
        "name": name,
        "network": str(plan.network_file),
        "home": str(home),
        "keys": {
            "node": _key(plan, f"{name}-node", accounts.node(number)),
            "operator": _key(plan, f"{name}-operator", accounts.operator(number)),
        },
        "stake": {"compute": COMPUTE_STAKE},
        "models": [{"model": model} | _engine(plan, model) for model in plan.models],
        "ray": ray,
        "lane": {
            # The devnet's orders settle within a minute of their deadline (contracts/deploy_params.py).
            "settle_margin_s": 20,
            "peers": [f"{plan.provider_url(other)}/node" for other in others],
        },
    }
    if number in plan.faults:
        settings["fault"] = plan.faults[number]
    path = home / "provider.yaml"
    write_yaml(path, settings)
    return path


def _engine(plan: Plan, model: str) -> dict[str, Any]:
    if model != "smollm2" or plan.engine != "vllm":
        return {}
    if not plan.gpu:
        return {"engine": "vllm"}
    return {"engine": "vllm", "num_gpus": plan.gpu_share}


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Replace a YAML file as a whole."""
    write_whole(path, yaml.safe_dump(value, sort_keys=False))
