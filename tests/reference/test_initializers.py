"""Initializers: torch's bounds, deviations, fans and gains exactly, and distributions of the right form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from reference import initializers
from reference.checks import Array
from reference.gru import GRU, GRUCell
from reference.linear import Linear
from reference.lstm import LSTM, LSTMCell
from reference.rnn import RNN, RNNCell
from tests.reference.against_torch import assert_refused, assert_same_refusal, warnings_of

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


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (torch.nn.LSTM, LSTM(2, 5, num_layers=2, bidirectional=True)),
        (torch.nn.LSTM, LSTM(2, 5, proj_size=3)),
        (torch.nn.LSTM, LSTM(2, 5, bias=False)),
        (torch.nn.GRU, GRU(2, 5, num_layers=2, bidirectional=True)),
        (torch.nn.RNNCell, RNNCell(2, 5)),
        (torch.nn.LSTMCell, LSTMCell(2, 5)),
        (torch.nn.GRUCell, GRUCell(2, 5, bias=False)),
    ],
    ids=str,
)
def test_bounds_of_recurrent_layers_and_cells_are_those_of_torch(
    kind: Callable[..., torch.nn.Module], model: Any
) -> None:
    expected = layer_bounds(lambda: kind(**vars_of(model), dtype=torch.float64))
    bounds = initializers.rnn_bounds(model)
    assert list(bounds) == list(expected)
    assert bounds == pytest.approx(expected, rel=1e-12)


def vars_of(model: Any) -> dict[str, Any]:
    return {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}


def test_a_cell_without_units(monkeypatch: pytest.MonkeyPatch) -> None:
    intervals: list[tuple[float, float]] = []
    monkeypatch.setattr(torch.nn.init, "uniform_", lambda _, low, high: intervals.append((low, high)))
    module, model = torch.nn.LSTMCell(2, 0), LSTMCell(2, 0)
    assert intervals == [(-bound, bound) for bound in initializers.rnn_bounds(model).values()]
    params = initializers.rnn_parameters(model, rng=np.random.default_rng(0))
    assert {name: value.shape for name, value in params.items()} == {
        name: value.shape for name, value in module.named_parameters()
    }


# -------------------------------------------------------------------------------------------- distributions

N_DRAWS = 200_000
ERROR_PROBABILITY = 1e-9


def assert_distributed(draws: Array, cumulative: Callable[[Array], Array]) -> None:
    """Kolmogorov and Smirnov's test: a correct initializer fails with probability ERROR_PROBABILITY, for a random seed.

    With N_DRAWS it refuses what moves the distribution function by more than 0.0073, such as a deviation wrong by 3 %.
    """
    assert stats.kstest(draws.ravel(), cumulative).pvalue > ERROR_PROBABILITY


def uniform_cumulative(low: float, high: float) -> Callable[[Array], Array]:
    cumulative: Callable[[Array], Array] = stats.uniform(low, high - low).cdf
    return cumulative


def normal_cumulative(mean: float, std: float) -> Callable[[Array], Array]:
    cumulative: Callable[[Array], Array] = stats.norm(mean, std).cdf
    return cumulative


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("draws", "cumulative"),
    [
        (initializers.normal((N_DRAWS,), 0, 1.03, rng=rng()), normal_cumulative(0, 1)),
        (initializers.normal((N_DRAWS,), 0.03, 1, rng=rng()), normal_cumulative(0, 1)),
        (initializers.uniform((N_DRAWS,), -math.sqrt(3), math.sqrt(3), rng=rng()), normal_cumulative(0, 1)),
        (initializers.normal((N_DRAWS,), 0, 1 / math.sqrt(3), rng=rng()), uniform_cumulative(-1, 1)),
        (initializers.uniform((N_DRAWS,), -1, 1.03, rng=rng()), uniform_cumulative(-1, 1)),
        (initializers.trunc_normal((N_DRAWS,), rng=rng()), normal_cumulative(0, 1)),
        (np.repeat(initializers.normal((N_DRAWS // 1000,), rng=rng()), 1000), normal_cumulative(0, 1)),
    ],
    ids=["deviation", "mean", "uniform-for-normal", "normal-for-uniform", "bound", "truncated", "repeated"],
)
def test_wrong_distributions_are_refused(draws: Array, cumulative: Callable[[Array], Array]) -> None:
    with pytest.raises(AssertionError):
        assert_distributed(draws, cumulative)


SQUARE = (N_DRAWS // 500, 500)
XAVIER_STD = math.sqrt(2 / sum(SQUARE))
HE_STD = math.sqrt(2 / SQUARE[1])
ROOT_2, ROOT_3 = math.sqrt(2), math.sqrt(3)


@pytest.mark.parametrize(
    ("function", "arguments", "bounds"),
    [
        (initializers.uniform, {}, (0, 1)),
        (initializers.uniform, {"a": -2, "b": 5}, (-2, 5)),
        (initializers.xavier_uniform, {"gain": 2}, (-2 * ROOT_3 * XAVIER_STD, 2 * ROOT_3 * XAVIER_STD)),
        (initializers.xavier_uniform, {"gain": 0.5}, (-ROOT_3 * XAVIER_STD / 2, ROOT_3 * XAVIER_STD / 2)),
        (initializers.kaiming_uniform, {}, (-ROOT_3 * HE_STD, ROOT_3 * HE_STD)),
        (initializers.kaiming_uniform, {"a": 1}, (-ROOT_3 * HE_STD / ROOT_2, ROOT_3 * HE_STD / ROOT_2)),
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
        (initializers.kaiming_normal, {"a": 1}, 0, HE_STD / ROOT_2),
        (initializers.kaiming_normal, {"nonlinearity": "tanh", "mode": "fan_out"}, 0, 5 / 3 / math.sqrt(SQUARE[0])),
    ],
)
def test_normal_draws(function: Callable[..., Array], arguments: Mapping[str, Any], mean: float, std: float) -> None:
    draws = function(SQUARE, **arguments, rng=np.random.default_rng(5))
    assert draws.shape == SQUARE
    assert_distributed(draws, normal_cumulative(mean, std))


@pytest.mark.filterwarnings("ignore:mean .* 2 std")
@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2),
        (1, 0.5, 0, 1.2),
        (0, 2, 2, 5),
        (0, 1, 2.5, 4),
        (3, 1, -1, 0.5),
        (0, 1, -0.2, 0.2),
        (0, 0.02, -2, 2),
    ],
)
def test_truncated_normal_draws(mean: float, std: float, a: float, b: float) -> None:
    cumulative = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std).cdf
    draws = initializers.trunc_normal(SQUARE, mean, std, a, b, rng=np.random.default_rng(8))
    assert draws.shape == SQUARE
    assert_distributed(draws, cumulative)
    torch.manual_seed(8)
    assert_distributed(torch.nn.init.trunc_normal_(torch.empty(SQUARE), mean, std, a, b).numpy(), cumulative)
    # clipping, which leaves the rest of the Gaussian on the bounds, is something else
    clipped = np.clip(initializers.normal(SQUARE, mean, std, rng=rng()), a, b)
    if std > 0.1:
        with pytest.raises(AssertionError):
            assert_distributed(clipped, cumulative)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_truncated_draws_stay_within_bounds_that_the_dtype_rounds(dtype: Any) -> None:
    draws = initializers.trunc_normal((10_000,), 0.5, 10, 0.1, 0.3, rng=rng(), dtype=dtype)
    assert draws.dtype == dtype
    assert dtype(0.1) <= draws.min()
    assert draws.max() <= dtype(0.3)


@pytest.mark.parametrize(("mean", "std", "a", "b"), [(1, 1e-17, 1, 2), (1, 1e-17, 0, 1), (0, 1, 1, 1)])
def test_bounds_belong_to_what_a_normal_is_truncated_to(mean: float, std: float, a: float, b: float) -> None:
    # no draw but 1 is possible: the deviation is lost beside the mean, or the bounds are equal
    expected = torch.nn.init.trunc_normal_(torch.empty(5, dtype=torch.float64), mean, std, a, b).numpy()
    draws = initializers.trunc_normal((5,), mean, std, a, b, rng=rng())
    np.testing.assert_array_equal(draws, expected)
    np.testing.assert_array_equal(draws, np.ones(5))


class Counting:
    """A generator that counts what is drawn from it."""

    def __init__(self) -> None:
        self.rng, self.drawn = rng(), 0

    def normal(self, mean: float, std: float, count: int) -> Array:
        self.drawn += count
        return self.rng.normal(mean, std, count)

    def uniform(self, low: float, high: float, count: int) -> Array:
        self.drawn += count
        return self.rng.uniform(low, high, count)


@pytest.mark.filterwarnings("ignore:mean .* 2 std")
@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 0.02, -2, 2),
        (1, 0.5, -1, 0.8),
        (1, 2, 0.5, 2),
        (0, 1, -1.2, -0.25),
        (0, 1, 0.25, 1.2),
        (0, 1, 2.5, 4),
        (3, 1, -1, 0.5),
    ],
)
def test_a_truncated_normal_is_drawn_in_the_way_that_refuses_less(mean: float, std: float, a: float, b: float) -> None:
    untruncated = stats.norm(mean, std)
    inside = untruncated.cdf(b) - untruncated.cdf(a)
    # under a rectangle as high as the density, and with a second number for each to accept it by
    uniform = 2 * (b - a) * untruncated.pdf(np.clip(mean, a, b)) / inside
    generator: Any = Counting()
    initializers.trunc_normal(SQUARE, mean, std, a, b, rng=generator)
    assert generator.drawn / N_DRAWS == pytest.approx(min(1 / inside, uniform), rel=0.05)


@pytest.mark.parametrize("name", ["xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_shapes_without_elements(name: str, shape: tuple[int, ...]) -> None:
    drawn: list[Any] = []
    theirs = warnings_of(lambda: drawn.append(getattr(torch.nn.init, f"{name}_")(torch.empty(shape))))
    ours = warnings_of(lambda: drawn.append(getattr(initializers, name)(shape, rng=rng())))
    assert [draw.shape for draw in drawn] == [shape, shape]
    assert [warning.category for warning in ours] == [warning.category for warning in theirs]
    assert {warning.filename for warning in ours} <= {__file__}


DRAWN = ["uniform", "normal", "gaussian", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]


@pytest.mark.filterwarnings("ignore:there is nothing to draw")
@pytest.mark.parametrize("shape", [(3, 4), (3, 0)])
@pytest.mark.parametrize("name", [*DRAWN, "trunc_normal", "orthogonal"])
def test_draws_are_of_the_dtype_that_is_asked_for(name: str, shape: tuple[int, ...]) -> None:
    function = getattr(initializers, name)
    assert function(shape, rng=rng()).dtype == np.float64
    for dtype in (np.float32, np.longdouble):
        assert function(shape, rng=rng(), dtype=dtype).dtype == dtype


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (1, 1), (3, 1)])
def test_the_factorization_has_lapacks_signs(shape: tuple[int, int]) -> None:
    """Else what is wrong without the signs' correction would not look as it does with NumPy's or torch's."""
    for seed in range(8):
        matrix = np.random.default_rng(seed).standard_normal(shape)
        q, r_diagonal = initializers._householder(matrix)
        expected_q, expected_r = np.linalg.qr(matrix)
        np.testing.assert_allclose(q, expected_q, rtol=0, atol=1e-14)
        np.testing.assert_allclose(r_diagonal, np.diagonal(expected_r), rtol=1e-13)


