"""What a divergence does: a small worked case with both numbers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache

import numpy as np

from conformance import cases, places
from conformance.adapters import reference
from conformance.case import Case
from conformance.diagnose import ordered
from conformance.divergences import Divergence, applied
from conformance.divergences.patching import functions_of, source
from conformance.reach import executed
from conformance.refusals import describe
from conformance.trace import Trace, as_trace


@dataclass(frozen=True)
class Worked:
    """The smallest case in which a divergence shows, and the first element that differs there."""

    case: str
    array: str = ""
    place: str = ""
    right: float = 0.0
    wrong: float = 0.0
    failure: str = ""
    """what it ends in where there are no numbers to compare: an exception, an array of another shape"""


def worked(divergence: Divergence) -> Worked | None:
    """Where a divergence shows; None if in no case that is in float64."""
    functions = functions_of(divergence.patches)
    for case in _by_size():
        if not functions & _reached(case.id):
            continue
        right = attempt(case)
        with applied([divergence]):
            wrong = attempt(case)
        if isinstance(wrong, str) or isinstance(right, str):
            return Worked(case.id, failure=str(wrong))
        if case.family == "error":
            if wrong["refusal"] != right["refusal"]:
                return Worked(case.id, failure=f"{describe(wrong)} in place of {describe(right)}")
            continue
        for name in ordered(right):
            if name not in wrong or wrong[name].shape != right[name].shape:
                shape = wrong[name].shape if name in wrong else "nothing"
                return Worked(case.id, name, failure=f"an array of shape {shape} in place of {right[name].shape}")
            # float64's rounding stays below this; float32's, the finest of a divergence's, is thousands of times larger
            differs = ~np.isclose(wrong[name], right[name], rtol=1e-11, atol=0, equal_nan=True)
            if differs.any():
                index = places.first(case, name, differs)
                return Worked(
                    case.id,
                    name,
                    places.describe(case, name, index),
                    float(right[name][index]),
                    float(wrong[name][index]),
                )
    return None


def formula(divergence: Divergence) -> str:
    """The documentation of what a divergence patches: of its class or function, or of the whole module."""
    module, name = min(functions_of(divergence.patches))
    owner = vars(source(module).module)[name.partition(".")[0]]
    text = inspect.getdoc(owner) or ""
    return text if "=" in text or "<-" in text else inspect.getdoc(source(module).module) or ""


def results(case: Case) -> list[tuple[str, tuple[int, ...], str]]:
    """What an implementation may return for a case: names, shapes and dtypes; nothing if the reference fails."""
    trace = attempt(case)
    return (
        [] if isinstance(trace, str) else [(name, np.shape(a), str(np.asarray(a).dtype)) for name, a in trace.items()]
    )


@cache
def _by_size() -> list[Case]:
    selected = cases.select(dtypes=["float64"])
    return sorted(selected, key=lambda case: sum(case[name].size for name in case))


@cache
def _reached(case_id: str) -> frozenset[tuple[str, str]]:
    case = next(case for case in _by_size() if case.id == case_id)
    return frozenset(executed(getattr(reference, case.family), case))


def attempt(case: Case) -> Trace | str:
    """The reference's trace of a case, or what it ends in, in words."""
    with np.errstate(all="ignore"):
        try:
            return as_trace(getattr(reference, case.family)(case))
        except Exception as error:  # a patched reference may fail in any way: then that is what it does
            return f"{type(error).__name__}: {error}"
