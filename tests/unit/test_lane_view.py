"""What replicas know of the chain: written by the agent, read by them, and taken back with its blocks."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from serve.lane.view import ChannelRow, LaneRules, View, ViewWriter

MODEL, OTHER = b"m" * 32, b"o" * 32
ROW = ChannelRow(b"c" * 32, 10**26, 5, 1 << 63, 0, 7, 6, 900, 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "view.sqlite"


@pytest.fixture
def writer(path: Path) -> ViewWriter:
    return ViewWriter(path)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def view_of(path: Path, clock: Clock | None = None) -> View:
    return View(path, MODEL, stale_s=10, clock=clock or Clock(1000))


def test_channels_come_back_as_they_were(path: Path, writer: ViewWriter) -> None:
    view = view_of(path)
    writer.put_channels([ROW])
    assert view.channel(ROW.id) == ROW
    assert ROW.spendable == 10**26 - 7
    assert view.channel(b"?" * 32) is None
    quiet = replace(ROW, id=b"q" * 32, due_at=0)
    closing = replace(quiet, id=b"x" * 32, closes_at=5)
    writer.put_channels([quiet, closing])
    assert writer.ending_channels() == [ROW, closing]
    writer.put_channels([], [ROW.id])
    assert view.channel(ROW.id) is None


def test_a_voucher_never_takes_more_than_there_is() -> None:
    assert ChannelRow(b"c" * 32, 5, 0, 0, 0, 9, 0, 900, 1).spendable == 0


def test_the_chains_time_goes_on_between_blocks_and_an_old_view_is_not_trusted(
    path: Path, writer: ViewWriter
) -> None:
    clock = Clock(1000)
    view = view_of(path, clock)
    with pytest.raises(MLBridgeError, match="has not told it"):
        view.now()
    writer.put_head(7, 500, 1000)
    clock.now = 1004
    assert view.now() == 504
    # Heard of the same block again: the time goes on from when it was new.
    writer.put_head(7, 500, 1008)
    clock.now = 1012
    assert view.now() == 512
    clock.now = 1019
    with pytest.raises(MLBridgeError) as caught:
        view.now()
    assert (caught.value.code, caught.value.context) == ("lane.stale", {"retry_after": 5})
    writer.put_head(8, 530, 1019)
    assert view.now() == 530


def test_epochs_are_those_of_the_contract() -> None:
    rules = LaneRules(genesis=1000, epoch_seconds=300, settle_window=1, order_epochs=3, account=2)
    assert [rules.epoch_at(moment) for moment in (1000, 1299.9, 1300)] == [0, 0, 1]


def test_weights_and_prices_are_read_on_as_they_are_recorded(path: Path, writer: ViewWriter) -> None:
    view = view_of(path)
    writer.put_weight(MODEL, 2, 3, 100, 10)
    writer.put_weight(OTHER, 2, 3, 999, 10)
    writer.put_price(MODEL, 3, "0xp", 10**20, 10)
    assert view.snapshots().weight(MODEL, 3, 2) == 100
    assert view.snapshots().weight(OTHER, 3, 2) == 0
    writer.put_weight(MODEL, 2, 4, 50, 11)
    writer.put_price(MODEL, 4, "0xp", None, 11)
    snapshots = view.snapshots()
    assert [snapshots.weight(MODEL, epoch, 2) for epoch in (2, 3, 4, 9)] == [0, 100, 50, 50]
    terms = snapshots.terms(MODEL, 3)
    assert terms is not None
    assert (terms.price, terms.provider) == (10**20, "0xp")
    assert snapshots.terms(MODEL, 4) is None
    assert (writer.last_weight(MODEL, 2), writer.last_weight(MODEL, 4)) == (50, None)
    assert (writer.last_price(MODEL), writer.last_price(OTHER)) == ((True, None), (False, None))


def test_what_a_reorganisation_takes_back_is_taken_back_from_readers_too(
    path: Path, writer: ViewWriter
) -> None:
    view = view_of(path)
    writer.put_channels([ROW])
    writer.put_seed(3, b"s" * 32, 10)
    writer.put_seed(4, b"t" * 32, 20)
    writer.put_weight(MODEL, 2, 3, 100, 10)
    writer.put_weight(MODEL, 2, 4, 50, 20)
    writer.put_batch(b"b" * 32, 20)
    writer.put_batch(b"a" * 32, 10)
    assert view.snapshots().weight(MODEL, 4, 2) == 50
    with writer:
        writer.void_from(20)
    assert writer.channels_since(100) == [ROW.id]
    assert writer.channels_since(101) == []
    assert (view.seed(3), view.seed(4)) == (b"s" * 32, None)
    assert view.snapshots().weight(MODEL, 4, 2) == 100
    assert writer.open_batches() == [(b"a" * 32, 10)]
    writer.put_weight(MODEL, 2, 4, 60, 21)
    assert view.snapshots().weight(MODEL, 4, 2) == 60


def test_a_batch_is_told_once(writer: ViewWriter) -> None:
    for _ in range(2):
        writer.put_batch(b"b" * 32, 20)
    assert writer.open_batches() == [(b"b" * 32, 20)]
    writer.end_batch(b"b" * 32, "claimed")
    writer.put_batch(b"b" * 32, 20)
    assert writer.open_batches() == []


def test_batches_that_ended_are_forgotten_where_nothing_reads_them_again(writer: ViewWriter) -> None:
    assert writer.forget_batches() == 0
    for number in range(4):
        writer.put_batch(bytes([number]) * 32, 10 * number)
    for number in (0, 1, 3):
        writer.end_batch(bytes([number]) * 32, "claimed")
    writer.put_head(120, 1_000, 0.0)
    assert writer.forget_batches(100) == 2
    assert writer.open_batches() == [(b"\x02" * 32, 20)]
    writer.put_batch(b"\x03" * 32, 30)
    assert writer.open_batches() == [(b"\x02" * 32, 20)]


def test_what_is_written_together_is_there_together_or_not_at_all(path: Path, writer: ViewWriter) -> None:
    def killed() -> None:
        with writer:
            writer.put_seed(3, b"s" * 32, 10)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        killed()
    assert view_of(path).seed(3) is None


def test_a_file_of_another_format_is_made_anew_under_its_readers(path: Path, writer: ViewWriter) -> None:
    view = view_of(path)
    writer.put_seed(3, b"s" * 32, 10)
    assert view.seed(3) is not None
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    again = ViewWriter(path)
    assert view.seed(3) is None
    again.put_seed(3, b"u" * 32, 10)
    assert view.seed(3) == b"u" * 32


def test_node_keys_keep_their_operator(path: Path, writer: ViewWriter) -> None:
    writer.put_node("0xA", 7)
    assert (view_of(path).operator("0xA"), view_of(path).operator("0xB")) == (7, 0)
