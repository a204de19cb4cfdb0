"""Model manifests and comparison policies."""
