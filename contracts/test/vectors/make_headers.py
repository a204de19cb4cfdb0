"""Block headers of a real anvil chain, as RLP, with the hashes that the node gave them.

Run by hand: `python contracts/test/vectors/make_headers.py`. Twelve seconds lie between the blocks, as on
Ethereum. Every header is checked: its RLP hashes to what the node says.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from contracts.seeds import header_rlp

HERE = Path(__file__).parent
ANVIL = HERE.parents[1] / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
PORT = 28_545
BLOCKS = 6


def ask(method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own node
        return json.load(answer)["result"]


def wait() -> None:
    for _ in range(100):
        try:
            ask("eth_chainId")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("anvil does not answer")


def main() -> None:
    command = [str(ANVIL), "--port", str(PORT), "--hardfork", "prague", "--silent", "--no-mining"]
    node = subprocess.Popen([*command, "--timestamp", "1750000000"])
    try:
        wait()
        for _ in range(BLOCKS):
            ask("evm_increaseTime", 12)
            ask("evm_mine")
        blocks = [ask("eth_getBlockByNumber", hex(number), False) for number in range(1, BLOCKS + 1)]
    finally:
        node.terminate()
        node.wait(10)
    found = [
        {
            "number": int(block["number"], 16),
            "timestamp": int(block["timestamp"], 16),
            "hash": block["hash"],
            "prevRandao": block["mixHash"],
            "rlp": f"0x{header_rlp(block).hex()}",
        }
        for block in blocks
    ]
    content = {"about": "Headers of anvil, one block after another.", "count": BLOCKS, "blocks": found}
    (HERE / "headers.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
