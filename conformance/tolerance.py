"""How large a difference rounding can explain, for every element of every array of a case.

The reference runs sixteen times with simulated rounding (``noise.py``): eight times with fresh rounding
everywhere, eight times with rounding that repeats itself over time and batch. From the deviations of the runs:

    sigma = max(rms of the fresh, rms of the coherent, u |value|, 4 eta)

An array agrees if its largest |difference| / sigma is at most 32 and norm(difference) <= 8 norm(sigma). The
limits were frozen on one set of cases and then held on tens of thousands of new ones; they are the same for
every array, dtype and case. float64 is simulated in float64, with rounding 2^13 times as large as its own, unless
the case rounds to bfloat16 too: that is as large as can be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.noise import Rounding, noisy
from conformance.trace import Trace

ELEMENT_LIMIT = 32.0
NORM_LIMIT = 8.0
REPLICATES = 8
"""of each kind: fresh and coherent"""

POWER_LIMIT = 1e-9
"""in float64 an agreement counts only if the tolerance is at most this part of the array's norm"""
CHAOS_LIMIT = 1e-4
"""the largest sigma of the states, as part of the largest state, at which deviations still grow linearly"""
KINK_LIMIT = 8.0
"""in sigma: nearer than this to 0 and not 0, a ReLU's argument can fall on either side"""

SCALE_FLOAT64 = 2.0**13


@dataclass(frozen=True)
class Precision:
    """A float dtype as the tolerance sees it."""

    unit: float
    """unit roundoff: the largest relative error of one rounding"""
    eta: float
    """smallest subnormal: the largest absolute error where results underflow"""
    tiny: float
    """smallest normal number: below it, results may be flushed to 0"""
    wider: np.dtype[Any]
    """the arbiter's dtype"""

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Precision:
        info = np.finfo(dtype)
        wider = np.dtype(np.float64 if dtype == np.float32 else np.longdouble)
        return cls(float(info.eps) / 2, float(info.smallest_subnormal), float(info.tiny), wider)

    @property
    def fine(self) -> bool:
        """Whether it is finer than float32: the units of float32 and float64 are 2^-24 and 2^-53."""
        return self.unit < 2.0**-30

    @property
    def has_arbiter(self) -> bool:
        """Whether a wider float exists here: longdouble is no wider than float64 on some platforms."""
        return bool(np.finfo(self.wider).eps < 2 * self.unit)


@dataclass(frozen=True)
class Simulation:
    """What the noisy runs of a case say."""

    sigma: dict[str, Array]
    inadmissible: str | None
    """why the case proves nothing in this precision, if so"""
    bfloat16: bool = False
    """whether the reference rounds to bfloat16: then some of its arrays are no more precise, in whatever dtype"""


def floor_of(reference: Array, precision: Precision) -> Array:
    """What sigma is never below: the final rounding of the value itself."""
    magnitude = np.abs(np.where(np.isfinite(reference), reference, 0)).astype(np.float64)
    return np.maximum(precision.unit * magnitude, 4 * precision.eta)


def simulate(case: Case, run: Callable[[Case], Trace], precision: Precision) -> Simulation:
    """Run a case with simulated rounding.

    ``run`` is the reference's function for the case's family; ``precision`` is that of the arithmetic under
    test, the case's own unless an implementation has declared a coarser one.
    """
    wide = case.astype(np.dtype(np.float64))
    with Rounding(0.0, 0.0, np.random.default_rng(0), coherent=False) as exact:
        base = run(wide.with_arrays(noisy))
    scale = SCALE_FLOAT64 if precision.fine and not exact.bfloat16 else 1.0
    spreads = {kind: {name: np.zeros(np.shape(value)) for name, value in base.items()} for kind in (False, True)}
    kinks = [np.zeros(argument.shape) for argument in exact.kinks]
    rng = np.random.default_rng(zlib.crc32(case.id.encode()))
    for coherent in (False, True):
        for _ in range(REPLICATES):
            with Rounding(
                precision.unit * scale, precision.eta * scale, rng, coherent=coherent, tiny=precision.tiny * scale
            ) as rounding:
                replicate = run(wide.with_arrays(noisy))
            if _shapes(replicate) != _shapes(base):
                floors = {name: floor_of(np.asarray(value), precision) for name, value in base.items()}
                return Simulation(floors, "rounding decides how many steps a search takes", exact.bfloat16)
            # roots of sums of squares, by hypot: squares of tiny deviations would underflow
            for name, spread in spreads[coherent].items():
                np.hypot(spread, _deviation(replicate[name], base[name]), out=spread)
            for spread, argument, center in zip(kinks, rounding.kinks, exact.kinks, strict=True):
                np.hypot(spread, _deviation(argument, center), out=spread)
    sigma = {
        name: np.maximum(
            np.maximum(spreads[False][name], spreads[True][name]) / np.sqrt(REPLICATES) / scale,
            floor_of(np.asarray(base[name]), precision),
        )
        for name in base
    }
    kink_sigmas = [spread / np.sqrt(2 * REPLICATES) / scale for spread in kinks]
    return Simulation(sigma, _inadmissible(base, sigma, exact.kinks, kink_sigmas), exact.bfloat16)


def _shapes(trace: Trace) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(value) for name, value in trace.items()}


def _deviation(value: Array, base: Array) -> Array:
    value, base = np.asarray(value), np.asarray(base)
    both = np.isfinite(value) & np.isfinite(base)
    difference: Array = np.where(both, value, 0).astype(np.float64) - np.where(both, base, 0)
    return difference


def _inadmissible(base: Trace, sigma: dict[str, Array], kinks: list[Array], kink_sigmas: list[Array]) -> str | None:
    for name in ("output", "h_n"):
        if name in base and base[name].size:
            largest = np.max(np.abs(np.asarray(base[name])))
            if np.max(sigma[name]) > CHAOS_LIMIT * largest > 0:
                return f"chaotic: rounding moves {name} by {np.max(sigma[name]) / largest:.1g} of its size"
    for argument, spread in zip(kinks, kink_sigmas, strict=True):
        if np.any((argument != 0) & (np.abs(argument) < KINK_LIMIT * spread)):
            return "a pre-activation is so near ReLU's kink that rounding decides the side"
    return None


def has_power(sigma: Array, reference: Array, precision: Precision) -> bool:
    """Whether an agreement within this sigma is evidence; always in float32, which is not the place to find bugs."""
    if not precision.fine:
        return True
    return resolution(sigma, reference) <= POWER_LIMIT


def resolution(sigma: Array, reference: Array) -> float:
    """The relative error that rounding alone explains, over what is finite; 0 where all of that is 0."""
    finite = np.isfinite(reference)
    size = norm(np.where(finite, reference, 0))
    return NORM_LIMIT * norm(np.where(finite, sigma, 0)) / size if size > 0 else 0.0


def norm(array: Array) -> float:
    """The 2-norm, scaled so that tiny values do not underflow."""
    values = np.abs(np.asarray(array, dtype=np.longdouble))
    largest = values.max(initial=0)
    return float(largest * np.sqrt(np.sum((values / largest) ** 2))) if largest > 0 else 0.0
