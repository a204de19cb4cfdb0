"""What the machine is said to offer."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cluster import capabilities
from cluster.capabilities import Capabilities, Gpu, cpu_cores, detect, link_speed, parse_gpus, ram_limit


def test_the_white_papers_fields(tmp_path: Path) -> None:
    found = detect(tmp_path / "not" / "there" / "yet", bandwidth_mbps=250)
    told = found.to_dict()
    assert set(told) == {"cpuCores", "gpuMemory", "ramSize", "storageCapacity", "networkBandwidth", "gpus"}
    assert found.cpu_cores >= 1
    assert found.ram_size > 2**28
    assert found.storage_capacity > 0
    assert told["networkBandwidth"] == 250_000_000


def test_a_containers_limits_count(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert cpu_cores(tmp_path) == 1
    assert ram_limit(tmp_path) == 2**30
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert cpu_cores(tmp_path) >= 1
    assert ram_limit(tmp_path) == psutil.virtual_memory().total


def test_gpus_from_nvidia_smi() -> None:
    text = "NVIDIA H100 80GB HBM3, 81559\nNVIDIA A10, 23028\nNo devices were found\nX, [N/A]\n"
    assert parse_gpus(text) == (Gpu("NVIDIA H100 80GB HBM3", 81559 * 2**20), Gpu("NVIDIA A10", 23028 * 2**20))
    both = Capabilities(1, parse_gpus(text), 1, 1, 1)
    assert both.gpu_memory == (81559 + 23028) * 2**20


@pytest.mark.parametrize("problem", [FileNotFoundError(), subprocess.CalledProcessError(9, "nvidia-smi")])
def test_no_driver_means_no_gpus(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def run(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(capabilities.subprocess, "run", run)
    assert capabilities.gpus() == ()


def test_the_fastest_live_link_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "lo": SimpleNamespace(isup=True, speed=99_999),
        "eth0": SimpleNamespace(isup=True, speed=1000),
        "eth1": SimpleNamespace(isup=False, speed=10_000),
    }
    monkeypatch.setattr(psutil, "net_if_stats", lambda: links)
    assert link_speed() == 1000
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {"tun0": SimpleNamespace(isup=True, speed=0)})
    assert link_speed() == 100
