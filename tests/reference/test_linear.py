"""The fully connected layer against torch.nn.Linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import linear
from reference.checks import Array
from tests.reference.against_torch import (
    assert_all_close,
    assert_refused,
    assert_same_refusal,
    backward,
    frozen,
    leaf,
    tensor,
)

LEADING_AXES = [(), (1,), (5,), (0,), (4, 5), (2, 0, 3), (2, 3, 4)]


def run_both(model: linear.Linear, arrays: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Output and gradients of the reference, and of torch."""
    params = {name: arrays[name] for name in model.parameter_shapes}
    output, cache = linear.forward(model, params, arrays["input"])
    actual = {"output": output} | linear.backward(model, params, cache, arrays["d_output"])
    leaves = {name: leaf(arrays[name]) for name in (*params, "input")}
    result = torch.nn.functional.linear(leaves["input"], leaves["weight"], leaves.get("bias"))
    backward(result, arrays["d_output"])
    return actual, {"output": result} | {name: value.grad for name, value in leaves.items()}


def random_arrays(model: linear.Linear, leading: tuple[int, ...], dtype: Any = np.float64) -> dict[str, Array]:
    rng = np.random.default_rng([model.in_features, *leading])
    shapes = {"input": (*leading, model.in_features), "d_output": (*leading, model.out_features)}
    draw = {name: rng.standard_normal(shape).astype(dtype) for name, shape in (shapes | model.parameter_shapes).items()}
    return {name: frozen(value) for name, value in draw.items()}


@pytest.mark.parametrize("leading", LEADING_AXES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("sizes", [(3, 4), (1, 1), (0, 4), (3, 0)])
def test_output_and_gradients_are_those_of_torch(sizes: tuple[int, int], bias: bool, leading: tuple[int, ...]) -> None:
    model = linear.Linear(*sizes, bias=bias)
    actual, expected = run_both(model, random_arrays(model, leading))
    assert_all_close(actual, expected)


def test_memory_layout_does_not_matter() -> None:
    model = linear.Linear(3, 4)
    arrays = random_arrays(model, (5, 6))
    layouts = {
        "input": np.asfortranarray(arrays["input"]),
        "weight": arrays["weight"][::-1].copy()[::-1],
        "d_output": np.repeat(arrays["d_output"], 2, axis=1)[:, ::2],
    }
    assert not any(value.flags.c_contiguous for value in layouts.values())
    actual, expected = run_both(model, arrays | layouts)
    assert_all_close(actual, expected)


def test_other_dtypes_come_out_as_they_go_in() -> None:
    model = linear.Linear(3, 4)
    narrow = random_arrays(model, (5, 2), np.float32)
    actual, expected = run_both(model, narrow)
    assert_all_close(actual, expected, tolerance=1e-6)

    _, in_float64 = run_both(model, {name: value.astype(np.float64) for name, value in narrow.items()})
    wide = {name: value.astype(np.longdouble) for name, value in narrow.items()}
    params = {name: wide[name] for name in model.parameter_shapes}
    output, cache = linear.forward(model, params, wide["input"])
    results = {"output": output} | linear.backward(model, params, cache, wide["d_output"])
    assert_all_close(results, {k: v.detach().numpy().astype(np.longdouble) for k, v in in_float64.items()})


def test_complex_numbers_go_forward_but_not_back() -> None:
    model = linear.Linear(2, 3)
    rng = np.random.default_rng(1)
    shapes = model.parameter_shapes | {"input": (5, 2)}
    arrays = {name: rng.standard_normal(s) + 1j * rng.standard_normal(s) for name, s in shapes.items()}
    params = {name: arrays[name] for name in model.parameter_shapes}
    output, cache = linear.forward(model, params, arrays["input"])
    expected = torch.nn.functional.linear(*(tensor(arrays[name]) for name in ("input", "weight", "bias")))
    assert_all_close({"output": output}, {"output": expected})
    # a complex gradient would need conjugates: refused rather than wrong
    assert_refused(lambda: linear.backward(model, params, cache, output), RuntimeError, "float64")


@pytest.mark.parametrize("bias", [False, True])
def test_parameters_are_torchs_state_dict(bias: bool) -> None:
    expected = {name: tuple(value.shape) for name, value in torch.nn.Linear(2, 3, bias=bias).state_dict().items()}
    assert list(linear.Linear(2, 3, bias=bias).parameter_shapes.items()) == list(expected.items())


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        ({"in_features": "2"}, "int"),
        ({"in_features": 2.0}, "int"),
        ({"out_features": None}, "int"),
        ({"out_features": 3.5}, "int"),
        ({"in_features": -1}, "negative"),
        ({"out_features": -1}, "negative"),
    ],
)
def test_wrong_constructor_arguments(options: dict[str, Any], mentions: str) -> None:
    arguments: dict[str, Any] = {"in_features": 2, "out_features": 3} | options
    assert_same_refusal(lambda: torch.nn.Linear(**arguments), lambda: linear.Linear(**arguments), mentions)


