"""A real Ray head with Serve applications: start, adopt, change, die, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlbridge import procs
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import HeadSpec, RayHead, port_answers

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(900)]

BASE_PORT = 26400


def app(name: str, **args: Any) -> dict[str, Any]:
    path = "tests.support.serve_apps:build"
    return {"name": name, "route": f"/m/{name}", "import_path": path, "args": args or {"text": name}}


def apply(head: RayHead, *apps: dict[str, Any], unchanged: tuple[str, ...] = ()) -> dict[str, Any]:
    request = {
        "apps": list(apps),
        "unchanged": list(unchanged),
        "host": "127.0.0.1",
        "port": head.spec.ports.http,
        "timeout": 200,
    }
    reply: dict[str, Any] = head.run("cluster.driver", {"apply": request}, timeout=280)
    assert not reply["timed_out"]
    return dict(reply["apps"])


def get(head: RayHead, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{head.spec.ports.http}{path}", timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RayHead]]:
    """Heads that the test adds here are stopped, whatever happens."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    started: list[RayHead] = []
    yield started
    for head in started:
        head.stop(grace=1)


def head(heads: list[RayHead], tmp_path: Path, **changes: Any) -> RayHead:
    made = RayHead(HeadSpec("alpha", tmp_path / "alpha", BASE_PORT, **changes))
    heads.append(made)
    return made


def test_guarded_adopted_changed_while_running_and_gone_without_a_trace(
    heads: list[RayHead], tmp_path: Path
) -> None:
    first = head(heads, tmp_path)
    began = time.monotonic()
    assert not first.start()
    print(f"head after {time.monotonic() - began:.1f} s, {first.memory() / 2**20:.0f} MiB PSS")
    assert first.spec.token_file.stat().st_mode & 0o777 == 0o600
    assert first.spec.temp_dir.stat().st_mode & 0o777 == 0o700
    a_stranger_without_the_token_is_refused(first, tmp_path)

    # whoever comes after a crash finds it by its files alone
    second = RayHead(first.spec)
    assert second.start()
    assert second.leader() == first.leader()

    began = time.monotonic()
    states = apply(second, app("a"), app("b"), app("bad", broken=True))
    print(f"applications after {time.monotonic() - began:.1f} s, {first.memory() / 2**20:.0f} MiB PSS")
    assert states["a"]["status"] == states["b"]["status"] == "RUNNING"
    assert states["bad"]["status"] == "DEPLOY_FAILED"
    assert "weights are for another machine" in states["bad"]["message"]

    before = get(second, "/m/a")
    assert before["text"] == "a"
    states = apply(second, app("a"), app("c"), unchanged=("a",))
    assert set(states) == {"a", "c"}
    assert get(second, "/m/a")["pid"] == before["pid"]
    assert get(second, "/m/c")["text"] == "c"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(second, "/m/b")

    began = time.monotonic()
    second.run("cluster.driver", {"shutdown": {"serve": True}}, timeout=120)
    second.stop()
    print(f"stopped after {time.monotonic() - began:.1f} s")
    assert_gone(first)


def a_stranger_without_the_token_is_refused(ours: RayHead, tmp_path: Path) -> None:
    stranger = RayHead(replace(ours.spec, state_dir=tmp_path / "stranger"))
    stranger.spec.state_dir.mkdir()
    stranger.spec.token_file.write_text("f" * 64)
    with pytest.raises(MLBridgeError, match=r"(?i)failed to connect|token"):
        stranger.run("cluster.driver", {"shutdown": {"serve": True}}, timeout=120)
    assert ours.alive()


def test_killed_with_haproxy_the_sweep_ends_the_orphans(heads: list[RayHead], tmp_path: Path) -> None:
    first = head(heads, tmp_path, haproxy=True)
    first.start()
    apply(first, app("a"))
    assert get(first, "/m/a")["text"] == "a"
    assert any(b"haproxy" in command(process) for process in first.pids())

    leader = first.leader()
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while first.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not first.adopt()
    first.stop()
    assert_gone(first)


def command(process: procs.Process) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return b""


def assert_gone(head: RayHead) -> None:
    assert head.pids() == set()
    assert not head.spec.temp_dir.exists()
    assert not head.spec.pid_file.exists()
    temp_dir = os.fsencode(head.spec.temp_dir)
    everybody = (Path("/proc") / entry for entry in os.listdir("/proc") if entry.isdigit())
    assert not [
        process
        for process in everybody
        if temp_dir in command(procs.Process(int(process.name), 0)) and int(process.name) != os.getpid()
    ]
    assert not any(port_answers(port) for port in head.spec.ports.fixed().values())
