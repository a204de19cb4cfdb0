"""Model folders: whole or not at all, once, and publishable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.models.files import describe_folder
from serve.engines.base import read_settings
from serve.packs import PACK_FILE, PACKS, build, build_pack, read_pack
from serve.packs.draft import manifest_draft
from serve.packs.folder import PackSpec, Progress, sha256_file
from serve.packs.sources import package_file
from tests.support.packs import built

SPEC = PackSpec(
    name="toy",
    version="1",
    kind="embedding",
    dtype="float32",
    quantisation="none",
    sampling="none",
    policy="exact",
    licence="MIT",
    source="this test",
)


def write_toy(folder: Path, progress: Progress) -> dict[str, str]:
    progress("writing")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "deep").mkdir()
    (folder / "deep" / "file.json").write_text("{}")
    return {"seen": "yes"}


def test_a_pack_is_built_once(tmp_path: Path) -> None:
    lines: list[str] = []
    first = build_pack(tmp_path / "toy", SPEC, write_toy, lines.append)
    assert [item.path for item in first.files] == ["deep/file.json", "model.safetensors"]
    assert first.weights_sha256 == sha256_file(tmp_path / "toy" / "model.safetensors")
    assert lines[0] == "writing"

    def never(folder: Path, progress: Progress) -> dict[str, str]:
        raise AssertionError

    again = build_pack(tmp_path / "toy", SPEC, never)
    assert again == first == read_pack(tmp_path / "toy")
    assert again.evidence == {"seen": "yes"}


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path, progress: Progress) -> dict[str, str]:
        (folder / "half").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        build_pack(tmp_path / "toy", SPEC, fail)
    assert list(tmp_path.iterdir()) == []


def test_of_two_builders_at_once_one_wins(tmp_path: Path) -> None:
    def slow(folder: Path, progress: Progress) -> dict[str, str]:
        build_pack(tmp_path / "toy", SPEC, write_toy)  # the other one finishes first
        return write_toy(folder, progress)

    assert build_pack(tmp_path / "toy", SPEC, slow).files == read_pack(tmp_path / "toy").files
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_another_model_or_a_damaged_one_is_not_overwritten(tmp_path: Path) -> None:
    pack = build_pack(tmp_path / "toy", SPEC, write_toy)
    with pytest.raises(MLBridgeError) as caught:
        build("digits", tmp_path / "toy")
    assert caught.value.code == "pack.occupied"
    (pack.directory / "model.safetensors").write_bytes(b"")
    with pytest.raises(MLBridgeError) as caught:
        build_pack(tmp_path / "toy", SPEC, write_toy)
    assert caught.value.code == "pack.broken"
    (pack.directory / PACK_FILE).write_text(json.dumps({"files": []}))
    with pytest.raises(MLBridgeError) as caught:
        read_pack(pack.directory)
    assert caught.value.code == "pack.broken"
    with pytest.raises(MLBridgeError) as caught:
        read_pack(tmp_path)
    assert caught.value.code == "pack.missing"


def test_missing_sources_name_the_extra_to_install() -> None:
    for distribution, suffix in (("no-such-package", "x"), ("pytest", "no-such-file")):
        with pytest.raises(MLBridgeError, match=r"mlbridge\[demo\]"):
            package_file(distribution, suffix)
    with pytest.raises(MLBridgeError, match="Choose one of"):
        build("gpt-5", Path("nowhere"))


@pytest.mark.parametrize("name", sorted(PACKS))
async def test_every_pack_becomes_a_manifest(name: str) -> None:
    pack = built(name)
    manifest = await describe_folder(pack.directory, draft=manifest_draft(pack), ignore=(PACK_FILE,))
    assert manifest.exec_class.weights_sha256 == pack.weights_sha256
    assert (manifest.name, manifest.kind) == (name, read_settings(pack.directory)["kind"])
    assert {file.path: file.sha256 for file in manifest.files} == {f.path: f.sha256 for f in pack.files}


def test_the_digits_model_reads_what_it_never_saw() -> None:
    assert float(built("digits").evidence["held_out_accuracy"]) > 0.95