# ------------------------------------------------------------------------------------------ without draws


SAME = [("zeros", (2, 3), ()), ("ones", (4,), ()), ("constant", (2, 3, 4), (-0.7,)), ("constant", (), (2.0,))]
SAME += [("eye", (3, 3), ()), ("eye", (5, 2), ()), ("eye", (2, 5), ()), ("eye", (0, 2), ())]


@pytest.mark.parametrize(("name", "shape", "arguments"), SAME)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_without_draws_are_torchs(name: str, shape: tuple[int, ...], arguments: Any, dtype: str) -> None:
    expected = getattr(torch.nn.init, f"{name}_")(torch.empty(shape, dtype=getattr(torch, dtype)), *arguments).numpy()
    actual = getattr(initializers, name)(shape, *arguments, dtype=dtype)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


# ---------------------------------------------------------------------------------------------- orthogonal

TOO_FEW_TO_MATTER = 1e-12
"""far above the rounding of products of a few dozen terms in float64, far below any mistake"""


def assert_orthogonal(values: Array, gain: float, tolerance: float) -> None:
    """Rows, or columns where these are fewer, are orthogonal and of length ``gain``."""
    matrix = values.reshape(len(values), -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(4, 4), (30, 7), (7, 30), (1, 5), (5, 1), (1, 1), (6, 2, 3, 2), (3, 4, 5)])
