"""A pack's manifest but for its files: what `mlbridge.models.publish_folder` takes as `draft`.

publish_folder(pack.directory, store, draft=manifest_draft(pack), ignore=(PACK_FILE,))
"""

from __future__ import annotations

from typing import Any

from serve import execclass
from serve.engines.base import Device
from serve.packs.folder import Pack


def manifest_draft(
    pack: Pack, *, engine: execclass.EngineName = "torch", device: Device = "cpu", threads: int = 1
) -> dict[str, Any]:
    """The manifest fields of a pack that this machine serves with the given engine.

    The execution class is this machine's own, because its publisher calibrated and tested it here.
    """
    spec = pack.spec
    found = execclass.detect(pack.directory, engine, device, threads=threads)
    return {
        "name": spec.name,
        "version": spec.version,
        "kind": spec.kind,
        "engine": engine,
        "exec_class": found.model_dump(),
        "policy": spec.policy,
        "tolerance": None if spec.tolerance is None else dict(spec.tolerance),
        "licence": spec.licence,
        "evidence": {"source": spec.source, **pack.evidence},
    }
