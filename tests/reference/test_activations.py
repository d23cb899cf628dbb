"""Activations against torch's, at ordinary, extreme and special values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from reference import activations
from reference.checks import Array
from tests.reference.against_torch import (
    assert_close,
    assert_refused,
    assert_same_refusal,
    backward,
    frozen,
    leaf,
    tensor,
)

ELEMENTWISE = ["tanh", "relu", "sigmoid"]
ALONG_AN_AXIS = ["softmax", "log_softmax"]
SHAPES = [(), (7,), (1,), (0,), (3, 4), (3, 0), (2, 3, 4)]
EXTREMES = np.array([0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-8, 18, -18, 40, -40, 709, -709, 1e4, -1e4, 1e308, -1e308])
LARGEST = np.finfo(np.float64).max

Forward = Callable[..., Array]


def backward_of(name: str) -> Forward:
    function: Forward = getattr(activations, f"{name}_backward")
    return function


def run_both(name: str, x: Array, d_y: Array, **options: Any) -> tuple[tuple[Array, Array], tuple[Any, Any]]:
    """Result and gradient of the reference, and of torch."""
    y = getattr(activations, name)(x, **options)
    source = leaf(x)
    expected = getattr(torch, name)(source, **({"dim": -1} | options if name in ALONG_AN_AXIS else {}))
    expected.backward(tensor(d_y))
    return (y, backward_of(name)(d_y, y, **options)), (expected, source.grad)


def random_pair(shape: tuple[int, ...], dtype: Any = np.float64) -> tuple[Array, Array]:
    rng = np.random.default_rng([len(shape), *shape])
    x, d_y = (np.asarray(scale * rng.standard_normal(shape)).astype(dtype) for scale in (3, 1))
    return frozen(x), frozen(d_y)


def assert_elementwise_close(actual: Array, expected: Any) -> None:
    """Every element to a few units in its last place, and +0 and -0 apart."""
    expected = expected.detach().numpy()
    # below the smallest normal number fewer digits exist
    np.testing.assert_allclose(actual, expected, rtol=2e-15, atol=np.finfo(expected.dtype).tiny)
    np.testing.assert_array_equal(np.signbit(actual)[expected == 0], np.signbit(expected)[expected == 0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AN_AXIS])
def test_result_and_gradient_are_those_of_torch(name: str, shape: tuple[int, ...]) -> None:
    actual, expected = run_both(name, *random_pair(shape))
    for mine, theirs in zip(actual, expected, strict=True):
        assert_close(mine, theirs)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape])
@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_softmax_along_every_axis(name: str, shape: tuple[int, ...]) -> None:
    for dim in range(-len(shape), len(shape)):
        actual, expected = run_both(name, *random_pair(shape), dim=dim)
        for mine, theirs in zip(actual, expected, strict=True):
            assert_close(mine, theirs, f"dim {dim}")


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AN_AXIS])
def test_other_dtypes_come_out_as_they_go_in(name: str) -> None:
    x, d_y = random_pair((3, 4), np.float32)
    actual, expected = run_both(name, x, d_y)
    _, in_float64 = run_both(name, x.astype(np.float64), d_y.astype(np.float64))
    wide = getattr(activations, name)(x.astype(np.longdouble))
    wide_results = wide, backward_of(name)(d_y.astype(np.longdouble), wide)
    for index in (0, 1):
        assert_close(actual[index], expected[index], tolerance=1e-6)
        assert_close(wide_results[index], in_float64[index].detach().numpy().astype(np.longdouble))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_extreme_values_without_warning(name: str) -> None:
    (y, d_x), (expected_y, expected_d_x) = run_both(name, EXTREMES, np.full_like(EXTREMES, 0.5))
    assert_elementwise_close(y, expected_y)
    assert_elementwise_close(d_x, expected_d_x)


@pytest.mark.parametrize(
    "row",
    [
        EXTREMES,
        [LARGEST, -LARGEST, 0.0],
        [-LARGEST, -LARGEST, -LARGEST],
        [800.0, 0.0, -800.0],
        [1e308, 1e308, -1e308],
        [5e-324, 0.0, -5e-324],
    ],
)
@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_softmax_of_extreme_values_without_warning(name: str, row: Any) -> None:
    # beside an ordinary row, which an extreme one must leave alone
    x = np.stack([np.asarray(row), np.linspace(-1, 1, len(row))])
    (y, d_x), (expected_y, expected_d_x) = run_both(name, x, np.ones_like(x) * np.arange(len(row)))
    np.testing.assert_allclose(y, expected_y.detach().numpy(), rtol=1e-14, atol=np.finfo(float).tiny)
    np.testing.assert_allclose(d_x, expected_d_x.numpy(), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose((y if name == "softmax" else np.exp(y)).sum(axis=1), 1, rtol=1e-15)


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AN_AXIS])
@pytest.mark.parametrize(
    "row", [[np.inf, 0.0, 1.0], [-np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [np.inf, np.inf, -1.0], [-np.inf] * 3]
)
def test_infinities_and_nan_as_in_torch(name: str, row: list[float]) -> None:
    x = np.array([row, [0.5, -0.5, 0.0]])
    actual, expected = run_both(name, x, np.ones_like(x))
    for mine, theirs in zip(actual, expected, strict=True):
        assert_close(mine, theirs, tolerance=1e-15)


def test_relu_passes_no_gradient_at_zero() -> None:
    x = np.array([0.0, -0.0, -1.0, 1.0, np.nan])
    (_, d_x), (_, expected) = run_both("relu", x, np.full(5, np.inf))
    np.testing.assert_array_equal(d_x, expected.numpy())
    np.testing.assert_array_equal(d_x[:4], [0, 0, 0, np.inf])


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AN_AXIS])
@pytest.mark.parametrize("value", [[1.0, 2.0], 1.5, None, "x"])
def test_only_arrays(name: str, value: Any) -> None:
    in_torch = partial(getattr(torch, name), **({"dim": -1} if name in ALONG_AN_AXIS else {}))
    assert_same_refusal(lambda: in_torch(value), lambda: getattr(activations, name)(value), "array")


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AN_AXIS])
@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.float16, np.complex128])
def test_only_the_three_float_dtypes(name: str, dtype: Any) -> None:
    """torch computes some of these; an unsupported dtype is refused here as torch refuses those it lacks."""
    x = np.zeros((2, 2), dtype)
    assert_refused(lambda: getattr(activations, name)(x), NotImplementedError, "float64")


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex128])
def test_softmax_refuses_dtypes_as_torch_does(name: str, dtype: Any) -> None:
    x = np.zeros((2, 2), dtype)
    in_torch, in_reference = getattr(torch, name), getattr(activations, name)
    assert_same_refusal(lambda: in_torch(tensor(x), -1), lambda: in_reference(x), "float64")


@pytest.mark.parametrize(("shape", "dim"), [((2, 2), 2), ((2, 2), -3), ((), 1), ((), -2), ((0,), 1)])
@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_softmax_refuses_axes_that_do_not_exist(name: str, shape: tuple[int, ...], dim: int) -> None:
    x = np.zeros(shape)
    in_torch, in_reference = getattr(torch, name), getattr(activations, name)
    assert_same_refusal(lambda: in_torch(tensor(x), dim), lambda: in_reference(x, dim), str(dim))
    assert_refused(lambda: backward_of(name)(x, x, dim), IndexError, str(dim))


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_an_axis_may_be_any_whole_number_but_no_bool(name: str) -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(getattr(activations, name)(x, np.int64(0)), getattr(activations, name)(x, 0))
    for dim in (True, np.bool_(True), 1.0, np.float64(1), "1", None):
        assert_refused(partial(getattr(activations, name), x, dim), TypeError, repr(dim))


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AN_AXIS])
def test_wrong_upstream_gradients(name: str) -> None:
    y = np.full((2, 3), 0.5)
    in_reference = backward_of(name)
    in_torch = partial(getattr(torch, name), **({"dim": -1} if name in ALONG_AN_AXIS else {}))
    wrong: list[tuple[Any, str]] = [(np.ones((2, 2)), "(2, 3)"), (np.ones(3), "(2, 3)"), ([1.0], "array")]
    for d_y, mentions in wrong:
        assert_same_refusal(partial(backward, in_torch(leaf(y)), d_y), partial(in_reference, d_y, y), mentions)
    # torch casts a gradient of another dtype; here it is taken for a mistake
    assert_refused(lambda: in_reference(np.ones((2, 3), np.float32), y), RuntimeError, "float64")
