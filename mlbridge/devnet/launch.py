"""Brings a devnet up, one machine after the other: Ray heads that start together on few cores fail."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from cluster.config import load_config
from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.consent import sign_consent
from contracts.deploy import DEVNET, DeployParams, deploy
from contracts.deploy_params import DEVNET_REVIEWS
from contracts.economy import MLB
from contracts.lane import Lane
from contracts.laneview import LaneView
from contracts.network import Network, write_whole
from contracts.sender import Sender, SendPolicy
from gateway.config import load_config as load_gateway_config
from gateway.keys import Keys
from gateway.store import Store
from mlbridge.devnet import accounts, machines
from mlbridge.devnet.models import publish_models
from mlbridge.devnet.plan import PLAN_FILE, Plan
from mlbridge.devnet.report import Report
from mlbridge.devnet.services import (
    Service,
    process_of,
    read_running,
    read_services,
    write_json,
    write_services,
)
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from mlbridge.rayproc import RayPorts

QUICK = SendPolicy(poll_s=0.1)
VERIFIER_MLB = 25_000 * MLB
PROVIDER_MLB = (machines.COMPUTE_STAKE + 10_000) * MLB


async def launch(plan: Plan, report: Report) -> Network:
    """Start whatever does not run yet; safe to repeat. Raises MLBridgeError with the log to read."""
    plan.home.mkdir(parents=True, exist_ok=True)
    write_json(plan.home / PLAN_FILE, plan.model_dump(mode="json"))
    start_supervisor(plan.home)
    with report.step("chain") as step:
        ensure(plan.home, chain_service(plan))
        await wait_until(plan, "chain", lambda: answers_rpc(plan.rpc_url), seconds=30)
        step.detail = f"anvil {plan.rpc_url}, chain id {accounts.CHAIN_ID}"
    with report.step("contracts") as step:
        network = await deploy(
            plan.rpc_url,
            accounts.deployer(),
            deploy_params(plan),
            name="devnet",
            network_file=plan.network_file,
            confirmations=0,
            block_time=plan.block_time,
            storage_url=f"file://{plan.blocks}",
            policy=QUICK,
            progress=step.now,
        )
        await fund(network, plan)
        account = await make_verifier(network)
        step.detail = str(plan.network_file)
    with report.step("models") as step:
        published = await publish_models(network, plan, step.now)
        step.detail = ", ".join(published)
    with report.step("verifier") as step:
        ensure(plan.home, verifier_service(plan, account))
        await wait_until(plan, "verifier", lambda: listens(plan.verifier_port), seconds=60)
        step.detail = f"{plan.verifier_url} signs batches of the channel lane as account {account}"
    with report.step("coordinator") as step:
        ensure(plan.home, command_service("coordinator", machines.coordinator_file(plan)))
        url = plan.coordinator_url
        await wait_until(plan, "coordinator", lambda: answers_http(f"{url}/readyz"), seconds=240)
        step.detail = url
    with report.step("gateway") as step:
        file = machines.gateway_file(plan)
        await make_api_key(plan, file)
        ensure(plan.home, command_service("gateway", file))
        ready = partial(answers_http, f"{plan.gateway_url}/readyz")
        await wait_until(plan, "gateway", ready, seconds=240)
        step.detail = f"{plan.gateway_url}/v1"
    for number in range(1, plan.providers + 1):
        name = plan.provider_name(number)
        with report.step(name) as step:
            file = machines.provider_file(plan, number)
            ensure(plan.home, command_service("provider", file, name))
            await wait_until(plan, name, partial(provider_ready, network, plan, number, file), seconds=600)
            config = load_config(file)
            step.detail = f"{config.local_url}/node" + (f", {config.fault}" if config.fault else "")
    with report.step("draw") as step:
        # Who joined in this epoch is drawn from the next one on; judges would be missing until then.
        await wait_until(plan, "chain", partial(all_drawn, network, plan), seconds=60)
        step.detail = "every provider that may sit is in the pool of every model"
    with report.step("channel lane") as step:
        await wait_for_lane(network, plan)
        step.detail = "every provider that may sit is drawn, and the gateway has its channel"
    write_targets(plan)
    return network


def deploy_params(plan: Plan) -> DeployParams:
    """The devnet's contract parameters with this plan's windows."""
    rules = replace(
        DEVNET.parameters,
        commit_window=plan.commit_window,
        reveal_window=plan.reveal_window,
        min_task_time=max(DEVNET.parameters.min_task_time, plan.commit_window * 3 // 2),
    )
    reviews = DEVNET_REVIEWS if plan.reviews else None
    return replace(DEVNET, epoch_seconds=plan.epoch, parameters=rules, reviews=reviews)


async def fund(network: Network, plan: Plan) -> None:
    """Give operators, the model provider and the requester the MLB they may stake."""
    async with await Chain.connect(network) as chain:
        sender = Sender(chain, accounts.deployer(), QUICK)
        needs = {accounts.model_provider().address: 20_000 * MLB}
        needs[accounts.verifier().address] = VERIFIER_MLB
        needs[accounts.requester().address] = 20_000 * MLB  # the command publishes models with this key
        needs |= {accounts.operator(number).address: PROVIDER_MLB for number in range(1, plan.providers + 1)}
        for address, amount in needs.items():
            held = await chain.token.functions.balanceOf(address).call()
            staked = await chain.distributor.functions.totalStakeOf(address).call()
            if held + staked < amount:
                await sender.send(chain.token.functions.transfer(address, amount - held - staked))


async def make_verifier(network: Network) -> int:
    """Stake as a verifier and allow its hot key, unless that is done; its account."""
    operator, node = accounts.verifier(), accounts.verifier_node()
    async with await Chain.connect(network) as chain:
        sender = Sender(chain, operator, QUICK)
        if not await chain.distributor.functions.totalStakeOf(operator.address).call():
            await sender.send(chain.token.functions.approve(chain.addresses.distributor, VERIFIER_MLB))
            await sender.send(chain.distributor.functions.stake(int(Role.VERIFIER), VERIFIER_MLB))
        account = await reads.account_id(chain, operator.address, Role.VERIFIER)
        if await chain.tasks.functions.operatorOfNode(node.address).call() != account // 2:
            consent = sign_consent(chain, node, operator.address)
            await sender.send(chain.tasks.functions.setNodeKey(node.address, True, consent))
    return account


async def make_api_key(plan: Plan, file: Path) -> None:
    """Make the devnet's own API key, unless it is there."""
    if plan.gateway_key_file.exists():
        return
    store = await Store.open(load_gateway_config(file))
    try:
        _, text = await Keys(store).create("devnet")
    finally:
        await store.close()
    write_whole(plan.gateway_key_file, text + "\n", mode=0o600)


