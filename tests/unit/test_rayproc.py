"""Ports, command line, environment and process ownership of a Ray head, without starting Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlbridge import procs
from mlbridge.errors import MLBridgeError
from mlbridge.rayproc import MARKER, PORTS_PER_CLUSTER, HeadSpec, RayHead, RayPorts, busy_ports

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def spec(tmp_path: Path, **changes: object) -> HeadSpec:
    return HeadSpec("alpha", tmp_path / "state", 27400, **changes)  # type: ignore[arg-type]


def test_ports_are_distinct_and_inside_the_block() -> None:
    ports = list(RayPorts(20000).fixed().values())
    assert len(set(ports)) == len(ports)
    assert all(20000 <= port < 20020 for port in ports)
    assert max(ports) < RayPorts(20000).room < 20000 + PORTS_PER_CLUSTER


def test_two_clusters_share_no_port_path_or_token(tmp_path: Path) -> None:
    first = HeadSpec("a", tmp_path / "a", 20000)
    second = HeadSpec("b", tmp_path / "b", 20000 + PORTS_PER_CLUSTER)
    different = {k for k, v in first.environment().items() if second.environment()[k] != v}
    assert {name for name in first.environment() if "HAPROXY" in name and "NBTHREAD" not in name} <= different
    assert {"AUTOSCALER_METRIC_PORT", "DASHBOARD_METRIC_PORT", "RAY_AUTH_TOKEN_PATH", MARKER} <= different
    assert first.temp_dir != second.temp_dir


def test_the_temp_dir_leaves_room_for_socket_paths(tmp_path: Path) -> None:
    deep = HeadSpec("a", tmp_path / ("x" * 100), 20000)
    session = "session_2026-01-01_00-00-00_000000_4194304"
    assert len(f"{deep.temp_dir}/r/{session}/sockets/plasma_store.999") < 104


def test_the_environment_is_explicit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "somewhere:1")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    env = spec(tmp_path).environment()
    assert {"RAY_ADDRESS", "RAY_AUTH_TOKEN", "PYTHONDONTWRITEBYTECODE"}.isdisjoint(env)
    assert env["RAY_AUTH_MODE"] == "token"
    assert env["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "0"
    assert env["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    behind = spec(tmp_path, haproxy=True).environment()
    assert behind["RAY_SERVE_ENABLE_HA_PROXY"] == behind["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
    assert "RAY_START_HOOK" not in spec(tmp_path, ray_client=True).environment()
    assert spec(tmp_path).driver_environment()["RAY_ADDRESS"] == "127.0.0.1:27400"


def test_the_token_never_stands_on_the_command_line(tmp_path: Path) -> None:
    command = " ".join(spec(tmp_path).command())
    assert "token" not in command
    assert "--port=27400" in command
    assert "--include-dashboard=false" in command


def test_busy_ports_are_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 27409))
        holder.listen()
        assert busy_ports(RayPorts(27400)) == {"serve-http": 27409}
        with pytest.raises(MLBridgeError, match=r"27409 \(serve-http\).*base_port") as failure:
            RayHead(spec(tmp_path)).start()
    assert failure.value.code == "ray.port_busy"


def test_a_pid_is_ours_only_with_its_start_time() -> None:
    child = subprocess.Popen(SLEEP)
    try:
        process = procs.Process(child.pid, procs.start_time(child.pid))
        assert procs.alive(process)
        assert not procs.alive(process._replace(started=process.started + 1))
        assert procs.pss(child.pid) > 0
        procs.send(process._replace(started=process.started + 1), signal.SIGKILL)
        assert child.poll() is None
        procs.send(process, signal.SIGKILL)
        child.wait(timeout=5)
        assert not procs.alive(process)
    finally:
        child.kill()
        child.wait()


def test_the_sweep_ends_marked_processes_and_nothing_else(tmp_path: Path) -> None:
    head = RayHead(spec(tmp_path))
    head.spec.temp_dir.mkdir(exist_ok=True)
    marked = subprocess.Popen(
        SLEEP, env={**os.environ, MARKER: str(head.spec.temp_dir)}, start_new_session=True
    )
    other = subprocess.Popen(SLEEP, env={**os.environ, MARKER: str(tmp_path)}, start_new_session=True)
    try:
        deadline = time.monotonic() + 5  # the child shows our environment until its exec
        while {p.pid for p in head.pids()} != {marked.pid} and time.monotonic() < deadline:
            time.sleep(0.05)
        assert {p.pid for p in head.pids()} == {marked.pid}
        head.sweep()
        assert marked.wait(timeout=5) == -signal.SIGTERM
        assert other.poll() is None
        assert not head.spec.temp_dir.exists()
    finally:
        for child in (marked, other):
            child.kill()
            child.wait()


def test_no_pid_file_or_a_damaged_one_means_no_leader(tmp_path: Path) -> None:
    head = RayHead(spec(tmp_path))
    assert head.leader() is None
    assert not head.adopt()
    head.spec.pid_file.parent.mkdir(parents=True)
    head.spec.pid_file.write_text("{")
    assert head.leader() is None


def test_a_drivers_reply_and_errors_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    body = "import json, sys; r = json.load(sys.stdin); print('noise'); print(json.dumps(r['reply']))"
    (tmp_path / "driver_under_test.py").write_text(body)
    (tmp_path / "driver_that_fails.py").write_text("raise SystemExit('no luck')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    head = RayHead(spec(tmp_path))
    assert head.run("driver_under_test", {"reply": {"n": 1}}, timeout=20) == {"n": 1}
    told = {"error": {"code": "app.failed", "message": "It failed.", "hint": "Mend it."}}
    with pytest.raises(MLBridgeError, match=r"It failed. Mend it."):
        head.run("driver_under_test", {"reply": told}, timeout=20)
    with pytest.raises(MLBridgeError, match="no luck"):
        head.run("driver_that_fails", {}, timeout=20)
    (tmp_path / "driver_that_hangs.py").write_text("import time; time.sleep(30)")
    with pytest.raises(MLBridgeError, match="more than 1 s") as failure:
        head.run("driver_that_hangs", {}, timeout=1)
    assert failure.value.exit_code == 6
