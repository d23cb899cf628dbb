"""What every algorithm starts from, and how much of a large parameter it works on at a time."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array
from tests.reference.against_torch import as_array, leaf, tensor

ELEMENTWISE = ["SGD", "ASGD", "Adagrad", "RMSprop", "Adadelta", "Rprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"]
OF_THE_WHOLE = ["Adafactor", "Muon", "SparseAdam"]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, {"momentum": 0.9}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True}],
    "Adam": [{}, {"amsgrad": True}],
    "AdamW": [{}, {"amsgrad": True}],
}
CONFIGURATIONS = [
    (algorithm, options) for algorithm in (*ELEMENTWISE, *OF_THE_WHOLE) for options in OPTIONS.get(algorithm, [{}])
]


def gradient(algorithm: str, values: Array) -> tuple[Any, torch.Tensor]:
    """The same gradient for both sides: sparse, with every row, for SparseAdam."""
    if algorithm != "SparseAdam":
        return values, tensor(values)
    return optim.SparseGradient(np.arange(len(values)), values), tensor(values).to_sparse(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3), (3,), (2, 3, 4)])
@pytest.mark.parametrize(("algorithm", "options"), CONFIGURATIONS)
def test_a_first_state_has_the_arrays_that_torch_allocates(
    algorithm: str, options: dict[str, Any], shape: tuple[int, ...], dtype: Any
) -> None:
    if algorithm == "Muon":
        shape = shape[:2] if len(shape) > 1 else (*shape, 2)
    param = np.ones(shape, dtype)
    optimizer = getattr(optim, algorithm)(**options)
    theirs = leaf(param)
    run = getattr(torch.optim, algorithm)([theirs], **options)
    _, theirs.grad = gradient(algorithm, param)
    run.step()
    allocated = {key: as_array(value) for key, value in run.state[theirs].items()}
    if algorithm == "SGD":
        allocated.pop("momentum_buffer", None)  # there is none before the first gradient, which it starts as
    state = optimizer.first_state(param)
    assert {key: (value.shape, value.dtype) for key, value in state.items()} == {
        key: (value.shape, value.dtype) for key, value in allocated.items()
    }


@pytest.mark.parametrize("algorithm", [*ELEMENTWISE, *OF_THE_WHOLE])
def test_an_empty_state_is_the_first_one(algorithm: str) -> None:
    optimizer = getattr(optim, algorithm)()
    params = {"w": np.random.default_rng(1).standard_normal((2, 3))}
    grads = {"w": gradient(algorithm, np.random.default_rng(2).standard_normal((2, 3)))[0]}
    expected_params, expected_state = optimizer.step(params, grads, optimizer.init(params))
    actual_params, actual_state = optimizer.step(params, grads, {"w": {}})
    np.testing.assert_array_equal(actual_params["w"], expected_params["w"])
    assert actual_state["w"].keys() == expected_state["w"].keys()
    for key, value in expected_state["w"].items():
        np.testing.assert_array_equal(actual_state["w"][key], value)


@pytest.mark.parametrize("algorithm", [*ELEMENTWISE, *OF_THE_WHOLE])
def test_large_parameters_are_updated_in_blocks_unless_they_count_as_a_whole(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizer = getattr(optim, algorithm)()
    name = "update_rows" if algorithm == "SparseAdam" else "update"
    update, sizes = getattr(type(optimizer), name), []

    def watched(self: Any, param: Array, grad: Any, state: Any) -> Any:
        sizes.append(param.size)
        return update(self, param, grad, state)

    monkeypatch.setattr(type(optimizer), name, watched)
    monkeypatch.setattr(optim.base, "BLOCK", 10)
    params = {"w": np.ones((6, 4))}
    grads = {"w": gradient(algorithm, np.ones((6, 4)))[0]}
    optimizer.step(params, grads, optimizer.init(params))
    assert sizes == ([10, 10, 4] if algorithm in ELEMENTWISE else [24])


@pytest.mark.parametrize("algorithm", ELEMENTWISE)
def test_a_step_into_given_arrays_needs_memory_for_some_blocks_only(algorithm: str) -> None:
    size = 16 * optim.BLOCK
    optimizer = getattr(optim, algorithm)(**OPTIONS.get(algorithm, [{}])[-1])
    params, grads = {"w": np.ones(size)}, {"w": np.full(size, 0.5)}
    params, state = optimizer.step(params, grads, optimizer.init(params))
    tracemalloc.start()
    optimizer.step(params, grads, state, out=(params, state))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < params["w"].nbytes


@pytest.mark.parametrize(
    ("algorithm", "options", "off"),
    [
        ("Adam", {"amsgrad": True}, {"amsgrad": False}),
        ("AdamW", {"amsgrad": True}, {"amsgrad": False}),
        ("RMSprop", {"momentum": 0.9}, {"momentum": 0.0}),
        ("RMSprop", {"centered": True}, {"centered": False}),
        ("SGD", {"momentum": 0.9}, {"momentum": 0.0}),
    ],
)
def test_an_option_that_is_off_for_a_step_loses_no_state(
    algorithm: str, options: dict[str, Any], off: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    start, grads = rng.standard_normal(3), rng.standard_normal((4, 3))
    tensor = torch.tensor(start, requires_grad=True)
    theirs = getattr(torch.optim, algorithm)([tensor], lr=0.1, **options)
    ours = getattr(optim, algorithm)(lr=0.1, **options)
    params, state = {"w": start}, ours.init({"w": start})
    for step, grad in enumerate(grads):
        now = off if step == 2 else options
        theirs.param_groups[0].update(now)
        tensor.grad = torch.tensor(grad)
        theirs.step()
        params, state = dataclasses.replace(ours, **now).step(params, {"w": grad}, state)
        np.testing.assert_allclose(params["w"], tensor.detach().numpy(), rtol=1e-12)
        assert state["w"].keys() == theirs.state[tensor].keys()
