"""Alembic migrations of the gateway's store; `coordinator.database.migrate` runs them at start."""
