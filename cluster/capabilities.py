"""What this machine offers, under the white paper's names (ResourceCapabilities)."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.files import existing

CAPABILITIES_FILE = "capabilities.json"  # in a provider's home, for its node application
MEBIBYTE = 2**20
_NVIDIA_SMI = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
_TYPICAL_MBPS = 100.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """memory: bytes."""

    name: str
    memory: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """cpu_cores this process may use; gpu_memory, ram_size and storage_capacity (free, below home): bytes;
    network_bandwidth: bits per second.
    """

    cpu_cores: int
    gpus: tuple[Gpu, ...]
    ram_size: int
    storage_capacity: int
    network_bandwidth: int

    @property
    def gpu_memory(self) -> int:
        return sum(gpu.memory for gpu in self.gpus)

    def to_dict(self) -> dict[str, object]:
        """The white paper's fields, and the GPUs behind gpuMemory."""
        return {
            "cpuCores": self.cpu_cores,
            "gpuMemory": self.gpu_memory,
            "ramSize": self.ram_size,
            "storageCapacity": self.storage_capacity,
            "networkBandwidth": self.network_bandwidth,
            "gpus": [{"name": gpu.name, "memory": gpu.memory} for gpu in self.gpus],
        }


def detect(home: Path, *, bandwidth_mbps: float | None = None) -> Capabilities:
    """Look at this machine. bandwidth_mbps: what the operator says; else the link speed."""
    return Capabilities(
        cpu_cores=cpu_cores(),
        gpus=gpus(),
        ram_size=ram_limit(),
        storage_capacity=shutil.disk_usage(existing(home)).free,
        network_bandwidth=int((bandwidth_mbps or link_speed()) * 1_000_000),
    )


def cpu_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores this process may use: the affinity mask, cut by a container's quota."""
    mask = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return mask if quota == "max" else max(1, min(mask, int(quota) // int(period)))
    except (OSError, ValueError):
        return mask


def ram_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory: the machine's, cut by a container's limit."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int((cgroup / "memory.max").read_text()))
    except (OSError, ValueError):
        return total


def gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs as nvidia-smi lists them; none where it is missing or fails."""
    try:
        done = subprocess.run(_NVIDIA_SMI, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(done.stdout)


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """From nvidia-smi's lines `name, MiB`; lines that say otherwise are skipped."""
    found = []
    for line in text.splitlines():
        name, _, memory = line.rpartition(",")
        if memory.strip().isdigit():
            found.append(Gpu(name.strip(), int(memory) * MEBIBYTE))
    return tuple(found)


def link_speed() -> float:
    """Mbit/s of the fastest network link that is up; a typical uplink where the system does not say.

    Measuring by a download would need a server to trust, and pay for.
    """
    links = psutil.net_if_stats()
    speeds = [link.speed for name, link in links.items() if link.isup and link.speed > 0 and name != "lo"]
    return float(max(speeds, default=_TYPICAL_MBPS))
