"""Divergences run as if they were somebody's implementation: traces only, in another precision, rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from conformance import cases, tolerance
from conformance.adapters import reference
from conformance.case import Case, Level
from conformance.compare import other_zeros
from conformance.diagnose import Diagnosis, Search
from conformance.divergences import Divergence, applied
from conformance.divergences.patching import ConflictError
from conformance.matching import Observation
from conformance.tolerance import Precision
from conformance.trace import Trace

BEYOND_ROUNDING = 2.0**9
"""unit roundoffs of an array's norm"""

OF_THE_FLOAT = frozenset(
    (
        *("softmax-without-maximum", "softmax-maximum-of-the-whole-array"),
        *("log-softmax-without-maximum", "log-softmax-maximum-of-the-whole-array"),
        *("mse-root", "nonlinearity-sigmoid"),
    )
)
"""what overflows or saturates in a float but not in a wider one: run in that float, and then disturbed by rounding"""


@cache
def selected(family: str, dtype: str, level: Level) -> tuple[Case, ...]:
    """The cases that an implementation is observed on."""
    return tuple(cases.select(families=[family], dtypes=[dtype], level=level))


def run(case: Case, divergences: Sequence[Divergence], wide: bool = True) -> Trace | None:
    """The reference's trace with divergences, computed in a wider float and rounded; None if it fails."""
    precision, rng = Precision.of(case.dtype), np.random.default_rng(0)
    computed = case.astype(precision.wider) if wide else case
    with np.errstate(all="ignore"):
        try:
            with applied(divergences):
                trace = getattr(reference, case.family)(computed)
        except ConflictError:
            raise
        except Exception:
            return None
        # a step count is float32 whatever the case's dtype
        floats = {name: a for name, a in trace.items() if np.asarray(a).dtype == computed.dtype}
        if not wide:
            floats = {name: a * (1 + precision.unit * rng.standard_normal(np.shape(a))) for name, a in floats.items()}
        return {
            name: np.asarray(floats[name]).astype(case.dtype) if name in floats else np.asarray(a)
            for name, a in trace.items()
        }


@cache
def right(family: str, dtype: str, level: Level, wide: bool = True) -> dict[str, Trace]:
    """The traces without any divergence."""
    traces = {case.id: run(case, [], wide) for case in selected(family, dtype, level)}
    return {name: trace for name, trace in traces.items() if trace is not None}


def observe(
    family: str,
    divergences: Sequence[Divergence],
    dtype: str = "float64",
    level: Level = "quick",
    given: Callable[[str], bool] = lambda name: True,
) -> list[Observation]:
    """What an implementation with these divergences gives, as far as it ``given``s arrays at all."""
    return list(observing(family, divergences, dtype, level, given))


def observing(
    family: str, divergences: Sequence[Divergence], dtype: str, level: Level, given: Callable[[str], bool]
) -> Iterator[Observation]:
    """The same, case by case."""
    wide = OF_THE_FLOAT.isdisjoint(divergence.id for divergence in divergences)
    for case in selected(family, dtype, level):
        trace = run(case, divergences, wide)
        if trace is None:
            continue
        usual = right(family, dtype, level, wide)[case.id]
        actual = {
            name: a for name, a in trace.items() if given(name) and name in usual and a.shape == usual[name].shape
        }
        if actual:
            diverges = any(_differs(case, actual[name], usual[name]) for name in actual)
            yield Observation(case, actual, diverges)


def shows(family: str, divergence: Divergence, dtype: str = "float64", level: Level = "quick") -> bool:
    """Whether a divergence changes anything in a family."""
    return any(seen.diverges for seen in observing(family, [divergence], dtype, level, lambda name: True))


def _differs(case: Case, actual: np.ndarray, expected: np.ndarray) -> bool:
    return differs(actual, expected) or other_zeros(case, actual, expected)


def differs(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two arrays differ by far more than rounding; integers, if they differ at all."""
    if expected.dtype.kind != "f":
        return not np.array_equal(actual, expected)
    with np.errstate(all="ignore"):
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        difference = np.where(same, 0.0, np.abs(actual.astype(np.float64) - expected))
    if not np.all(np.isfinite(difference)):
        return True
    unit = Precision.of(expected.dtype).unit
    return bool(tolerance.norm(difference) > BEYOND_ROUNDING * unit * tolerance.norm(np.nan_to_num(expected)))


def diagnose(family: str, observations: Sequence[Observation], dtype: str = "float64") -> Diagnosis:
    """The diagnosis of what was observed."""
    return Search(family, observations, Precision.of(np.dtype(dtype))).diagnose()


def alike(first: Sequence[Observation], second: Sequence[Observation]) -> bool:
    """Whether two sets of observations differ by no more than rounding."""
    return len(first) == len(second) and all(
        one.actual.keys() == other.actual.keys()
        and not any(_differs(one.case, one.actual[name], other.actual[name]) for name in one.actual)
        for one, other in zip(first, second, strict=True)
    )


def named(found: Diagnosis, divergences: Sequence[Divergence]) -> bool:
    """Whether a diagnosis is complete and names all of them."""
    wanted = {divergence.id for divergence in divergences}
    return found.complete and any(wanted <= set(members) for members in found.sets)


def named_or_alike(
    found: Diagnosis, divergences: Sequence[Divergence], observations: Sequence[Observation], dtype: str, level: Level
) -> bool:
    """Whether it names them, or a set whose traces are the same."""
    from conformance.divergences import by_id

    if named(found, divergences):
        return True
    return found.complete and any(
        alike(
            observations,
            observe(
                found.family,
                [by_id()[name] for name in members],
                dtype,
                level,
                set(observations[0].actual).__contains__,
            ),
        )
        for members in found.sets
    )
