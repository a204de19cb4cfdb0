"""The private halves of an operator's sealing keys, on the machine that opens what was sealed to them.

Each lies in a file of its own, encrypted with the password of the node's keystore and named by the hash of
its public half. Older ones stay: what was sealed before a rotation names them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contracts.keyfile import KeyFile
from contracts.keystore import password_from
from contracts.sealing import SealingKey, SealingKeys
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak

FOLDER: Final = "sealing"


class SealingStore:
    """The key files below a provider's home."""

    def __init__(self, home: Path, node: KeyFile) -> None:
        self._folder = home / FOLDER
        self._node = node

    def make(self) -> bytes:
        """Write a new key pair and return its public half, 32 bytes."""
        key = X25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(self._password()),
        )
        # On the disk before the chain names it: a key that is lost can open nothing any more.
        with open(os.open(self._file(public), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        return public

    def load(self, public: bytes) -> X25519PrivateKey:
        """The private half. Raises MLBridgeError `sealing.missing` or `sealing.unreadable`."""
        file = self._file(public)
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), self._password())
        except OSError as error:
            raise MLBridgeError(
                "sealing.missing",
                f"The private half of sealing key 0x{public.hex()} is not on this machine ({file}).",
                hint="Bring the file back, or make another: mlbridge provider sealing-key rotate --revoke",
                exit_code=5,
            ) from error
        except (ValueError, TypeError) as error:
            raise _unreadable(file) from error
        if not isinstance(key, X25519PrivateKey) or key.public_key().public_bytes_raw() != public:
            raise _unreadable(file)
        return key

    def holds(self, public: bytes) -> bool:
        """Whether the private half is here. Raises MLBridgeError `sealing.unreadable`."""
        if not self._file(public).exists():
            return False
        self.load(public)
        return True

    def unused(self, digests: set[bytes]) -> bytes | None:
        """A public half that was made here and not registered yet. digests: of those on chain."""
        for file in sorted(self._folder.glob("*.pem")):
            public = bytes.fromhex(file.stem)
            if keccak(public) not in digests:
                return public
        return None

    def _file(self, public: bytes) -> Path:
        return self._folder / f"{public.hex()}.pem"

    def _password(self) -> bytes:
        return password_from(env=self._node.password_env or "", file=self._node.password_file).encode()


def _unreadable(file: Path) -> MLBridgeError:
    return MLBridgeError(
        "sealing.unreadable",
        f"The sealing key file {file} is damaged or has another password than the node's keystore.",
        hint="Restore it from a copy; without it what was sealed to this key stays closed.",
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What was done. key: the operator's current one now; registered: whether it is new."""

    key: SealingKey
    registered: bool


async def register(keys: SealingKeys, store: SealingStore, operator: Sender, *, rotate: bool) -> Change:
    """See to it that the operator's current key is one whose private half is here.

    rotate: also where it is already. A key that an earlier run made and did not register is taken first.
    Raises what a Sender raises, MLBridgeError `sealing.*`.
    """
    current = await keys.current(operator.address)
    if current is not None and not rotate and store.holds(current.location):
        return Change(current, registered=False)
    known = {key.digest for key in await keys.all(operator.address)}
    public = store.unused(known) or store.make()
    await keys.register(operator, public)
    registered = (await keys.all(operator.address))[-1]
    return Change(registered, registered=True)
