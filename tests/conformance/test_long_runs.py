"""Optimizers over many steps: in step with torch for a thousand, free for a hundred, with options at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from conformance.adapters import pytorch_optimizers, reference_optimizers
from conformance.cases import optimizer
from conformance.tolerance import ELEMENT_LIMIT, norm
from reference.checks import Array

UNIT = 2.0**-53
SCALES = np.array([1.0, 1e-2, 1e-4, 1e-8])
SHAPES = {"weight": (4, 3), "bias": (4,)}
ALGORITHMS = [name for name in optimizer.DEFAULTS if name != "Muon"]  # whose arithmetic is bfloat16


def _gradients(rng: np.random.Generator, mean: dict[str, Array]) -> dict[str, Array]:
    grads = {name: value + rng.standard_normal(value.shape) for name, value in mean.items()}
    return grads | {"weight": grads["weight"] * SCALES[:, None]}


def _draw(rng: np.random.Generator) -> dict[str, Array]:
    return {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}


def _step(algorithm: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], grads: dict[str, Array]) -> None:
    for name, tensor in tensors.items():
        tensor.grad = torch.from_numpy(grads[name].copy())
    algorithm.step()


def _state(algorithm: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> dict[str, dict[str, Array]]:
    return {
        name: {
            key: value.detach().clone().numpy() for key, value in algorithm.state[tensor].items() if value is not None
        }
        for name, tensor in tensors.items()
    }


def _tensors(params: dict[str, Array]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value.copy()).requires_grad_() for name, value in params.items()}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_thousand_steps_each_from_torchs_parameters_and_state(algorithm: str) -> None:
    """No step is further from torch's than rounding of the parameter and of its update explains."""
    rng = np.random.default_rng(ALGORITHMS.index(algorithm))
    config = {"algorithm": algorithm} | optimizer.DEFAULTS[algorithm]
    params, mean = _draw(rng), _draw(rng)
    tensors = _tensors(params)
    theirs, ours = pytorch_optimizers.make_optimizer(config, tensors), reference_optimizers.make_optimizer(config)
    state: Any = ours.init(params)
    for step in range(1, 1001):
        grads = _gradients(rng, mean)
        stepped, own_state = ours.step(params, grads, state)
        _step(theirs, tensors, grads)
        state = _state(theirs, tensors)
        for name, tensor in tensors.items():
            expected = tensor.detach().numpy().copy()
            rounding = UNIT * (np.abs(params[name]) + np.abs(expected - params[name]))
            ratio = np.max(np.abs(stepped[name] - expected) / (ELEMENT_LIMIT * rounding))
            assert ratio <= 1, (step, name, ratio)
            params[name] = expected
            assert own_state[name].keys() == state[name].keys()
            for key, value in state[name].items():
                size = norm(value) + norm(grads[name]) if value.ndim else norm(value)
                assert norm(own_state[name][key] - value) <= ELEMENT_LIMIT * UNIT * size, (step, name, key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hundred_free_steps_with_options_at_random(algorithm: str) -> None:
    """Gradients are given, down to 1e-8: nothing feeds an error back but the algorithm's own state."""
    for seed in range(12):
        rng = np.random.default_rng([ALGORITHMS.index(algorithm), seed])
        config = optimizer.random_config(rng, algorithm, 0.3)
        params, mean = _draw(rng), _draw(rng)
        tensors = _tensors(params)
        theirs, ours = pytorch_optimizers.make_optimizer(config, tensors), reference_optimizers.make_optimizer(config)
        state: Any = ours.init(params)
        for _ in range(100):
            grads = _gradients(rng, mean)
            params, state = ours.step(params, grads, state)
            _step(theirs, tensors, grads)
        for name, tensor in tensors.items():
            expected = tensor.detach().numpy()
            error = norm(params[name] - expected) / norm(expected)
            assert error <= 1e-13, (config, name, error)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_error_as_small_as_float32s_is_not_let_through(algorithm: str) -> None:
    """The rate in float32, a relative 1e-8 of an update: the two bounds above would both notice."""
    rng = np.random.default_rng(0)
    config = {"algorithm": algorithm} | optimizer.DEFAULTS[algorithm] | {"lr": 0.1}
    rounded = config | {"lr": float(np.float32(0.1))}
    params, mean = _draw(rng), _draw(rng)
    tensors = _tensors(params)
    theirs, ours = pytorch_optimizers.make_optimizer(config, tensors), reference_optimizers.make_optimizer(rounded)
    before, state = params, ours.init(params)
    for _ in range(2 if algorithm == "ASGD" else 1):  # whose first rate torch rounds itself
        grads = _gradients(rng, mean)
        params, state = ours.step(params, grads, state)
        _step(theirs, tensors, grads)
    expected = tensors["bias"].detach().numpy()
    rounding = UNIT * (np.abs(before["bias"]) + np.abs(expected - before["bias"]))
    close = bool(np.all(np.abs(params["bias"] - expected) <= ELEMENT_LIMIT * rounding))
    assert close == (algorithm == "ASGD")  # its rate is float32 in torch as well
