"""Whether a set of divergences gives an implementation's traces.

A match is judged with the tolerance of the *patched* reference: a divergence can amplify rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from conformance import tolerance
from conformance.case import Array, Case
from conformance.compare import Comparison, other_zeros
from conformance.divergences import Divergence, applied
from conformance.divergences.patching import functions_of
from conformance.noise import UnknownOperationError
from conformance.reach import executed
from conformance.tolerance import Precision
from conformance.trace import Trace, as_trace

Set = frozenset[str]
"""divergences by id"""

EXPLODES = 1e6
"""how many times larger than right an array has to be for its digits to be rounding's, not the formula's"""

EXPLODED = 1e3
"""how many times larger than right an implementation's array then has to be"""

ROUNDED_OTHERWISE = 2.0**5
"""unit roundoffs of an array's norm, up to which two arrays may be the same but for rounding"""
ELEMENT_ROUNDED_OTHERWISE = 2.0**10
"""unit roundoffs of an element, up to which it may be the same but for rounding, the norm allowing it"""

WORTH_SIMULATING = 2.0**-3
"""in roots of the unit roundoff: relative distances above this are not suspected to be rounding, as a simulation is
expensive; a divergence that is not the right one is rarely nearer"""
WORTH_SIMULATING_DELICATE = 2.0**-6
"""the relative distance up to which it is worth it in a case in which a divergence amplifies rounding"""

ROUNDING_FACTOR = 4.0
"""a divergence of precision is recognised by errors of a fourth to four times what it predicts, over all arrays"""
ROUNDING_FACTOR_OF_ONE = 32.0
"""the same for a single array, which may have no more than one element"""


@dataclass(frozen=True, eq=False)
class Observation:
    """What an implementation gave for a case."""

    case: Case
    actual: Trace
    """the arrays that can be compared, in torch's dtype"""
    diverges: bool


