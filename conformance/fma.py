"""The fused multiply-add, a b + c rounded once, exactly: NumPy has none, and torch's kernels use the processor's.

The product of two float32 is exact in float64. There the sum is rounded to odd, which keeps what a second rounding,
to float32, needs to be right. In float64 the product is taken apart into two numbers by Dekker's algorithm, and the
three that are to be added are rounded to odd and once more to nearest. Where the parts of a product would fall out of
float64's range, element by element with exact fractions.
(Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd".)
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plain = NDArray[Any]

SPLITTER = 2.0**27 + 1
SMALLEST, LARGEST = 2.0**-960, 2.0**960
"""between these the two parts of a product, and the parts of its factors, are floats"""


def fma(a: Plain, b: Plain, c: Plain) -> Plain:
    """``a * b + c``, rounded once.

    Args:
        a, b, c: float32 or float64, all the same; shapes that broadcast.

    Raises:
        TypeError: another dtype, or different ones.
    """
    if a.dtype == b.dtype == c.dtype:
        with np.errstate(all="ignore"):
            if a.dtype == np.float32:
                wide = (x.astype(np.float64) for x in (a, b, c))
                return np.asarray(_fma_of_float32(*wide).astype(np.float32))
            if a.dtype == np.float64:
                return np.asarray(_fma_of_float64(a, b, c))
    raise TypeError(f"expected three arrays of float32 or three of float64, got {a.dtype}, {b.dtype} and {c.dtype}")


def _fma_of_float32(a: Plain, b: Plain, c: Plain) -> Plain:
    return _rounded_to_odd(*_sum(a * b, c))


def _fma_of_float64(a: Plain, b: Plain, c: Plain) -> Plain:
    product, low = _product(a, b)
    rest, rest_low = _sum(c, low)
    high, high_low = _sum(product, rest)
    value = high + _rounded_to_odd(*_sum(rest_low, high_low))

    size = np.abs(product)
    largest = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.maximum(size, np.abs(c)))
    regular = (size >= SMALLEST) & (largest <= LARGEST)
    if regular.all():
        return value
    a, b, c = np.broadcast_arrays(a, b, c)
    # zero products, infinities and NaN need no more than one rounding anyway
    hard = ~regular & (a != 0) & (b != 0) & np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    value = np.where(regular, value, product + c)
    for index in map(tuple, np.argwhere(hard)):
        value[index] = _exactly(float(a[index]), float(b[index]), float(c[index]))
    return value


def _exactly(a: float, b: float, c: float) -> float:
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _sum(a: Plain, b: Plain) -> tuple[Plain, Plain]:
    """The rounded sum and its rounding error (Knuth's TwoSum)."""
    value = a + b
    of_b = value - a
    return value, (a - (value - of_b)) + (b - of_b)


def _product(a: Plain, b: Plain) -> tuple[Plain, Plain]:
    """The rounded product and its rounding error (Dekker 1971, Veltkamp's splitting)."""
    value = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    return value, a_low * b_low - (((value - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _split(a: Plain) -> tuple[Plain, Plain]:
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _rounded_to_odd(value: Plain, error: Plain) -> Plain:
    """``value + error``, value being its nearest float: cut off, with the last bit set if anything was lost."""
    below = error < 0
    inexact = below | (error > 0)
    # the integer of a float's bits counts up with its magnitude
    cut = value.view(np.int64) - (inexact & (below != (value < 0)))
    rounded: Plain = (cut | inexact).view(np.float64)
    return rounded