@pytest.mark.parametrize("gain", [1.0, 5 / 3])
def test_orthogonal_matrices_are_orthogonal(shape: tuple[int, ...], gain: float) -> None:
    for dtype, tolerance in ((np.float64, TOO_FEW_TO_MATTER), (np.longdouble, TOO_FEW_TO_MATTER), (np.float32, 1e-4)):
        values = initializers.orthogonal(shape, gain, rng=rng(), dtype=dtype)
        assert values.shape == shape
        assert values.dtype == dtype
        assert_orthogonal(values, gain, tolerance)
    assert_orthogonal(torch.nn.init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain).numpy(), gain, 1e-12)


def test_what_is_not_orthogonal_is_refused() -> None:
    drawn = initializers.orthogonal((5, 5), rng=rng())
    for wrong in (2 * drawn, drawn + 1e-9, initializers.normal((5, 5), rng=rng()) / math.sqrt(5)):
        with pytest.raises(AssertionError):
            assert_orthogonal(wrong, 1.0, TOO_FEW_TO_MATTER)


def uncorrected(generator: np.random.Generator) -> Array:
    """Q as the factorization leaves it."""
    return np.linalg.qr(generator.standard_normal((3, 3)))[0]


def assert_uniform(matrices: Array) -> None:
    """Every element of a uniform (Haar) orthogonal 3 x 3 matrix is a coordinate of a point on the sphere: uniform."""
    for row in range(3):
        for column in range(3):
            assert_distributed(matrices[:, row, column], uniform_cumulative(-1, 1))