def start_supervisor(home: Path) -> None:
    """Start the process that keeps the others alive, unless it runs."""
    if supervisor_pid(home) is not None:
        return
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    (home / "logs").mkdir(parents=True, exist_ok=True)
    with (home / "logs" / "supervisor.log").open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-m", "mlbridge.devnet.supervise", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def supervisor_pid(home: Path) -> int | None:
    """Process id of the running supervisor: whoever holds its lock; None when nobody does."""
    try:
        with (home / "supervisor.lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except FileNotFoundError:
        return None
    return None


def ensure(home: Path, service: Service) -> None:
    """Ask the supervisor for a service, keeping the others."""
    others = [known for known in read_services(home) if known.name != service.name]
    write_services(home, [*others, service])


def chain_service(plan: Plan) -> Service:
    state = plan.home / "chain" / "state.json"
    argv = ["-m", "mlbridge.devnet.chain", str(plan.chain_port), str(state), str(plan.block_time)]
    return Service(name="chain", argv=[sys.executable, *argv], grace=30, wave=0)


def command_service(command: str, file: Path, name: str = "") -> Service:
    """`mlbridge COMMAND up --config FILE` as a service."""
    argv = [sys.executable, "-m", "mlbridge.cli", command, "up", "--config", str(file)]
    wave = 1 if command == "coordinator" else 2
    return Service(name=name or command, argv=argv, grace=240, wave=wave)


def verifier_service(plan: Plan, account: int) -> Service:
    """`mlbridge watch`, which also signs batches as a Verifier account."""
    keys = machines.verifier_keys(plan)
    options = ["--network", str(plan.network_file), "--keystore", keys["keystore"]]
    options += ["--password-file", keys["password_file"]]
    options += ["--attest", str(account), "--port", str(plan.verifier_port)]
    argv = [sys.executable, "-m", "mlbridge.cli", "watch", *options]
    return Service(name="verifier", argv=argv, grace=20, wave=1)


async def wait_until(plan: Plan, service: str, ready: Callable[[], Any], *, seconds: float) -> None:
    """Ask `ready` (an async question) until it says yes; a service that keeps dying fails sooner."""
    limit = time.monotonic() + seconds
    log_file = plan.home / "logs" / f"{service}.log"
    while not await ready():
        known = read_running(plan.home).get(service)
        dying = known is not None and known.restarts >= 3 and process_of(known) is None
        if dying or time.monotonic() > limit:
            trouble = "keeps ending" if dying else f"was not ready within {seconds:.0f} s"
            raise MLBridgeError(
                "devnet.not_ready",
                f"{service} {trouble}: {last_words(log_file)}",
                hint=f"Its log: {log_file}. Stop what runs with: mlbridge down",
                exit_code=6,
            )
        await asyncio.sleep(0.3)


def last_words(log_file: Path) -> str:
    """The last line of a log that says something."""
    try:
        lines = [line.strip() for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
    except FileNotFoundError:
        return "it wrote nothing"
    return lines[-1][:300] if lines else "it wrote nothing"


async def provider_ready(network: Network, plan: Plan, number: int, file: Path) -> bool:
    """Whether a provider answers and stands in the draw of every model of the plan."""
    if not await answers_http(f"{load_config(file).local_url}/node/status"):
        return False
    async with await Chain.connect(network) as chain:
        account = await reads.account_id(chain, accounts.operator(number).address, Role.COMPUTE)
        models = [await reads.find_model(chain, name) for name in plan.models]
        serving = [await chain.tasks.functions.isServing(model.id, account).call() for model in models]
    return all(serving)


async def all_drawn(network: Network, plan: Plan) -> bool:
    """Whether randomness armed now could draw every provider that may sit, for every model of the plan.

    A liar of an earlier start may be jailed: it weighs nothing and is not waited for.
    """
    async with await Chain.connect(network) as chain:
        models = [await reads.find_model(chain, name) for name in plan.models]
        sizes = [await chain.tasks.functions.poolSize(model.id, False).call() for model in models]
        weights = await weights_of(chain, plan)
    return bool(min(sizes) >= sum(weight > 0 for weight in weights))


async def wait_for_lane(network: Network, plan: Plan) -> None:
    """Until the channel lane draws every provider that may sit. Who joined counts from the next epoch on."""
    if network.lane is None:
        raise MLBridgeError("lane.not_deployed", "The devnet's network file names no channel lane.")
    async with await Chain.connect(network) as chain:
        view = await LaneView.open(Lane(chain, network.lane))
        seconds = 4 * view.times.epoch_seconds
        await wait_until(plan, "coordinator", partial(lane_draws, view, plan), seconds=seconds)


async def lane_draws(view: LaneView, plan: Plan) -> bool:
    """Whether an order of the gateway's channel could seat every provider that may, for every exact model."""
    await view.refresh()
    try:
        epoch = await view.drawing_epoch()
    except MLBridgeError as error:
        if error.code != "lane.no_seed":
            raise
        return False
    chain, snapshots = view.lane.chain, view.facts.snapshots
    topic = "0x" + accounts.gateway().address[2:].lower().rjust(64, "0")
    opened = await view.lane.events(artifacts.CHANNELS, "ChannelOpened", None, topic)
    terms = [await view.terms(bytes(event.args["channel"])) for event in opened]
    able = sum(weight > 0 for weight in await weights_of(chain, plan))
    models = [(await reads.find_model(chain, name)).id for name in plan.channel_models]
    recorded = [
        sum(weight > 0 for weight in snapshots.weights(model, epoch).values())
        for model in models
        if snapshots.terms(model, epoch) is not None
    ]
    drawn = len(recorded) == len(models) and all(count >= able for count in recorded)
    return drawn and any(item.opened_in < epoch for item in terms)


async def weights_of(chain: Chain, plan: Plan) -> list[int]:
    """What each provider's Compute account weighs now; 0 for one that is jailed."""
    operators = [accounts.operator(number).address for number in range(1, plan.providers + 1)]
    held = [await reads.account_id(chain, operator, Role.COMPUTE) for operator in operators]
    return [int(await chain.distributor.functions.weightOf(account).call()) for account in held]


def write_targets(plan: Plan) -> None:
    """Tell Prometheus (file_sd_configs) where the Ray metrics of every cluster are."""
    clusters = {"coordinator": 0}
    if not plan.shared_ray:
        clusters |= {plan.provider_name(number): number for number in range(1, plan.providers + 1)}
    targets = [
        {"targets": [f"127.0.0.1:{RayPorts(plan.ray_port(number)).metrics}"], "labels": {"provider": name}}
        for name, number in clusters.items()
    ]
    write_json(plan.home / "prometheus_targets.json", targets)


async def answers_rpc(url: str) -> bool:
    """Whether a chain node answers."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    try:
        async with httpx2.AsyncClient(timeout=2) as client:
            return int((await client.post(url, json=body)).json()["result"], 16) == accounts.CHAIN_ID
    except (httpx2.HTTPError, ValueError, KeyError):
        return False


async def answers_http(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        async with httpx2.AsyncClient(timeout=2) as client:
            return bool((await client.get(url)).status_code == httpx2.codes.OK)
    except httpx2.HTTPError:
        return False


async def listens(port: int) -> bool:
    """Whether something on this machine takes connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
