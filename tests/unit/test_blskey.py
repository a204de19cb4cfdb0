"""Files of BLS secrets: private, never overwritten, opened by the right password only, not v3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from contracts import bls, blskey, keystore
from mlbridge.errors import MLBridgeError

ROUNDS = 2


def failing(path: Path, given: str = "p") -> str:
    with pytest.raises(MLBridgeError) as caught:
        blskey.load(path, given)
    assert caught.value.exit_code == 3
    return caught.value.code


def test_a_secret_comes_back_and_its_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "attester.json"
    key = blskey.create(path, "secret", rounds=ROUNDS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert bls.public_key(blskey.load(path, "secret")) == key
    data = json.loads(path.read_text())
    assert data["version"] == 4
    assert bls.decompress_key(bytes.fromhex(data["pubkey"])) == key


@pytest.mark.parametrize("password", ["pässwörd \N{SNOWMAN}", "ﬁne", "with\ttab"])
def test_passwords_are_spelt_as_erc_2335_wants(tmp_path: Path, password: str) -> None:
    secret = bls.new_secret()
    blskey.create(tmp_path / "k", password, secret, rounds=ROUNDS)
    assert blskey.load(tmp_path / "k", password) == secret


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    blskey.create(tmp_path / "k", "p", rounds=ROUNDS)
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(MLBridgeError) as caught:
        blskey.create(tmp_path / "k", "p", rounds=ROUNDS)
    assert caught.value.code == "keystore.exists"
    assert (tmp_path / "k").read_bytes() == before


def test_what_does_not_open_says_why(tmp_path: Path) -> None:
    assert failing(tmp_path / "none") == "keystore.missing"
    blskey.create(tmp_path / "k", "p", rounds=ROUNDS)
    assert failing(tmp_path / "k", "q") == "keystore.wrong_password"
    (tmp_path / "k").chmod(0o644)
    assert failing(tmp_path / "k") == "keystore.open"


def test_a_wallet_is_no_attester_s_key_and_the_other_way_round(tmp_path: Path) -> None:
    keystore.create(tmp_path / "v3", "p", Account.create(), rounds=ROUNDS)
    assert failing(tmp_path / "v3") == "keystore.invalid"
    blskey.create(tmp_path / "v4", "p", rounds=ROUNDS)
    with pytest.raises(MLBridgeError) as caught:
        keystore.load(tmp_path / "v4", "p")
    assert caught.value.code == "keystore.invalid"
    assert "v3" in caught.value.message


def test_passwords_come_from_their_own_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blskey.create(tmp_path / "k", "p", rounds=ROUNDS)
    monkeypatch.setenv(keystore.PASSWORD_ENV, "p")
    monkeypatch.delenv(blskey.PASSWORD_ENV, raising=False)
    with pytest.raises(MLBridgeError) as caught:
        blskey.load(tmp_path / "k")
    assert blskey.PASSWORD_ENV in caught.value.hint
    monkeypatch.setenv(blskey.PASSWORD_ENV, "p")
    assert len(blskey.load(tmp_path / "k")) == 32
