"""Every numeric option of every algorithm, at the values where a comparison or a special case may lie."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from tests.reference.against_torch import assert_all_close, assert_close, assert_refused, leaf, tensor

ALGORITHMS = [
    name
    for name, found in vars(torch.optim).items()
    if inspect.isclass(found) and issubclass(found, torch.optim.Optimizer) and found is not torch.optim.Optimizer
]
VALUES = [-1, -0.5, 0, 0.0, 0.5, 1, 1.0, 2, float("inf"), float("-inf"), float("nan")]

OTHERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.05},
    "RMSprop": {"momentum": 0.9, "weight_decay": 0.05},
    "Adagrad": {"lr_decay": 0.1},
    "Muon": {"lr": 0.1},
}
"""what makes an option count that would otherwise be multiplied by 0"""
OF_ITS_OWN = {"SparseAdam", "LBFGS"}
"""take sparse gradients, or a closure"""
OF_THE_ITERATION = {"ns_coefficients", "ns_steps"}
"""of Muon: most coefficients make it overflow, where torch's addmm still leaves out what is multiplied by 0"""
BFLOAT16 = {"Muon": 0.05}
"""as coarse as Muon's direction"""


def with_one_changed(algorithm: str) -> Iterator[dict[str, Any]]:
    """torch's numeric options, one of them at one of the values; of several numbers, one of them."""
    for name, parameter in inspect.signature(getattr(torch.optim, algorithm)).parameters.items():
        default = parameter.default
        if isinstance(default, tuple):
            for k in range(len(default)):
                yield from ({name: (*default[:k], value, *default[k + 1 :])} for value in VALUES)
        elif isinstance(default, int | float) and not isinstance(default, bool):
            yield from ({name: value} for value in VALUES)


def in_torch(algorithm: str, options: dict[str, Any], param: torch.Tensor) -> Any:
    """torch's optimizer, or the error with which it refuses."""
    try:
        return getattr(torch.optim, algorithm)([param], **options)
    except Exception as error:
        return error


def is_finite(options: dict[str, Any]) -> bool:
    return all(np.isfinite(np.array(value, dtype=float)).all() for value in options.values())


def test_every_algorithm_of_torch_is_here() -> None:
    assert len(ALGORITHMS) == 15
    assert all(hasattr(optim, name) for name in ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_option_is_refused_where_torch_refuses_it(algorithm: str) -> None:
    refused = 0
    for options in with_one_changed(algorithm):
        theirs = in_torch(algorithm, options, torch.zeros(2, 2, requires_grad=True))
        if isinstance(theirs, Exception):
            refused += 1
            assert_refused(lambda o=options: getattr(optim, algorithm)(**o), type(theirs))  # type: ignore[misc]
        else:
            fields = dataclasses.asdict(getattr(optim, algorithm)(**options))
            assert {name: fields[name] for name in options} == options or not is_finite(options)
    assert refused >= 3


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name not in OF_ITS_OWN])
def test_an_option_that_torch_accepts_does_what_it_does_there(algorithm: str) -> None:
    rng = np.random.default_rng(1)
    param, *grads = (rng.standard_normal((2, 3)) for _ in range(4))
    compared = 0
    for changed in with_one_changed(algorithm):
        options = OTHERS.get(algorithm, {}) | changed
        theirs = leaf(param)
        run = in_torch(algorithm, options, theirs)
        if isinstance(run, Exception) or not is_finite(changed) or changed.keys() & OF_THE_ITERATION:
            continue
        optimizer = getattr(optim, algorithm)(**options)
        params, state = {"w": param}, optimizer.init({"w": param})
        for step, grad in enumerate(grads):
            theirs.grad = tensor(grad)
            run.step()
            with np.errstate(all="ignore"):
                params, state = optimizer.step(params, {"w": grad}, state)
            what = f"{options} step {step}"
            assert_close(params["w"], theirs, what, BFLOAT16.get(algorithm, 1e-11))
            assert_all_close(state["w"], run.state[theirs], what, 1e-11)
        compared += 1
    assert compared > 10


def test_radam_at_the_bound_of_its_two_forms() -> None:
    """A length of exactly 5 after six steps: not more than 5, so the form without the second moment."""

    def length(beta2: float) -> float:
        return float(2 / (1 - beta2) - 1 - 2 * 6.0 * beta2**6.0 / (1 - beta2**6.0))

    near = 0.83976857486597 + np.arange(1000) * 2.0**-53
    options: dict[str, Any] = {"lr": 0.1, "betas": (0.9, next(b for b in near.tolist() if length(b) == 5))}
    rng = np.random.default_rng(2)
    param = rng.standard_normal(3)
    theirs = leaf(param)
    run, optimizer = torch.optim.RAdam([theirs], **options), optim.RAdam(**options)
    params, state = {"w": param}, optimizer.init({"w": param})
    for step in range(8):
        grad = rng.standard_normal(3)
        theirs.grad = tensor(grad)
        run.step()
        params, state = optimizer.step(params, {"w": grad}, state)
        assert_close(params["w"], theirs, f"step {step}")
