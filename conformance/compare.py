"""Verdicts: a trace against torch's, array by array, within what rounding can explain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from conformance import places, refusals, tolerance
from conformance.case import Array, Case
from conformance.messages import listed
from conformance.tolerance import ELEMENT_LIMIT, NORM_LIMIT, Precision, Simulation
from conformance.trace import Trace, as_trace

Verdict = Literal["agrees", "diverges", "errored", "skipped"]
Unit = Literal["sigma", "floor"]

PRINTED = " (printed)"
"""behind the name of an array that is compared with figures in print"""

VALUES_AGREE = "the values agree"
"""in the reason why an array of another dtype diverges, if nothing but its dtype is wrong"""

MOST_NAMES = 12
"""how many of a case's arrays are listed where one is unknown"""

_FLOAT32 = Precision.of(np.dtype(np.float32))

CHEAP_LIMIT = 0.25
"""a case whose arrays all stay below this part of their tolerance's lower bound is not simulated: the verdict is
known, and the ratios that are reported are upper bounds that nobody will take for the worst"""


@dataclass(frozen=True)
class Check:
    """The verdict on one array of one case, or on a case as a whole (``array`` None)."""

    case: str
    family: str
    suite: str
    dtype: str
    array: str | None
    verdict: Verdict
    tolerance: float | None = None
    """the largest difference that rounding can explain, at ``place``"""
    error: float | None = None
    """the difference at ``place``"""
    ratio: float | None = None
    """the array's error over its tolerance: above 1 it diverges"""
    place: str | None = None
    """the first element that diverges, or the one nearest to diverging"""
    reason: str | None = None
    diagnosis: str | None = None
    unit: Unit | None = None
    """what the three errors below are measured in: sigma, or (no simulation was needed) its lower bound"""
    actual_expected: float | None = None
    actual_arbiter: float | None = None
    expected_arbiter: float | None = None
    values: dict[str, Any] | None = None
    """what was compared, for the documented example only"""
    replay_differs: int | None = None
    """how many elements differ from torch's in any bit when the reference runs with torch's rounding"""
    replay_skipped: str | None = None
    """why it did not run with torch's rounding, where that was asked for"""


def check_of(case: Case, array: str | None, verdict: Verdict, **details: Any) -> Check:
    """The verdict on an array of a case; on the case as a whole if ``array`` is None."""
    return Check(case.id, case.family, case.suite, str(case.dtype), array, verdict, **details)


def check_of_call(case: Case, agrees: bool, actual: object, expected: object) -> Check:
    """The verdict on a call that may be wrong, with how it ended on both sides."""
    return check_of(case, "refusal", "agrees" if agrees else "diverges", reason=f"{actual}; torch: {expected}")


