"""log_softmax and nll_loss against torch, apart and after one another."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from reference import activations, losses
from tests.reference.against_torch import assert_close, assert_same_refusal, backward, leaf, tensor

SHAPES = [(4,), (5, 4), (2, 3, 4), (2, 3, 4, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_log_softmax_along_every_axis(shape: tuple[int, ...], scale: float) -> None:
    rng = np.random.default_rng(1)
    for dim in range(-len(shape), len(shape)):
        x, d_y = scale * rng.standard_normal(shape), rng.standard_normal(shape)
        expected = torch.log_softmax(source := leaf(x), dim)
        backward(expected, d_y)
        y = activations.log_softmax(x, dim)
        assert_close(y, expected)
        assert_close(activations.log_softmax_backward(d_y, y, dim), source.grad)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_nll_loss_with_weights_and_ignored_samples(shape: tuple[int, ...], reduction: str) -> None:
    rng = np.random.default_rng(2)
    classes, samples = (shape[0], ()) if len(shape) == 1 else (shape[1], (shape[0], *shape[2:]))
    for weighted, ignore_index in product((False, True), (-100, 1)):
        x, target = rng.standard_normal(shape), np.asarray(rng.integers(0, classes, samples))
        weight = rng.uniform(0.5, 2, classes) if weighted else None
        options: dict[str, Any] = {"ignore_index": ignore_index, "reduction": reduction}
        source = leaf(x)
        expected = torch.nn.functional.nll_loss(source, tensor(target), weight=tensor(weight), **options)
        d_loss = np.asarray(rng.standard_normal(tuple(expected.shape)))
        backward(expected, d_loss)
        assert_close(losses.nll_loss(x, target, weight, **options), expected)
        assert_close(losses.nll_loss_backward(d_loss, x, target, weight, **options), source.grad)


def test_a_probability_of_0_counts_for_its_own_class_alone() -> None:
    x, target = np.array([[0.0, -np.inf], [-np.inf, 0.0]]), np.array([0, 0])
    expected = torch.nn.functional.nll_loss(tensor(x), tensor(target), reduction="none")
    assert_close(losses.nll_loss(x, target, reduction="none"), expected)


@pytest.mark.parametrize(
    ("x", "target"),
    [
        (np.zeros(()), np.zeros((), int)),
        (np.zeros((3, 4)), np.zeros(3)),
        (np.zeros((3, 4)), np.zeros((3, 4))),
        (np.zeros((3, 4)), np.zeros(2, int)),
        (np.zeros((3, 4)), np.array([0, 4, 1])),
        (np.zeros((3, 4)), np.zeros(3, np.int32)),
        (np.zeros((3, 4)), np.zeros((3, 1), int)),
        (np.zeros((2, 3, 4)), np.zeros((2, 3), int)),
        (np.zeros((3, 4), int), np.zeros(3, int)),
    ],
)
def test_wrong_arguments_of_nll_loss(x: Any, target: Any) -> None:
    assert_same_refusal(
        lambda: torch.nn.functional.nll_loss(tensor(x), tensor(target)), lambda: losses.nll_loss(x, target)
    )


def test_log_softmax_refuses_an_axis_that_does_not_exist() -> None:
    assert_same_refusal(
        lambda: torch.log_softmax(torch.zeros(2, 3), 2), lambda: activations.log_softmax(np.zeros((2, 3)), 2)
    )
