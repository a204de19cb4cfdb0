"""The first schema: keys, tasks and the requests that stand for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(80), nullable=False),
        sa.Column("budget_wei", sa.String(78)),
        sa.Column("spent_wei", sa.String(78), nullable=False),
        sa.Column("reserved_wei", sa.String(78), nullable=False),
        sa.Column("choices", sa.Text(), nullable=False),
        sa.Column("rate", sa.String(40)),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float()),
        sa.Column("revoked_at", sa.Float()),
        sa.Column("used_at", sa.Float()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_keys")),
    )
    op.create_table(
        "gateway_tasks",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("model_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("price_wei", sa.String(78), nullable=False),
        sa.Column("cost_wei", sa.String(78)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("payload", sa.LargeBinary()),
        sa.Column("confidence", sa.Float()),
        sa.Column("committee", sa.Text()),
        sa.Column("receipt", sa.Text()),
        sa.Column("error_code", sa.String(80)),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_gateway_tasks")),
        sa.UniqueConstraint("id", name=op.f("uq_gateway_tasks_id")),
    )
    op.create_index("ix_gateway_tasks_open", "gateway_tasks", ["ended", "lease_until"])
    op.create_index("ix_gateway_tasks_key_id", "gateway_tasks", ["key_id", "number"])
    op.create_table(
        "gateway_requests",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("task_ids", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_requests")),
    )
    op.create_index("ix_gateway_requests_made_at", "gateway_requests", ["made_at"])


def downgrade() -> None:
    op.drop_table("gateway_requests")
    op.drop_table("gateway_tasks")
    op.drop_table("gateway_keys")