@dataclass(frozen=True)
class Judge:
    """What verdicts on a case rest on: torch's trace, the arbiter's, and the tolerance.

    Nothing here comes from the implementation that is judged.
    """

    case: Case
    expected: Trace
    reference: Callable[[Case], Trace]
    """the reference's function for the case's family: the arbiter, and what is simulated"""
    precision: Precision
    complete: bool = False
    """whether an array that is not given diverges; otherwise it is skipped, and counted as such"""

    @cached_property
    def arbiter(self) -> Trace:
        """The reference in a wider float."""
        wide = self.case.astype(self.precision.wider if self.precision.has_arbiter else self.case.dtype)
        with np.errstate(all="ignore"):
            return as_trace(self.reference(wide))

    @cached_property
    def simulation(self) -> Simulation:
        return self.simulate()

    def simulate(self) -> Simulation:
        """The noisy runs, for those who keep them elsewhere than in this object."""
        with np.errstate(all="ignore"):
            return tolerance.simulate(self.case, self.reference, self.precision)

    def checks(self, actual: Trace) -> Iterator[Check]:
        """A verdict on every array that torch gives, in torch's order, and on every other one."""
        if self.case.family == "error":
            # a class of exceptions has no rounding, and in a wider float the call is another one
            same = bool(np.array_equal(actual["refusal"], self.expected["refusal"]))
            outcomes = [refusals.describe(trace) for trace in (actual, self.expected)]
            yield check_of_call(self.case, same, *outcomes)
            return
        unit = self._unit(actual)
        for name, expected in self.expected.items():
            if name in actual:
                yield self._compare(name, actual[name], expected, unit)
            elif self.complete:
                yield check_of(self.case, name, "diverges", reason="missing: torch gives this array")
            else:
                yield check_of(self.case, name, "skipped", reason="not given by the implementation")
        known = listed(list(self.expected), MOST_NAMES)
        for name in actual:
            if name not in self.expected:
                yield check_of(self.case, name, "errored", reason=f"unknown array {name}: this case has {known}")
        for name, figures in self.case.printed.items():
            if name in actual:
                yield self._compare_printed(name, actual[name], figures, unit)

    def _unit(self, actual: Trace) -> Unit:
        """Whether the lower bound of sigma already shows that everything agrees, and by far."""
        for name, expected in self.expected.items():
            value = actual.get(name)
            if value is not None and value.shape == expected.shape and value.size:
                floor = tolerance.floor_of(self.arbiter[name], self.precision)
                if Comparison.of(value, expected, floor).ratio > CHEAP_LIMIT:
                    return "sigma"
        return "floor"

    def _compare(self, name: str, actual: Array, expected: Array, unit: Unit) -> Check:
        if actual.shape != expected.shape:
            return check_of(self.case, name, "diverges", reason=f"shape {actual.shape}, expected {expected.shape}")
        if actual.dtype != expected.dtype:
            values = self._values(name, actual, expected, unit)
            return check_of(
                self.case, name, "diverges", reason=f"dtype {actual.dtype}, expected {expected.dtype}; {values}"
            )
        if expected.size == 0:
            return check_of(self.case, name, "agrees", ratio=0.0, reason="empty")

        sigma = self._sigma(name, unit)
        comparison = Comparison.of(actual, expected, sigma)
        details = comparison.details(self.case, name) | {"unit": unit} | self._three_way(name, actual, expected, sigma)
        if self.case.suite == "documented":
            details["values"] = {"actual": actual.tolist(), "expected": expected.tolist()}
        if unit == "sigma" and self.simulation.inadmissible:
            return check_of(
                self.case, name, "skipped", **details, reason=f"inadmissible: {self.simulation.inadmissible}"
            )
        if comparison.ratio > 1:
            return check_of(self.case, name, "diverges", **details, reason=comparison.reason)
        if other_zeros(self.case, actual, expected):
            return check_of(self.case, name, "diverges", **details, reason="a zero of the other sign")
        # like float32, bfloat16 is not the place to find bugs: an agreement is not asked for its power
        coarse = unit == "sigma" and self.simulation.bfloat16
        if not coarse and not tolerance.has_power(sigma, self.arbiter[name], self.precision):
            resolution = tolerance.resolution(sigma, self.arbiter[name])
            reason = f"inadmissible: rounding alone explains errors of {resolution:.1g}"
            return check_of(self.case, name, "skipped", **details, reason=reason)
        return check_of(self.case, name, "agrees", **details)

    def _sigma(self, name: str, unit: Unit) -> Array:
        if unit == "sigma":
            return self.simulation.sigma[name]
        return tolerance.floor_of(self.arbiter[name], self.precision)

    def _values(self, name: str, actual: Array, expected: Array, unit: Unit) -> str:
        """Whether an array of another dtype has the right values, in words."""
        cast = actual.astype(expected.dtype)
        verdict = self._compare(name, cast, expected, unit).verdict
        if verdict == "diverges" and actual.dtype == np.float32 and self.precision.unit < _FLOAT32.unit:
            coarse = replace(self, precision=_FLOAT32)
            if coarse._compare(name, cast, expected, coarse._unit({name: cast})).verdict == "agrees":
                return f"{VALUES_AGREE} within the rounding of float32"
        if verdict == "skipped":
            return "rounding is too large to compare the values"
        return VALUES_AGREE if verdict == "agrees" else "the values diverge too"

    def _compare_printed(self, name: str, actual: Array, figures: Array, unit: Unit) -> Check:
        """Against figures in print: half a unit of the last digit, the rounding of the printing, and that of float."""
        if actual.shape != figures.shape:
            return check_of(
                self.case, name + PRINTED, "diverges", reason=f"shape {actual.shape}, printed {figures.shape}"
            )
        limit = 0.5 * 10.0**-self.case.printed_digits + ELEMENT_LIMIT * self._sigma(name, unit)
        difference = np.abs(actual - figures)
        worst = np.unravel_index(np.argmax(difference / limit), difference.shape)
        agrees = bool(np.all(difference <= limit))
        return check_of(
            self.case,
            name + PRINTED,
            "agrees" if agrees else "diverges",
            tolerance=float(limit[worst]),
            error=float(difference[worst]),
            ratio=float(difference[worst] / limit[worst]),
            place=places.describe(self.case, name, [int(i) for i in worst]),
            reason=None if agrees else "differs from the printed figures",
            values={"actual": actual.tolist(), "printed": figures.tolist()},
        )

    def _three_way(self, name: str, actual: Array, expected: Array, sigma: Array) -> dict[str, float | None]:
        arbiter = self.arbiter[name] if self.precision.has_arbiter else None
        return {
            "actual_expected": _distance(actual, expected, sigma),
            "actual_arbiter": None if arbiter is None else _distance(actual, arbiter, sigma),
            "expected_arbiter": None if arbiter is None else _distance(expected, arbiter, sigma),
        }


