"""A requester's book: no sequence twice, whoever dies when and however many programs use it."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import WINDOW
from mlbridge.sdk.channel_book import DONE, FAILED, OPEN, ChannelBook

CHANNEL = b"\x01" * 32


@pytest.fixture
def book(tmp_path: Path) -> ChannelBook:
    made = ChannelBook(tmp_path / "book.db")
    made.put(CHANNEL, chain_id=1, contract="0x", url="http://one")
    return made


def offer(sequence: int) -> bytes:
    return b"offer %d" % sequence


def test_sequences_follow_each_other_and_the_floor(book: ChannelBook) -> None:
    taken = [
        book.take(CHANNEL, f"k{n}", least=least, kind=None, make=offer)
        for n, least in enumerate([0, 0, 7, 3])
    ]
    assert [kept.sequence for kept in taken] == [0, 1, 7, 8]
    assert taken[2].offer == b"offer 7"


def test_no_order_is_signed_further_ahead_than_the_chain_takes_it(book: ChannelBook) -> None:
    """As when many tasks see the same free sequences at once: what is beyond them is not used up."""
    for number in range(WINDOW):
        kept = book.take(CHANNEL, f"k{number}", least=0, kind=None, make=offer)
        book.failed(CHANNEL, kept.sequence, "refused")
    for _ in range(3):
        with pytest.raises(MLBridgeError) as caught:
            book.take(CHANNEL, "more", least=0, kind=None, make=offer)
        assert caught.value.code == "channel.full"
        assert caught.value.context["retry_after_s"]
    assert book.take(CHANNEL, "more", least=1, kind=None, make=offer).sequence == WINDOW
    # An order that is under way is given back however full the channel is.
    assert book.take(CHANNEL, "more", least=1, kind=None, make=offer).sequence == WINDOW


def test_a_key_is_signed_once_unless_it_failed(book: ChannelBook) -> None:
    first = book.take(CHANNEL, "k", least=0, kind="chat", make=offer)
    assert book.take(CHANNEL, "k", least=0, kind="chat", make=offer) == first
    book.done(CHANNEL, first.sequence, b"receipt")
    again = book.take(CHANNEL, "k", least=0, kind="chat", make=offer)
    assert (again.sequence, again.state, again.receipt) == (0, DONE, b"receipt")
    other = book.take(CHANNEL, "other", least=0, kind=None, make=offer)
    book.failed(CHANNEL, other.sequence, "no verdict")
    assert book.take(CHANNEL, "other", least=0, kind=None, make=offer).sequence == 2


def test_threads_of_one_program_wait_for_each_other(book: ChannelBook) -> None:
    def slow(sequence: int) -> bytes:
        time.sleep(0.01)
        return offer(sequence)

    def work(number: int) -> int:
        kept = book.take(CHANNEL, f"k{number}", least=0, kind=None, make=slow)
        assert book.current(CHANNEL, f"k{number}") == kept
        book.done(CHANNEL, kept.sequence, b"receipt")
        return kept.sequence

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(24))) == list(range(24))
    assert book.open_orders(CHANNEL) == []


def test_whoever_comes_after_a_crash_finds_what_was_signed(tmp_path: Path, book: ChannelBook) -> None:
    kept = book.take(CHANNEL, "k", least=0, kind=None, make=offer)

    def dies(_: int) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.take(CHANNEL, "k2", least=0, kind=None, make=dies)
    reopened = ChannelBook(tmp_path / "book.db")
    assert reopened.open_orders(CHANNEL) == [kept]
    assert reopened.open_orders(CHANNEL)[0].state == OPEN != FAILED
    # The sequence whose order never came to be was not used up.
    assert reopened.take(CHANNEL, "k3", least=0, kind=None, make=offer).sequence == 1


def test_nobody_else_on_the_machine_reads_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (tmp_path / "old.db").touch(0o644)
        for name in ("new.db", "old.db"):
            made = ChannelBook(tmp_path / name)
            made.put(CHANNEL, chain_id=1, contract="0x", url="http://one")
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob(f"{name}*")}
            assert len(modes) == 3
            assert set(modes.values()) == {0o600}
            made.close()
    finally:
        os.umask(before)


def _take_some(path: str, name: str) -> list[int]:
    book = ChannelBook(Path(path))
    return [book.take(CHANNEL, f"{name}-{n}", least=0, kind=None, make=offer).sequence for n in range(20)]


def test_programs_at_once_share_no_sequence(tmp_path: Path, book: ChannelBook) -> None:
    path = str(tmp_path / "book.db")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        taken = pool.starmap(_take_some, [(path, name) for name in "abc"])
    everything = [sequence for some in taken for sequence in some]
    assert sorted(everything) == list(range(60))


def test_it_remembers_where_a_coordinator_is_now(book: ChannelBook) -> None:
    book.take(CHANNEL, "k", least=0, kind=None, make=offer)
    known = book.put(CHANNEL, chain_id=1, contract="0x", url="http://two")
    assert (known.url, known.next) == ("http://two", 1)
    assert book.all(1) == [known]
    assert book.all(2) == []
    assert book.get(b"\x02" * 32) is None


def test_a_book_of_another_format_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "book.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(MLBridgeError) as caught:
        ChannelBook(tmp_path / "book.db")
    assert caught.value.code == "channel.book"


def test_the_nodes_that_a_coordinator_names_last_are_known(book: ChannelBook) -> None:
    assert book.nodes(CHANNEL) == []
    book.put_nodes(CHANNEL, ["http://b", "http://a", "http://a"])
    assert book.nodes(CHANNEL) == ["http://a", "http://b"]
    book.put_nodes(CHANNEL, ["http://c"])
    assert book.nodes(CHANNEL) == ["http://c"]
    assert book.nodes(b"\x02" * 32) == []


def test_what_seats_attested_is_kept_with_the_failure(book: ChannelBook) -> None:
    kept = book.take(CHANNEL, "k", least=0, kind=None, make=offer)
    book.failed(CHANNEL, kept.sequence, "the seats disagree", b"attested")
    book.failed(CHANNEL, kept.sequence, "the seats disagree")
    (found,) = book.orders(CHANNEL)
    assert (found.state, found.reason, found.attested) == ("failed", "the seats disagree", b"attested")


@pytest.mark.parametrize("version", [1, 2])
def test_a_book_of_a_format_before_keeps_its_orders(book: ChannelBook, tmp_path: Path, version: int) -> None:
    kept = book.take(CHANNEL, "k", least=0, kind=None, make=offer)
    book.close()
    with sqlite3.connect(tmp_path / "book.db") as db:
        db.execute("ALTER TABLE orders DROP COLUMN attested")
        if version == 1:
            db.execute("DROP TABLE nodes")
        db.execute(f"PRAGMA user_version={version}")
    again = ChannelBook(tmp_path / "book.db")
    assert again.orders(CHANNEL) == [kept]
    again.put_nodes(CHANNEL, ["http://a"])
    assert again.nodes(CHANNEL) == ["http://a"]
    again.failed(CHANNEL, kept.sequence, "the seats disagree", b"attested")
    assert again.orders(CHANNEL)[0].attested == b"attested"
