"""Provider nodes for tests: keys, stake, a provider file, and models that were deployed already."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from cluster.agent import Agent
from cluster.config import ProviderConfig, parse_config
from cluster.context import Context
from cluster.door import Door
from cluster.served import Served, write_served
from contracts import keystore, reads
from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.deploy import DEVNET, deploy
from contracts.network import save
from contracts.sender import Sender
from mlbridge.models.manifest import MANIFEST_NAME, Manifest
from mlbridge.protocol.cid import cid_from_bytes
from mlbridge.protocol.types import Policy, Role, TaskStatus
from tests.support.seats import FAST, ScriptedMember, honest_label, make_member, until

PASSWORD = "correct horse"
SHA = "ab" * 32


def provider_fields(home: Path, network: Path | str, name: str, **changes: Any) -> dict[str, Any]:
    """The fields of a provider file whose keys lie in `home`."""
    key = {"keystore": str(home / "node.json"), "password_file": str(home / "password")}
    base: dict[str, Any] = {
        "name": name,
        "network": str(network),
        "home": str(home),
        "keys": {"node": key, "operator": key | {"keystore": str(home / "operator.json")}},
        "models": [{"model": "*"}],
        "limits": {"poke": "none", "poke_after_s": 0.5, "claim_every_s": 3600},
    }
    return base | changes


def write_keys(home: Path, node: Any, operator: Any) -> None:
    """Keystores of low work factor, with a password file beside them."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "password").write_text(PASSWORD)
    keystore.create(home / "node.json", PASSWORD, node, rounds=2)
    keystore.create(home / "operator.json", PASSWORD, operator, rounds=2)


def manifest_folder(folder: Path, policy: Policy) -> Manifest:
    """A folder with a valid manifest of a model that nobody will load."""
    folder.mkdir(parents=True, exist_ok=True)
    numeric = policy is Policy.NUMERIC
    kind = "embedding" if numeric else "classification"
    cid = cid_from_bytes(b"\x01\x55\x12\x20" + bytes(32))
    fields = {
        "name": "scripted", "version": "1", "kind": kind, "engine": "torch", "policy": policy.name.lower(),
        "exec_class": {
            "engine": "torch", "build": "b", "dtype": "float32", "quantisation": "none",
            "weights_sha256": SHA, "kernel": "k", "threads": 1, "sampling": "none",
        },
        "files": [{"path": "model.safetensors", "cid": cid, "sha256": SHA, "size": 1}],
        "tolerance": {"metric": "max_abs", "accept": "0.01", "reject": "0.1"} if numeric else None,
        "input_schema": f"mlbridge.{kind}.input.1", "output_schema": f"mlbridge.{kind}.output.1",
        "licence": "MIT", "evidence": {"how": "test"} if numeric else {},
    }  # fmt: skip
    manifest = Manifest.from_fields(fields)
    (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


@contextlib.asynccontextmanager
async def calm_chain(*, storage_url: str = "", confirmations: int = 0) -> AsyncIterator[Chain]:
    """A chain and deployment of the test's own, with windows that a loaded machine does not miss."""
    with Anvil(free_port(), block_time=0.25, extra_arguments=("--mixed-mining",)) as anvil:
        network = await deploy(
            anvil.rpc_url,
            dev_account(0),
            replace(DEVNET, epoch_seconds=1, parameters=replace(DEVNET.parameters, reveal_window=300)),
            block_time=0.25,
            storage_url=storage_url,
            confirmations=confirmations,
            policy=FAST,
        )
        async with await Chain.connect(network) as connected:
            yield connected


class ScriptedDoor:
    """Runs a function where a provider would ask its model."""

    def __init__(self, result: Callable[[bytes], bytes] = honest_label) -> None:
        self.result = result
        self.calls: list[bytes] = []
        self.failures: list[Exception] = []

    async def execute(self, route: str, *, task: bytes, payload: bytes, **_: object) -> bytes:
        self.calls.append(task)
        if self.failures:
            raise self.failures.pop(0)
        return self.result(payload)

    async def close(self) -> None:
        return None


@dataclass
class Node:
    """A staked provider whose agent can be started, killed and started again."""

    config: ProviderConfig
    member: ScriptedMember
    door: ScriptedDoor
    agent: Agent | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Agent]:
        """The agent, until the block ends; then it is cut off without a word, as by kill -9."""
        context = await Context.open(self.config)
        context.door = cast(Door, self.door)
        self.agent = Agent(context)
        task = asyncio.create_task(self.agent.run())
        try:
            yield self.agent
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await context.close()

    def outcomes(self) -> dict[str, int]:
        assert self.agent is not None
        return self.agent.context.journal.outcomes()


async def make_node(
    chain: Chain,
    treasury: Sender,
    home: Path,
    models: Sequence[bytes],
    *,
    policy: Policy = Policy.EXACT,
    door: ScriptedDoor | None = None,
    role: Role = Role.COMPUTE,
    mlb: int = 50_000,
    **changes: Any,
) -> Node:
    """Register an operator on chain and write its provider's files; its agent does not run yet."""
    member = await make_member(chain, treasury, models, role=role, mlb=mlb)
    write_keys(home, member.node, member.operator)
    network = save(
        chain.network.model_copy(update={"storage_url": f"file://{home.parent / 'store'}"}),
        home / "network.yaml",
    )
    config = parse_config(json.loads(json.dumps(provider_fields(home, network, home.name, **changes))))
    manifest = manifest_folder(home / "model", policy)
    write_served(
        home,
        [
            Served(
                "0x" + model.hex(), manifest.name, manifest.kind, "b", "0x" + SHA, "/m/scripted", "scripted",
                str(home / "model"), 1,
            )
            for model in models
        ],
    )  # fmt: skip
    return Node(config, member, door or ScriptedDoor())


async def ended(chain: Chain, task: bytes, *, timeout_s: float = 60) -> TaskStatus:
    """Wait for the end of a task."""

    async def over() -> bool:
        return (await reads.get_task(chain, task)).status.terminal

    await until(over, timeout_s=timeout_s)
    return (await reads.get_task(chain, task)).status


def outcome_is(node: Node, **outcomes: int) -> Callable[[], Awaitable[bool]]:
    """Whether the node's seats ended so."""

    async def check() -> bool:
        return node.outcomes() == outcomes

    return check
