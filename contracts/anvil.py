"""A local chain for devnets and tests: anvil as a process group of our own, with its state in a file."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType

from eth_account import Account
from eth_account.signers.local import LocalAccount

from mlbridge.errors import MLBridgeError

MNEMONIC = "test test test test test test test test test test test junk"
CHAIN_ID = 31337
BINARY_ENV = "MLBRIDGE_ANVIL"
_NODE_MODULES = Path(__file__).parent / "node_modules"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_STATES = 128
"""Blocks whose state can still be asked for: more than any reorganisation here is deep. Those of older blocks
anvil would keep on disk, 700 kB each for thousands of blocks, and leave there when it is killed."""
_INSTALL_HINT = f"Run `npm ci` in contracts/, or set {BINARY_ENV} to an anvil 1.7 binary."


def find_binary() -> Path:
    """The platform binary, never the npm wrapper: killing that leaves its child. Raises `anvil.missing`."""
    override = os.environ.get(BINARY_ENV)
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    system = {"windows": "win32"}.get(platform.system().lower(), platform.system().lower())
    name = "anvil.exe" if system == "win32" else "anvil"
    path = (
        Path(override)
        if override
        else _NODE_MODULES / "@foundry-rs" / f"anvil-{system}-{arch}" / "bin" / name
    )
    if not path.is_file():
        raise MLBridgeError("anvil.missing", f"There is no anvil at {path}.", hint=_INSTALL_HINT)
    return path


@cache
def dev_account(index: int) -> LocalAccount:
    """Key `index` of the public development mnemonic: for chains whose coins are worth nothing."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return account


@dataclass
class Anvil:
    """One anvil. Start with `start()` or as a context manager.

    block_time: seconds between blocks (fractions allowed); None mines one per transaction. state_file:
    loaded if it exists, written every state_interval seconds (a second for each 10 MB at least) and at
    exit, so that a kill loses at most that much. anvil rewrites it in place and a kill in that moment tears
    it: a whole copy lies beside it for that case.
    """

    port: int
    block_time: float | None = 1.0
    state_file: Path | None = None
    state_interval: int = 1
    chain_id: int = CHAIN_ID
    accounts: int = 10
    host: str = "127.0.0.1"
    hardfork: str = "prague"
    log_file: Path | None = None
    extra_arguments: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _keeper: threading.Thread | None = field(default=None, init=False, repr=False)

    @property
    def rpc_url(self) -> str:
        """HTTP address of its JSON-RPC."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id, which is its process group's id too; None when not started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""
        return self._process is not None and self._process.poll() is None

    def command(self) -> list[str]:
        """The command line."""
        command = [str(find_binary()), "--host", self.host, "--port", str(self.port)]
        command += ["--chain-id", str(self.chain_id), "--hardfork", self.hardfork]
        command += ["--accounts", str(self.accounts), "--mnemonic", MNEMONIC]
        command += ["--prune-history", str(_STATES)]
        if self.block_time is not None:
            command += ["--block-time", f"{self.block_time:g}"]
        if self.state_file is not None:
            # anvil writes the whole chain each time: a big one less often, or it would do little else
            size = self.state_file.stat().st_size if self.state_file.exists() else 0
            interval = max(self.state_interval, size // 10_000_000)
            command += ["--state", str(self.state_file), "--state-interval", str(interval)]
        return [*command, "--quiet", *self.extra_arguments]

    def start(self, *, timeout_s: float = 30.0) -> Anvil:
        """Start and wait until it answers.

        Raises MLBridgeError `anvil.missing`, `anvil.port` (somebody listens there) or `anvil.failed`.
        """
        if self.running:
            return self
        command = self.command()
        self._refuse_taken_port()
        if self.state_file is not None:
            self.state_file.parent.mkdir(parents=True, exist_ok=True)
            _mend(self.state_file)
        if self.log_file is not None:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_file or os.devnull, "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_ready(timeout_s)
        except BaseException:
            self.kill()
            raise
        if self.state_file is not None:
            self._stopping.clear()
            self._keeper = threading.Thread(target=self._keep_copies, args=(self.state_file,), daemon=True)
            self._keeper.start()
        return self

    def _keep_copies(self, state_file: Path) -> None:
        copied = 0.0
        while not self._stopping.wait(0.5):
            copied = _copy_if_whole(state_file, copied)

    def _end_keeper(self) -> None:
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None

    def _refuse_taken_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise MLBridgeError(
                    "anvil.port",
                    f"Port {self.port} on {self.host} is taken ({error.strerror}).",
                    hint="Stop what listens there or choose another port.",
                    port=self.port,
                ) from error

    def _wait_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.running:
                code = self._process.returncode if self._process else None
                raise MLBridgeError(
                    "anvil.failed",
                    f"anvil ended at once with exit status {code}.",
                    hint=f"Its words are in {self.log_file}."
                    if self.log_file
                    else "Give it a log_file to see why.",
                )
            if self._chain_id() == self.chain_id:
                return
            time.sleep(0.05)
        raise MLBridgeError("anvil.failed", f"anvil did not answer on {self.rpc_url} within {timeout_s:g} s.")

    def _chain_id(self) -> int | None:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
        request = urllib.request.Request(self.rpc_url, body, {"Content-Type": "application/json"})  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=2) as response:
                return int(json.load(response)["result"], 16)
        except (urllib.error.URLError, OSError, ValueError, KeyError):
            return None

    def stop(self, *, timeout_s: float = 20.0) -> None:
        """Let it write its state and end; kill it when it does not. Does nothing when it does not run."""
        process = self._process
        if process is None:
            return
        self._end_keeper()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End the whole process group at once; what it had not written is lost."""
        self._end_keeper()
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._process = None

    def __enter__(self) -> Anvil:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _copy_path(state_file: Path) -> Path:
    return state_file.with_name(f"{state_file.name}.copy")


def _copy_if_whole(state_file: Path, copied: float) -> float:
    """Copy the state file unless anvil is writing it. copied: mtime of the last copy; returns the new one."""
    try:
        before = state_file.stat()
        if before.st_mtime == copied or time.time() - before.st_mtime < 0.2:
            return copied
        fresh = state_file.with_name(f"{state_file.name}.copying")
        shutil.copyfile(state_file, fresh)
        with open(fresh, "rb") as file:
            file.seek(-1, os.SEEK_END)
            whole = file.read(1) == b"}"
        if whole and state_file.stat().st_mtime == before.st_mtime:
            fresh.replace(_copy_path(state_file))
            return before.st_mtime
    except OSError:
        # not written yet, or replaced under our hands: the next round looks again
        return copied
    return copied


def _mend(state_file: Path) -> None:
    """Put the copy in the place of a state file that a kill tore. Raises MLBridgeError `anvil.state`."""
    if not state_file.exists() or _is_json(state_file):
        return
    copy = _copy_path(state_file)
    if not _is_json(copy):
        raise MLBridgeError(
            "anvil.state",
            f"The chain state {state_file} is torn and has no whole copy beside it.",
            hint="Delete it to begin a new chain; deployments on the old one are lost.",
        )
    shutil.copyfile(copy, state_file)


def _is_json(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            json.load(file)
    except (OSError, ValueError):
        return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
