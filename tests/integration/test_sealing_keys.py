"""A provider registers and rotates the key that input is sealed to; the SDK reads it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from cluster.sealing import FOLDER, SealingStore
from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.sealing import Scheme, SealingKeys
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient
from tests.support.command import Said, Say
from tests.support.providers import Node, make_node, provider_fields
from tests.support.reviewed import reviewed_chain
from tests.support.seats import FAST, until

pytestmark = pytest.mark.integration


@pytest.fixture
async def court() -> AsyncIterator[Chain]:
    async with reviewed_chain() as chain:
        yield chain


@pytest.fixture
async def node(court: Chain, tmp_path: Path) -> Node:
    return await make_node(court, Sender(court, dev_account(0), FAST), tmp_path / "alpha", [])


def store_of(node: Node) -> SealingStore:
    return SealingStore(node.config.home, node.config.keys.node)


def opens(node: Node, public: bytes) -> bool:
    """Whether what is sealed to a public key can be opened here: both sides get the same secret."""
    sender = X25519PrivateKey.generate()
    shared = sender.exchange(X25519PublicKey.from_public_bytes(public))
    return store_of(node).load(public).exchange(sender.public_key()) == shared


async def test_keys_are_registered_once_rotated_and_stay_readable(
    court: Chain, node: Node, say: Say, tmp_path: Path
) -> None:
    home = node.config.home
    fields = provider_fields(home, home / "network.yaml", "alpha")
    file = tmp_path / "provider.yaml"
    file.write_text(yaml.safe_dump(fields))
    operator = str(node.member.operator.address)

    async def key(*arguments: str) -> Said:
        # Keys begin at different seconds.
        await until(later)
        options = ("--config", str(file), "--json")
        said = await asyncio.to_thread(say, "provider", "sealing-key", *arguments, *options)
        assert said.code == 0, said.out
        return said

    async def later() -> bool:
        known = await SealingKeys(court).all(operator)
        return not known or (await court.head()).timestamp > known[-1].valid_from

    async with AsyncClient(court.network) as client:
        assert await client.sealing_key(operator) is None
        first = (await key("register")).json
        current = await client.sealing_key(operator)
        assert current is not None
        assert (current.index, current.scheme, "0x" + current.location.hex()) == (
            0,
            Scheme.X25519,
            first["key"],
        )
        assert opens(node, current.location)
        again: Any = (await key("register")).json
        assert (again["key"], again["registered"]) == (first["key"], False)
        assert len(await SealingKeys(court).all(operator)) == 1

        second = (await key("rotate")).json
        assert second["index"] == 1
        assert opens(node, current.location)
        third = (await key("rotate", "--revoke")).json
        now = await client.sealing_key(operator)
        assert now is not None
        assert "0x" + now.location.hex() == third["key"]
    listed = (await key("list")).json
    assert [item["key"] for item in listed] == [first["key"], second["key"], third["key"]]
    assert [bool(item["revoked_at"]) for item in listed] == [True, True, False]
    assert [item["current"] for item in listed] == [False, False, True]
    assert all(item["here"] for item in listed)
    files = list((home / FOLDER).iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert all(b"ENCRYPTED" in path.read_bytes() for path in files)

    # Whoever lost the private half is told so, and gets a new key.
    for path in files:
        path.unlink()
    with pytest.raises(MLBridgeError, match="not on this machine"):
        store_of(node).load(bytes.fromhex(third["key"][2:]))
    fourth = (await key("register")).json
    assert (fourth["registered"], fourth["index"]) == (True, 3)


async def test_a_key_that_a_run_cut_off_made_is_the_next_one(
    court: Chain, node: Node, say: Say, tmp_path: Path
) -> None:
    made = store_of(node).make()
    file = tmp_path / "provider.yaml"
    file.write_text(yaml.safe_dump(provider_fields(node.config.home, node.config.network, "alpha")))
    arguments = ("provider", "sealing-key", "register", "--config", str(file), "--json")
    told = (await asyncio.to_thread(say, *arguments)).json
    assert told["key"] == "0x" + made.hex()
    assert len(list((node.config.home / FOLDER).iterdir())) == 1
