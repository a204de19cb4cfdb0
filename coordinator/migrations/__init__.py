"""Alembic migrations of the store; `coordinator.database.migrate` runs them at start."""
