"""Key files: private, never overwritten, opened by the right password only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from contracts import keystore
from mlbridge.errors import MLBridgeError

ROUNDS = 2


def test_a_key_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.json"
    address = keystore.create(path, "secret", rounds=ROUNDS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keystore.address_of(path) == address
    assert keystore.load(path, "secret").address == address


def test_a_given_key_is_kept(tmp_path: Path) -> None:
    account = Account.create()
    keystore.create(tmp_path / "k", "p", account, rounds=ROUNDS)
    assert keystore.load(tmp_path / "k", "p").key == account.key


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    keystore.create(tmp_path / "k", "p", rounds=ROUNDS)
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(MLBridgeError) as caught:
        keystore.create(tmp_path / "k", "p", rounds=ROUNDS)
    assert caught.value.code == "keystore.exists"
    assert (tmp_path / "k").read_bytes() == before


def test_passwords_come_from_argument_file_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(keystore.PASSWORD_ENV, raising=False)
    address = keystore.create(tmp_path / "k", "p w", rounds=ROUNDS)
    (tmp_path / "pw").write_text("p w\nsecond line\n")
    assert keystore.load(tmp_path / "k", password_file=tmp_path / "pw").address == address
    with pytest.raises(MLBridgeError) as caught:
        keystore.load(tmp_path / "k")
    assert caught.value.code == "keystore.no_password"
    monkeypatch.setenv(keystore.PASSWORD_ENV, "p w")
    assert keystore.load(tmp_path / "k").address == address
    monkeypatch.setenv("OTHER", "p w")
    assert keystore.password_from(env="OTHER") == "p w"
    with pytest.raises(MLBridgeError, match="cannot be read"):
        keystore.password_from(file=tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "code"),
    [("{", "keystore.invalid"), ("[]", "keystore.invalid"), ('{"address": "ab"}', "keystore.invalid")],
)
def test_other_files_are_no_keystores(tmp_path: Path, content: str, code: str) -> None:
    path = tmp_path / "k"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(MLBridgeError) as caught:
        keystore.load(path, "p")
    assert caught.value.code == code
    with pytest.raises(MLBridgeError):
        keystore.address_of(path)


def test_wrong_password_missing_file_and_open_file(tmp_path: Path) -> None:
    path = tmp_path / "k"
    keystore.create(path, "p", rounds=ROUNDS)
    with pytest.raises(MLBridgeError) as caught:
        keystore.load(path, "q")
    assert caught.value.code == "keystore.wrong_password"
    assert caught.value.exit_code == 3
    with pytest.raises(MLBridgeError) as caught:
        keystore.load(tmp_path / "none", "p")
    assert caught.value.code == "keystore.missing"
    path.chmod(0o644)
    with pytest.raises(MLBridgeError) as caught:
        keystore.load(path, "p")
    assert caught.value.code == "keystore.open"
    assert "chmod 600" in caught.value.hint


def test_the_password_work_factor_is_the_strong_default(tmp_path: Path) -> None:
    keystore.create(tmp_path / "k", "p")
    kdf = json.loads((tmp_path / "k").read_text())["crypto"]
    assert kdf["kdf"] == "scrypt"
    assert kdf["kdfparams"]["n"] >= 2**17
