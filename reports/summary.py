"""What a results log says, as rows of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from conformance import schema
from conformance.case import no_function
from conformance.compare import PRINTED, Check
from conformance.log import VERDICTS, Log
from conformance.messages import listed

COUNTS = ["cases", "checks", "agree", "diverge", "errored", "skipped"]
MOST_NAMED = 4
"""how many families without a function are listed"""
WORST = ["error / tolerance", "worst check", "place"]

Row = list[Any]


def headline(log: Log) -> str:
    """One sentence: what was compared with what, and how it went."""
    counts, versions = log.footer["counts"], log.header["versions"]
    compared = counts["agrees"] + counts["diverges"]
    subject = f"{subject_of(log)} against torch {versions['torch']}"
    scope = f"{log.footer['cases']} cases, {log.footer['checks']} checks"
    if not compared and not counts["errored"]:
        return f"{subject}: {scope}: nothing was compared"
    parts = [f"{counts[verdict]} {word}" for verdict, word in _WORDS.items() if counts[verdict]]
    return f"{subject}: {scope}: {', '.join(parts)}"


_WORDS = {"agrees": "agree", "diverges": "diverge", "errored": "errored", "skipped": "skipped"}


def subject_of(log: Log) -> str:
    """The name of what was judged."""
    name = log.header["implementation"]["name"]
    return "NumPy reference" if name == "numpy" else str(name)


def remarks(log: Log) -> list[str]:
    """What a reader has to know before believing the numbers."""
    lines = []
    header = log.header
    if not header["torch_is_pinned"]:
        used, pinned = header["versions"]["torch"], header["torch_pinned"]
        lines.append(f"torch {used} computed the expectation; the suite is pinned to {pinned}.")
    if header["implementation"]["precision"]:
        lines.append(
            f"The implementation declares {header['implementation']['precision']}: tolerances are that precision's."
        )
    if header["longdouble_bits"] <= 53:
        lines.append("longdouble is no wider than float64 here: float64 has no arbiter.")
    differ = [check for check in log.checks if check.replay_differs]
    if differ:
        elements = sum(check.replay_differs or 0 for check in differ)
        lines.append(f"Replayed with torch's rounding, {elements} elements of {len(differ)} arrays still differ.")
    return lines


def families(log: Log) -> list[Row]:
    """Per family that there is a function for: the counts, and the worst check with its place, on a pass too."""
    return grouped((check for check in log.checks if not _has_no_function(check)), lambda check: check.family)


def _has_no_function(check: Check) -> bool:
    """Whether a case was skipped because the implementation says nothing about its family."""
    return check.verdict == "skipped" and check.reason == f"not implemented: {no_function(check.family)}"


def grouped(checks: Iterable[Check], key: Callable[[Check], Any]) -> list[Row]:
    """Rows [key..., counts..., worst...] in the order in which the keys first appear."""
    groups: dict[Any, list[Check]] = {}
    for check in checks:
        groups.setdefault(key(check), []).append(check)
    rows = []
    for name, members in groups.items():
        label = list(name) if isinstance(name, tuple) else [name]
        rows.append([*label, *_counts(members), *_worst(members)])
    return rows


def _counts(checks: Sequence[Check]) -> Row:
    counts = Counter(check.verdict for check in checks)
    return [len({check.case for check in checks}), len(checks), *(counts[verdict] for verdict in VERDICTS)]


def _worst(checks: Sequence[Check]) -> Row:
    worst = worst_of(checks)
    return [worst_text(worst), f"{worst.case} {worst.array}", worst.place or ""] if worst else ["", "", ""]


def worst_of(checks: Iterable[Check]) -> Check | None:
    """The check nearest to its tolerance, or furthest beyond it; one whose tolerance was simulated, if there is any.

    The others have not come near: their ratio to the tolerance's lower bound is larger than the one to the tolerance.
    """
    # figures in print have a tolerance of another kind, and a table of their own
    measured = [check for check in checks if check.unit is not None and check.verdict in ("agrees", "diverges")]
    return max(measured, key=lambda check: (check.unit == "sigma", check.ratio or 0.0), default=None)


def worst_text(worst: Check | None) -> str:
    """Its ratio to the tolerance, or that it is below the one to the lower bound."""
    if worst is None:
        return ""
    return ("< " if worst.unit == "floor" and worst.ratio else "") + ratio_text(worst.ratio)


def ratio_text(ratio: float | None) -> str:
    """A ratio to the tolerance in three digits."""
    return "" if ratio is None else f"{ratio:.3g}"


def optimizers(log: Log) -> list[Row]:
    """Per algorithm of the optimizer family."""
    checks = [check for check in log.checks if check.family == "optimizer"]
    return grouped(checks, lambda check: config_of(log, check)["algorithm"])


def replays(log: Log) -> dict[str, str]:
    """Per algorithm of which anything was to be replayed: how many elements differ then, or why it was skipped."""
    replayed: dict[str, list[int]] = {}
    skipped: dict[str, dict[str, None]] = {}
    for check in log.checks:
        if check.replay_differs is not None:
            replayed.setdefault(config_of(log, check)["algorithm"], []).append(check.replay_differs)
        if check.replay_skipped is not None:
            skipped.setdefault(config_of(log, check)["algorithm"], {})[check.replay_skipped] = None
    found = {algorithm: f"{sum(counts)} in {len(counts)} arrays" for algorithm, counts in replayed.items()}
    return found | {algorithm: f"skipped: {'; '.join(reasons)}" for algorithm, reasons in skipped.items()}


RNN_OPTIONS = list(schema.Network.__annotations__)


def rnn_configurations(log: Log) -> list[Row]:
    """Per combination of nn.RNN's options."""
    checks = [check for check in log.checks if check.family == "rnn"]
    return sorted(grouped(checks, lambda check: tuple(config_of(log, check)[option] for option in RNN_OPTIONS)))


