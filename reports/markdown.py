"""REPORT.md: everything that a run found out, in tables."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.log import Log
from reports import diagnosis, summary
from reports.summary import COUNTS, WORST, Row
from reports.tables import github


def render(log: Log) -> str:
    """The whole page."""
    subject = summary.subject_of(log)
    sections = [f"# Conformance of {subject} with torch\n", summary.headline(log) + ".\n"]
    sections += [f"{remark}\n" for remark in summary.remarks(log)]
    state = summary.documented_state(log)
    sections += [
        _section(
            "The documented example",
            "The state after three steps, as printed and as computed, in float64.",
            ["unit", "printed", subject, "torch"],
            state,
        ),
        _section(
            "" if state else "The documented example",
            "",
            ["case", "array", "verdict", "error", WORST[0], "place"],
            summary.documented_checks(log),
        ),
        _section(
            "Families",
            "The worst check is the one nearest to its tolerance, or furthest beyond it; above 1 it diverges. Where "
            "none came near enough for the tolerance to be simulated, the ratio is below the one to its lower bound.",
            ["family", *COUNTS, *WORST],
            summary.families(log),
        ),
        _diagnosis(log),
        _section(
            "What diverges",
            "The place is the first that is wrong, in the order of computation.",
            ["verdict", "case", "array", WORST[0], "place", "reason"],
            summary.failures(log),
        ),
        _section(
            "What was skipped",
            "Skipped is never a pass.",
            ["family", "reason", "whole cases", "single arrays"],
            summary.skipped(log),
        ),
        _section(
            "Who is nearer the truth",
            "The arbiter is the reference in a wider float. Distances are medians of "
            "norm(x - arbiter) / norm(sigma), sigma being the error that rounding causes by itself, or its lower bound "
            "where both sides agree so well that it was not simulated.",
            ["dtype", "checks", f"{subject} nearer", "torch nearer", "equal", f"distance of {subject}", "of torch"],
            summary.nearer(log),
        ),
        _optimizers(log),
        _section("RNN configurations", "", [*summary.RNN_OPTIONS, *COUNTS, *WORST], summary.rnn_configurations(log)),
        _section("Versions and environment", "", ["", ""], summary.environment(log)),
    ]
    return "\n".join(section for section in sections if section)


def _optimizers(log: Log) -> str:
    """The optimizers, with a column for the replay where there was one."""
    headers, rows = ["algorithm", *COUNTS, *WORST], summary.optimizers(log)
    replays = summary.replays(log)
    if not replays:
        return _section("Optimizers", "", headers, rows)
    return _section(
        "Optimizers",
        "Replayed: the same formulas run once more with torch's rounding, and the elements counted that then differ "
        "from torch's in any bit.",
        [*headers, "differ when replayed"],
        [[*row, replays.get(row[0], "")] for row in rows],
    )


def _diagnosis(log: Log) -> str:
    """What the divergences are, with the patches that turn the reference into them."""
    found = diagnosis.diagnoses(log)
    if not found:
        return ""
    parts = ["## Diagnosis\n", *(f"{text}\n" for text in found)]
    return "\n".join(
        [*parts, *(f"`{name}`:\n\n```diff\n{patch}\n```\n" for name, patch in diagnosis.diffs(log).items())]
    )


def _section(title: str, text: str, headers: Sequence[str], rows: Sequence[Row]) -> str:
    """A heading, a sentence and a table; nothing without rows."""
    if not rows:
        return ""
    parts = [f"## {title}\n"] if title else []
    parts += [f"{text}\n"] if text else []
    return "\n".join([*parts, github(headers, rows)])
