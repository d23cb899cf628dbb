"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate


def github(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in GitHub's Markdown; cells as they are, with their bars escaped."""
    escaped = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(escaped, headers, tablefmt="github", disable_numparse=True) + "\n"
