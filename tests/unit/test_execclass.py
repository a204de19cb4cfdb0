"""The execution class: the same facts give the same id, any other fact another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlbridge.errors import MLBridgeError
from serve.assembly import describe, torch_runner
from serve.config import ModelAppConfig
from serve.execclass import build, detect, kernel_family
from tests.support.packs import built

CONFIGS = Path(__file__).parents[2] / "configs" / "serve"
DIGITS = {
    "name": "digits",
    "model_id": "0x" + "07" * 32,
    "chain_id": 31337,
    "kind": "classification",
    "node_keys": ["0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"],
}


def kernel_with(**environment: str) -> str:
    script = "from serve.execclass import kernel_family; print(kernel_family('torch', 'cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


def test_a_class_names_engine_weights_and_kernels() -> None:
    pack = built("digits")
    found = detect(pack.directory, "torch", "cpu", threads=1)
    assert found.weights_sha256 == pack.weights_sha256
    assert (found.dtype, found.threads, found.sampling) == ("float32", 1, "argmax")
    assert found.build.startswith("mlbridge-torch-")
    assert "torch-2" in found.build
    assert len(found.id) == 32
    assert detect(pack.directory, "torch", "cpu", threads=1).id == found.id
    assert detect(pack.directory, "torch", "cpu", threads=2).id != found.id


def test_the_kernel_follows_what_the_libraries_are_told() -> None:
    here = kernel_with()
    assert here == kernel_family("torch", "cpu")
    emulated = kernel_with(ATEN_CPU_CAPABILITY="default", MKL_CBWR="COMPATIBLE")
    assert emulated != here
    assert emulated.endswith("DEFAULT+MKL_CBWR=COMPATIBLE")


def test_vllm_is_a_class_of_its_own() -> None:
    pack = built("smollm2")
    alone, batched = (detect(pack.directory, engine, "cpu", threads=1) for engine in ("torch", "vllm"))
    assert batched.threads is None
    assert batched.kernel == f"{alone.kernel}/unbatched"
    assert batched.build.startswith("mlbridge-vllm-1 vllm-")
    assert batched.build == build("vllm")


def test_several_weight_files_are_hashed_together(tmp_path: Path) -> None:
    (tmp_path / "engine.json").write_text(json.dumps({"dtype": "x", "quantisation": "x", "sampling": "x"}))
    (tmp_path / "a.safetensors").write_bytes(b"a")
    one = detect(tmp_path, "torch", "cpu", threads=1).weights_sha256
    (tmp_path / "b.safetensors").write_bytes(b"b")
    two = detect(tmp_path, "torch", "cpu", threads=1).weights_sha256
    assert one == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert two not in (one, detect(built("digits").directory, "torch", "cpu", threads=1).weights_sha256)


def test_a_machine_of_another_class_refuses_to_serve() -> None:
    directory = built("digits").directory
    right = "0x" + detect(directory, "torch", "cpu", threads=1).id.hex()
    for expected in (None, right):
        config = ModelAppConfig.model_validate({**DIGITS, "directory": directory, "exec_class_id": expected})
        assert describe(config, torch_runner(config))["exec_class_id"] == right
    config = ModelAppConfig.model_validate(
        {**DIGITS, "directory": directory, "exec_class_id": "0x" + "00" * 32}
    )
    with pytest.raises(MLBridgeError) as caught:
        describe(config, torch_runner(config))
    assert caught.value.code == "engine.class"


@pytest.mark.parametrize(
    "change",
    [
        {"slots": 2},
        {"engine": "vllm"},
        {"device": "cuda"},
        {"node_keys": []},
        {"node_keys": ["0x12"]},
        {"model_id": "0x12"},
        {"name": "a b"},
        {"colour": "blue"},
    ],
)
def test_arguments_that_cannot_work_are_refused(change: dict[str, object]) -> None:
    from serve.app import build as build_app

    with pytest.raises(MLBridgeError) as caught:
        build_app({**DIGITS, "directory": "/model", **change})
    assert caught.value.code in ("serve.config", "guard.keys")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_example_configurations_are_valid(path: Path) -> None:
    from ray.serve.schema import ServeDeploySchema

    config = ServeDeploySchema.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert config.applications
    for application in config.applications:
        args = ModelAppConfig.model_validate(application.args)
        assert (application.name, application.route_prefix) == (args.name, f"/m/{args.name}")
        assert application.import_path == "serve.app:build"


def test_vllm_for_gpus_without_torchvision_is_refused_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serve.execclass.vllm_package", lambda: "vllm")
    monkeypatch.setattr("serve.execclass.find_spec", lambda name: None)
    monkeypatch.setattr("serve.execclass.requires", lambda name: ["torch==2.13.0", "torchvision==0.28.0"])
    with pytest.raises(MLBridgeError, match="torchvision") as refused:
        build("vllm")
    assert "--no-deps 'torchvision==0.28.0'" in refused.value.hint