def test_orthogonal_matrices_are_uniform() -> None:
    generator = rng()
    assert_uniform(np.stack([initializers.orthogonal((3, 3), rng=generator) for _ in range(3000)]))
    torch.manual_seed(9)
    assert_uniform(np.stack([torch.nn.init.orthogonal_(torch.empty(3, 3)).numpy() for _ in range(3000)]))
    with pytest.raises(AssertionError):
        assert_uniform(np.stack([uncorrected(generator) for _ in range(3000)]))


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
    assert initializers.linear_bounds(Linear(0, 3)) == {"weight": 0, "bias": 0}
    params = initializers.linear_parameters(Linear(0, 3), rng=np.random.default_rng(1))
    # torch's bias is zero here, for want of a fan to divide by
    with pytest.warns(UserWarning, match="zero-element"):
        expected = dict(torch.nn.Linear(0, 3).named_parameters())
    assert params["weight"].shape == (3, 0)
    np.testing.assert_array_equal(params["bias"], expected["bias"].detach().numpy())


@pytest.mark.parametrize("mean", [-6.0, -6.001, 6.0, 6.001, 0.0, -9.0])
def test_a_mean_far_from_the_interval_is_worth_a_warning_where_it_is_in_torch(mean: float) -> None:
    theirs = warnings_of(lambda: torch.nn.init.trunc_normal_(torch.empty(5), mean, 2.0))
    ours = warnings_of(lambda: initializers.trunc_normal((5,), mean, 2.0, rng=rng()))
    assert [warning.category for warning in ours] == [warning.category for warning in theirs]
    assert {warning.filename for warning in ours} <= {__file__}
    assert bool(ours) == (abs(mean) > 6)


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


