"""Which models a provider serves, under which names, and how one that is hostile stays without effect."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve

from cluster import driver
from cluster.choices import Choice, choose
from cluster.config import LaneConfig, ProviderConfig, ServedModel, load_config, parse_config
from cluster.provision import mine, node_application, prepare, route_names
from cluster.raycluster import JoinedCluster, OwnCluster, head_spec, open_cluster
from cluster.served import Served, ServedModels, write_served
from cluster.shelf import Shelf
from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest
from mlbridge.protocol.types import Policy
from mlbridge.storage import ContentStore, open_store
from serve.config import parse
from serve.lane.settings import LaneSettings
from tests.support.providers import manifest_folder
from tests.unit.test_provider_config import fields

MODEL = b"m" * 32


def model(name: str, number: int, status: ModelStatus = ModelStatus.ACTIVE) -> ModelInfo:
    return ModelInfo(
        bytes([number]) * 32, number, "0x", f"cid{number}", 5, status, 0, Policy.EXACT, b"e" * 32, name
    )


def test_entries_by_name_go_before_every() -> None:
    models = [model("a", 1), model("b", 2), model("a", 3), model("off", 4, ModelStatus.PAUSED)]
    entries = (
        ServedModel(model="*"),
        ServedModel(model="a", replicas=3),
        ServedModel(model="0x" + "02" * 32),
    )
    found = {choice.model.id[0]: choice for choice in choose(entries, models)}
    assert set(found) == {1, 2, 3}
    assert found[1].entry.replicas == 3  # a name means its oldest model
    assert [found[number].asked for number in (1, 2, 3)] == [True, True, False]
    # The one that the file names has the name for its path, the other its id.
    slugs = route_names(choose(entries, models))
    assert [slugs[bytes([number]) * 32] for number in (1, 2, 3)] == ["a", "b", "0x" + "03" * 32]


def test_an_unknown_or_paused_model_is_named_with_what_there_is() -> None:
    with pytest.raises(MLBridgeError, match="no active model 'off'") as failure:
        choose((ServedModel(model="off"),), [model("a", 1), model("off", 4, ModelStatus.PAUSED)])
    assert failure.value.hint == "Active models: a."


def test_applications_on_a_shared_cluster_carry_the_providers_name() -> None:
    ray = {"mode": "join", "address": "127.0.0.1:1", "token_file": "t", "http_port": 8000}
    shared, own = parse_config(fields(ray=ray)), parse_config(fields())
    assert (mine(shared), mine(own)) == ("alpha--", "")
    node = node_application(shared)
    assert (node.name, node.route) == ("alpha--node", "/p/alpha/node")
    json.dumps(node.model_dump())
    assert isinstance(open_cluster(own), OwnCluster)
    joined = open_cluster(shared)
    assert isinstance(joined, JoinedCluster)
    assert not joined.alive()
    with pytest.raises(MLBridgeError, match="No Ray cluster answers"):
        joined.start()


def test_what_is_served_is_read_again_when_it_changed(tmp_path: Path) -> None:
    models = ServedModels(tmp_path)
    assert models.all() == {}
    with pytest.raises(MLBridgeError, match="does not run"):
        models.get(MODEL)
    entry = Served("0x" + MODEL.hex(), "m", "chat", "c", "0x", "/m/m", "m", str(tmp_path), 7)
    write_served(tmp_path, [entry])
    assert models.get(MODEL) == entry
    write_served(tmp_path, [replace(entry, price=8)])
    assert models.get(MODEL).price == 8


# ---- one hostile model among the others ----
@dataclass
class Published:
    """A registered model whose content is in the store."""

    info: ModelInfo
    manifest: Manifest


async def publish(
    store: ContentStore, folder: Path, number: int, name: str | None = None, **changes: Any
) -> Published:
    """A model named `named`, or `model-NUMBER`, in its manifest, and `name` in the registry."""
    named, kind = changes.pop("named", f"model-{number}"), changes.pop("kind", "classification")
    weights = bytes([number]) * 1000
    cid = await store.put(weights)
    base = manifest_folder(folder / str(number), Policy.EXACT).model_dump(mode="json")
    sha = hashlib.sha256(weights).hexdigest()
    files = [{"path": "model.safetensors", "cid": cid, "sha256": sha, "size": changes.pop("size", 1000)}]
    exec_class = base["exec_class"] | {"weights_sha256": sha} | changes
    schemas = {"input_schema": f"mlbridge.{kind}.input.1", "output_schema": f"mlbridge.{kind}.output.1"}
    manifest = Manifest.from_fields(
        base
        | {"name": named, "kind": kind, "engine": exec_class["engine"]}
        | {"files": files, "exec_class": exec_class}
        | schemas
    )
    info = model(name or manifest.name, number)
    cid = await store.put(manifest.to_bytes())
    return Published(replace(info, cid=cid, exec_class=manifest.exec_class_id), manifest)


def choices(config: ProviderConfig, *published: Published) -> list[Choice]:
    return choose(config.models, [item.info for item in published])


def config_at(home: Path, *models: str, **limits: float) -> ProviderConfig:
    asked = [{"model": name} for name in models or ("*",)]
    return parse_config(fields(home=str(home), models=asked, limits=limits))


SEAT_FEE = 5
NETWORK: Any = SimpleNamespace(chain_id=31337, lane=None)
NODE = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


async def served(config: ProviderConfig, store: ContentStore, *published: Published) -> list[str]:
    found = await prepare(choices(config, *published), config, NETWORK, store, NODE, seat_fee=SEAT_FEE)
    return [item.served.name for item in found]


def test_a_name_is_a_path_only_where_it_can_be_one_and_is_free() -> None:
    names = ["fine-1", "node", "a/b", "{x}", "..", "fine-1", "0x" + "01" * 32]
    found = route_names([Choice(ServedModel(model="*"), model(name, n)) for n, name in enumerate(names)])
    ids = ["0x" + f"{number:02x}" * 32 for number in range(7)]
    assert list(found.values()) == ["fine-1", *ids[1:]]


@pytest.mark.parametrize(
    "hostile",
    [
        {"name": "another-name"},
        {"name": "a/{b}"},
        {"threads": 257},
        {"size": 30 * 10**9},
        {"size": 999},
    ],
    ids=["name", "path", "threads", "too large", "wrong size"],
)
async def test_one_hostile_model_is_left_out_and_the_others_are_served(
    tmp_path: Path, hostile: dict[str, Any]
) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    one, bad, two = [
        await publish(store, tmp_path, number, **(hostile if number == 2 else {})) for number in (1, 2, 3)
    ]
    assert await served(config_at(tmp_path), store, one, bad, two) == ["model-1", "model-3"]


async def test_a_named_model_that_cannot_be_served_stays_an_error(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    bad = await publish(store, tmp_path, 1, threads=257)
    with pytest.raises(MLBridgeError, match="threads") as failure:
        await served(config_at(tmp_path, "model-1"), store, bad)
    assert failure.value.code == "serve.config"


async def test_the_operator_may_serve_a_model_under_another_name_by_its_id(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    other = await publish(store, tmp_path, 1, "a/b")
    config = config_at(tmp_path, "0x" + other.info.id.hex())
    (found,) = await prepare(choices(config, other), config, NETWORK, store, NODE, seat_fee=SEAT_FEE)
    assert found.app.route == "/m/0x" + other.info.id.hex()


async def test_models_for_every_share_their_room_and_the_disk_is_never_filled(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    models = [await publish(store, tmp_path, number) for number in (1, 2, 3)]
    assert await served(config_at(tmp_path, any_model_gb=2e-6), store, *models) == ["model-1", "model-2"]
    config = config_at(tmp_path / "full", "model-1", free_disk_gb=10**9)
    with pytest.raises(MLBridgeError, match="must stay so") as full:
        await served(config, store, *models)
    assert full.value.code == "disk.full"
    assert not (tmp_path / "full").exists()
    # What is there already needs no room.
    assert await served(config_at(tmp_path, "model-1", free_disk_gb=10**9), store, *models) == ["model-1"]


async def test_a_model_whose_files_are_nowhere_takes_no_room(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    gone, there = [await publish(store, tmp_path, number) for number in (1, 2)]
    weights = gone.manifest.files[0].cid
    (tmp_path / "store" / "objects" / weights[-2:] / weights).unlink()
    assert await served(config_at(tmp_path, any_model_gb=1e-6), store, gone, there) == ["model-2"]
    assert [folder.name for folder in (tmp_path / "models").iterdir()] == [there.info.cid]


async def test_folders_of_models_that_nobody_asks_for_any_more_go(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    one, two = [await publish(store, tmp_path, number) for number in (1, 2)]
    config = config_at(tmp_path)
    await served(config, store, one, two)
    Shelf(config).clear({two.info.cid})
    assert [folder.name for folder in (tmp_path / "models").iterdir()] == [two.info.cid]


def test_an_application_that_cannot_be_built_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []
    running = SimpleNamespace(status=FakeStatus("RUNNING"), message="", deployments={})
    monkeypatch.setattr(serve, "start", lambda **_: None)
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(applications=dict.fromkeys(ran, running)))
    monkeypatch.setattr(serve, "run_many", lambda targets, **_: ran.extend(t.name for t in targets))
    apps = [
        driver.App(name=name, route=f"/{name}", import_path="serve.app:build", args=args)
        for name, args in (("bad", {}), ("good", GOOD))
    ]
    reply = driver.apply(driver.Apply(apps=apps, host="127.0.0.1", port=1, timeout=0))
    assert reply["apps"]["good"]["status"] == "RUNNING"
    assert reply["apps"]["bad"]["status"] == "DEPLOY_FAILED"
    assert "node_keys" in reply["apps"]["bad"]["message"]


class FakeStatus(str):
    """Serve's status enumerations are strings with a value."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


