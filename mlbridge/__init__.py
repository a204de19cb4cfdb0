"""ML Bridge: verified machine learning on hardware you do not own."""
