"""Content-addressed storage: a local folder, or kubo (IPFS) over its RPC API."""

from mlbridge.storage.base import ContentStore, open_store, put_file
from mlbridge.storage.cid import cid_from_bytes, cid_of, cid_to_bytes
from mlbridge.storage.kubo import KuboStore
from mlbridge.storage.local import LocalStore

__all__ = [
    "ContentStore",
    "KuboStore",
    "LocalStore",
    "cid_from_bytes",
    "cid_of",
    "cid_to_bytes",
    "open_store",
    "put_file",
]
