"""Loops that survive failures, an engine started again, and what the supervisor does about silence."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from coordinator import actor, supervisor
from coordinator.config import CoordinatorConfig, parse_config
from coordinator.engine import read_or_make_token
from coordinator.loops import Bell, Changes, forever
from coordinator.metrics import Metrics
from coordinator.supervisor import JoinedSpec, Supervisor, head_of, supervisor_of
from mlbridge.errors import MLBridgeError


@pytest.fixture
def config(tmp_path: Path) -> CoordinatorConfig:
    return parse_config({"network": "devnet", "home": str(tmp_path / "home")})


class TestLoops:
    async def test_a_pass_that_fails_is_counted_and_tried_again(self) -> None:
        metrics, calls, done = Metrics(), 0, asyncio.Event()

        async def step() -> bool:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise RuntimeError("once")
            done.set()
            return False

        loop = asyncio.create_task(forever("follow", step, Bell(), pause_s=0.01, metrics=metrics))
        async with asyncio.timeout(5):
            await done.wait()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop
        labels = {"loop": "follow"}
        assert metrics.registry.get_sample_value("mlbridge_loop_failures_total", labels) == 1

    async def test_a_bell_ends_a_pause(self) -> None:
        bell, passes = Bell(), asyncio.Queue[int]()

        async def step() -> bool:
            passes.put_nowait(1)
            return False

        loop = asyncio.create_task(forever("poke", step, bell, pause_s=60, metrics=Metrics()))
        await passes.get()
        bell.ring()
        async with asyncio.timeout(5):
            await passes.get()
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    async def test_a_cancelled_wait_is_not_swallowed_when_the_bell_rings_too(self) -> None:
        for _ in range(50):
            bell = Bell()
            waiting = asyncio.create_task(bell.wait(60))
            await asyncio.sleep(0)
            bell.ring()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    async def test_changes_wake_who_waits_for_that_task(self) -> None:
        changes = Changes()
        waiting = asyncio.create_task(changes.wait("a", 60))
        await asyncio.sleep(0)
        changes.told(["b"])
        await asyncio.sleep(0)
        assert not waiting.done()
        changes.told(["a"])
        async with asyncio.timeout(5):
            await waiting
        await changes.wait("a", 0.01)
        assert changes._waiting == {}


class TestToken:
    def test_it_is_made_once_and_kept_from_others(self, config: CoordinatorConfig) -> None:
        token = read_or_make_token(config)
        assert len(token) > 30
        assert config.home.stat().st_mode & 0o777 == 0o700
        assert read_or_make_token(config) == token
        assert config.http_token_file.stat().st_mode & 0o777 == 0o600
        config.http_token_file.chmod(0o644)
        with pytest.raises(MLBridgeError) as caught:
            read_or_make_token(config)
        assert caught.value.code == "http.token_open"


class TestHost:
    async def test_it_starts_the_engine_until_it_starts(
        self, config: CoordinatorConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries: list[Exception] = [ConnectionError("database"), MLBridgeError("store.locked", "Taken.")]

        class Started:
            def __init__(self) -> None:
                self.lost = asyncio.Event()

            async def stop(self) -> None:
                tries.append(RuntimeError("stopped"))

            async def status(self) -> dict[str, Any]:
                return {"ready": True}

        async def start(*_: Any, **__: Any) -> Any:
            if tries:
                raise tries.pop(0)
            return Started()

        monkeypatch.setattr(actor.Engine, "start", start)
        monkeypatch.setattr(actor, "FIRST_RETRY_S", 0.05)
        host = actor.EngineHost(config, actor.build_on_ray)
        with pytest.raises(MLBridgeError, match="starting"):
            await host.call(lambda engine: engine.status())
        host.start()
        async with asyncio.timeout(10):
            while not host.up:  # noqa: ASYNC110 - another thread starts it
                await asyncio.sleep(0.02)
        assert await host.call(lambda engine: engine.status()) == {"ready": True}
        await host.stop()
        assert len(tries) == 1


class FakeHead:
    """A head whose state the test sets; remembers what it was asked."""

    def __init__(self, **replies: Any) -> None:
        self.up, self.asked, self.replies = True, list[str](), replies
        self.spec = head_of(parse_config({"network": "n", "home": "/nowhere"})).spec

    def alive(self) -> bool:
        return self.up

    def start(self) -> bool:
        self.asked.append("head")
        self.up = True
        return False

    def run(self, module: str, request: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        assert module == "coordinator.driver"
        self.asked.append(request["action"])
        reply = self.replies.get(request["action"], {})
        if isinstance(reply, Exception):
            raise reply
        return dict(reply)


class TestSupervisor:
    @pytest.fixture
    def watch(self, config: CoordinatorConfig, monkeypatch: pytest.MonkeyPatch) -> Any:
        def make(*, healthy: bool, silent_s: float, **replies: Any) -> tuple[Supervisor, FakeHead]:
            kept = Supervisor(config)
            head = FakeHead(**replies)
            monkeypatch.setattr(kept, "head", head)
            monkeypatch.setattr(supervisor, "healthy", lambda url: healthy)
            kept._healthy_at -= silent_s
            return kept, head

        return make

    def test_health_needs_no_driver(self, watch: Any) -> None:
        kept, head = watch(healthy=True, silent_s=1000)
        kept.look()
        assert head.asked == []

    def test_a_short_silence_is_left_to_ray(self, watch: Any) -> None:
        kept, head = watch(healthy=False, silent_s=2)
        kept.look()
        assert head.asked == []

    def test_a_lost_head_is_started_with_its_actor(self, watch: Any) -> None:
        kept, head = watch(healthy=False, silent_s=0)
        head.up = False
        kept.look()
        assert head.asked == ["head", "start"]

    @pytest.mark.parametrize(
        ("found", "silent_s", "then"),
        [
            ({"pid": None, "up": False, "silent": False}, 20, ["ping", "start"]),
            ({"pid": 5, "up": False, "silent": False}, 500, ["ping"]),
            ({"pid": 5, "up": True, "silent": False}, 20, ["ping"]),
            ({"pid": 5, "up": True, "silent": False}, 500, ["ping", "restart"]),
            ({"pid": None, "up": False, "silent": True}, 500, ["ping", "restart"]),
        ],
    )
    def test_silence_is_looked_into(
        self, watch: Any, found: dict[str, Any], silent_s: float, then: list[str]
    ) -> None:
        kept, head = watch(healthy=False, silent_s=silent_s, ping=found)
        kept.look()
        assert head.asked == then
        kept.look()
        assert head.asked == then, "not again at once"

    def test_a_joined_cluster_is_waited_for_and_used_as_soon_as_it_is_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ray = {"mode": "join", "address": "10.0.0.1:6379"}
        kept = Supervisor(parse_config({"network": "n", "home": str(tmp_path / "home"), "ray": ray}))
        head, there = FakeHead(), False
        monkeypatch.setattr(kept, "head", head)
        monkeypatch.setattr(supervisor, "healthy", lambda url: False)
        monkeypatch.setattr(supervisor, "port_answers", lambda port, host: there)
        kept._healthy_at -= 1000
        kept.look()
        assert head.asked == [], "no driver can join what is not there"
        there = True
        kept.look()
        assert head.asked == ["start"]
        kept.look()
        assert head.asked == ["start"], "now it may take its time"

    def test_an_answer_that_breaks_off_is_no_health(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def die_amid_an_answer() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 2")

            dying = threading.Thread(target=die_amid_an_answer)
            dying.start()
            assert not supervisor.healthy(f"http://127.0.0.1:{server.getsockname()[1]}")
            dying.join()

    @pytest.mark.parametrize(
        "problem", [MLBridgeError("ray.driver_timeout", "Slow."), OSError(28, "No space left on device")]
    )
    def test_what_fails_is_tried_again_later(self, watch: Any, problem: Exception) -> None:
        kept, head = watch(healthy=False, silent_s=50, ping=problem)
        kept.look()
        kept._not_before = 0.0
        kept.look()
        assert head.asked == ["ping", "ping"]

    def test_one_a_home(self, config: CoordinatorConfig) -> None:
        assert supervisor_of(config.home) is None
        with supervisor._only_one(config.home):
            assert supervisor_of(config.home) is not None
            assert config.home.stat().st_mode & 0o777 == 0o700
            with pytest.raises(MLBridgeError) as caught, supervisor._only_one(config.home):
                pass
            assert caught.value.code == "coordinator.running"
        assert supervisor_of(config.home) is None

    def test_a_joined_cluster_is_reached_with_its_own_token(self, tmp_path: Path) -> None:
        joined = parse_config(
            {
                "network": "n",
                "home": str(tmp_path),
                "ray": {"mode": "join", "address": "10.0.0.1:6379", "token_file": str(tmp_path / "t")},
            }
        )
        head = head_of(joined)
        assert isinstance(head.spec, JoinedSpec)
        environment = head.spec.driver_environment()
        assert environment["RAY_ADDRESS"] == "10.0.0.1:6379"
        assert environment["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "t")
        assert not Supervisor(joined).owns_head
