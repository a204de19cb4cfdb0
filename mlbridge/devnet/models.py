"""The demo models: made from what Python packages ship, published by the devnet's model provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from contracts.chain import Chain
from contracts.economy import MLB
from contracts.network import Network
from contracts.reserves import ensure_reserve
from contracts.sender import Sender
from mlbridge.devnet import accounts
from mlbridge.devnet.plan import Plan
from mlbridge.models.manifest import PACK_FILE
from mlbridge.sdk import AsyncClient
from mlbridge.storage import open_store
from serve import packs
from serve.engines.base import Device
from serve.execclass import EngineName
from serve.packs.draft import manifest_draft

# Pays the judges of a dozen disputes.
RESERVE = 10_000 * MLB
PRICES_WEI = {"minilm": 10**13, "digits": 5 * 10**12, "smollm2": 5 * 10**13}


async def publish_models(network: Network, plan: Plan, progress: Callable[[str], None]) -> list[str]:
    """Build, store and register the plan's models, unless they are; returns their names."""
    store = open_store(network.storage_url)
    async with AsyncClient(network, accounts.model_provider(), store=store) as client:
        known = {model.name for model in await client.models()}
        for name in plan.models:
            if name in known:
                continue
            progress(f"building {name}")
            pack = await asyncio.to_thread(packs.build, name, plan.home / "models" / name, progress)
            engine: EngineName = "vllm" if name == "smollm2" and plan.engine == "vllm" else "torch"
            device: Device = "cuda" if engine == "vllm" and plan.gpu else "cpu"
            draft = await asyncio.to_thread(manifest_draft, pack, engine=engine, device=device)
            progress(f"publishing {name}")
            await client.publish(
                pack.directory, PRICES_WEI[name], stake=True, draft=draft, ignore={PACK_FILE}
            )
        await _fill_reserves(network, [model.id for model in await client.models()])
    return list(plan.models)


async def _fill_reserves(network: Network, models: Iterable[bytes]) -> None:
    """Without a reserve a model's disputes are refunded and nobody judges."""
    async with await Chain.connect(network) as chain:
        governor = Sender(chain, accounts.deployer())
        for model in models:
            await ensure_reserve(chain, governor, model, RESERVE)
