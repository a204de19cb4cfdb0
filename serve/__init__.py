"""How a model runs: Ray Serve deployments and engines."""
