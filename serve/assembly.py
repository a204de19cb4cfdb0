"""Puts a replica's parts together from its configuration. Runs inside the replica's process."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from contracts.keyfile import load_key
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.orders712 import Domain
from mlbridge.storage import open_store
from serve import execclass
from serve.config import ModelAppConfig
from serve.engines import torch_engine
from serve.gate import Gate, SingleFlight
from serve.guard import Guard, GuardRules
from serve.http import HttpFace
from serve.lane.admission import Admission, AdmissionRules
from serve.lane.faults import conduct_for
from serve.lane.http import LaneFace
from serve.lane.member import LaneMember, Model
from serve.lane.signer import Signer
from serve.lane.store import LaneStore
from serve.lane.view import View
from serve.lane.wallets import ChainWallets
from serve.service import ModelService, Recorder
from serve.worker import Runner, ThreadRunner


def torch_runner(config: ModelAppConfig) -> ThreadRunner:
    """The model on a thread of this process, not started yet."""
    engine = torch_engine(config.kind, config.directory, device=config.device, threads=config.threads)
    return ThreadRunner(engine, stuck_after_s=config.stuck_after_s)


async def start(config: ModelAppConfig, runner: Runner, recorder: Recorder) -> tuple[ModelService, HttpFace]:
    """Starts the model and puts guard, gate and HTTP in front of it.

    Raises MLBridgeError engine.class when this machine is of another execution class than the configured one.
    """
    await runner.start()
    description = describe(config, runner)
    rules = GuardRules(
        chain_id=config.chain_id,
        model_id=config.model_id_bytes,
        node_keys=frozenset(config.node_keys),
        max_validity_s=config.order_max_validity_s,
        skew_s=config.order_skew_s,
    )
    gate = Gate(config.slots, config.queue, changed=recorder.in_flight)
    service = ModelService(
        runner,
        Guard(rules),
        gate,
        SingleFlight(config.result_cache_bytes),
        recorder,
        description=description,
    )
    token = config.operator_token.get_secret_value() if config.operator_token else None
    lane = await lane_face(config, service, gate, recorder)
    return service, HttpFace(service, operator_token=token, lane=lane)


async def lane_face(
    config: ModelAppConfig, service: ModelService, gate: Gate, recorder: Recorder
) -> LaneFace | None:
    """The seat in the channel lane; None where none is configured.

    Raises MLBridgeError `keystore.*`, `lane.store` or `storage.*`.
    """
    settings = config.lane
    if settings is None:
        return None
    account = await asyncio.to_thread(load_key, settings.key)
    domain = Domain(config.chain_id, settings.channels)
    view = View(settings.view, config.model_id_bytes, stale_s=settings.stale_s)
    rules = AdmissionRules(
        domain=domain,
        model_id=config.model_id_bytes,
        coordinators=None if settings.coordinators is None else frozenset(settings.coordinators),
        seat_fee=settings.seat_fee,
        least_time_s=settings.least_time_s,
        max_validity_s=settings.max_validity_s,
        settle_margin_s=settings.settle_margin_s,
    )
    wallets = None if settings.rpc_url is None else ChainWallets(settings.rpc_url)
    member = LaneMember(
        Model(config.kind, service.run, lambda: gate.in_flight >= gate.capacity),
        Admission(rules, view, wallets),
        view,
        LaneStore(settings.store),
        Signer(bytes(account.key), domain),
        open_store(settings.storage_url) if settings.storage_url else None,
        recorder,
        conduct_for(settings.fault),
    )
    return LaneFace(member)


def describe(config: ModelAppConfig, runner: Runner) -> dict[str, Any]:
    """What /v1/info says beside how full the replica is."""
    found = execclass.detect(config.directory, config.engine, config.device, threads=config.threads)
    class_id = "0x" + found.id.hex()
    if config.exec_class_id not in (None, class_id):
        raise MLBridgeError(
            "engine.class",
            f"{config.name} is served by another execution class ({config.exec_class_id}) than this machine's"
            f" ({class_id}: {found.kernel}, {found.build}).",
            hint="Serve it on a machine of that class; models voted on by tolerance need no exec_class_id.",
        )
    return {
        "name": config.name,
        "model_id": config.model_id.lower(),
        "kind": config.kind,
        "chain_id": config.chain_id,
        "engine": asdict(runner.info()),
        "exec_class": found.model_dump(),
        "exec_class_id": class_id,
        "slots": config.slots,
    }
