"""Why an engine could not start is read from what its process wrote, and outlives the cluster's folder."""

from __future__ import annotations

import os
from pathlib import Path

from cluster import engine_logs

CAUSE = "ValueError: No available memory for the cache blocks."
ENGINE = f"""\
INFO 11-27 17:51:00 [__init__.py:243] Automatically detected platform cpu.
(EngineCore pid=31) ERROR 11-27 17:52:01 [core.py:1510] EngineCore failed to start.
(EngineCore pid=31) ERROR 11-27 17:52:01 [core.py:1510] Traceback (most recent call last):
(EngineCore pid=31) ERROR 11-27 17:52:01 [core.py:1510]   File "core.py", line 1476, in run_engine_core
(EngineCore pid=31) ERROR 11-27 17:52:01 [core.py:1510] {CAUSE}
RuntimeError: Engine core initialization failed. See root cause above.
"""


def write(logs: Path, name: str, text: str, age: int = 0) -> None:
    file = logs / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (1_000_000 - age, 1_000_000 - age))


def test_the_cause_is_the_engines_last_exception_in_the_newest_file(tmp_path: Path) -> None:
    write(tmp_path, "worker-1.err", ENGINE)
    write(tmp_path, "worker-0.err", ENGINE.replace("ValueError", "OSError"), age=60)
    write(tmp_path, "serve/replica_smollm2.log", "ValueError: of somebody else")
    assert engine_logs.root_cause(tmp_path) == CAUSE


def test_without_an_engines_exception_there_is_no_cause(tmp_path: Path) -> None:
    write(tmp_path, "worker-1.err", "Traceback\nValueError: of a replica\n")
    assert engine_logs.root_cause(tmp_path) is None
    assert engine_logs.root_cause(tmp_path / "gone") is None


def test_what_is_kept_are_the_ends_of_the_last_failure_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    write(tmp_path / "one", "worker-1.err", "x" * (2 << 20) + "the end")
    engine_logs.keep(tmp_path / "one", kept)
    assert (kept / "worker-1.err").read_text().endswith("xthe end")
    assert (kept / "worker-1.err").stat().st_size == 1 << 20
    write(tmp_path / "two", "serve/replica_a.log", "short")
    engine_logs.keep(tmp_path / "two", kept)
    assert [file.name for file in kept.iterdir()] == ["replica_a.log"]
