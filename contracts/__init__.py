"""Contracts: ABIs, deployment and typed access from Python."""
