"""The summary that a run prints."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from conformance.log import Log
from reports import diagnosis, summary

MOST_FAILURES = 12
MOST_ERRORS = 5
MOST_DIFFS = 60
"""lines of patches"""


def render(log: Log) -> str:
    """Headline, the documented example, a row per family, and what failed."""
    parts = [summary.headline(log), *summary.remarks(log)]
    state = summary.documented_state(log)
    if state:
        headers = ["unit", "printed", summary.subject_of(log), "torch"]
        parts.append(
            "The documented example: state after its three steps\n\n"
            + tabulate(state, headers, tablefmt="simple", disable_numparse=True)
        )
    # where the worst check of a family stands is in the report: a terminal is narrow
    rows = [row[:-2] for row in summary.families(log)]
    headers = ["family", *summary.COUNTS, summary.WORST[0]]
    if rows:
        parts.append(tabulate(rows, headers, tablefmt="simple", colalign=["left", *["right"] * len(headers[1:])]))
    failures = _once(summary.failures(log))
    if failures:
        table = tabulate(
            [[*row[:4], _where_or_why(row)] for row in failures[:MOST_FAILURES]],
            ["verdict", "case", "array", "error / tol.", "first at, or why"],
            tablefmt="simple",
            disable_numparse=True,
        )
        more = len(failures) - MOST_FAILURES
        parts.append(table + (f"\n... and {more} more, all in the report" if more > 0 else ""))
    errors = dict.fromkeys(f"errored: {row[1]}: {row[5]}" for row in failures if row[0] == "errored")
    parts += list(errors)[:MOST_ERRORS]
    parts += diagnosis.diagnoses(log)
    patches = "\n".join(f"{name}:\n{patch}" for name, patch in diagnosis.diffs(log).items()).splitlines()
    if patches:
        parts.append("\n".join(patches[:MOST_DIFFS] + ["..."] * (len(patches) > MOST_DIFFS)))
    skipped = summary.skipped(log)
    if skipped:
        parts.append(tabulate(skipped, ["skipped in", "why", "whole cases", "single arrays"], tablefmt="simple"))
    return "\n\n".join(parts)


def _once(failures: Sequence[summary.Row]) -> list[summary.Row]:
    """What fails in both dtypes in one row, the first one's."""
    rows: dict[tuple[str, str, str], summary.Row] = {}
    for verdict, case, array, *numbers in failures:
        name, _, dtype = case.rpartition("/")
        row = rows.setdefault((verdict, name, array), [verdict, case, array, *numbers])
        if row[1] != case:
            row[1] = f"{row[1]}, {dtype}"
    return list(rows.values())


def _where_or_why(row: summary.Row) -> str:
    """The place of a failure, and why it diverges. What errored is told at length further down."""
    verdict, *_, place, reason = row
    return ": ".join(filter(None, (place, reason if verdict == "diverges" else "")))
