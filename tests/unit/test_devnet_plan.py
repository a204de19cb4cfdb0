"""What `mlbridge up` decides before it starts anything, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mlbridge.devnet.plan import MODELS, make_plan, parse_fault
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import PORTS_PER_CLUSTER


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
