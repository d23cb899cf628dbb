"""The fused multiply-add against exact fractions, rounded here by the definition of round to nearest, ties to even."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from conformance.fma import fma

FLOATS: list[Any] = [np.float32, np.float64]
LIMITS = {np.float32: (24, -149, 127), np.float64: (53, -1074, 1023)}
"""bits of precision, exponents of the smallest subnormal and of the largest power of two"""


def nearest(exact: Fraction, dtype: Any) -> float:
    """The nearest float of a fraction that is not 0."""
    precision, smallest, largest = LIMITS[dtype]
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    last_place = Fraction(2) ** max(exponent - precision + 1, smallest)
    rounded = round(size / last_place) * last_place
    value = math.inf if rounded >= Fraction(2) ** (largest + 1) else float(rounded)
    return -value if exact < 0 else value


def by_definition(a: Any, b: Any, c: Any) -> Any:
    dtype = a.dtype.type
    exact = [Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c, strict=True)]
    return np.array([nearest(value, dtype) if value else 0.0 for value in exact], dtype=dtype)


def assert_same_bits(actual: Any, expected: Any) -> None:
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))


def draw(dtype: Any, exponents: tuple[int, int], count: int = 3000) -> Any:
    rng = np.random.default_rng(0)
    powers = rng.integers(*exponents, (3, count))
    with np.errstate(under="ignore"):
        return np.ldexp(rng.uniform(-2, 2, (3, count)), powers).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_definition_used_here_is_that_of_the_processor(dtype: Any) -> None:
    """One operation that is rounded once: an addition."""
    _, b, c = draw(dtype, (-30, 30))
    assert_same_bits(by_definition(np.ones_like(b), b, c), b + c)


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_numbers_of_like_size(dtype: Any) -> None:
    a, b, c = draw(dtype, (-4, 4))
    expected = by_definition(a, b, c)
    assert_same_bits(fma(a, b, c), expected)
    assert np.mean(a * b + c != expected) > 0.1  # two roundings are not one


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_numbers_of_every_size(dtype: Any) -> None:
    _, smallest, largest = LIMITS[dtype]
    a, b, c = draw(dtype, (smallest, largest))
    a, b, c = (x[(a != 0) & (b != 0) & (c != 0)] for x in (a, b, c))
    assert_same_bits(fma(a, b, c), by_definition(a, b, c))


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_a_product_lost_is_left_when_it_cancels(dtype: Any) -> None:
    a, b, _ = draw(dtype, (-30, 30))
    left = fma(a, b, -(a * b))
    assert np.count_nonzero(left) > 0.9 * left.size
    for c in (-(a * b), -np.nextafter(a * b, dtype(0)), -np.nextafter(a * b, dtype(math.inf))):
        assert_same_bits(fma(a, b, c), by_definition(a, b, c))


def ties(dtype: Any) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Products half way between two floats, and what decides it far below their last place."""
    half = 2.0 ** -LIMITS[dtype][0]
    first, second = (2.0**-12, 2.0**-12) if dtype is np.float32 else (2.0**-26, 2.0**-27)
    assert first * second == half
    tiny = 2.0**-100
    return [1 + first] * 6, [1 + second, -1 - second] * 3, [0.0, 0.0, tiny, tiny, -tiny, -tiny]


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_tie_is_decided_by_what_is_far_below_it(dtype: Any) -> None:
    a, b, c = np.array(ties(dtype), dtype=dtype)
    assert_same_bits(fma(a, b, c), by_definition(a, b, c))
    assert len(set(np.abs(fma(a, b, c)))) == 2  # up and down
    assert len(set(np.abs(a * b + c))) == 1  # rounded after the product, nothing is left that could decide
    if dtype is np.float32:  # nor in a wider float that is rounded to nearest
        assert len(set(np.abs((a.astype(np.float64) * b + c).astype(np.float32)))) == 1


SMALL = 5e-324
HALF_OF_SMALL = (2.0**-537, 2.0**-538)  # a product of half the smallest subnormal: a tie with 0
EDGES: list[tuple[float, float, float]] = [
    (*HALF_OF_SMALL, 0.0),
    (*HALF_OF_SMALL, SMALL),
    (*HALF_OF_SMALL, -SMALL),
    (2.0**-537, 1.5 * 2.0**-538, 0.0),
    (2.0**-537, -1.5 * 2.0**-538, 0.0),
    (2.0**-600, 2.0**-600, SMALL),
    (2.0**-600, 2.0**-600, 1.0),
    (1 + 2.0**-52, (1 + 2.0**-52) * 2.0**-1022, -(2.0**-1022)),
    (2.0**1000, 2.0**24, -(2.0**1023)),  # the product alone is infinite
    (2.0**1000, 2.0**23, 2.0**1023),
    (-(2.0**1000), 2.0**500, 1.0),
    (2.0**1023, 1.0, 2.0**969),
    (2.0**1023, SMALL, 2.0**-60),
]


@pytest.mark.parametrize("edge", EDGES)
def test_the_edges_of_float64(edge: tuple[float, float, float]) -> None:
    a, b, c = (np.array([value]) for value in edge)
    assert_same_bits(fma(a, b, c), by_definition(a, b, c))


def test_a_result_below_0_that_is_too_small_is_minus_0() -> None:
    assert_same_bits(fma(np.array(-(2.0**-600)), np.array(2.0**-600), np.array(0.0)), np.array(-0.0))


SPECIAL = [
    ((1.0, 0.0, -0.0), 0.0),
    ((-1.0, 0.0, -0.0), -0.0),
    ((3.0, 0.5, -1.5), 0.0),
    ((2.0, math.inf, 1.0), math.inf),
    ((2.0, -math.inf, math.inf), math.nan),
    ((0.0, math.inf, 1.0), math.nan),
    ((1.0, 1.0, -math.inf), -math.inf),
    ((math.nan, 1.0, 1.0), math.nan),
    ((1.0, 1.0, math.nan), math.nan),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("arguments", "expected"), SPECIAL)
def test_zeros_infinities_and_nan(dtype: Any, arguments: tuple[float, float, float], expected: float) -> None:
    value = fma(*np.array(arguments, dtype=dtype)[:, None])
    if math.isnan(expected):
        assert np.isnan(value)
    else:
        assert_same_bits(value, np.array([expected], dtype=dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_shapes_broadcast(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    a, b, c = (np.asarray(rng.standard_normal(shape), dtype=dtype) for shape in ((), (4,), (3, 1)))
    for hard in (1.0, 2.0**-100 if dtype is np.float32 else 2.0**-1060):
        value = fma(a * dtype(hard), b, c * dtype(hard))
        assert value.shape == (3, 4)
        parts = (x.ravel() for x in np.broadcast_arrays(a * dtype(hard), b, c * dtype(hard)))
        assert_same_bits(value.ravel(), by_definition(*parts))


@pytest.mark.parametrize(
    "dtypes", [(np.float32, np.float32, np.float64), (np.longdouble,) * 3, (np.int64,) * 3, (np.float16,) * 3]
)
def test_other_dtypes_are_refused(dtypes: tuple[Any, Any, Any]) -> None:
    with pytest.raises(TypeError, match="three arrays of float32 or three of float64, got"):
        fma(*(np.ones(2, dtype=dtype) for dtype in dtypes))
