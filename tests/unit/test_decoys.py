"""An author's chain of secrets, its lot, and the input that decoys bend alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.decoys import anchor_of, bend, is_decoy, next_secret
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.payload import decode_input, encode_input
from mlbridge.sdk.decoy_secrets import DecoySecrets

ROOT, SEED = keccak(b"root"), keccak(b"seed")
INPUTS = {
    "embedding": {"text": "hello"},
    "chat": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4},
    "classification": {"image": [0, 16] * 32},
}


def chain(folder: Path) -> DecoySecrets:
    return DecoySecrets(folder, chain_id=1, contract="0xAb", model=bytes(32), account=3)


def test_each_secret_is_the_hash_of_the_one_after_it_until_the_chain_ends() -> None:
    anchor, opened = anchor_of(ROOT, 3), []
    while (secret := next_secret(ROOT, 3, anchor)) is not None:
        assert keccak(secret) == anchor
        opened.append(secret)
        anchor = secret
    assert len(opened) == 3
    assert opened[-1] == ROOT
    assert next_secret(ROOT, 3, keccak(b"another chain's")) is None


def test_about_half_of_all_secrets_are_decoys() -> None:
    lots = [is_decoy(keccak(b"%d" % number), SEED) for number in range(2_000)]
    assert 900 < sum(lots) < 1_100


@pytest.mark.parametrize("kind", INPUTS)
def test_a_bent_input_is_another_of_the_same_kind_for_every_decoy(kind: str) -> None:
    payload = encode_input(kind, INPUTS[kind])
    bent = bend(payload, SEED)
    assert bent != payload
    assert decode_input(bent).kind == kind
    assert bend(payload, SEED) == bent
    assert len({bend(payload, SEED, turn) for turn in range(4)}) == 4


def test_secrets_outlive_the_process_and_an_enlisting_that_came_to_nothing(tmp_path: Path) -> None:
    used = chain(tmp_path).fresh(4)
    lost = chain(tmp_path).fresh(4)
    found = chain(tmp_path).behind(used)
    assert found is not None
    assert keccak(found) == used != lost
    assert chain(tmp_path).behind(keccak(b"nobody's")) is None
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    file.write_text(json.dumps([{"root": 3}]))
    with pytest.raises(MLBridgeError) as caught:
        chain(tmp_path).behind(used)
    assert caught.value.code == "decoys.secrets"
