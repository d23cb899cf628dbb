"""KILL-MATRIX.md: which case catches which divergence. A function of the kills, like the other reports of a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from conformance.case import Case
from conformance.divergences import Divergence
from conformance.kill import Kill, survivors
from conformance.onnx_node_tests import Measured
from reports.summary import ratio_text
from reports.tables import github


def render(
    cases: Sequence[Case],
    divergences: Sequence[Divergence],
    kills: Sequence[Kill],
    onnx: str = "",
    left_out: int = 0,
) -> str:
    """The whole page."""
    parts = [
        "# Kill matrix\n",
        f"{headline(cases, divergences, kills, left_out)}\n",
        "A divergence is a known way of differing from torch, run as a patch of the reference. A case catches it if "
        "its result is then further from torch's than rounding explains, or if it raises or warns. Ratios are error "
        "over tolerance: above 1 is caught.\n",
    ]
    if onnx:
        parts.append(f"{onnx}\n")
    missed = survivors(kills, divergences)
    if missed:
        parts.append(_table("Not caught", ["divergence", "title"], [[known.id, known.title] for known in missed]))
    parts.append(_table("Divergences", DIVERGENCE_HEADERS, divergence_rows(divergences, kills)))
    equivalent = [[known.id, known.equivalent] for known in divergences if known.equivalent]
    parts.append(_table("Equivalent", ["divergence", "why no case can catch it"], equivalent))
    parts.append(_table("Cases", CASE_HEADERS, case_rows(cases, kills)))
    return "\n".join(parts)


def headline(cases: Sequence[Case], divergences: Sequence[Divergence], kills: Sequence[Kill], left_out: int = 0) -> str:
    """How many divergences are caught, and how many more are out of the cases' reach, if any."""
    equivalent = sum(known.equivalent is not None for known in divergences)
    caught = len({kill.divergence for kill in kills})
    number = "1 case" if len(cases) == 1 else f"{len(cases)} cases"
    sentence = (
        f"{caught} of {len(divergences) - equivalent} divergences are caught by {number}; "
        f"{equivalent} more are equivalent to torch."
    )
    return f"{sentence} {left_out} are left out: they change nothing that {number} can reach." if left_out else sentence


def comparison(onnx: Measured, kills: Sequence[Kill]) -> str:
    """How many of the divergences that the ONNX node tests reach they catch, beside how many the cases do."""
    ours = {found.divergence for found in kills}
    return (
        f"For comparison, the ONNX node tests ({len(onnx.applicable)} of {len(onnx.tests)} apply) "
        f"reach {len(onnx.reached)} of these divergences. They catch {len(onnx.caught)}, the cases here "
        f"{len(ours & set(onnx.reached))}. Of all {len(onnx.divergences)} they catch {len(onnx.caught)}, "
        f"the cases here {len(ours & set(onnx.divergences))}."
    )


MOST_ARRAYS = 3
"""how many of the arrays in which a divergence shows are listed"""

DIVERGENCE_HEADERS = ["divergence", "cases", "caught as", "largest ratio", "first caught by", "in"]


def divergence_rows(divergences: Sequence[Divergence], kills: Sequence[Kill]) -> list[list[object]]:
    """Per divergence: by how many cases, how, at which largest ratio, and by which case first."""
    by_divergence: dict[str, list[Kill]] = {}
    for kill in kills:
        by_divergence.setdefault(kill.divergence, []).append(kill)
    rows: list[list[object]] = []
    for known in divergences:
        found = by_divergence.get(known.id)
        if found:
            kinds = ", ".join(dict.fromkeys(kill.kind for kill in found))
            worst = max((kill.ratio for kill in found if kill.kind == "value"), default=None)
            first = found[0]
            rows.append(
                [
                    known.id,
                    len(found),
                    kinds,
                    ratio_text(worst),
                    first.case,
                    _where(first),
                ]
            )
    return rows


def _where(kill: Kill) -> str:
    return ", ".join(kill.arrays[:MOST_ARRAYS]) or kill.message


CAUGHT_HEADERS = ["it catches", "in", "error / tolerance"]


def caught_rows(kills: Sequence[Kill]) -> list[list[object]]:
    """What one case catches: the divergence, where it shows, and by how much."""
    return [[kill.divergence, _where(kill), ratio_text(kill.ratio or None)] for kill in kills]


CASE_HEADERS = ["case", "catches", "alone", "why it exists"]


def case_rows(cases: Sequence[Case], kills: Sequence[Kill]) -> list[list[object]]:
    """Per case: how many divergences it catches, which of them nobody else does, and its note."""
    times = Counter(kill.divergence for kill in kills)
    caught: dict[str, list[str]] = {}
    for kill in kills:
        caught.setdefault(kill.case, []).append(kill.divergence)
    return [
        [
            case.id,
            len(caught.get(case.id, [])),
            ", ".join(name for name in caught.get(case.id, []) if times[name] == 1),
            case.note,
        ]
        for case in cases
    ]


def _table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return f"## {title}\n\n{github(headers, rows)}"
