"""Receipts that fail wait for a later turn: how often they were tried, and when they are next."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("receipt_tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("receipt_after", sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("tasks", "receipt_after")
    op.drop_column("tasks", "receipt_tries")
