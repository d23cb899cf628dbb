"""What a sweep found out, in rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from conformance.compare import Check
from conformance.log import VERDICTS
from reports import summary

HEADERS = ["family", "dtype", *summary.COUNTS, "error / tolerance", "worst case"]


class Tally:
    """Counts over more checks than can be kept: those that do not agree, and the worst that do."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self._worst: dict[tuple[str, str], Check] = {}
        self._others: list[Check] = []

    def add(self, checks: Sequence[Check]) -> None:
        """Take in the checks of one case."""
        if not checks:
            return
        key = (checks[0].family, checks[0].dtype)
        counts = self._counts.setdefault(key, Counter())
        counts["cases"] += 1
        for check in checks:
            counts[check.verdict] += 1
            if check.verdict != "agrees":
                self._others.append(check)
            else:
                worst = summary.worst_of([self._worst[key], check] if key in self._worst else [check])
                if worst:
                    self._worst[key] = worst

    def kept(self) -> list[Check]:
        """The checks that a log keeps."""
        return [*self._worst.values(), *self._others]

    def rows(self) -> list[summary.Row]:
        """Per family and dtype: the counts, and the worst check that agrees."""
        rows = []
        for key, counts in self._counts.items():
            worst = self._worst.get(key)
            verdicts = [counts[verdict] for verdict in VERDICTS]
            where = f"{worst.case} {worst.array}" if worst else ""
            rows.append([*key, counts["cases"], sum(verdicts), *verdicts, summary.worst_text(worst), where])
        return rows

    def failures(self) -> int:
        """How many checks diverge or errored."""
        return sum(counts["diverges"] + counts["errored"] for counts in self._counts.values())
