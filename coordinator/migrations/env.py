"""Alembic's entry point: runs the revisions on the connection of `coordinator.database.migrate`."""

from __future__ import annotations

from alembic import context

from coordinator.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
