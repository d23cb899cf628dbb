"""``python -m conformance``: the same as the console script."""

from conformance.cli import main

main()
