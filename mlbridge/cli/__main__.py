"""`python -m mlbridge.cli`."""

from mlbridge.cli import main

main()