def zeros(*shape: int, dtype: Any = np.float64) -> Array:
    return np.zeros(shape, dtype)


MODEL = linear.Linear(2, 3)
PARAMS = {"weight": zeros(3, 2), "bias": zeros(3)}


def torch_module() -> torch.nn.Linear:
    return torch.nn.Linear(2, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("x", "mentions"),
    [
        (zeros(), "(..., 2)"),
        (zeros(3), "(..., 2)"),
        (zeros(4, 3), "(..., 2)"),
        (zeros(2, 3), "(..., 2)"),
        (zeros(4, 2, dtype=np.float32), "float64"),
        (zeros(4, 2, dtype=np.int64), "float64"),
        ([0.0, 0.0], "array"),
        (None, "array"),
    ],
)
def test_wrong_inputs(x: Any, mentions: str) -> None:
    module = torch_module()
    assert_same_refusal(lambda: module(tensor(x)), lambda: linear.forward(MODEL, PARAMS, x), mentions)


@pytest.mark.parametrize(
    ("change", "mentions"),
    [
        ({"bias": None}, "bias"),
        ({"extra": zeros(3)}, "extra"),
        ({"weight": zeros(2, 3)}, "(3, 2)"),
        ({"bias": zeros(1, 3)}, "(3,)"),
    ],
)
def test_wrong_parameters(change: dict[str, Any], mentions: str) -> None:
    wrong = {name: value for name, value in (PARAMS | change).items() if value is not None}
    cache = linear.forward(MODEL, PARAMS, zeros(5, 2))[1]
    for in_reference in (
        lambda: linear.forward(MODEL, wrong, zeros(5, 2)),
        lambda: linear.backward(MODEL, wrong, cache, zeros(5, 3)),
    ):
        assert_same_refusal(
            lambda: torch_module().load_state_dict({name: tensor(value) for name, value in wrong.items()}),
            in_reference,
            mentions,
        )


@pytest.mark.parametrize(
    ("d_output", "mentions"), [(zeros(5, 2), "(5, 3)"), (zeros(3), "(5, 3)"), ([0.0], "array"), ("ones", "array")]
)
def test_wrong_upstream_gradients(d_output: Any, mentions: str) -> None:
    cache = linear.forward(MODEL, PARAMS, zeros(5, 2))[1]
    assert_same_refusal(
        lambda: backward(torch_module()(torch.zeros(5, 2, dtype=torch.float64)), d_output),
        lambda: linear.backward(MODEL, PARAMS, cache, d_output),
        mentions,
    )


def test_an_upstream_gradient_of_another_dtype_is_refused() -> None:
    """torch casts it; here a float32 gradient in a float64 layer is taken for a mistake."""
    cache = linear.forward(MODEL, PARAMS, zeros(5, 2))[1]
    assert_refused(
        lambda: linear.backward(MODEL, PARAMS, cache, zeros(5, 3, dtype=np.float32)), RuntimeError, "float64"
    )