@pytest.mark.parametrize(
    ("name", "shape"), [("eye", (3,)), ("eye", (2, 3, 4)), ("orthogonal", (3,)), ("orthogonal", ())]
)
def test_shapes_that_are_refused(name: str, shape: tuple[int, ...]) -> None:
    options = {"rng": rng()} if name == "orthogonal" else {}
    assert_same_refusal(
        lambda: getattr(torch.nn.init, f"{name}_")(torch.empty(shape)),
        lambda: getattr(initializers, name)(shape, **options),
        "2 axes",
    )


def test_distributions_that_do_not_exist() -> None:
    assert_same_refusal(
        lambda: torch.nn.init.normal_(torch.empty(2), 0, -1), lambda: initializers.normal((2,), 0, -1, rng=rng()), "std"
    )
    assert_refused(lambda: initializers.gaussian((2,), -1, rng=rng()), RuntimeError, "at least 0")
    assert_same_refusal(
        lambda: torch.nn.init.uniform_(torch.empty(2), 1, -1),
        lambda: initializers.uniform((2,), 1, -1, rng=rng()),
        "above",
    )
    assert_same_refusal(
        lambda: torch.nn.init.trunc_normal_(torch.empty(2), 0, 1, 2, 1),
        lambda: initializers.trunc_normal((2,), 0, 1, 2, 1, rng=rng()),
        "above",
    )
    assert_refused(lambda: initializers.trunc_normal((2,), 0, -1, rng=rng()), RuntimeError, "negative")
    assert_same_refusal(
        lambda: torch.nn.init.trunc_normal_(torch.empty(2), 0, 0),
        lambda: initializers.trunc_normal((2,), 0, 0, rng=rng()),
    )


def test_a_gain_of_0_draws_nothing_but_0() -> None:
    draws = initializers.xavier_uniform((2, 3), 0.0, rng=rng())
    np.testing.assert_array_equal(draws, torch.nn.init.xavier_uniform_(torch.empty(2, 3), 0.0).numpy())


@pytest.mark.parametrize("draw", ["normal", "uniform", "xavier_normal", "xavier_uniform"])
def test_minus_zero_is_zero(draw: str) -> None:
    arguments = (-0.0,) if draw.startswith("xavier") else (0.0, -0.0)
    draws = getattr(initializers, draw)((2, 3), *arguments, rng=rng())
    np.testing.assert_array_equal(draws, getattr(torch.nn.init, draw + "_")(torch.empty(2, 3), *arguments).numpy())


@pytest.mark.parametrize(
    ("draw", "arguments"),
    [
        ("normal", (0.0, math.nan)),
        ("uniform", (math.nan, 1.0)),
        ("uniform", (0.0, math.nan)),
        ("xavier_normal", (math.nan,)),
        ("xavier_uniform", (math.nan,)),
        ("kaiming_normal", (math.nan,)),
        ("kaiming_uniform", (math.nan,)),
        ("trunc_normal", (0.0, 1.0, -1.0, math.nan)),
    ],
)
def test_nan_is_no_spread(draw: str, arguments: tuple[float, ...]) -> None:
    assert_same_refusal(
        lambda: getattr(torch.nn.init, draw + "_")(torch.empty(2, 3), *arguments),
        lambda: getattr(initializers, draw)((2, 3), *arguments, rng=rng()),
        "nan",
    )
