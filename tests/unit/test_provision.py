"""Which models a provider serves, under which names, and how one that is hostile stays without effect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.config import ServedModel, parse_config
from cluster.provision import choose, mine, node_application, route_names
from cluster.raycluster import JoinedCluster, OwnCluster, open_cluster
from cluster.served import Served, ServedModels, write_served
from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Policy
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
    assert found[3].entry.replicas == 3
    assert [found[number].asked for number in (1, 2, 3)] == [False, True, True]
    assert route_names([choice.model for choice in found.values()])[bytes([2]) * 32] == "b"
    assert route_names(models)[bytes([3]) * 32] == "a-03030303"


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
