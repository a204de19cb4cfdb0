"""The channel lane: orders, who works on them, batches, evidence against members."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lane_orders",
        sa.Column("digest", sa.String(length=66), nullable=False),
        sa.Column("channel", sa.String(length=66), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("requester", sa.String(length=42), nullable=False),
        sa.Column("model_id", sa.String(length=66), nullable=False),
        sa.Column("max_fee", sa.String(length=78), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("offer", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("ripe", sa.Boolean(), nullable=False),
        sa.Column("runner", sa.String(length=32), nullable=False),
        sa.Column("accepted_at", sa.Float(), nullable=False),
        sa.Column("closed", sa.LargeBinary(), nullable=True),
        sa.Column("attested", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.String(length=66), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("decided_at", sa.Float(), nullable=True),
        sa.Column("output", sa.LargeBinary(), nullable=True),
        sa.Column("output_cid", sa.String(length=120), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("batch", sa.String(length=66), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_lane_orders")),
        sa.UniqueConstraint("channel", "sequence", name=op.f("uq_lane_orders_channel")),
    )
    op.create_index("ix_lane_orders_status", "lane_orders", ["status", "ripe"], unique=False)
    op.create_index("ix_lane_orders_batch", "lane_orders", ["batch"], unique=False)
    op.create_table(
        "lane_runners",
        sa.Column("runner", sa.String(length=32), nullable=False),
        sa.Column("alive_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("runner", name=op.f("pk_lane_runners")),
    )
    op.create_table(
        "lane_batches",
        sa.Column("root", sa.String(length=66), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("cid", sa.String(length=120), nullable=False),
        sa.Column("debits", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=True),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("root", name=op.f("pk_lane_batches")),
    )
    op.create_index("ix_lane_batches_status", "lane_batches", ["status"], unique=False)
    op.create_table(
        "lane_evidence",
        sa.Column("digest", sa.String(length=66), nullable=False),
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("first", sa.LargeBinary(), nullable=False),
        sa.Column("second", sa.LargeBinary(), nullable=False),
        sa.Column("reported", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "account", "kind", name=op.f("pk_lane_evidence")),
    )


def downgrade() -> None:
    for table in ("lane_evidence", "lane_batches", "lane_runners", "lane_orders"):
        op.drop_table(table)
