"""A coordinator's file: defaults, paths relative to it, and mistakes answered in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from coordinator.config import CoordinatorConfig, load_config, parse_config
from mlbridge.errors import MLBridgeError

CONFIGS = Path(__file__).parents[2] / "configs" / "coordinator"
LEAST: dict[str, Any] = {"network": "devnet", "home": "state"}


def test_defaults_stand_on_the_file_s_folder(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.yaml"
    keyed = LEAST | {
        "network": "../net.yaml",
        "key": {"keystore": "k.json", "password_file": "~/secret"},
    }
    file.write_text(yaml.safe_dump(keyed))
    config = load_config(file)
    assert config.home == tmp_path / "state"
    assert config.network == str(tmp_path / ".." / "net.yaml")
    assert config.key is not None
    assert config.key.keystore == tmp_path / "k.json"
    assert config.key.password_file == Path.home() / "secret"
    assert config.store_url == f"sqlite:///{tmp_path}/state/coordinator.db"
    assert config.http_token_file == tmp_path / "state" / "http.token"
    assert config.local_url == "http://127.0.0.1:8546"
    assert config.submissions.max_task_wei == 10**15  # a model's price cannot empty the key
    assert CoordinatorConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "change", [{"store": "mysql://me:hunter2@db/x"}, {"store": ["postgresql://me:hunter2@db/x"]}]
)
def test_a_database_s_password_is_not_repeated(change: dict[str, Any]) -> None:
    with pytest.raises(MLBridgeError) as caught:
        parse_config(LEAST | change)
    assert caught.value.message.startswith("The coordinator file: store")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_files_are_valid(file: Path) -> None:
    assert load_config(file).name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nettwork": 1}, "Did you mean network?"),
        ({"pokes": {"jiter_s": 1}}, "Did you mean jitter_s?"),
        ({"http": {"port": 0}}, "http.port is 0"),
        ({"network": None}, "network"),
        ({"store": "mysql://x/y"}, "postgresql://"),
        ({"key": {"keystore": "k"}}, "exactly one of password_env and password_file"),
        ({"ray": {"mode": "join"}}, "mode join also needs address"),
        ({"name": "A B"}, "1 to 31 lower-case letters"),
        ({"submissions": {"queue_limit": 0}}, "most submissions that may wait"),
    ],
)
def test_mistakes_are_named_with_the_way_out(change: dict[str, Any], said: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        parse_config(LEAST | change)
    assert caught.value.code == "config.invalid"
    assert caught.value.exit_code == 2
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_key_put_where_its_file_belongs_is_not_shown() -> None:
    secret = "0x" + "ab" * 32
    with pytest.raises(MLBridgeError) as caught:
        parse_config(LEAST | {"key": {"keystore": [secret], "password_env": "P"}})
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"), [(None, "config.missing"), ("a: [", "config.unreadable"), ("- 1", "config.invalid")]
)
def test_files_that_are_none(tmp_path: Path, text: str | None, code: str) -> None:
    file = tmp_path / "c.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(MLBridgeError) as caught:
        load_config(file)
    assert caught.value.code == code
