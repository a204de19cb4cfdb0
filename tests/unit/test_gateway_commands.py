"""`mlbridge gateway`: its file, and API keys made, listed and revoked without a running gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load_config, parse_config
from gateway.keys import Keys
from gateway.store import Store
from mlbridge.errors import MLBridgeError
from tests.support.command import Say, saying

KEY = {"keystore": "key.json", "password_file": "password"}
BASIS: dict[str, Any] = {"network": "devnet", "home": "state", "key": KEY}
ETH = 10**18


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(BASIS))
    return path


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    with saying(monkeypatch, capsys) as run:
        yield run


async def opens(file: Path, text: str) -> str:
    """Id of the key that a text opens, or why it opens none."""
    store = await Store.open(load_config(file))
    try:
        return (await Keys(store).open(text)).id
    except MLBridgeError as error:
        return error.code
    finally:
        await store.close()


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(file: Path, say: Say) -> None:
    words = ["gateway", "key", "create", "ann", "--budget", "0.5", "--seats", "5", "--policy", "exact"]
    made = say(
        *words, "--max-price", "0.001", "--days", "1", "--rate", "5/second", "--config", str(file), "--json"
    ).json
    assert made["budget_wei"] == str(ETH // 2)
    assert made["choices"] == {"seats": 5, "policy": "exact", "max_price_wei": ETH // 1000}
    assert made["expires_at"] - made["created_at"] == pytest.approx(86_400, abs=5)
    assert asyncio.run(opens(file, made["key"])) == made["id"]

    (listed,) = say("gateway", "key", "list", "--config", str(file), "--json").json
    assert (listed["id"], listed["name"], listed["spent_wei"]) == (made["id"], "ann", "0")
    assert made["key"] not in str(listed)

    revoked = say("gateway", "key", "revoke", made["id"], "--config", str(file), "--json").json
    assert revoked["revoked_at"] is not None
    assert asyncio.run(opens(file, made["key"])) == "key.revoked"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["create", "x", "--scope", "admin"], "key.bad_scope"),
        (["create", "x", "--rate", "often"], "key.bad_rate"),
        (["create", "x", "--budget", "much"], "input.not_an_amount"),
        (["create", "x", "--policy", "any"], "choices.invalid"),
        (["create", "x", "--lane", "fast"], "choices.invalid"),
        (["revoke", "nobody"], "key.unknown"),
    ],
)
def test_what_cannot_be_is_refused(file: Path, say: Say, words: list[str], code: str) -> None:
    assert say("gateway", "key", *words, "--config", str(file), "--json").json["error"]["code"] == code


def test_a_file_needs_a_key_and_where_a_joined_cluster_listens(tmp_path: Path) -> None:
    with pytest.raises(MLBridgeError, match="key is missing"):
        parse_config({"network": "devnet", "home": str(tmp_path)})
    joined = {"ray": {"mode": "join", "address": "127.0.0.1:1"}}
    with pytest.raises(MLBridgeError, match=r"needs http\.port"):
        parse_config(BASIS | joined)
    assert parse_config(BASIS | joined | {"http": {"port": 99}}).local_url == "http://127.0.0.1:99"
    assert parse_config(BASIS | {"ray": {"base_port": 21000}}).http_port == 21009
    with pytest.raises(MLBridgeError, match="600/minute"):
        parse_config(BASIS | {"limits": {"rate": "often"}})
    for page in ("portal.example", "https://portal.example/page", "ftp://portal.example"):
        with pytest.raises(MLBridgeError, match="no origin"):
            parse_config(BASIS | {"http": {"port": 99, "origins": [page]}})
    with pytest.raises(MLBridgeError, match="Did you mean"):
        parse_config(BASIS | {"limit": {}})


def test_every_example_file_is_valid() -> None:
    for path in sorted((Path(__file__).parents[2] / "configs" / "gateway").glob("*.yaml")):
        load_config(path)
