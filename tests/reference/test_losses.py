"""Losses against torch.nn.functional, with every combination of their options."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from reference import losses
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

REDUCTIONS = ["mean", "sum", "none"]
CLASSES = 4
SCORE_SHAPES = [(CLASSES,), (5, CLASSES), (1, CLASSES), (0, CLASSES), (3, CLASSES, 2), (2, CLASSES, 3, 2)]


def sample_shape(scores: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of class indices, and of unreduced losses."""
    return () if len(scores) == 1 else (scores[0], *scores[2:])


def run_both(name: str, input: Array, target: Array, **options: Any) -> tuple[tuple[Array, Array], tuple[Any, Any]]:
    """Loss and gradient of the reference, and of torch; the upstream gradient differs from element to element."""
    source = leaf(input)
    in_torch = getattr(torch.nn.functional, name)
    loss = in_torch(source, tensor(target), **{key: tensor(value) for key, value in options.items()})
    d_loss = frozen(np.linspace(0.5, 2, int(np.prod(loss.shape))).astype(input.dtype).reshape(tuple(loss.shape)))
    loss.backward(tensor(d_loss))
    actual = getattr(losses, name)(input, target, **options)
    return (actual, getattr(losses, f"{name}_backward")(d_loss, input, target, **options)), (loss, source.grad)


def assert_both_close(name: str, input: Array, target: Array, tolerance: float = 1e-12, **options: Any) -> None:
    actual, expected = run_both(name, input, target, **options)
    for mine, theirs, what in zip(actual, expected, ("loss", "gradient"), strict=True):
        assert_close(mine, theirs, f"{what} with {options}", tolerance)


def draws(seed: int, *shape: int, dtype: Any = np.float64) -> Array:
    return frozen(np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype))


def class_indices(shape: tuple[int, ...], dtype: Any = np.int64) -> Array:
    return frozen(np.asarray(np.random.default_rng(2).integers(0, CLASSES, sample_shape(shape))).astype(dtype))


def probabilities(shape: tuple[int, ...]) -> Array:
    axis = 0 if len(shape) == 1 else 1
    weights = np.random.default_rng(3).random(shape)
    return frozen(weights / weights.sum(axis=axis, keepdims=True))


# ----------------------------------------------------------------------------------------------- mean squares


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (0, 3), (5, 3), (2, 3, 4)])
def test_mse_loss_and_gradient_are_those_of_torch(shape: tuple[int, ...], reduction: str) -> None:
    assert_both_close("mse_loss", draws(0, *shape), draws(1, *shape), reduction=reduction)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("shape", "target"),
    [
        *(((4, 1), (4,)), ((4,), (4, 1)), ((5, 3), (3,)), ((3,), (5, 3)), ((), (5, 3)), ((5, 3), ()), ((1,), ())),
        *(((2, 1, 4), (3, 1)), ((1, 3, 1), (5, 1, 3, 4)), ((1, 1), (0, 3)), ((0, 3), (1,)), ((5, 3), (5, 3))),
    ],
)
def test_mse_loss_broadcasts_and_weighs_as_torch_does(
    shape: tuple[int, ...], target: tuple[int, ...], reduction: str
) -> None:
    for weight in (None, np.asarray(np.abs(draws(2, *shape)))):
        assert_both_close("mse_loss", draws(0, *shape), draws(1, *target), reduction=reduction, weight=weight)


def test_a_broadcast_mean_squared_error_warns_once_and_its_gradient_does_not() -> None:
    input, target = draws(0, 3, 1), draws(1, 3)
    with pytest.warns(UserWarning, match=r"target size \(3,\) .* input size \(3, 1\).* \(3, 3\)") as caught:
        losses.mse_loss(input, target)
    assert len(caught) == 1
    assert caught[0].category is UserWarning
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="Using a target size"):
        torch.nn.functional.mse_loss(tensor(input), tensor(target))
    losses.mse_loss_backward(np.ones(()), input, target)


