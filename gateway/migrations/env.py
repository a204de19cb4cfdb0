"""Alembic's entry point: runs the revisions on the connection of `coordinator.database.migrate`."""

from __future__ import annotations

from alembic import context

from gateway.tables import metadata

# A version table of its own: coordinator and gateway may share one PostgreSQL database.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    version_table="gateway_version",
)
with context.begin_transaction():
    context.run_migrations()