class Matcher:
    """The traces that sets of divergences give on the cases of a family, against those of an implementation."""

    def __init__(
        self, run: Callable[[Case], Trace], known: Sequence[Divergence], cases: Iterable[Case], precision: Precision
    ) -> None:
        self.run = run
        self.precision = precision
        self.by_id = {divergence.id: divergence for divergence in known if not divergence.equivalent}
        self.worth_simulating = WORTH_SIMULATING * precision.unit**0.5
        self.deadline = np.inf
        """``time.perf_counter()`` after which nothing is simulated: what would need it does not match"""
        self.delicate: set[str] = set()
        """cases in which a divergence amplifies rounding, where larger distances are worth it"""
        self._traces: dict[tuple[Set, str], Trace | None] = {}
        self._sigmas: dict[tuple[Set, str], dict[str, Array]] = {}
        self._reaching = {case.id: self._reaches(case) for case in cases}

    def reaching(self, case: Case) -> list[str]:
        """The divergences that change a function which the case goes through, in the catalogue's order."""
        return self._reaching[case.id]

    def _reaches(self, case: Case) -> list[str]:
        reached = executed(self.run, case)
        return [name for name, divergence in self.by_id.items() if functions_of(divergence.patches) & reached]

    def explains(self, candidate: Set, seen: Observation) -> bool:
        """Whether it gives every array of a case."""
        return self.matches(candidate, seen, list(seen.actual))

    def matches(self, candidate: Set, seen: Observation, names: Iterable[str]) -> bool:
        """Whether it gives some arrays of a case."""
        predicted = self.trace(candidate, seen.case)
        if predicted is None:
            return False
        coarse = {name for name in candidate if self.by_id[name].precision}
        exact = self.trace(candidate - coarse, seen.case) if coarse else None
        ratios = []
        for name in names:
            actual, value = seen.actual[name], predicted.get(name)
            if value is None or value.shape != actual.shape:
                return False
            # what was observed has torch's dtype, whatever the implementation computed it in
            value = value.astype(actual.dtype, copy=False)
            if exact is not None and exact[name].shape != value.shape:
                return False
            if exact is not None and self._coarser(value, exact[name]):
                ratios.append(_rounding_ratio(actual, value, exact[name]))
                if not 1 / ROUNDING_FACTOR_OF_ONE <= ratios[-1] <= ROUNDING_FACTOR_OF_ONE:
                    return False
            elif not self._equal(candidate - coarse, seen.case, name, actual, value):
                return False
        return not ratios or abs(float(np.mean(np.log(ratios)))) <= np.log(ROUNDING_FACTOR)

    def _coarser(self, value: Array, exact: Array) -> bool:
        """Whether a divergence of precision shows in an array: by more than a last digit that falls otherwise."""
        if value.dtype.kind != "f":
            return not np.array_equal(value, exact)
        with np.errstate(all="ignore"):
            deviation = _size(np.where(np.isnan(value) & np.isnan(exact), 0, value.astype(np.float64) - exact))
        return bool(deviation > ROUNDED_OTHERWISE * self.precision.unit * _size(np.nan_to_num(value)))

    def distance(self, candidate: Set, seen: Observation, name: str) -> float:
        """How far an array is from the implementation's."""
        predicted = (self.trace(candidate, seen.case) or {}).get(name)
        if predicted is None or predicted.shape != seen.actual[name].shape:
            return np.inf
        with np.errstate(all="ignore"):
            return _size(seen.actual[name].astype(np.float64) - predicted)

    def _equal(self, candidate: Set, case: Case, name: str, actual: Array, value: Array) -> bool:
        """Whether two arrays differ by rounding only."""
        if value.size == 0:
            return True
        if value.dtype.kind not in "fc":  # counts, and classes of exceptions
            return bool(np.array_equal(actual, value))
        if other_zeros(case, actual, value):
            return False
        unit = self.precision.unit
        exact = self.trace(frozenset(), case)
        if candidate and exact is not None and name in exact and _size(value) > EXPLODES * _size(exact[name]) > 0:
            return bool(_size(actual) > EXPLODED * _size(exact[name]))
        with np.errstate(all="ignore"):
            same = (actual == value) | (np.isnan(actual) & np.isnan(value))
            difference = np.where(same, 0, np.abs(actual.astype(np.float64) - value))
        if not np.all(np.isfinite(difference)):
            return False
        size = _size(np.where(np.isfinite(value), value, 0))
        distance = tolerance.norm(difference)
        # most comparisons are decided here: far below what any divergence does, or far beyond rounding
        if distance <= ROUNDED_OTHERWISE * unit * size and np.all(
            difference <= ELEMENT_ROUNDED_OTHERWISE * unit * np.abs(value)
        ):
            return True
        delicate = WORTH_SIMULATING_DELICATE if case.id in self.delicate else 0.0
        worth = max(self.worth_simulating, delicate)
        # where a divergence leaves nothing but rounding, that is large beside itself, not beside what is right
        right = _size(exact[name]) if exact is not None and name in exact else 0.0
        if distance > worth * max(size, right if np.isfinite(right) else 0.0):
            return False
        sigma = self._sigma(candidate, case).get(name)
        return sigma is not None and Comparison.of(actual, value, sigma).ratio <= 1

    def _sigma(self, candidate: Set, case: Case) -> dict[str, Array]:
        key = (candidate, case.id)
        if key not in self._sigmas:
            if time.perf_counter() > self.deadline:
                return {}
            with applied([self.by_id[name] for name in candidate]), np.errstate(all="ignore"):
                try:
                    self._sigmas[key] = tolerance.simulate(case, self.run, self.precision).sigma
                except UnknownOperationError:  # in a patch: it is judged without rounding
                    self._sigmas[key] = {}
        return self._sigmas[key]

    def changes(self, candidate: Set, case: Case, name: str, now: Trace | None) -> bool:
        """Whether it gives another array than a trace has."""
        trace = self.trace(candidate, case)
        if trace is None or name not in trace:
            return False
        if now is None or name not in now or not np.array_equal(trace[name], now[name], equal_nan=True):
            return True
        return other_zeros(case, trace[name], now[name])

    def touches(self, candidate: Set, case: Case, names: Iterable[str], now: Trace | None) -> bool:
        """Whether it changes any of some arrays."""
        return any(self.changes(candidate, case, name, now) for name in names)

    def trace(self, candidate: Set, case: Case) -> Trace | None:
        """What the reference gives with these divergences; None if they fail or cannot be combined."""
        # divergences that this case cannot reach change nothing
        key = (candidate & frozenset(self._reaching[case.id]), case.id)
        if key not in self._traces:
            try:
                with applied([self.by_id[name] for name in key[0]]), np.errstate(all="ignore"):
                    result = as_trace(self.run(case))
            except Exception:  # in conflict, or failing in any other way: it explains nothing
                self._traces[key] = None
            else:
                self._traces[key] = result
        return self._traces[key]


def _size(array: Array) -> float:
    """The norm, infinite if anything is not finite."""
    return tolerance.norm(array) if np.all(np.isfinite(array)) else np.inf


def _rounding_ratio(actual: Array, predicted: Array, exact: Array) -> float:
    """An error over the one that a divergence of precision predicts; 0 if either is not finite."""
    with np.errstate(all="ignore"):
        observed = _size(actual.astype(np.float64) - exact)
        expected = _size(predicted.astype(np.float64) - exact)
    return observed / expected if np.isfinite(observed) and np.isfinite(expected) else 0.0