def config_of(log: Log, check: Check) -> dict[str, Any]:
    """The configuration of a check's case."""
    config: dict[str, Any] = log.header["cases"][check.case]["config"]
    return config


def nearer(log: Log) -> list[Row]:
    """Per dtype: how often the implementation and how often torch is nearer to the arbiter."""
    rows = []
    for dtype in dict.fromkeys(check.dtype for check in log.checks):
        pairs = [
            (check.actual_arbiter, check.expected_arbiter)
            for check in log.checks
            if check.dtype == dtype and check.actual_arbiter is not None and check.expected_arbiter is not None
        ]
        own = sum(actual < expected for actual, expected in pairs)
        theirs = sum(expected < actual for actual, expected in pairs)
        if pairs:
            both = len(pairs) - own - theirs
            medians = [f"{np.median(side):.2g}" for side in zip(*pairs, strict=True)]
            rows.append([dtype, len(pairs), *(f"{100 * n / len(pairs):.0f} %" for n in (own, theirs, both)), *medians])
    return rows


def failures(log: Log) -> list[Row]:
    """Every check that diverges or errored: verdict, case, array, error over tolerance, place, reason."""
    return [
        [check.verdict, check.case, check.array or "", ratio_text(check.ratio), check.place or "", check.reason or ""]
        for check in log.checks
        if check.verdict in ("diverges", "errored")
    ]


def skipped(log: Log) -> list[Row]:
    """Per family and reason: the number of cases left out as a whole, and of single checks."""
    groups: dict[tuple[str, str], list[Check]] = {}
    for check in log.checks:
        if check.verdict == "skipped":
            groups.setdefault((check.family, check.reason or ""), []).append(check)
    absent = {key: group for key, group in groups.items() if _has_no_function(group[0])}
    folded = absent if len(absent) > 1 else {}
    rows: list[Row] = [
        [family, reason, sum(check.array is None for check in group), sum(check.array is not None for check in group)]
        for (family, reason), group in groups.items()
        if (family, reason) not in folded
    ]
    if folded:
        names = [family for family, _ in folded]
        reason = no_function(listed(names, MOST_NAMED))
        rows.insert(0, [f"{len(names)} families", reason, sum(map(len, folded.values())), 0])
    return rows


def documented_state(log: Log) -> list[Row]:
    """The documented example's last state: unit, printed, implementation, torch."""
    by_array = {
        check.array: check.values
        for check in log.checks
        if check.case == "documented/rnn/three-step/float64" and check.values
    }
    printed, compared = by_array.get("h_n" + PRINTED), by_array.get("h_n")
    if not printed or not compared:
        return []
    columns = [np.ravel(values) for values in (printed["printed"], compared["actual"], compared["expected"])]
    return [
        [unit, f"{figure:.8f}", f"{actual:.12f}", f"{expected:.12f}"]
        for unit, (figure, actual, expected) in enumerate(zip(*columns, strict=True))
    ]


def documented_checks(log: Log) -> list[Row]:
    """Every check of the documented example."""
    return [
        [
            check.case.removeprefix("documented/"),
            check.array or "",
            check.verdict,
            "" if check.error is None else f"{check.error:.2g}",
            ratio_text(check.ratio),
            check.place or "",
        ]
        for check in log.checks
        if check.suite == "documented"
    ]


def environment(log: Log) -> list[Row]:
    """Versions, processor, command, time."""
    header = log.header
    rows = [[name, text] for name, text in header["versions"].items()]
    rows += [
        ["platform", header["platform"]],
        ["processor features", " ".join(header["processor"]["features"])],
        *(["BLAS", " ".join(str(value) for value in pool.values() if value is not None)] for pool in header["blas"]),
        ["longdouble", f"{header['longdouble_bits']} bits of precision"],
        ["command", " ".join(header["command"])],
        ["started", header["started"]],
        ["seconds", f"{log.footer['seconds']:.1f}, of which in torch {log.footer['torch_seconds']:.1f}"],
    ]
    return rows
