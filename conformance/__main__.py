"""``python -m conformance``: the same as the console script."""

import sys
from pathlib import Path

# the interpreter has put the working folder first: a user's reference.py there would take the place of ours
if not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[1]:
    sys.path.append(sys.path.pop(0))

from conformance.cli import main

main()
