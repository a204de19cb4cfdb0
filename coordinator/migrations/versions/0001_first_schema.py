"""The first schema: events, tasks, rounds, seats, and the outboxes of submissions and pokes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("task_manager", sa.String(length=42), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cursor")),
    )
    op.create_table(
        "events",
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("task_id", sa.String(length=66), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("block_hash", sa.String(length=66), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("tx_hash", sa.String(length=66), nullable=False),
        sa.PrimaryKeyConstraint("block", "log_index", name=op.f("pk_events")),
    )
    op.create_index("ix_events_task_id", "events", ["task_id", "block", "log_index"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=66), nullable=False),
        sa.Column("model_id", sa.String(length=66), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("input_data", sa.Text(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("salt", sa.String(length=66), nullable=False),
        sa.Column("payment", sa.String(length=78), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("tx_hash", sa.String(length=66), nullable=True),
        sa.Column("error_code", sa.String(length=80), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_submissions")),
        sa.UniqueConstraint("task_id", name=op.f("uq_submissions_task_id")),
    )
    op.create_index("ix_submissions_created_at", "submissions", ["created_at"], unique=False)
    op.create_index("ix_submissions_status", "submissions", ["status"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.String(length=66), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("requester", sa.String(length=42), nullable=False),
        sa.Column("model_id", sa.String(length=66), nullable=False),
        sa.Column("reward", sa.String(length=78), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("anomaly", sa.Text(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_ended", "tasks", ["ended"], unique=False)
    op.create_index("ix_tasks_submitted_at", "tasks", ["submitted_at"], unique=False)
    op.create_table(
        "pokes",
        sa.Column("task_id", sa.String(length=66), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("after_block", sa.BigInteger(), nullable=False),
        sa.Column("after_time", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=True),
        sa.Column("tx_hash", sa.String(length=66), nullable=True),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.task_id"], name=op.f("fk_pokes_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_pokes")),
    )
    op.create_index("ix_pokes_not_before", "pokes", ["not_before"], unique=False)
    op.create_table(
        "rounds",
        sa.Column("task_id", sa.String(length=66), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("judges", sa.Boolean(), nullable=False),
        sa.Column("draws", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("dissent", sa.Boolean(), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.task_id"], name=op.f("fk_rounds_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "number", name=op.f("pk_rounds")),
    )
    op.create_table(
        "seats",
        sa.Column("task_id", sa.String(length=66), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seat", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.String(length=66), nullable=True),
        sa.Column("value", sa.String(length=66), nullable=True),
        sa.Column("faulty", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.task_id"], name=op.f("fk_seats_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "round", "seat", name=op.f("pk_seats")),
    )
    op.create_index("ix_seats_account", "seats", ["account"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_seats_account", table_name="seats")
    op.drop_table("seats")
    op.drop_table("rounds")
    op.drop_index("ix_pokes_not_before", table_name="pokes")
    op.drop_table("pokes")
    op.drop_index("ix_tasks_submitted_at", table_name="tasks")
    op.drop_index("ix_tasks_ended", table_name="tasks")
    op.drop_table("tasks")
    op.drop_index("ix_submissions_status", table_name="submissions")
    op.drop_index("ix_submissions_created_at", table_name="submissions")
    op.drop_table("submissions")
    op.drop_index("ix_events_task_id", table_name="events")
    op.drop_table("events")
    op.drop_table("cursor")