GOOD = {
    "name": "good", "model_id": "0x" + "01" * 32, "chain_id": 1, "directory": "/nowhere",
    "kind": "chat", "node_keys": [NODE],
}  # fmt: skip


# ---- engines and devices ----
EXAMPLES = Path(__file__).parents[2] / "configs" / "providers"
GPU_CLASS = {"engine": "vllm", "kernel": "cuda/sm_90/batch-invariant", "threads": None}


async def test_the_gpu_box_runs_what_is_published_for_it(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    config = load_config(EXAMPLES / "gpu-box.yaml").model_copy(update={"home": tmp_path})
    config = config.model_copy(update={"limits": config.limits.model_copy(update={"free_disk_gb": 0})})
    chat = await publish(store, tmp_path, 1, named="smollm2", kind="chat", **GPU_CLASS)
    vectors = await publish(store, tmp_path, 2, named="minilm", kernel="cpu/x86_64")
    found = await prepare(choices(config, chat, vectors), config, NETWORK, store, NODE, seat_fee=SEAT_FEE)
    args = {item.served.name: parse(item.app.args) for item in found}
    assert (args["smollm2"].device, args["smollm2"].slots, args["smollm2"].num_gpus) == ("cuda", 32, 0.5)
    assert (args["minilm"].device, args["minilm"].slots) == ("cpu", 1)
    assert head_spec(config).num_gpus == 1
    torch = await publish(store, tmp_path, 3, named="smollm2", kernel="cpu/x86_64")
    with pytest.raises(MLBridgeError, match="published for CPUs") as refused:
        await prepare(choices(config, torch, vectors), config, NETWORK, store, NODE, seat_fee=SEAT_FEE)
    assert refused.value.code == "model.engine"


async def test_another_engine_than_the_published_one_is_refused_at_once(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    item = await publish(store, tmp_path, 1)
    config = config_at(tmp_path).model_copy(update={"models": (ServedModel(model="model-1", engine="vllm"),)})
    with pytest.raises(MLBridgeError, match="for the engine torch, not vllm"):
        await served(config, store, item)


LANE = SimpleNamespace(channels="0x5FbDB2315678afecb367f032d93F642f64180aa3")
LANE_NETWORK: Any = SimpleNamespace(
    chain_id=31337, lane=LANE, storage_url="file:///store", rpc_url="http://127.0.0.1:8545"
)


async def test_a_replica_gets_a_seat_in_the_lane_where_bits_are_compared_and_the_provider_joins(
    tmp_path: Path,
) -> None:
    store = open_store(f"file://{tmp_path / 'store'}")
    exact = await publish(store, tmp_path, 1)
    config = config_at(tmp_path)

    async def lane(config: ProviderConfig, network: Any = LANE_NETWORK) -> LaneSettings | None:
        (item,) = await prepare(choices(config, exact), config, network, store, NODE, seat_fee=SEAT_FEE)
        return parse(item.app.args).lane

    seat = await lane(config)
    assert seat is not None
    assert (seat.channels, seat.store, seat.view) == (
        LANE.channels,
        config.lane_store_path,
        config.lane_view_path,
    )
    # A provider that names no price asks what the direct lane pays, not nothing.
    assert seat.seat_fee == SEAT_FEE
    # Contract accounts can take their word back, so a provider has to want them.
    assert seat.rpc_url is None
    trusting = LaneConfig(contract_requesters=True, seat_fee=7)
    seat = await lane(config.model_copy(update={"lane": trusting}))
    assert seat is not None
    assert (seat.rpc_url, seat.seat_fee) == (LANE_NETWORK.rpc_url, 7)
    assert await lane(config.model_copy(update={"lane": LaneConfig(join=False)})) is None
    assert await lane(config, NETWORK) is None
