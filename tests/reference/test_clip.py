"""Clipping against torch.nn.utils."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from reference import clip
from reference.checks import Array
from tests.reference.against_torch import assert_close, assert_refused, assert_same_refusal, frozen, leaf, tensor

ORDERS = [2.0, 1.0, 3, 0.5, math.inf, -math.inf, 0, -1.0]


def gradients(rng: np.random.Generator, scale: float, dtype: Any) -> dict[str, Array | None]:
    shapes = {"w": (3, 4), "b": (5,), "s": ()}
    made: dict[str, Array | None] = {
        name: frozen(np.asarray(scale * rng.standard_normal(shape)).astype(dtype)) for name, shape in shapes.items()
    }
    return made | {"none": None}


def in_torch(grads: dict[str, Array | None]) -> dict[str, torch.Tensor]:
    params = {name: leaf(np.zeros_like(g)) for name, g in grads.items() if g is not None}
    for name, param in params.items():
        param.grad = tensor(grads[name])
    return params


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-7, 0.0])
@pytest.mark.parametrize("order", ORDERS)
def test_norms_are_those_of_torch(order: float, scale: float, dtype: Any) -> None:
    rng = np.random.default_rng(int(10 * scale))
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    for max_norm in (0.5, 1e-7, 100, 0):
        grads = gradients(rng, scale, dtype)
        params = in_torch(grads)
        theirs = torch.nn.utils.clip_grad_norm_(params.values(), max_norm, order)
        with np.errstate(divide="ignore", invalid="ignore"):
            ours, norm = clip.clip_grad_norm(grads, max_norm, order)
        assert_close(norm, theirs, "norm", tolerance)
        assert ours.keys() == grads.keys()
        assert ours["none"] is None
        for name, param in params.items():
            assert_close(ours[name], param.grad, f"{name} {max_norm}", tolerance)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite(value: float) -> None:
    grads: dict[str, Array | None] = {"w": np.array([1.0, value]), "b": np.array([2.0])}
    params = in_torch(grads)
    torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
    with np.errstate(invalid="ignore"):
        ours, _ = clip.clip_grad_norm(grads, 1.0)
    for name, param in params.items():
        assert_close(ours[name], param.grad, name)
    assert_same_refusal(
        lambda: torch.nn.utils.clip_grad_norm_(in_torch(grads).values(), 1.0, error_if_nonfinite=True),
        lambda: clip.clip_grad_norm(grads, 1.0, error_if_nonfinite=True),
        "non-finite",
    )
    params = in_torch(grads)
    torch.nn.utils.clip_grad_value_(params.values(), 1.5)
    for name, param in params.items():
        assert_close(clip.clip_grad_value(grads, 1.5)[name], param.grad, name)


def test_no_gradients_have_the_norm_0() -> None:
    for grads in ({}, {"w": None}):
        theirs = torch.nn.utils.clip_grad_norm_([], 1.0)
        ours, norm = clip.clip_grad_norm(grads, 1.0)
        assert ours == grads
        assert_close(norm, theirs)


def test_values_are_clipped_as_in_torch_and_returned_anew() -> None:
    grads = gradients(np.random.default_rng(1), 1.0, np.float64)
    params = in_torch(grads)
    torch.nn.utils.clip_grad_value_(params.values(), 0.3)
    ours = clip.clip_grad_value(grads, 0.3)
    for name, param in params.items():
        assert_close(ours[name], param.grad, name, 0)
        given, returned = grads[name], ours[name]
        assert given is not None
        assert returned is not None
        assert not np.shares_memory(given, returned)


def test_a_gradient_that_is_no_array() -> None:
    wrong: Any = {"w": [1.0]}
    assert_refused(lambda: clip.clip_grad_norm(wrong, 1.0), TypeError, "gradient w")
    assert_refused(lambda: clip.clip_grad_value(wrong, 1.0), TypeError, "gradient w")


@pytest.mark.parametrize("norm_type", [np.inf, -np.inf, -1.0, -0.5])
def test_a_gradient_without_elements_has_no_such_norm(norm_type: float) -> None:
    grads: dict[str, Array | None] = {"empty": np.zeros((0, 2)), "w": np.ones(3)}
    assert_same_refusal(
        lambda: torch.nn.utils.clip_grad_norm_(in_torch(grads).values(), 1.0, norm_type),
        lambda: clip.clip_grad_norm(grads, 1.0, norm_type),
        "(0, 2)",
    )


@pytest.mark.parametrize("norm_type", [0.0, 0.5, 1.0, 2.0])
def test_a_gradient_without_elements_counts_as_0(norm_type: float) -> None:
    grads: dict[str, Array | None] = {"empty": np.zeros(0), "w": np.ones(3)}
    norm = torch.nn.utils.clip_grad_norm_(in_torch(grads).values(), 1.0, norm_type)
    assert_close(clip.clip_grad_norm(grads, 1.0, norm_type)[1], norm)


def test_values_of_no_gradients() -> None:
    for grads in ({}, {"w": None}):
        assert_same_refusal(
            lambda: torch.nn.utils.clip_grad_value_([torch.zeros(2)], 1.0),
            lambda grads=grads: clip.clip_grad_value(grads, 1.0),  # type: ignore[misc]
            "got none",
        )
    assert clip.clip_grad_value({"w": None, "v": np.ones(1)}, 0.5)["w"] is None


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 3.0, -2.0, 0.0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("value", [1e200, -1e-200, -0.5, 0.0])
def test_a_single_number_is_its_own_norm(value: float, order: float) -> None:
    expected = torch.nn.utils.get_total_norm([tensor(np.array([value]))], order)
    total = clip.total_norm({"a": np.array([value])}, order)
    assert_close(total, expected.numpy())
    assert total.shape == ()


def test_a_gradient_without_elements_has_the_norm_0_of_order_nan() -> None:
    ours = clip.total_norm({"a": np.zeros(0, dtype=np.float32)}, math.nan)
    theirs = torch.nn.utils.get_total_norm([torch.zeros(0)], math.nan)
    assert ours == theirs.numpy()
    assert ours.dtype == np.float32
