"""The journal: first word stands, kill -9 loses nothing, reorganisations void and restore."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.journal import Bond, Journal, Result, SeatRow
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import RoundKind

TASK, OTHER, INPUT = (bytes([n]) * 32 for n in range(1, 4))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")


def bond(salt: int = 7, *, round: int = 0, account: int = 4) -> Bond:
    return Bond(TASK, round, account, b"\0result", b"\x0d" * 32, bytes([salt]) * 32, bytes([salt + 100]) * 32)


def row(block: int = 10, *, task: bytes = TASK, round: int = 0) -> SeatRow:
    return SeatRow(task, round, 4, RoundKind.RESULT, block, f"0x{block:064x}", 160.0)


def test_the_first_result_stands(journal: Journal) -> None:
    first = Result(b"\0one", b"one", 0.5)
    assert journal.result(TASK, INPUT) is None
    assert journal.keep_result(TASK, INPUT, first) == first
    assert journal.keep_result(TASK, INPUT, Result(b"\0two", b"two", 0.1)) == first
    assert journal.result(TASK, INPUT) == first
    assert journal.result(TASK, OTHER) is None


def test_the_first_votes_stand(journal: Journal) -> None:
    assert journal.keep_votes(TASK, 1, 4, b"\0\0\0\1") == b"\0\0\0\1"
    assert journal.keep_votes(TASK, 1, 4, b"\0\0\0\2") == b"\0\0\0\1"
    assert journal.votes(TASK, 2, 4) is None


def test_a_seat_has_one_salt_for_ever(journal: Journal, tmp_path: Path) -> None:
    assert journal.bind(TASK, 0, 4, bond) == bond()
    assert journal.bind(TASK, 0, 4, lambda: bond(8)) == bond()
    journal.close()
    assert Journal(tmp_path / "journal.sqlite").bind(TASK, 0, 4, lambda: bond(9)) == bond()


def test_accounts_and_rounds_have_their_own(journal: Journal) -> None:
    journal.bind(TASK, 0, 4, bond)
    assert journal.bind(TASK, 1, 4, lambda: bond(8, round=1)).salt != bond().salt
    assert journal.bind(TASK, 0, 5, lambda: bond(9, account=5)).salt != bond().salt


def test_a_commitment_for_the_wrong_seat_is_refused_and_not_stored(journal: Journal) -> None:
    with pytest.raises(MLBridgeError, match="another seat"):
        journal.bind(TASK, 1, 4, bond)
    assert journal.bond(TASK, 0, 4) is None


def test_many_threads_agree_on_one_salt(journal: Journal) -> None:
    kept: list[Bond] = []
    threads = [
        threading.Thread(target=lambda n=n: kept.append(journal.bind(TASK, 0, 4, lambda: bond(n))))
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 16
    assert len(set(kept)) == 1


def test_transactions_are_noted(journal: Journal) -> None:
    kept = journal.bind(TASK, 0, 4, bond)
    journal.note_commit(kept, "0xc")
    journal.note_reveal(kept, "0xd")
    assert journal.bond(TASK, 0, 4) == replace(bond(), commit_tx="0xc", reveal_tx="0xd")


def test_seats_open_until_they_end(journal: Journal) -> None:
    journal.seat(row())
    journal.seat(row(round=1, block=12))
    journal.seat(row(task=OTHER, block=11))
    assert journal.open_tasks() == [TASK, OTHER]
    assert journal.close_seat(TASK, 4, "won", 13) == 2
    assert journal.close_seat(TASK, 4, "absent", 14) == 0
    assert journal.open_tasks() == [OTHER]
    assert [seat.outcome for seat in journal.seats(TASK)] == ["won", "won"]
    assert journal.outcomes() == {"won": 2, "open": 1}


def test_a_reorganisation_voids_and_a_new_draw_restores(journal: Journal) -> None:
    journal.seat(row(10))
    journal.seat(row(20, task=OTHER))
    journal.bind(TASK, 0, 4, bond)
    assert sorted(journal.void_from(10)) == [TASK, OTHER]
    assert journal.open_tasks() == []
    journal.seat(row(11))
    assert journal.open_tasks() == [TASK]
    assert journal.seats(TASK)[0].block == 11
    assert journal.bind(TASK, 0, 4, lambda: bond(9)) == bond()


def test_a_reorganisation_takes_back_outcomes_and_income(journal: Journal) -> None:
    journal.seat(row(10))
    journal.close_seat(TASK, 4, "won", 20)
    assert journal.earn("0xa", 1, 20, "seat", 4, TASK, 10**30)
    assert not journal.earn("0xa", 1, 20, "seat", 4, TASK, 10**30)
    assert journal.earn("0xb", 1, 15, "judge", 4, TASK, 5)
    assert journal.income() == {"seat": 10**30, "judge": 5}
    journal.void_from(16)
    assert journal.income() == {"judge": 5}
    assert journal.open_tasks() == [TASK]


def test_totals_are_kept_up_and_outlive_what_is_pruned(journal: Journal, tmp_path: Path) -> None:
    for task in (TASK, OTHER):
        journal.seat(row(10, task=task))
    journal.bind(TASK, 0, 4, bond)
    journal.keep_result(TASK, INPUT, Result(b"c", b"p", 1.0))
    journal.close_seat(TASK, 4, "won", 20)
    journal.earn("0xa", 1, 20, "seat", 4, TASK, 10**30)
    journal.earn("0xb", 1, 21, "seat", 4, OTHER, 5)
    assert journal.prune(0) == 0
    # A seat that is open is kept, however old.
    assert journal.prune(time.time() + 1) == 1
    assert journal.prune(time.time() + 1) == 0
    for opened in (journal, Journal(tmp_path / "journal.sqlite")):
        assert opened.outcomes() == {"won": 1, "open": 1}
        assert opened.income() == {"seat": 10**30 + 5}
        assert opened.seats(TASK) == []
        assert opened.bond(TASK, 0, 4) is None
        assert opened.result(TASK, INPUT) is None
        assert opened.open_tasks() == [OTHER]
    journal.void_from(21)
    assert journal.income() == {"seat": 10**30}
    assert journal.outcomes() == {"won": 1, "open": 1}


def test_telling_the_totals_reads_no_rows(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.seat(row())
    monkeypatch.setattr(journal, "_db", None)
    monkeypatch.setattr(journal, "_quick", None)
    assert journal.outcomes() == {"open": 1}
    assert journal.income() == {}


def test_facts(journal: Journal) -> None:
    assert journal.fact("cursor") is None
    journal.set_fact("cursor", b"1")
    journal.set_fact("cursor", b"2")
    assert journal.fact("cursor") == b"2"


def test_the_file_is_private_and_fully_synchronous(journal: Journal, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "journal.sqlite").stat().st_mode) == 0o600
    assert journal._row("PRAGMA synchronous") == (2,)
    assert journal._row("PRAGMA journal_mode") == ("wal",)


def test_a_damaged_or_newer_journal_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database, for sure" * 100)
    with pytest.raises(MLBridgeError, match="cannot be read") as failure:
        Journal(broken)
    assert failure.value.code == "journal.damaged"
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(MLBridgeError, match="format 99"):
        Journal(newer)


def test_a_journal_of_format_1_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE seats ADD COLUMN model BLOB")
        db.execute("PRAGMA user_version=1")
    Journal(path).seat(row())
    assert Journal(path).open_tasks() == [TASK]


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_journal import TASK, INPUT, Journal, Result, bond
journal = Journal(Path(sys.argv[1]))
for n in range(10_000):
    journal.keep_result(n.to_bytes(32, "big"), INPUT, Result(b"c", b"p", 1.0))
    kept = journal.bind(TASK, n % 256, n, lambda: bond(n % 100, round=n % 256, account=n))
    print(n, kept.salt[0], flush=True)
"""


def test_kill_9_loses_nothing_that_was_returned(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(tests=str(Path(__file__).parent)), str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(40)]
    os.kill(child.pid, signal.SIGKILL)
    told += child.stdout.read().splitlines()
    child.wait()
    child.stdout.close()
    journal = Journal(path)
    lines = [line.split() for line in told if len(line.split()) == 2]
    assert len(lines) >= 40
    for n, salt in ((int(a), int(b)) for a, b in lines):
        kept = journal.bind(TASK, n % 256, n, lambda: bond(99))
        assert kept.salt[0] == salt
        assert journal.result(n.to_bytes(32, "big"), INPUT) is not None
