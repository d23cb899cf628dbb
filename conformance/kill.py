"""The kill matrix: which case catches which divergence, in which array and by how much.

A case catches a divergence if the reference, run with it, diverges from torch there, raises, or warns where the
reference does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from conformance.adapters import reference, switching
from conformance.case import Case
from conformance.compare import Check, Judge, other_zeros
from conformance.divergences import Divergence, applied, by_id, catalogue
from conformance.divergences.patching import functions_of
from conformance.judging import CachedJudge, expectation
from conformance.processes import on_processes, start_process
from conformance.reach import executed
from conformance.tolerance import Precision
from conformance.trace import Trace, as_trace


class Kill(NamedTuple):
    """A divergence caught by a case."""

    divergence: str
    case: str
    kind: str
    """``value``, ``exception`` or ``warning``"""
    arrays: tuple[str, ...] = ()
    """the arrays that diverge, in torch's order"""
    ratio: float = 0.0
    """the largest error over tolerance"""
    message: str = ""


def kills(cases: Sequence[Case]) -> Iterator[list[Kill]]:
    """What each case catches, in order, as it becomes known."""
    chosen = [divergence.id for divergence in catalogue()]
    yield from on_processes(partial(kills_of, divergences=chosen), cases, start_process)


def kills_of(case: Case, divergences: Sequence[str]) -> list[Kill]:
    """Every divergence that a case catches."""
    watch = Watch.of(case)
    reaching = [name for name in divergences if functions_of(by_id()[name].patches) & watch.reached]
    return [found for name in reaching if (found := watch.kill(name, applied([by_id()[name]])))]


@dataclass(frozen=True)
class Watch:
    """A case with what shows that a changed reference goes wrong in it."""

    case: Case
    judge: Judge
    right: Trace
    usual: frozenset[str]
    """the warnings of the reference as it is"""
    reached: frozenset[tuple[str, str]]
    """the functions that it goes through"""

    @classmethod
    def of(cls, case: Case) -> Watch:
        run = getattr(reference, case.family)
        judge = CachedJudge(case, expectation(case)[0], run, Precision.of(case.dtype), complete=True)
        right, usual = run_reference(case)
        assert isinstance(right, dict)
        return cls(case, judge, right, frozenset(usual), frozenset(executed(run, case)))

    def kill(self, name: str, changed: AbstractContextManager[None]) -> Kill | None:
        """How the case catches what ``changed`` does to the reference, if it does."""
        with changed:
            trace, messages = run_reference(self.case)
        if isinstance(trace, str):
            return Kill(name, self.case.id, "exception", message=trace)
        if wrong := _wrong(self.judge, trace, self.right):
            worst = max(check.ratio if check.ratio is not None else np.inf for check in wrong)
            return Kill(name, self.case.id, "value", tuple(str(check.array) for check in wrong), float(worst))
        if messages - self.usual:
            return Kill(name, self.case.id, "warning", message=sorted(messages - self.usual)[0])
        return None


def _wrong(judge: Judge, trace: Trace, right: Trace) -> list[Check]:
    same = trace.keys() == right.keys() and all(
        np.array_equal(trace[n], right[n], equal_nan=True) and not other_zeros(judge.case, trace[n], right[n])
        for n in right
    )
    return [] if same else [check for check in judge.checks(trace) if check.verdict == "diverges"]


def run_reference(case: Case) -> tuple[Trace | str, set[str]]:
    """The reference's trace, or the exception it raised, and the warnings on the way."""
    # beside torch as in a run: what is saved wrongly and loaded wrongly in the same way shows only there
    run = switching.beside_torch if case.family == "optimizer_switched" else getattr(reference, case.family)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        try:
            trace: Trace | str = as_trace(run(case))
        except Exception as error:  # a patched reference may fail in any way: that is how it is caught
            trace = f"{type(error).__name__}: {error}"
    return trace, {f"{entry.category.__name__}: {entry.message}" for entry in caught}


def within_reach(cases: Sequence[Case], divergences: Sequence[Divergence]) -> list[Divergence]:
    """The divergences that change a function which any of the cases goes through: the others cannot show in them."""
    functions: set[tuple[str, str]] = set()
    for case in cases:
        functions |= executed(getattr(reference, case.family), case)
    return [known for known in divergences if functions_of(known.patches) & functions]


def survivors(found: Sequence[Kill], divergences: Sequence[Divergence] | None = None) -> list[Divergence]:
    """The divergences that no case catches and that are not argued to be equivalent."""
    caught = {kill.divergence for kill in found}
    chosen = catalogue() if divergences is None else divergences
    return [known for known in chosen if known.id not in caught and not known.equivalent]
