"""The bed of the lane's benchmark: a chain, members behind Ray Serve, a coordinator, a verifier, a requester.

Everything is what an operator runs, each in processes of its own; only the engine is the benchmark's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
import yaml
from eth_account.signers.local import LocalAccount

from benchmarks.lane_processes import agents_file
from cluster.driver import App, Apply
from contracts import channels, keystore, reads
from contracts.anvil import free_port
from contracts.deploy import DEVNET
from contracts.network import save
from contracts.sender import Sender
from mlbridge.rayproc import PORTS_PER_CLUSTER, HeadSpec, RayHead, RayPorts, busy_ports
from mlbridge.sdk import AsyncChannel, AsyncClient
from tests.support.lane import PRICE, LaneRig, lane_rig
from tests.support.packs import built
from tests.support.providers import PASSWORD, write_keys
from tests.support.seats import FAST, ScriptedMember, register_model, until

CHANNELS: Final = 64
"""Each takes 64 orders before a batch settles some."""
DEPOSIT: Final = 10**18
BLOCK_S: Final = 1.0
ROOT: Final = Path(__file__).parents[1]
FIRST_RAY_PORT: Final = 21_000
LAST_RAY_PORT: Final = 26_000

Tell = Callable[[str], None]


@dataclass
class Bed:
    """A running bed. urls: of the members' sleeping model; chat_urls: of those that serve SmolLM2.

    groups: processes by what they are.
    """

    rig: LaneRig
    client: AsyncClient
    channels: list[AsyncChannel]
    urls: list[str]
    chat_urls: list[str]
    chat: bytes
    database: Path
    coordinator: str
    groups: dict[str, list[psutil.Process]]
    haproxy: bool

    @property
    def model(self) -> bytes:
        """Id of the sleeping model."""
        return self.rig.model

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each group has used."""
        return {name: sum(map(_cpu, group)) for name, group in self.groups.items()}

    def memory(self, group: str) -> int:
        """Bytes resident."""
        return sum(int(process.memory_info().rss) for process in self.groups[group])


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextlib.asynccontextmanager
async def bed(
    folder: Path, tell: Tell, *, members: int, chat: bool = False, haproxy: bool = True
) -> AsyncIterator[Bed]:
    """Start everything; tell says what is done. chat: let three members serve SmolLM2 too."""
    lane = DEVNET.lane
    assert lane is not None
    tell("chain, contracts and stakes")
    async with (
        lane_rig(members=members, verifiers=1, params=lane) as rig,
        contextlib.AsyncExitStack() as stack,
    ):
        chat_model = await _second_model(rig, rig.members[:3]) if chat else b""
        requester, client_sender = await rig.funded(10**21)
        coordinator, _ = await rig.funded(10**21)
        await rig.treasury.transfer(rig.verifiers[0].node.address, 10**19)
        tell(f"{CHANNELS} channels")
        opened = [
            await channels.open_channel(
                rig.lane,
                client_sender,
                coordinator.address,
                deposit=DEPOSIT,
                salt=number.to_bytes(32, "big"),
                share=300,
            )
            for number in range(CHANNELS)
        ]
        await rig.advance()
        await rig.chain.provider.request("evm_setIntervalMining", [int(BLOCK_S)])

        network_file = folder / "network.json"
        network = rig.chain.network.model_copy(
            update={
                "block_time": BLOCK_S,
                "storage_url": f"file://{folder / 'content'}",
                "lane": rig.lane.addresses,
            }
        )
        save(network, network_file)
        views = {member.account: folder / str(member.account) / "view.sqlite" for member in rig.members}
        spec = folder / "agents.json"
        spec.write_text(agents_file(network_file, views))
        agents = _started(stack, folder, "agents", ["-m", "benchmarks.lane_processes", "agents", str(spec)])

        tell(f"Ray Serve with {members} members")
        head = await asyncio.to_thread(_start_head, folder, members, haproxy)
        stack.push_async_callback(asyncio.to_thread, head.stop)
        base = f"http://127.0.0.1:{head.spec.ports.http}"
        apps = [
            app
            for number, member in enumerate(rig.members)
            for app in _apps(rig, member, folder, base, chat_model if number < 3 else b"")
        ]
        await asyncio.to_thread(_serve, head, apps)

        tell("verifier, coordinator and requester")
        verifier_port, port = free_port(), free_port()
        verifier = _started(stack, folder, "verifier", _watch(rig, network_file, folder, verifier_port))
        nodes = [f"{base}/m/{member.account}" for member in rig.members]
        file = _coordinator_file(folder, network_file, coordinator, port, nodes, verifier_port)
        engine = _started(
            stack, folder, "coordinator", ["-m", "benchmarks.lane_processes", "coordinator", str(file)]
        )
        url = f"http://127.0.0.1:{port}"
        await until(lambda: _answers(url + "/readyz"), timeout_s=60)

        client = AsyncClient(network, requester, channel_book=folder / "book.db", policy=FAST)
        await stack.enter_async_context(client)
        doors = [await client.channel(terms.channel(), url=url) for terms in opened]
        for door in doors:
            stack.push_async_callback(door.close_connection)
        await doors[0].until_drawable(120)
        anvil = rig.anvil.pid
        assert anvil is not None
        yield Bed(
            rig=rig,
            client=client,
            channels=doors,
            urls=nodes,
            chat_urls=[f"{base}/c/{member.account}" for member in rig.members[:3]] if chat else [],
            chat=chat_model,
            database=folder / "coordinator" / "coordinator.db",
            coordinator=coordinator.address,
            groups={
                "coordinator": [engine],
                "requester and SDK": [psutil.Process()],
                "verifier": [verifier],
                "anvil": [psutil.Process(anvil)],
                "agents": [agents],
                **_ray_groups(head),
            },
            haproxy=haproxy,
        )


