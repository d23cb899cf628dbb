"""Optimizers on sparse gradients, against torch.optim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array
from tests.reference.against_torch import Beside, assert_refused, assert_same_refusal, frozen, leaf, tensor

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SparseAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3, "maximize": True},
        {"betas": (0.0, 0.0)},
    ],
    "SGD": [
        {},
        {"lr": 0.1, "momentum": 0.9},
        {"momentum": 0.5, "dampening": 0.3, "maximize": True},
        {"momentum": 0.9, "nesterov": True},
    ],
    "Adagrad": [{}, {"lr_decay": 0.1, "maximize": True}, {"initial_accumulator_value": 0.5, "eps": 0.0}],
}


@pytest.fixture(autouse=True)
def torch_checks_sparse_tensors() -> Iterator[None]:
    """torch warns where nobody says whether to."""
    with torch.sparse.check_sparse_tensor_invariants():  # type: ignore[no-untyped-call]
        yield


def sparse(rows: list[int], values: Array, shape: tuple[int, ...]) -> tuple[optim.SparseGradient, torch.Tensor]:
    """The same gradient for both sides."""
    index = np.array(rows, dtype=np.int64)
    theirs = torch.sparse_coo_tensor(tensor(index)[None], tensor(values), shape, check_invariants=True)
    return optim.SparseGradient(index, frozen(values)), theirs


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(5, 3), (5,), (5, 2, 2)])
@pytest.mark.parametrize("algorithm", OPTIONS)
def test_steps_are_torchs(algorithm: str, shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(len(shape))
    for options in OPTIONS[algorithm]:
        run = Beside(algorithm, rng.standard_normal(shape).astype(dtype), options)
        for rows in ([0, 2], [2, 2, 1, 2], [], [4, 0, 1], [3], [0, 0]):
            values = (10.0 ** rng.integers(-8, 1)) * rng.standard_normal((len(rows), *shape[1:]))
            run.step(*sparse(rows, values.astype(dtype), shape))
            run.assert_equal(1e-12 if dtype == np.float64 else 1e-5)
        assert run.state["w"].get("step", 6) == 6


@pytest.mark.parametrize("algorithm", ["SGD", "Adagrad"])
def test_a_sparse_gradient_may_follow_a_dense_one(algorithm: str) -> None:
    rng = np.random.default_rng(0)
    options = {"momentum": 0.9} if algorithm == "SGD" else {}
    run = Beside(algorithm, rng.standard_normal((5, 3)), options)
    run.step(rng.standard_normal((5, 3)))
    run.step(*sparse([3, 1, 3], rng.standard_normal((3, 3)), (5, 3)))
    run.assert_equal(1e-12)


def test_a_parameter_larger_than_a_block() -> None:
    rows, shape = [0, 3, 0], (4, optim.BLOCK)
    for algorithm in OPTIONS:
        run = Beside(algorithm, np.ones(shape), {"lr": 0.1})
        run.step(*sparse(rows, np.random.default_rng(0).standard_normal((3, optim.BLOCK)), shape))
        run.assert_equal(1e-12)


@pytest.mark.parametrize("algorithm", OPTIONS)
def test_what_a_step_returns_are_new_arrays(algorithm: str) -> None:
    params = {"w": frozen(np.ones((3, 2)))}
    optimizer: optim.Optimizer = getattr(optim, algorithm)(**OPTIONS[algorithm][1])
    grad = sparse([1], np.ones((1, 2)), (3, 2))[0]
    first_params, first = optimizer.step(params, {"w": grad}, optimizer.init(params))
    kept = {key: value.copy() for key, value in first["w"].items()}
    second_params, second = optimizer.step(first_params, {"w": grad}, first)
    assert all(np.array_equal(first["w"][key], kept[key]) for key in kept)
    assert not np.shares_memory(second_params["w"], first_params["w"])
    assert not any(np.shares_memory(second["w"][key], first["w"][key]) for key in kept)


@pytest.mark.parametrize("algorithm", OPTIONS)
@pytest.mark.parametrize(
    ("rows", "values", "error"),
    [
        ([0], np.zeros((2, 2)), RuntimeError),
        ([0], np.zeros((1, 3)), RuntimeError),
        ([0], np.zeros((1, 2), np.float32), RuntimeError),
        ([3], np.zeros((1, 2)), RuntimeError),
        ([-1], np.zeros((1, 2)), RuntimeError),
    ],
)
def test_wrong_sparse_gradients(algorithm: str, rows: list[int], values: Array, error: type[Exception]) -> None:
    """torch refuses the same tensors when they are made or become a gradient."""

    def in_torch() -> None:
        made = torch.sparse_coo_tensor(torch.tensor([rows]), tensor(values), (3, 2), check_invariants=True)
        leaf(np.zeros((3, 2))).grad = made

    params = {"w": np.zeros((3, 2))}
    grad = optim.SparseGradient(np.array(rows), values)
    optimizer = getattr(optim, algorithm)()
    assert_same_refusal(in_torch, lambda: optimizer.step(params, {"w": grad}, optimizer.init(params)))


@pytest.mark.parametrize("algorithm", ["SGD", "Adagrad"])
def test_weight_decay_is_not_for_sparse_gradients(algorithm: str) -> None:
    run = Beside(algorithm, np.zeros((3, 2)), {"weight_decay": 0.1})
    ours, run.theirs.grad = sparse([0], np.zeros((1, 2)), (3, 2))
    assert_same_refusal(run.torch.step, lambda: run.step(ours), "weight_decay")


@pytest.mark.parametrize(
    ("param", "rows", "error", "mentions"),
    [
        (np.zeros((3, 2)), [0], TypeError, "rows of w must be a NumPy array"),
        (np.zeros((3, 2)), np.zeros((1, 1), np.int64), RuntimeError, "rows of w must be a vector of int64"),
        (np.zeros((3, 2)), np.zeros(1, np.int32), RuntimeError, "rows of w must be a vector of int64"),
        (np.zeros((3, 2)), np.zeros(1), RuntimeError, "rows of w must be a vector of int64"),
        (np.zeros(()), np.zeros(1, np.int64), RuntimeError, "parameter that has rows"),
    ],
)
def test_rows_that_are_no_vector_of_indices(param: Array, rows: Any, error: type[Exception], mentions: str) -> None:
    """torch's sparse tensors cannot be made of these, or have no place for them."""
    grad = optim.SparseGradient(rows, np.zeros((1, *param.shape[1:])))
    assert_refused(lambda: optim.SparseAdam().step({"w": param}, {"w": grad}, {"w": {}}), error, mentions)


def test_dense_gradients_are_refused_by_sparse_adam_and_sparse_ones_by_the_others() -> None:
    params = {"w": np.zeros((3, 2))}
    run = Beside("SparseAdam", np.zeros((3, 2)), {})
    run.theirs.grad = torch.zeros(3, 2, dtype=torch.float64)
    assert_same_refusal(
        run.torch.step, lambda: optim.SparseAdam().step(params, {"w": np.zeros((3, 2))}, {"w": {}}), "dense"
    )
    ours, theirs = sparse([0], np.zeros((1, 2)), (3, 2))
    for algorithm in ("Adam", "Adamax", "NAdam", "RAdam", "Adadelta", "ASGD", "Rprop", "Adafactor", "Muon"):
        other = Beside(algorithm, np.zeros((3, 2)), {})
        other.theirs.grad = theirs
        assert_same_refusal(other.torch.step, lambda other=other: other.step(ours), "sparse")  # type: ignore[misc]
    assert_refused(lambda: optim.SparseAdam().step(params, {"w": 0.0}, {"w": {}}), TypeError, "SparseGradient")  # type: ignore[dict-item]
