"""The lane's tables. Amounts in wei are decimal text, hashes 0x hex, messages bytes as they travel."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from coordinator.tables import HASH, WEI, metadata

# One row an order, from before anything is sent until its money is where it belongs.
# status: see rows.Status; closed: the set as members saw it; attested: a list of attestations; ripe: no more
# attestations are waited for.
lane_orders = Table(
    "lane_orders",
    metadata,
    Column("digest", HASH, primary_key=True),
    Column("channel", HASH, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("requester", String(42), nullable=False),
    Column("model_id", HASH, nullable=False),
    Column("max_fee", WEI, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("offer", LargeBinary, nullable=False),
    Column("status", String(12), nullable=False),
    Column("ripe", Boolean, nullable=False),
    Column("runner", String(32), nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("closed", LargeBinary),
    Column("attested", LargeBinary),
    Column("result", HASH),
    Column("confidence", Integer),
    Column("decided_at", Float),
    Column("output", LargeBinary),
    Column("output_cid", String(120)),
    Column("reason", Text),
    Column("batch", HASH),
    UniqueConstraint("channel", "sequence", name="uq_lane_orders_channel"),
    Index("ix_lane_orders_status", "status", "ripe"),
    Index("ix_lane_orders_batch", "batch"),
)

# Who works on open orders: an order whose runner is not alive any more belongs to whoever takes it.
lane_runners = Table(
    "lane_runners",
    metadata,
    Column("runner", String(32), primary_key=True),
    Column("alive_until", Float, nullable=False),
)

# Batches by the root of their task leaves. status: see rows.BatchStage; header: as posted.
lane_batches = Table(
    "lane_batches",
    metadata,
    Column("root", HASH, primary_key=True),
    Column("status", String(12), nullable=False),
    Column("cid", String(120), nullable=False),
    Column("debits", LargeBinary, nullable=False),
    Column("header", LargeBinary),
    Column("block", BigInteger, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("note", Text),
    Index("ix_lane_batches_status", "status"),
)

# Two signed messages of one member that contradict each other, and seats that attested another result.
lane_evidence = Table(
    "lane_evidence",
    metadata,
    Column("digest", HASH, primary_key=True),
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),
    Column("first", LargeBinary, nullable=False),
    Column("second", LargeBinary, nullable=False),
    Column("reported", Boolean, nullable=False),
)
