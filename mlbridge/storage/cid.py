"""CIDs of contents; the arithmetic is the protocol's, for manifests and references need it too."""

from __future__ import annotations

from mlbridge.protocol.cid import cid_from_bytes, cid_to_bytes
from mlbridge.protocol.unixfs import FileBuilder, cid_of

__all__ = ["FileBuilder", "cid_from_bytes", "cid_of", "cid_to_bytes"]
