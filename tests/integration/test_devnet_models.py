"""The devnet's models follow what this machine can serve."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from contracts import reads
from contracts.chain import Chain
from contracts.reads import ModelInfo, ModelStatus
from contracts.sender import Sender
from mlbridge.devnet import accounts
from mlbridge.devnet.models import publish_models
from mlbridge.devnet.plan import Plan, make_plan
from mlbridge.models.manifest import Manifest
from mlbridge.storage import open_store
from tests.support.seats import MLB, fund

pytestmark = pytest.mark.integration


async def test_a_model_of_libraries_that_are_gone_makes_way_and_comes_back(
    calm: Chain, bank: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fund(bank, calm, accounts.model_provider().address, mlb=20_000 * MLB)
    plan = small_plan(tmp_path)
    publish = partial(publish_models, calm.network, plan, lambda _: None)
    await publish()
    before = await reads.list_models(calm)
    await publish()
    assert await reads.list_models(calm) == before

    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    await publish()
    old, minilm, new = await reads.list_models(calm)
    assert [old.status, minilm, new.status] == [ModelStatus.PAUSED, before[1], ModelStatus.ACTIVE]
    assert (await reads.find_model(calm, "digits")).id == new.id
    assert new.exec_class == (await manifest(calm, new)).exec_class_id != old.exec_class

    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    await publish()
    assert await reads.list_models(calm) == [
        before[0],
        minilm,
        replace(new, status=ModelStatus.PAUSED),
    ]


def small_plan(home: Path) -> Plan:
    return make_plan(
        home,
        providers=None,
        models=["digits", "minilm"],
        faults=[],
        shared_ray=None,
        engine=None,
        block_time=1,
        commit_window=60,
        reveal_window=60,
        base_port=8545,
        ray_base_port=20000,
    )


async def manifest(chain: Chain, model: ModelInfo) -> Manifest:
    return Manifest.from_bytes(await open_store(chain.network.storage_url).get(model.cid))