async def _second_model(rig: LaneRig, members: Sequence[ScriptedMember]) -> bytes:
    """Registered, served and recorded as the first one is; its id."""
    model = await register_model(rig.chain, rig.treasury, price=PRICE, provider=rig.provider)
    info = await reads.get_model(rig.chain, model)
    for member in members:
        owner = Sender(rig.chain, member.operator, FAST)
        serving = rig.chain.tasks.functions.serveModel(model, member.account, info.exec_class)
        await owner.send(serving)
    await rig.advance()
    await channels.record_model(rig.lane, rig.treasury, model)
    for member in members:
        await channels.record_weight(rig.lane, rig.treasury, model, member.account)
    return model


# ---- processes ----


def _started(
    stack: contextlib.AsyncExitStack, folder: Path, name: str, arguments: Sequence[str]
) -> psutil.Process:
    """A Python process that ends with the bed."""
    with (folder / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    stack.callback(_end, child)
    return psutil.Process(child.pid)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _start_head(folder: Path, members: int, haproxy: bool) -> RayHead:
    free = (
        base
        for base in range(FIRST_RAY_PORT, LAST_RAY_PORT, PORTS_PER_CLUSTER)
        if not busy_ports(RayPorts(base))
    )
    spec = HeadSpec(
        name="bench",
        state_dir=folder / "ray",
        base_port=next(free),
        num_cpus=max(4, members),
        haproxy=haproxy,
        env={"PYTHONPATH": str(ROOT)},
    )
    head = RayHead(spec)
    head.start()
    return head


def _serve(head: RayHead, apps: Sequence[App]) -> None:
    request = Apply(apps=list(apps), host="127.0.0.1", port=head.spec.ports.http, timeout=240)
    reply = head.run("cluster.driver", {"apply": request.model_dump()}, timeout=300)
    states: Any = reply["apps"]
    broken = {name: state for name, state in states.items() if state["status"] != "RUNNING"}
    if broken or len(states) != len(apps):
        raise RuntimeError(f"these applications do not run: {broken}")


def _ray_groups(head: RayHead) -> dict[str, list[psutil.Process]]:
    members, ingress, rest = [], [], []
    for found in head.pids():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(found.pid)
            title = " ".join(process.cmdline())
            if title.startswith("ray::ServeReplica"):
                members.append(process)
            elif "haproxy" in process.name() or "Proxy" in title:
                ingress.append(process)
            else:
                rest.append(process)
    return {"members": members, "HTTP ingress": ingress, "Ray": rest}


# ---- files ----


def _apps(rig: LaneRig, member: ScriptedMember, folder: Path, base: str, chat: bytes) -> list[App]:
    home = folder / str(member.account)
    write_keys(home, member.node, member.operator)
    key = {"keystore": str(home / "node.json"), "password_file": str(home / "password")}
    lane = {
        "channels": rig.lane.addresses.channels,
        "view": str(home / "view.sqlite"),
        "store": str(home / "lane.sqlite"),
        "key": key,
        "stale_s": 60,
    }
    models = {f"m/{member.account}": (rig.model, "classification", folder)}
    if chat:
        models[f"c/{member.account}"] = (chat, "chat", built("smollm2").directory)
    page = {
        "accounts": {str(member.account): {}},
        "models": [
            {"id": "0x" + model.hex(), "endpoint": f"{base}/{at}"} for at, (model, *_) in models.items()
        ],
    }
    return [
        App(
            name=at.replace("/", "-"),
            route=f"/{at}",
            import_path="benchmarks.lane_seat:build",
            args={
                "page": page,
                "model": {
                    "name": at.replace("/", "-"),
                    "model_id": "0x" + model.hex(),
                    "chain_id": rig.chain.chain_id,
                    "directory": str(directory),
                    "kind": kind,
                    "node_keys": [member.node.address],
                    "queue": 1024,
                    "lane": lane,
                },
            },
        )
        for at, (model, kind, directory) in models.items()
    ]


def _watch(rig: LaneRig, network: Path, folder: Path, port: int) -> list[str]:
    verifier = rig.verifiers[0]
    write_keys(folder / "verifier", verifier.node, verifier.operator)
    keys = ["--keystore", str(folder / "verifier" / "node.json")]
    keys += ["--password-file", str(folder / "verifier" / "password")]
    attest = ["--attest", str(verifier.account), "--port", str(port)]
    return ["-m", "mlbridge.cli", "watch", "--network", str(network), *keys, *attest]


def _coordinator_file(
    folder: Path, network: Path, account: LocalAccount, port: int, nodes: Sequence[str], verifier: int
) -> Path:
    home = folder / "coordinator"
    home.mkdir()
    (home / "password").write_text(PASSWORD)
    keystore.create(home / "key.json", PASSWORD, account, rounds=2)
    file = home / "coordinator.yaml"
    settings: Mapping[str, Any] = {
        "network": str(network),
        "home": str(home),
        "key": {"keystore": str(home / "key.json"), "password_file": str(home / "password")},
        "http": {"port": port},
        "pokes": {"enabled": False},
        "receipts": False,
        "lane": {"members": list(nodes), "attesters": [f"http://127.0.0.1:{verifier}"]},
    }
    file.write_text(yaml.safe_dump(dict(settings)))
    return file


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False
