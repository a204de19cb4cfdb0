"""A compute provider's machine."""
