"""The demo models: made from what Python packages ship, published by the devnet's model provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from contracts.chain import Chain
from contracts.economy import MLB
from contracts.network import Network
from contracts.reads import ModelInfo, ModelStatus
from contracts.reserves import ensure_reserve
from contracts.sender import Sender
from mlbridge.devnet import accounts
from mlbridge.devnet.plan import Plan
from mlbridge.models.manifest import PACK_FILE, ExecClass
from mlbridge.protocol.types import Policy
from mlbridge.sdk import AsyncClient
from mlbridge.storage import open_store
from serve import packs
from serve.engines.base import Device
from serve.execclass import EngineName
from serve.packs import Pack
from serve.packs.draft import manifest_draft

# Pays the judges of a dozen disputes.
RESERVE = 10_000 * MLB
PRICES_WEI = {"minilm": 10**13, "digits": 5 * 10**12, "smollm2": 5 * 10**13}


async def publish_models(network: Network, plan: Plan, progress: Callable[[str], None]) -> list[str]:
    """Build, store and register the plan's models, unless they are; returns their names.

    A model of the model provider's that this machine can no longer serve, because its libraries have changed
    since, makes way: it is paused and published again in the execution class of now.
    """
    store = open_store(network.storage_url)
    async with AsyncClient(network, accounts.model_provider(), store=store) as client:
        for name in plan.models:
            ours = [model for model in await client.models() if _is_ours(model, name)]
            progress(f"building {name}")
            pack = await asyncio.to_thread(packs.build, name, plan.home / "models" / name, progress)
            draft = await asyncio.to_thread(_draft, pack, plan)
            fitting = [model for model in ours if _fits(model, draft)]
            await _pause(network, [model for model in ours if model not in fitting], paused=True)
            await _pause(network, fitting[:1], paused=False)
            if not fitting:
                progress(f"publishing {name}")
                await client.publish(
                    pack.directory, PRICES_WEI[name], stake=True, draft=draft, ignore={PACK_FILE}
                )
        await _fill_reserves(network, [model.id for model in await client.models()])
    return list(plan.models)


def _draft(pack: Pack, plan: Plan) -> dict[str, Any]:
    engine: EngineName = "vllm" if pack.spec.name == "smollm2" and plan.engine == "vllm" else "torch"
    device: Device = "cuda" if engine == "vllm" and plan.gpu else "cpu"
    return manifest_draft(pack, engine=engine, device=device)


def _is_ours(model: ModelInfo, name: str) -> bool:
    return model.name == name and model.provider == accounts.model_provider().address


def _fits(model: ModelInfo, draft: dict[str, Any]) -> bool:
    """Outputs that are compared within a tolerance may come from another class."""
    return model.policy is Policy.NUMERIC or model.exec_class == ExecClass(**draft["exec_class"]).id


async def _pause(network: Network, models: Iterable[ModelInfo], *, paused: bool) -> None:
    unwanted = ModelStatus.ACTIVE if paused else ModelStatus.PAUSED
    async with await Chain.connect(network) as chain:
        owner = Sender(chain, accounts.model_provider())
        for model in models:
            if model.status is unwanted:
                await owner.send(chain.registry.functions.setPaused(model.id, paused))


async def _fill_reserves(network: Network, models: Iterable[bytes]) -> None:
    """Without a reserve a model's disputes are refunded and nobody judges."""
    async with await Chain.connect(network) as chain:
        governor = Sender(chain, accounts.deployer())
        for model in models:
            await ensure_reserve(chain, governor, model, RESERVE)
