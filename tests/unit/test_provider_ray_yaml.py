"""The cluster-launcher files are what Ray's own validation takes, and keep the token out of sight."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

FILES = sorted((Path(__file__).parents[2] / "configs" / "ray").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_ray_accepts_the_file(file: Path) -> None:
    validate_config(prepare_config(yaml.safe_load(file.read_text())))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_node_starts_with_a_token_by_path(file: Path) -> None:
    config = yaml.safe_load(file.read_text())
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert all("RAY_AUTH_TOKEN_PATH=" in command and "RAY_AUTH_TOKEN=" not in command for command in starts)


def test_ray_refuses_a_misspelt_field() -> None:
    config = yaml.safe_load(FILES[0].read_text())
    config["max_wokers"] = config.pop("max_workers")
    with pytest.raises(jsonschema.ValidationError, match="max_wokers"):
        validate_config(prepare_config(config))
