"""The tables of the durable store, in SQL that SQLite and PostgreSQL both speak.

Amounts in wei are decimal text (they exceed 64 bits), times unix seconds, hashes and identifiers 0x hex.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

HASH = String(66)
WEI = String(78)

# One row: which deployment this store follows, and how far it has read.
cursor = Table(
    "cursor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("task_manager", String(42), nullable=False),
    Column("position", Text, nullable=False),
)

# Every log that names a task, by its place in the chain: what a reorganisation takes back.
events = Table(
    "events",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("task_id", HASH, nullable=False),
    Column("name", String(40), nullable=False),
    Column("args", Text, nullable=False),
    Column("block_hash", HASH, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("tx_hash", HASH, nullable=False),
    Index("ix_events_task_id", "task_id", "block", "log_index"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", HASH, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("requester", String(42), nullable=False),
    Column("model_id", HASH, nullable=False),
    Column("reward", WEI, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("block", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("anomaly", Text),
    # A panel that judges something else: it has no receipt.
    Column("review", Boolean, nullable=False, server_default=false()),
    Column("receipt", Text),
    Column("receipt_tries", Integer, nullable=False, server_default="0"),
    Column("receipt_after", Float, nullable=False, server_default="0"),
    Index("ix_tasks_ended", "ended"),
    Index("ix_tasks_submitted_at", "submitted_at"),
)

rounds = Table(
    "rounds",
    metadata,
    Column("task_id", HASH, ForeignKey("tasks.task_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Integer, nullable=False),
    Column("judges", Boolean, nullable=False),
    Column("draws", Integer, nullable=False),
    Column("passed", Boolean),
    Column("dissent", Boolean),
    Column("confidence", Integer),
)

seats = Table(
    "seats",
    metadata,
    Column("task_id", HASH, ForeignKey("tasks.task_id", ondelete="CASCADE"), primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("seat", Integer, primary_key=True, autoincrement=False),
    Column("account", BigInteger, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("commitment", HASH),
    Column("value", HASH),
    Column("faulty", Boolean, nullable=False),
    Index("ix_seats_account", "account"),
)

# Outbox of paid submissions: the row fixes the task id before anything is sent.
submissions = Table(
    "submissions",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("task_id", HASH, nullable=False, unique=True),
    Column("model_id", HASH, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("input_data", Text, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("seats", Integer, nullable=False),
    Column("salt", HASH, nullable=False),
    Column("payment", WEI, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("tx_hash", HASH),
    Column("error_code", String(80)),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("ix_submissions_status", "status"),
    Index("ix_submissions_created_at", "created_at"),
)

# Outbox of pokes: one row for the step that each open task waits for.
pokes = Table(
    "pokes",
    metadata,
    Column("task_id", HASH, ForeignKey("tasks.task_id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(160), nullable=False),
    Column("after_block", BigInteger, nullable=False),
    Column("after_time", BigInteger, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("outcome", String(24)),
    Column("tx_hash", HASH),
    Index("ix_pokes_not_before", "not_before"),
)
