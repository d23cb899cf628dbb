"""Initializers: torch's bounds, deviations, fans and gains exactly, and distributions of the right form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from reference import initializers
from reference.checks import Array
from reference.linear import Linear
from reference.rnn import RNN
from tests.reference.against_torch import assert_refused, assert_same_refusal

SHAPES = [(3, 5), (1, 1), (40, 2), (4, 3, 5), (2, 3, 4, 5)]
NONLINEARITIES = ["linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"]
NONLINEARITIES += ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def scale_in_torch(initialize: Callable[[torch.Tensor], object], shape: tuple[int, ...], unit: str) -> float:
    """By what torch multiplies a draw from uniform(-1, 1) or normal(0, 1): the same seed gives the same draw."""

    def draw(fill: Callable[[torch.Tensor], object]) -> torch.Tensor:
        torch.manual_seed(1)
        values = torch.empty(shape, dtype=torch.float64)
        fill(values)
        return values

    standard = draw(lambda t: t.uniform_(-1, 1) if unit == "uniform" else t.normal_(0, 1))
    ratios = (draw(initialize) / standard).numpy()
    # a draw near zero is rounded when it is shifted into the interval, so the ratios are not all exact
    np.testing.assert_allclose(ratios, np.median(ratios), rtol=1e-9)
    return float(np.median(ratios))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gain", [1.0, 5 / 3])
def test_xavier_scales_are_those_of_torch(shape: tuple[int, ...], gain: float) -> None:
    bound = scale_in_torch(lambda t: torch.nn.init.xavier_uniform_(t, gain), shape, "uniform")
    std = scale_in_torch(lambda t: torch.nn.init.xavier_normal_(t, gain), shape, "normal")
    assert initializers.xavier_uniform_bound(shape, gain) == pytest.approx(bound, rel=1e-12)
    assert initializers.xavier_normal_std(shape, gain) == pytest.approx(std, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "FAN_OUT"])
@pytest.mark.parametrize(("a", "nonlinearity"), [(0, "relu"), (0, "leaky_relu"), (0.2, "leaky_relu"), (0, "tanh")])
def test_kaiming_scales_are_those_of_torch(shape: tuple[int, ...], mode: str, a: float, nonlinearity: Any) -> None:
    options: dict[str, Any] = {"a": a, "mode": mode, "nonlinearity": nonlinearity}
    bound = scale_in_torch(lambda t: torch.nn.init.kaiming_uniform_(t, **options), shape, "uniform")
    std = scale_in_torch(lambda t: torch.nn.init.kaiming_normal_(t, **options), shape, "normal")
    assert initializers.kaiming_uniform_bound(shape, **options) == pytest.approx(bound, rel=1e-12)
    assert initializers.kaiming_normal_std(shape, **options) == pytest.approx(std, rel=1e-12)


def test_default_arguments_are_those_of_torch() -> None:
    shape = (3, 5)
    for name, function, unit in (
        ("xavier_uniform_", initializers.xavier_uniform_bound, "uniform"),
        ("xavier_normal_", initializers.xavier_normal_std, "normal"),
        ("kaiming_uniform_", initializers.kaiming_uniform_bound, "uniform"),
        ("kaiming_normal_", initializers.kaiming_normal_std, "normal"),
    ):
        assert function(shape) == pytest.approx(scale_in_torch(getattr(torch.nn.init, name), shape, unit), rel=1e-12)


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("param", [None, 0, 0.2, 2])
def test_gains_are_those_of_torch(nonlinearity: Any, param: float | None) -> None:
    assert initializers.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(nonlinearity, param)


@pytest.mark.parametrize("shape", SHAPES)
def test_fans_are_those_of_torch(shape: tuple[int, ...]) -> None:
    expected = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert initializers.fan_in_and_fan_out(shape) == expected


def layer_bounds(construct: Callable[[], torch.nn.Module]) -> dict[str, float]:
    """The bound of every parameter of a new layer: the ratio to uniform(-1, 1) drawn in the same order."""
    torch.manual_seed(2)
    parameters = dict(construct().named_parameters())
    # the constructor draws once, in the order of the parameters
    torch.manual_seed(2)
    bounds = {}
    for name, value in parameters.items():
        ratios = (value.detach() / torch.empty_like(value).uniform_(-1, 1)).numpy()
        np.testing.assert_allclose(ratios, np.median(ratios), rtol=1e-9)
        bounds[name] = float(np.median(ratios))
    return bounds


@pytest.mark.parametrize(("in_features", "out_features"), [(1, 3), (7, 2), (100, 10)])
def test_linear_bounds_are_those_of_torch(in_features: int, out_features: int) -> None:
    expected = layer_bounds(lambda: torch.nn.Linear(in_features, out_features, dtype=torch.float64))
    assert initializers.linear_bounds(Linear(in_features, out_features)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("hidden_size", [1, 3, 64])
def test_rnn_bound_is_that_of_torch(hidden_size: int) -> None:
    expected = layer_bounds(lambda: torch.nn.RNN(2, hidden_size, num_layers=2, bidirectional=True, dtype=torch.float64))
    bound = initializers.rnn_bound(hidden_size)
    assert dict.fromkeys(expected, bound) == pytest.approx(expected, rel=1e-12)


# -------------------------------------------------------------------------------------------- distributions

N_DRAWS = 200_000
ERROR_PROBABILITY = 1e-9


def assert_distributed(draws: Array, cumulative: Callable[[Array], Array]) -> None:
    """The empirical distribution lies as near as the Dvoretzky-Kiefer-Wolfowitz inequality demands.

    P(sup |F_n - F| > d) <= 2 exp(-2 n d^2): a correct initializer fails here with probability
    ERROR_PROBABILITY for a random seed, while a deviation wrong by 3 % moves F by more than d = 0.0073.
    """
    values = np.sort(draws.ravel())
    distance = math.sqrt(math.log(2 / ERROR_PROBABILITY) / (2 * values.size))
    expected, n = cumulative(values), values.size
    above, below = np.arange(1, n + 1) / n - expected, expected - np.arange(n) / n
    assert max(above.max(), below.max()) <= distance


def uniform_cumulative(low: float, high: float) -> Callable[[Array], Array]:
    return lambda x: (x - low) / (high - low)


def normal_cumulative(mean: float, std: float) -> Callable[[Array], Array]:
    return lambda x: np.array([0.5 * math.erfc((mean - v) / (std * math.sqrt(2))) for v in x])


SQUARE = (N_DRAWS // 500, 500)
XAVIER_STD = math.sqrt(2 / sum(SQUARE))
HE_STD = math.sqrt(2 / SQUARE[1])
ROOT_3 = math.sqrt(3)


@pytest.mark.parametrize(
    ("function", "arguments", "bounds"),
    [
        (initializers.uniform, {}, (0, 1)),
        (initializers.uniform, {"low": -2, "high": 5}, (-2, 5)),
        (initializers.xavier_uniform, {"gain": 2}, (-2 * ROOT_3 * XAVIER_STD, 2 * ROOT_3 * XAVIER_STD)),
        (initializers.kaiming_uniform, {}, (-ROOT_3 * HE_STD, ROOT_3 * HE_STD)),
    ],
)
def test_uniform_draws(
    function: Callable[..., Array], arguments: Mapping[str, Any], bounds: tuple[float, float]
) -> None:
    draws = function(SQUARE, **arguments, rng=np.random.default_rng(4))
    assert draws.shape == SQUARE
    assert bounds[0] <= draws.min()
    assert draws.max() < bounds[1]
    assert_distributed(draws, uniform_cumulative(*bounds))


@pytest.mark.parametrize(
    ("function", "arguments", "mean", "std"),
    [
        (initializers.normal, {}, 0, 1),
        (initializers.normal, {"mean": 3, "std": 0.5}, 3, 0.5),
        (initializers.gaussian, {}, 0, 0.01),
        (initializers.gaussian, {"sigma": 2}, 0, 2),
        (initializers.xavier_normal, {"gain": 2}, 0, 2 * XAVIER_STD),
        (initializers.kaiming_normal, {"nonlinearity": "relu"}, 0, HE_STD),
        (initializers.kaiming_normal, {"nonlinearity": "tanh", "mode": "fan_out"}, 0, 5 / 3 / math.sqrt(SQUARE[0])),
    ],
)
def test_normal_draws(function: Callable[..., Array], arguments: Mapping[str, Any], mean: float, std: float) -> None:
    draws = function(SQUARE, **arguments, rng=np.random.default_rng(5))
    assert draws.shape == SQUARE
    assert_distributed(draws, normal_cumulative(mean, std))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_layers_start_as_in_torch(dtype: Any) -> None:
    rnn_model, linear_model = RNN(500, 300, bidirectional=True), Linear(500, 400)
    rng = np.random.default_rng(6)
    layers = (
        (rnn_model, initializers.rnn_parameters(rnn_model, rng=rng, dtype=dtype), 300),
        (linear_model, initializers.linear_parameters(linear_model, rng=rng, dtype=dtype), 500),
    )
    for model, params, n in layers:
        assert {name: value.shape for name, value in params.items()} == model.parameter_shapes
        assert all(value.dtype == dtype for value in params.values())
        for value in params.values():
            assert_distributed(value.astype(np.float64), uniform_cumulative(-1 / math.sqrt(n), 1 / math.sqrt(n)))


def test_a_seed_decides_the_draw() -> None:
    model = RNN(2, 3)
    first, again, other = (initializers.rnn_parameters(model, rng=np.random.default_rng(s)) for s in (1, 1, 2))
    for name in model.parameter_shapes:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.any(first[name] == other[name])
    # two parameters of one shape are two draws
    assert not np.any(first["bias_ih_l0"] == first["bias_hh_l0"])


def test_a_layer_without_inputs() -> None:
    params = initializers.linear_parameters(Linear(0, 3), rng=np.random.default_rng(1))
    # torch's bias is zero here, for want of a fan to divide by
    with pytest.warns(UserWarning, match="zero-element"):
        expected = dict(torch.nn.Linear(0, 3).named_parameters())
    assert params["weight"].shape == (3, 0)
    np.testing.assert_array_equal(params["bias"], expected["bias"].detach().numpy())


# -------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("nonlinearity", "param", "mentions"),
    [("swish", None, "relu"), ("leaky_relu", True, "number"), ("leaky_relu", "0.1", "number")],
)
def test_wrong_gains(nonlinearity: Any, param: Any, mentions: str) -> None:
    assert_same_refusal(
        lambda: torch.nn.init.calculate_gain(nonlinearity, param),
        lambda: initializers.calculate_gain(nonlinearity, param),
        mentions,
    )


@pytest.mark.parametrize("name", ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_too_few_axes(name: str, shape: tuple[int, ...]) -> None:
    assert_same_refusal(
        lambda: getattr(torch.nn.init, name + "_")(torch.empty(shape)),
        lambda: getattr(initializers, name)(shape, rng=np.random.default_rng()),
        "at least 2 axes",
    )


@pytest.mark.parametrize("name", ["kaiming_uniform", "kaiming_normal"])
@pytest.mark.parametrize(
    ("options", "mentions"), [({"mode": "fan"}, "fan_out"), ({"nonlinearity": "swish"}, "leaky_relu")]
)
def test_wrong_kaiming_options(name: str, options: dict[str, Any], mentions: str) -> None:
    assert_same_refusal(
        lambda: getattr(torch.nn.init, name + "_")(torch.empty(2, 3), **options),
        lambda: getattr(initializers, name)((2, 3), **options, rng=np.random.default_rng()),
        mentions,
    )


def test_distributions_that_do_not_exist() -> None:
    rng = np.random.default_rng()
    assert_same_refusal(
        lambda: torch.nn.init.normal_(torch.empty(2), 0, -1), lambda: initializers.normal((2,), 0, -1, rng=rng), "std"
    )
    assert_refused(lambda: initializers.gaussian((2,), -1, rng=rng), RuntimeError, "negative")
    assert_same_refusal(
        lambda: torch.nn.init.uniform_(torch.empty(2), 1, -1), lambda: initializers.uniform((2,), 1, -1, rng=rng), "low"
    )