SPECIAL = [0.0, 1.0, -1.0, 2.0, 1e200, -1e200, 1e308, 1e-200, np.inf, -np.inf, np.nan]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("seed", range(60))
def test_special_values_and_weights_of_mse_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = SPECIAL if seed % 2 else [0.0, 1.0, -1.0, 2.0]  # weights of these often add up to 0
    shape, target = ((3, 1), (2,)) if seed % 3 else ((3,), (3,))
    for reduction in REDUCTIONS:
        assert_both_close(
            "mse_loss",
            rng.choice(values, shape),
            rng.choice(values, target),
            reduction=reduction,
            weight=rng.choice(values, shape),
        )


# ---------------------------------------------------------------------------------------------- cross-entropy


@pytest.mark.parametrize("shape", SCORE_SHAPES)
@pytest.mark.parametrize("kind", ["indices", "probabilities"])
def test_cross_entropy_and_gradient_are_those_of_torch(kind: str, shape: tuple[int, ...]) -> None:
    target = class_indices(shape) if kind == "indices" else probabilities(shape)
    weights = (None, frozen(np.array([0.5, 2.0, 0.0, 1.5])))
    for weight, smoothing, reduction in product(weights, (0.0, 0.3, 1.0), REDUCTIONS):
        options: dict[str, Any] = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
        assert_both_close("cross_entropy", 3 * draws(4, *shape), target, **options)


