"""The chain of the integration tests serves the adversarial ones too."""

from tests.integration.conftest import chain, devchain, treasury

__all__ = ["chain", "devchain", "treasury"]