@dataclass(frozen=True)
class Comparison:
    """Two arrays of one shape, in units of the largest difference that rounding can explain."""

    error: Array
    """absolute differences, infinite where only one side is finite or the infinities or NaNs differ"""
    limit: Array
    ratio: float
    elements: float
    """the largest element-wise ratio; the ratio of the norms may be larger"""

    @classmethod
    def of(cls, actual: Array, expected: Array, sigma: Array) -> Comparison:
        with np.errstate(all="ignore"):
            # NaN agrees with NaN, an infinity with the same one, +0 with -0
            same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
            difference = np.abs(_wide(actual) - _wide(expected))
        error = np.where(same, 0, np.where(np.isfinite(difference), difference, np.inf))
        limit = ELEMENT_LIMIT * sigma
        with np.errstate(over="ignore"):  # a count where there should be none is infinitely far off
            elements = float(np.max(error / limit))
        size = tolerance.norm(sigma)
        norms = tolerance.norm(error) / (NORM_LIMIT * size) if np.all(np.isfinite(error)) else np.inf
        return cls(error, limit, max(elements, norms), elements)

    @property
    def reason(self) -> str | None:
        """Why it diverges, where the element-wise numbers do not say it."""
        if not np.all(np.isfinite(self.error)):
            return "NaN or infinity on one side only"
        if self.elements <= 1 < self.ratio:
            return "no single element, but the array as a whole is too far off"
        return None

    def details(self, case: Case, name: str) -> dict[str, Any]:
        with np.errstate(over="ignore"):  # what explodes is as far off as can be
            ratios = self.error / self.limit
        if self.elements > 1:
            index = places.first(case, name, ratios > 1)
        else:
            index = tuple(int(i) for i in np.unravel_index(np.argmax(ratios), ratios.shape))
        return {
            "tolerance": float(self.limit[index]),
            "error": float(self.error[index]),
            "ratio": self.ratio,
            "place": places.describe(case, name, index),
        }


def other_zeros(case: Case, a: Array, b: Array) -> bool:
    """Whether a zero of one has the other sign in the other, in a case that is about the sign of zero."""
    return case.signed_zeros and bool(np.any((a == 0) & (b == 0) & (np.signbit(a) != np.signbit(b))))


def _wide(array: Array) -> Array:
    return array.astype(np.longdouble) if array.dtype.kind == "f" else array.astype(np.float64)


def _distance(a: Array, b: Array, sigma: Array) -> float | None:
    """norm(a - b) / norm(sigma), over what is finite on both sides."""
    both = np.isfinite(a) & np.isfinite(b)
    if not both.any():
        return None
    difference = np.where(both, _wide(np.where(both, a, 0)) - _wide(np.where(both, b, 0)), 0)
    return tolerance.norm(difference) / tolerance.norm(np.where(both, sigma, 0))
