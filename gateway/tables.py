"""The tables of the gateway's store, in SQL that SQLite and PostgreSQL both speak.

Amounts in wei are decimal text (they exceed 64 bits), times unix seconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

WEI = String(78)

# API keys: of the secret only its SHA-256. reserved: for tasks under way; spent: by tasks that ended.
keys = Table(
    "gateway_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", String(80), nullable=False),
    Column("budget_wei", WEI),
    Column("spent_wei", WEI, nullable=False),
    Column("reserved_wei", WEI, nullable=False),
    Column("choices", Text, nullable=False),
    Column("rate", String(40)),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("used_at", Float),
)

# One row a task, written in the transaction that reserves its price, before anything is paid.
tasks = Table(
    "gateway_tasks",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(80), nullable=False, unique=True),
    Column("key_id", String(16), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    Column("model_id", String(80), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("terms", Text, nullable=False),
    Column("price_wei", WEI, nullable=False),
    Column("cost_wei", WEI),
    Column("status", String(16), nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("payload", LargeBinary),
    Column("confidence", Float),
    Column("committee", Text),
    Column("receipt", Text),
    Column("error_code", String(80)),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("carrier", String(40), nullable=False),
    Column("lease_until", Float, nullable=False),
    Index("ix_gateway_tasks_open", "ended", "lease_until"),
    Index("ix_gateway_tasks_key_id", "key_id", "number"),
)

# Idempotency: which tasks a principal's key on a route stands for.
requests = Table(
    "gateway_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("task_ids", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    Index("ix_gateway_requests_made_at", "made_at"),
)
