"""The DAG that `ipfs add --cid-version=1` builds of a file, block by block, without holding the file.

Chunks of 256 KiB are raw leaves; a file of one chunk is its leaf; above, a balanced tree of dag-pb nodes with
at most 174 links, all leaves at the same depth. Sources: the UnixFS and DAG-PB specifications of the IPFS
project; compared with kubo in tests/integration/test_kubo.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from mlbridge.protocol.cid import DAG_PB, RAW, block_cid, cid_from_bytes

CHUNK_BYTES: Final = 256 * 1024
MAX_LINKS: Final = 174

_UNIXFS_FILE: Final = b"\x08\x02"

BlockSink = Callable[[bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class _Node:
    """One node of the tree: binary CID, bytes of file below it, bytes of blocks below it with its own."""

    cid: bytes
    file_size: int
    dag_size: int


class FileBuilder:
    """Computes a file's CID from its bytes in pieces of any size.

    sink, if given, is called with (binary CID, block) of every block, children before parents.
    """

    def __init__(self, sink: BlockSink | None = None) -> None:
        self._sink = sink
        self._pending = bytearray()
        self._levels: list[list[_Node]] = [[]]
        self.size = 0

    def update(self, data: bytes) -> None:
        """Append data to the file."""
        self.size += len(data)
        rest = memoryview(data)
        while rest:
            room = CHUNK_BYTES - len(self._pending)
            self._pending += rest[:room]
            rest = rest[room:]
            if len(self._pending) == CHUNK_BYTES:
                self._push(self._leaf(bytes(self._pending)), 0)
                self._pending.clear()

    def finish(self) -> str:
        """The CID of everything appended. Call once."""
        return cid_from_bytes(self._root().cid)

    def _root(self) -> _Node:
        if self._pending or not self.size:
            self._push(self._leaf(bytes(self._pending)), 0)
        level = 0
        while True:
            nodes = self._levels[level]
            top = level == len(self._levels) - 1
            if top and len(nodes) == 1:
                return nodes[0]
            if nodes:
                self._levels[level] = []
                self._push(self._parent(nodes), level + 1)
            level += 1

    def _push(self, node: _Node, level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        nodes = self._levels[level]
        nodes.append(node)
        if len(nodes) == MAX_LINKS:
            self._levels[level] = []
            self._push(self._parent(nodes), level + 1)

    def _leaf(self, chunk: bytes) -> _Node:
        return _Node(self._emit(RAW, chunk), len(chunk), len(chunk))

    def _parent(self, children: list[_Node]) -> _Node:
        file_size = sum(child.file_size for child in children)
        links = b"".join(_link(child) for child in children)
        sizes = b"".join(b"\x20" + _varint(child.file_size) for child in children)
        block = links + _field(0x0A, _UNIXFS_FILE + b"\x18" + _varint(file_size) + sizes)
        dag_size = len(block) + sum(child.dag_size for child in children)
        return _Node(self._emit(DAG_PB, block), file_size, dag_size)

    def _emit(self, codec: int, block: bytes) -> bytes:
        cid = block_cid(codec, block)
        if self._sink is not None:
            self._sink(cid, block)
        return cid


def cid_of(data: bytes) -> str:
    """CID of a file with these bytes, as `ipfs add --cid-version=1` gives it."""
    return cid_of_pieces((data,))


def cid_of_pieces(pieces: Iterable[bytes]) -> str:
    """CID of a file that comes in pieces."""
    builder = FileBuilder()
    for piece in pieces:
        builder.update(piece)
    return builder.finish()


def _link(child: _Node) -> bytes:
    return _field(0x12, _field(0x0A, child.cid) + b"\x12\x00" + b"\x18" + _varint(child.dag_size))


def _field(tag: int, value: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