@pytest.mark.parametrize("shape", SCORE_SHAPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_ignored_samples(shape: tuple[int, ...], smoothing: float) -> None:
    """Some samples ignored by a negative and by a valid index, and all of them: a mean over nothing."""
    some = class_indices(shape).copy()
    some.flat[::2] = -100
    targets = [(some, -100), (class_indices(shape), 2), (np.full_like(some, -7), -7)]
    weight = np.array([0.5, 2.0, 0.25, 1.5])
    for (target, ignore_index), reduction in product(targets, REDUCTIONS):
        options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": smoothing, "reduction": reduction}
        assert_both_close("cross_entropy", draws(5, *shape), target, weight=weight, **options)


@pytest.mark.parametrize("shape", [(CLASSES,), (5, CLASSES)])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_indices_of_one_byte(shape: tuple[int, ...], smoothing: float) -> None:
    assert_both_close("cross_entropy", draws(6, *shape), class_indices(shape, np.uint8), label_smoothing=smoothing)


@pytest.mark.parametrize("shape", [(0, 0), (2, 0)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_classes(shape: tuple[int, int], reduction: str) -> None:
    assert_both_close("cross_entropy", np.zeros(shape), np.zeros(shape), reduction=reduction)
    if shape[0] == 0:
        for smoothing in (0.0, 0.3):
            options: dict[str, Any] = {"label_smoothing": smoothing, "reduction": reduction}
            assert_both_close("cross_entropy", np.zeros(shape), np.zeros(0, np.int64), **options)


@pytest.mark.parametrize(
    "row",
    [
        [800.0, 0.0, -800.0],
        [1e308, -1e308, 0.0],
        [-1e308, -1e308, -1e308],
        [5e-324, -5e-324, 0.0],
        [np.inf, 0.0, 1.0],
        [-np.inf, 0.0, 1.0],
        [np.inf, np.inf, -np.inf],
        [-np.inf, -np.inf, -np.inf],
        [np.nan, 0.0, 1.0],
    ],
)
def test_extreme_and_special_scores_without_warning(row: list[float]) -> None:
    scores = np.array([row] * 3 + [[0.5, -0.5, 0.0]])
    indices, one_hot = np.array([0, 1, 2, 1]), np.eye(3)[[0, 1, 2, 1]]
    weights = (None, np.array([0.0, 1.0, 2.0]))
    for target, weight, smoothing, reduction in product((indices, one_hot), weights, (0.0, 0.3), REDUCTIONS):
        options: dict[str, Any] = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
        assert_both_close("cross_entropy", scores, target, **options)


@pytest.mark.parametrize("seed", range(150))
def test_special_weights_scores_and_targets(seed: int) -> None:
    """Infinite, NaN, zero and negative weights in all modes, beside scores and probabilities that are no better."""
    rng = np.random.default_rng(seed)
    shape = [(3,), (4, 3), (3, 2), (2, 3, 2), (0, 3)][seed % 5]
    classes = shape[0] if len(shape) == 1 else shape[1]

    def mixed(ordinary: Array, values: list[float], share: float) -> Array:
        return np.where(rng.random(ordinary.shape) < share, rng.choice(values, ordinary.shape), ordinary)

    scores = mixed(rng.standard_normal(shape), [np.inf, -np.inf, np.nan, 0.0, 700.0], float(rng.choice([0.0, 0.2])))
    weight = mixed(rng.uniform(0.5, 2, classes), [np.inf, -np.inf, np.nan, 0.0, 1.0, -1.0, 1e30], 0.6)
    indices = np.asarray(rng.integers(0, classes, sample_shape(shape)))
    ignoring = np.where(rng.random(indices.shape) < 0.4, -100, indices)
    p = mixed(rng.random(shape), [0.0, 1.0, np.inf, np.nan], 0.3)
    for reduction in REDUCTIONS:
        assert_both_close("nll_loss", scores, ignoring, weight=weight, reduction=reduction)
        for target, smoothing in product((indices, ignoring, p), (0.0, 0.3, 1.0)):
            options: dict[str, Any] = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
            assert_both_close("cross_entropy", scores, target, **options)


def test_weights_that_cancel_and_losses_that_overflow_do_not_warn() -> None:
    scores, indices = np.array([[1e200, 0.0], [1e200, 1.0], [0.0, 1e200]]), np.array([1, 1, 0])
    for weight, name in product((np.array([2.0, -1.0]), np.array([1e108, 1e108])), ("cross_entropy", "nll_loss")):
        for reduction in REDUCTIONS:
            assert_both_close(name, scores, indices, weight=weight, reduction=reduction)


def test_all_class_weights_zero() -> None:
    """A mean by a weight of zero is NaN, and so is its gradient."""
    assert_both_close("cross_entropy", draws(7, 2, 3), np.array([0, 2]), weight=np.zeros(3))


@pytest.mark.parametrize(
    ("name", "target"),
    [("mse_loss", draws(9, 5, 3)), ("cross_entropy", np.arange(5) % 3), ("cross_entropy", np.eye(3)[[0, 1, 2, 0, 1]])],
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_other_dtypes_come_out_as_they_go_in(name: str, target: Array, reduction: str) -> None:
    def as_dtype(dtype: Any) -> tuple[Array, Array]:
        return draws(8, 5, 3, dtype=np.float32).astype(dtype), target.astype(dtype) if target.ndim == 2 else target

    assert_both_close(name, *as_dtype(np.float32), tolerance=1e-5, reduction=reduction)

    input, wide_target = as_dtype(np.longdouble)
    loss = getattr(losses, name)(input, wide_target, reduction=reduction)
    d_loss = np.ones_like(loss)
    d_input = getattr(losses, f"{name}_backward")(d_loss, input, wide_target, reduction=reduction)
    source = leaf(input.astype(np.float64))
    expected = getattr(torch.nn.functional, name)(source, tensor(as_dtype(np.float64)[1]), reduction=reduction)
    expected.sum().backward()
    assert source.grad is not None
    # float64's target differs from longdouble's only by an exact cast
    assert_close(loss, expected.detach().numpy().astype(np.longdouble), "loss")
    assert_close(d_input, source.grad.numpy().astype(np.longdouble), "gradient")


# -------------------------------------------------------------------------------------------------- refusals


def zeros(*shape: int, dtype: Any = np.float64) -> Array:
    return np.zeros(shape, dtype)


Y = np.array([0, 2])


@pytest.mark.parametrize(
    ("input", "target", "options", "mentions"),
    [
        (zeros(2, 3), zeros(4), {}, "(2, 3)"),
        (zeros(2, 3), zeros(2, 2), {}, "(2, 3)"),
        (zeros(2, 3, dtype=np.int64), zeros(2, 3, dtype=np.int64), {}, "float"),
        (zeros(2, 3), zeros(2, 3), {"reduction": "avg"}, "'mean'"),
        (zeros(2, 3), zeros(2, 3), {"reduction": None}, "'mean'"),
        (zeros(2, 3), zeros(2, 3), {"weight": zeros(2, 3), "reduction": "avg"}, "'mean'"),
        (zeros(2, 3), zeros(2, 3), {"weight": zeros(3)}, "(2, 3)"),
        (zeros(3), zeros(2, 3), {"weight": zeros(2, 3)}, "(3,)"),
        (zeros(2, 3), zeros(2, 3), {"weight": [1.0]}, "array"),
        (zeros(2, 3), zeros(2), {"weight": zeros(3)}, "broadcast"),
        (zeros(2, 3), [[0.0]], {}, "array"),
        ([[0.0]], zeros(2, 3), {}, "array"),
    ],
)
# torch broadcasts before it fails, and says so
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_wrong_arguments_of_mse_loss(input: Any, target: Any, options: dict[str, Any], mentions: str) -> None:
    def in_torch() -> object:
        given = {key: tensor(value) for key, value in options.items()}
        return torch.nn.functional.mse_loss(tensor(input), tensor(target), **given)

    assert_same_refusal(in_torch, lambda: losses.mse_loss(input, target, **options), mentions)
    assert_same_refusal(in_torch, lambda: losses.mse_loss_backward(np.ones(()), input, target, **options), mentions)


@pytest.mark.parametrize("other", [zeros(2, 3, dtype=np.float32), zeros(2, 3, dtype=np.int64)])
def test_mse_loss_refuses_what_torch_would_cast(other: Array) -> None:
    assert_refused(lambda: losses.mse_loss(zeros(2, 3), other), RuntimeError, "must have")
    assert_refused(lambda: losses.mse_loss(zeros(2, 3), zeros(2, 3), weight=other), RuntimeError, "must have")


@pytest.mark.parametrize(
    ("input", "target", "options", "mentions"),
    [
        (zeros(2, 3), np.array([0, 3]), {}, "3 classes"),
        (zeros(2, 3), np.array([0, -1]), {}, "3 classes"),
        (zeros(2, 3), np.array([0, -100]), {"ignore_index": 0}, "3 classes"),
        (zeros(3), np.array(5), {}, "3 classes"),
        (zeros(2, 0), np.array([0, 0]), {}, "0 classes"),
        (zeros(2, 3), np.array([0, 1, 2]), {}, "(2,)"),
        (zeros(2, 3), np.array(1), {}, "(2,)"),
        (zeros(3), np.array([1, 1]), {}, "()"),
        (zeros(3), zeros(2, 2, dtype=np.int64), {}, "()"),
        (zeros(2, 3, 2), Y, {}, "(2, 2)"),
        (zeros(2, 3, 2), zeros(1, 2, dtype=np.int64), {}, "(2, 2)"),
        (zeros(2, 3, 2), zeros(2, 3, dtype=np.int64), {}, "(2, 2)"),
        (zeros(2, 3), zeros(2, 4), {}, "(2, 3)"),
        (zeros(2, 3), Y.astype(np.int32), {}, "int64"),
        (zeros(2, 3), Y.astype(np.float64), {}, "int64"),
        (zeros(3), np.array(1.0), {}, "int64"),
        (zeros(2, 3, 2), zeros(2, 2, dtype=np.uint8), {}, "int64"),
        (zeros(2, 3), zeros(2, 3, dtype=np.int64), {}, "float64"),
        (zeros(2, 3), Y, {"weight": zeros(2)}, "(3,)"),
        (zeros(2, 3), Y, {"weight": zeros(3, dtype=np.float32)}, "float64"),
        (zeros(2, 3), Y, {"weight": [1.0, 1.0, 1.0]}, "array"),
        (zeros(2, 3), Y, {"label_smoothing": 1.5}, "between 0 and 1"),
        (zeros(2, 3), Y, {"reduction": "avg"}, "'mean'"),
        (zeros(), Y, {}, "class axis"),
        (zeros(2, 3, dtype=np.int64), Y, {}, "float"),
        ([[0.0]], Y, {}, "array"),
        (zeros(2, 3), [0, 2], {}, "array"),
    ],
)
def test_wrong_arguments_of_cross_entropy(input: Any, target: Any, options: dict[str, Any], mentions: str) -> None:
    def in_torch() -> object:
        tensors = {name: tensor(value) for name, value in options.items()}
        return torch.nn.functional.cross_entropy(tensor(input), tensor(target), **tensors)

    assert_same_refusal(in_torch, lambda: losses.cross_entropy(input, target, **options), mentions)
    assert_same_refusal(
        in_torch, lambda: losses.cross_entropy_backward(np.ones(()), input, target, **options), mentions
    )


@pytest.mark.parametrize(
    ("target", "options", "mentions"),
    [
        (zeros(2, 3, dtype=np.float32), {}, "float64"),
    ],
)
def test_cross_entropy_refuses_what_torch_would_cast(target: Array, options: dict[str, Any], mentions: str) -> None:
    assert_refused(lambda: losses.cross_entropy(zeros(2, 3), target, **options), RuntimeError, mentions)


@pytest.mark.parametrize("smoothing", [-0.1, float("nan")])
@pytest.mark.parametrize("probabilities", [False, True])
def test_a_label_smoothing_below_its_range_is_none(smoothing: float, probabilities: bool) -> None:
    scores = np.random.default_rng(0).standard_normal((2, 3))
    target = np.array([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]]) if probabilities else np.array([0, 2])
    theirs = torch.nn.functional.cross_entropy(tensor(scores), tensor(target), label_smoothing=smoothing)
    np.testing.assert_allclose(
        losses.cross_entropy(scores, target, label_smoothing=smoothing), theirs.numpy(), rtol=1e-15
    )
    np.testing.assert_array_equal(
        losses.cross_entropy_backward(np.ones(()), scores, target, label_smoothing=smoothing),
        losses.cross_entropy_backward(np.ones(()), scores, target),
    )


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_one_target_of_a_single_sample_may_have_an_axis(name: str, reduction: str) -> None:
    scores, target = np.array([0.1, 0.5, -0.3]), np.array([1])
    theirs = getattr(torch.nn.functional, name)(tensor(scores), tensor(target), reduction=reduction)
    ours = getattr(losses, name)(scores, target, reduction=reduction)
    assert ours.shape == theirs.shape == ()
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-15)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("ignore_index", [-100, 0])
def test_a_target_in_the_shape_of_one_class_is_an_index_to_nll_loss(reduction: str, ignore_index: int) -> None:
    assert_both_close("nll_loss", np.array([-0.5]), np.array([0]), reduction=reduction, ignore_index=ignore_index)


@pytest.mark.parametrize("shape", [(2, 2), (0, 0), (2, 2, 2)])
def test_targets_in_the_shape_of_the_scores_are_no_probabilities_to_nll_loss(shape: tuple[int, ...]) -> None:
    for target in (zeros(*shape), zeros(*shape, dtype=np.int64)):
        assert_same_refusal(
            partial(torch.nn.functional.nll_loss, tensor(zeros(*shape)), tensor(target)),
            partial(losses.nll_loss, zeros(*shape), target),
            f"target must have shape {shape[:1] + shape[2:]} (class indices), got",
        )


@pytest.mark.parametrize(
    ("input", "target", "options"),
    [
        ([[0.0]], Y, {}),
        (zeros(2, 3), [0, 2], {}),
        (zeros(2, 3, dtype=np.int64), Y, {}),
        (zeros(2, 3), np.array([0, 3]), {}),
        (zeros(2, 3), Y, {"weight": zeros(2)}),
    ],
)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_of_several_mistakes_the_reduction_is_named(
    name: str, input: Any, target: Any, options: dict[str, Any]
) -> None:
    wrong = options | {"reduction": "avg"}
    given = {key: tensor(value) for key, value in wrong.items()}
    for in_reference in (
        lambda: getattr(losses, name)(input, target, **wrong),
        lambda: getattr(losses, f"{name}_backward")(np.ones(()), input, target, **wrong),
    ):
        assert_same_refusal(
            lambda: getattr(torch.nn.functional, name)(tensor(input), tensor(target), **given), in_reference, "'mean'"
        )


@pytest.mark.parametrize(
    ("input", "target", "weight", "mentions"),
    [
        (zeros(2, 3), zeros(2, 4), None, "broadcast"),
        (zeros(2, 3), zeros(2, 3), zeros(3), "weight"),
        (zeros(2, 3, dtype=np.int64), zeros(2, 3), None, "'mean'"),
        (zeros(2, 3), zeros(2, 3), zeros(2, 3, dtype=np.float32), "'mean'"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_mse_loss_looks_at_shapes_then_the_reduction_then_dtypes(
    input: Array, target: Array, weight: Array | None, mentions: str
) -> None:
    given: dict[str, Any] = {"reduction": "avg", "weight": tensor(weight)}
    assert_same_refusal(
        lambda: torch.nn.functional.mse_loss(tensor(input), tensor(target), **given),
        lambda: losses.mse_loss(input, target, "avg", weight),
        mentions,
    )


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_indices_of_one_byte_with_weights(reduction: str) -> None:
    weight, target = draws(7, CLASSES) ** 2, class_indices((5, CLASSES), np.uint8)
    assert_both_close(
        "cross_entropy", draws(6, 5, CLASSES), target, weight=weight, reduction=reduction, label_smoothing=0.3
    )


def test_only_smoothing_keeps_indices_of_one_byte_from_a_weighted_mean() -> None:
    weight, target = draws(7, CLASSES) ** 2, class_indices((5, CLASSES), np.uint8)
    assert_both_close("cross_entropy", draws(6, 5, CLASSES), target, weight=weight)


def test_weights_of_mse_loss_in_another_dtype() -> None:
    input, target, weight = (draws(seed, 2, 3, dtype=np.float32) for seed in range(3))
    assert_both_close("mse_loss", input, target, tolerance=1e-6, weight=weight**2)
    wide = weight.astype(np.float64)
    assert_refused(lambda: losses.mse_loss(input, target, weight=wide), RuntimeError, "weight must have dtype float32")


@pytest.mark.parametrize(
    ("reduction", "d_loss", "mentions"),
    [("none", np.ones(3), "(2, 3)"), ("mean", np.ones((2, 3)), "()"), ("sum", np.ones(1), "()")],
)
def test_wrong_upstream_gradients_of_mse_loss(reduction: str, d_loss: Array, mentions: str) -> None:
    input, target = zeros(2, 3), zeros(2, 3)
    assert_same_refusal(
        lambda: backward(torch.nn.functional.mse_loss(leaf(input), tensor(target), reduction=reduction), d_loss),
        lambda: losses.mse_loss_backward(d_loss, input, target, reduction),
        mentions,
    )


@pytest.mark.parametrize(("reduction", "d_loss", "mentions"), [("none", np.ones(3), "(2,)"), ("mean", Y * 1.0, "()")])
def test_wrong_upstream_gradients_of_cross_entropy(reduction: str, d_loss: Array, mentions: str) -> None:
    input = zeros(2, 3)
    assert_same_refusal(
        lambda: backward(torch.nn.functional.cross_entropy(leaf(input), tensor(Y), reduction=reduction), d_loss),
        lambda: losses.cross_entropy_backward(d_loss, input, Y, reduction=reduction),
        mentions,
    )
    # torch casts a gradient of another dtype; here it is taken for a mistake
    for in_reference, target in ((losses.cross_entropy_backward, Y), (losses.mse_loss_backward, input)):
        assert_refused(partial(in_reference, np.ones((), np.float32), input, target), RuntimeError, "float64")


def test_more_wrong_arguments() -> None:
    scores = np.log(np.full((3, 2), 0.5))
    wrong: Any = scores.tolist()
    assert_refused(lambda: losses.nll_loss(wrong, np.zeros(3, np.int64)), TypeError, "input")
    assert_same_refusal(
        lambda: torch.nn.functional.nll_loss(tensor(scores), torch.zeros(1, dtype=torch.int64)),
        lambda: losses.nll_loss(scores, np.zeros(1, np.int64)),
        "target",
    )
    for weight in (np.ones((3, 2), np.float32), np.ones((3, 2), np.int64)):
        assert_refused(lambda weight=weight: losses.mse_loss(scores, scores, weight=weight), RuntimeError, "weight")  # type: ignore[misc]


def test_probabilities_of_a_single_sample() -> None:
    scores, target = np.array([1.0, -2.0, 0.5]), np.array([0.2, 0.5, 0.3])
    for reduction in ("mean", "sum", "none"):
        theirs = torch.nn.functional.cross_entropy(tensor(scores), tensor(target), reduction=reduction)
        assert_close(losses.cross_entropy(scores, target, reduction=reduction), theirs)


class Own(np.ndarray[Any, Any]):
    """Somebody's class of arrays."""


def test_the_class_of_the_gradient_from_above_is_kept() -> None:
    scores, target, d_loss = np.ones((3, 2)), np.zeros((3, 2)), np.ones((3, 2)).view(Own)
    assert type(losses.mse_loss_backward(d_loss, scores, target, "none")) is Own


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.4])
def test_probabilities_of_a_single_class(samples: int, label_smoothing: float) -> None:
    scores, target = np.full((samples, 1), 0.7), np.full((samples, 1), 0.6)
    for reduction in ("mean", "sum", "none"):
        given = leaf(scores)
        options: dict[str, Any] = {"reduction": reduction, "label_smoothing": label_smoothing}
        theirs = torch.nn.functional.cross_entropy(given, tensor(target), **options)
        ours = losses.cross_entropy(scores, target, **options)
        assert_close(ours, theirs)
        (d_scores,) = torch.autograd.grad(theirs.sum(), [given])
        assert_close(losses.cross_entropy_backward(np.ones_like(ours), scores, target, **options), d_scores)


def test_no_class_can_be_ignored_beside_probabilities() -> None:
    scores, target = np.ones((2, 3)), np.full((2, 3), 1 / 3)
    for index in (0, 1):
        assert_same_refusal(
            lambda index=index: torch.nn.functional.cross_entropy(tensor(scores), tensor(target), ignore_index=index),  # type: ignore[misc]
            lambda index=index: losses.cross_entropy(scores, target, ignore_index=index),  # type: ignore[misc]
            "ignore_index",
        )


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_target_of_shape_1_for_one_sample_has_a_loss_and_no_gradient(name: str, reduction: str) -> None:
    scores, target = np.array([0.5, -1.0, 0.25]), np.array([1])
    loss = getattr(losses, name)(scores, target, reduction=reduction)
    in_torch = torch.from_numpy(scores).requires_grad_()
    theirs = getattr(torch.nn.functional, name)(in_torch, torch.from_numpy(target), reduction=reduction)
    np.testing.assert_allclose(loss, theirs.detach().reshape(()).numpy(), rtol=1e-15)
    assert_same_refusal(
        lambda: torch.autograd.grad(theirs.sum(), in_torch),
        lambda: getattr(losses, name + "_backward")(np.ones_like(loss), scores, target, reduction=reduction),
        "size mismatch",
    )
