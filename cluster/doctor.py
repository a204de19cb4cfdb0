"""`provider doctor`: everything that has to be right before a provider can earn, and the way out where it
is not.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from cluster.choices import catalogue
from cluster.config import MLB, ProviderConfig
from cluster.shelf import Shelf, read_manifest, size_of
from cluster.supervisor import read_supervisor_state
from contracts import keystore, reads
from contracts.chain import Chain
from contracts.events import as_int
from contracts.keyfile import load_key
from contracts.rpc import public_part
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import PORTS_PER_CLUSTER, RayPorts, busy_ports
from mlbridge.storage import open_store

GIB = 2**30
HEAD_BYTES = int(0.8 * GIB)  # a lean head with Serve, the node application and the agent (measured PSS)
REPLICA_BYTES = int(0.35 * GIB)  # a torch replica without its weights
GAS_FOR_TASKS = 20  # the node key should be able to pay for this many tasks
GAS_PER_TASK = 400_000
MOST_SKEW = 15.0
EPHEMERAL_START = 32768


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. fix: what to do; empty where all is well. A warning does not keep a provider from
    starting.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    warning: bool = False


class Doctor:
    """Examines one provider file on this machine."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._chain: Chain | None = None
        self._wanted = 0  # bytes of the models' files

    async def examine(self) -> list[Finding]:
        """Every finding, in an order in which one would mend them."""
        findings = [await self._network()]
        findings += await self._guarded(
            ("node key", self._node_key), ("operator key", self._operator_key), ("ports", self._ports)
        )
        if self._chain is not None:
            try:
                findings += await self._guarded(
                    ("clock", self._clock),
                    ("gas", self._gas),
                    ("stake", self._stake),
                    ("registration", self._registration),
                    ("models", self._models),
                )
            finally:
                await self._chain.close()
        findings += await self._guarded(("disk", self._disk), ("memory", self._memory), ("cpu", self._cpu))
        return findings

    async def _guarded(self, *checks: tuple[str, Callable[[], Awaitable[Finding]]]) -> list[Finding]:
        found = []
        for name, check in checks:
            try:
                found.append(await check())
            except MLBridgeError as error:
                found.append(Finding(name, False, error.message, error.hint or "See the message."))
        return found

    async def _network(self) -> Finding:
        try:
            network = self._config.load_network()
            self._chain = await Chain.connect(network)
        except MLBridgeError as error:
            return Finding("network", False, error.message, error.hint or "Correct `network`.")
        where = public_part(network.rpc_url)
        return Finding("network", True, f"{network.name}, chain {network.chain_id}, at {where}")

    async def _node_key(self) -> Finding:
        key = await asyncio.to_thread(load_key, self._config.keys.node)
        return Finding("node key", True, f"{key.address} opens with its password")

    async def _operator_key(self) -> Finding:
        if self._config.keys.operator is None:
            return Finding("operator key", True, "not on this machine (registration is done elsewhere)")
        key = await asyncio.to_thread(load_key, self._config.keys.operator)
        return Finding("operator key", True, f"{key.address} opens with its password")

    async def _ports(self) -> Finding:
        ray = self._config.ray
        if ray.mode == "join":
            return Finding("ports", True, f"joins the Ray cluster at {ray.address}")
        if read_supervisor_state(self._config.home) is not None:
            return Finding("ports", True, "in use by this provider, which runs")
        last = ray.base_port + PORTS_PER_CLUSTER - 1
        busy = busy_ports(RayPorts(ray.base_port))
        if busy:
            listed = ", ".join(f"{port} ({name})" for name, port in busy.items())
            return Finding(
                "ports", False, f"taken: {listed}", "Choose another ray.base_port, or stop what holds them."
            )
        if last >= EPHEMERAL_START:
            return Finding(
                "ports", True, f"{ray.base_port} to {last} are free, but outgoing connections may take them",
                f"Choose a ray.base_port below {EPHEMERAL_START - PORTS_PER_CLUSTER}.", warning=True,
            )  # fmt: skip
        return Finding("ports", True, f"{ray.base_port} to {last} are free")

    @property
    def chain(self) -> Chain:
        assert self._chain is not None  # noqa: S101 - only asked once connected
        return self._chain

    async def _clock(self) -> Finding:
        head = await self.chain.head()
        skew = time.time() - head.timestamp
        allowed = MOST_SKEW + 5 * self.chain.network.block_time
        if skew < -MOST_SKEW:
            return Finding(
                "clock", False, f"this machine is {-skew:.0f} s behind the chain", "Run an NTP client."
            )
        if skew > allowed:
            return Finding(
                "clock", True, f"the newest block is {skew:.0f} s old",
                "Is the chain node in sync, and this machine's clock right?", warning=True,
            )  # fmt: skip
        return Finding("clock", True, f"the newest block is {max(0.0, skew):.0f} s old")

    async def _gas(self) -> Finding:
        node = keystore.address_of(self._config.keys.node.keystore)
        balance = as_int(await self.chain.provider.request("eth_getBalance", [node, "latest"]))
        price = as_int(await self.chain.provider.request("eth_gasPrice"))
        needed = GAS_FOR_TASKS * GAS_PER_TASK * price
        detail = f"node key {node} has {balance / 10**18:g} coin, enough for {_tasks(balance, price)} tasks"
        if balance < needed:
            return Finding("gas", False, detail, f"Send it at least {(needed - balance) / 10**18:g} coin.")
        return Finding("gas", True, detail)

    async def _stake(self) -> Finding:
        if self._config.keys.operator is None:
            return Finding("stake", True, "not checked without keys.operator")
        operator = keystore.address_of(self._config.keys.operator.keystore)
        balance = int(await reads.call(self.chain.token.functions.balanceOf(operator)))
        coin = as_int(await self.chain.provider.request("eth_getBalance", [operator, "latest"]))
        missing, told = 0, []
        for role, amount in self._config.stake.amounts().items():
            minimum = await reads.minimum_stake(self.chain, role)
            bonded = await reads.stake_of(self.chain, operator, role)
            name = role.name.lower()
            if amount < minimum:
                return Finding(
                    "stake", False, f"stake.{name} is {amount / MLB:g} MLB",
                    f"Set it to at least {minimum / MLB:g} MLB, or to 0.",
                )  # fmt: skip
            told.append(f"{name} {bonded / MLB:g} of {amount / MLB:g} MLB bonded")
            missing += max(0, amount - bonded) if bonded < minimum else 0
        if not told:
            return Finding("stake", False, "no role has a stake", "Set stake.compute or stake.verifier.")
        if missing > balance:
            return Finding(
                "stake", False, f"{'; '.join(told)}; {operator} has {balance / MLB:g} MLB",
                f"Send it {(missing - balance) / MLB:g} MLB.",
            )  # fmt: skip
        if missing and not coin:
            return Finding("stake", False, f"{operator} has no coin for gas", "Send it a little coin.")
        return Finding("stake", True, "; ".join(told))

    async def _registration(self) -> Finding:
        node = keystore.address_of(self._config.keys.node.keystore)
        operator_id, allowed = await reads.call(self.chain.tasks.functions.nodeBinding(node))
        if allowed:
            return Finding("registration", True, f"the node key acts for operator {operator_id}")
        if self._config.keys.operator is not None:
            return Finding("registration", True, "not registered yet; `up` does it")
        return Finding(
            "registration", False, f"the node key {node} acts for nobody",
            "Add keys.operator here, or register from the machine that has it.",
        )  # fmt: skip

    async def _models(self) -> Finding:
        choices = await catalogue(self.chain, self._config)
        store = open_store(self.chain.network.storage_url)
        shelf, told, problems = Shelf(self._config), [], []
        for choice in choices:
            try:
                manifest = await read_manifest(choice, store)
                shelf.require_room(choice, manifest)
                shelf.take_room(choice, manifest)
            except MLBridgeError as error:
                if choice.asked or error.code.startswith("storage."):
                    problems.append(f"{choice.model.name}: {error.message}")
                else:
                    told.append(f"{choice.model.name} is left out: {error.message}")
                continue
            size = size_of(manifest)
            self._wanted += size
            told.append(f"{choice.model.name} ({size / 2**20:.0f} MB)")
        detail = ", ".join(told) or "none"
        if problems:
            return Finding("models", False, "; ".join(problems), "Check storage_url and that the store runs.")
        if not told:
            return Finding("models", True, "the network has no active model yet", warning=True)
        return Finding("models", True, detail)

    async def _disk(self) -> Finding:
        place = self._config.home
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        needed = int(self._config.limits.free_disk_gb * 10**9) + self._wanted
        detail = f"{free / 10**9:.1f} GB free at {place}, {needed / 10**9:.1f} GB wanted"
        if free < needed:
            return Finding("disk", False, detail, "Free space, move `home`, or serve fewer models.")
        return Finding("disk", True, detail)

    async def _memory(self) -> Finding:
        replicas = sum(model.replicas for model in self._config.models)
        needed = HEAD_BYTES + replicas * REPLICA_BYTES + self._wanted
        available = int(psutil.virtual_memory().available)
        detail = f"{available / GIB:.1f} GiB free, about {needed / GIB:.1f} GiB wanted"
        if read_supervisor_state(self._config.home) is not None:
            return Finding("memory", True, f"{available / GIB:.1f} GiB free beside the running provider")
        if available < needed:
            return Finding("memory", False, detail, "Serve fewer models or replicas, or add memory.")
        return Finding("memory", True, detail)

    async def _cpu(self) -> Finding:
        asked = sum(model.replicas * model.num_cpus for model in self._config.models)
        have = self._config.ray.num_cpus
        if asked > have:
            return Finding(
                "cpu", False, f"the models reserve {asked:g} cores, ray.num_cpus is {have}",
                "Raise ray.num_cpus or lower num_cpus of the models.",
            )  # fmt: skip
        return Finding("cpu", True, f"the models reserve {asked:g} of {have} cores")


def _tasks(balance: int, price: int) -> int:
    return balance // max(1, GAS_PER_TASK * price)
