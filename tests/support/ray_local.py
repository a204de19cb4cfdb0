"""A small Ray with Serve in this process's own session, for tests of what runs on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest


@dataclass(frozen=True)
class LocalServe:
    """Serve's address and the port of the node's metrics."""

    url: str
    metrics_url: str

    @staticmethod
    def processes(title: str) -> list[psutil.Process]:
        """Ray's processes whose title starts with `title`."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if " ".join(process.cmdline()).startswith(title):
                    found.append(process)
        return found


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def local_serve(*, num_cpus: int = 2) -> Iterator[LocalServe]:
    """Starts Ray and Serve, and leaves no process and no file behind."""
    http, metrics = free_port(), free_port()
    # Ray puts sockets below it, whose paths end at 107 characters.
    home = tempfile.mkdtemp(prefix="mbr", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_metrics_report_interval_ms", "1000")
        patch.setenv("AUTOSCALER_METRIC_PORT", str(free_port()))
        patch.setenv("DASHBOARD_METRIC_PORT", str(free_port()))
        patch.setenv("PYTHONPATH", os.getcwd())
        import ray
        from ray import serve

        before = set(psutil.Process().children(recursive=True))
        try:
            ray.init(
                num_cpus=num_cpus,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=80 << 20,
                _temp_dir=home,
                _metrics_export_port=metrics,
                configure_logging=False,
                log_to_driver=False,
            )
            serve.start(http_options={"host": "127.0.0.1", "port": http})
            yield LocalServe(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{metrics}/metrics")
            serve.shutdown()
        finally:
            started = set(psutil.Process().children(recursive=True)) - before
            ray.shutdown()
            for process in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(list(started), timeout=10)
            shutil.rmtree(home, ignore_errors=True)
