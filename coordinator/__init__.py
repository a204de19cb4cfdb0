"""Bridges contract events to Ray tasks."""
