"""How parameters start, as ``torch.nn.init`` and the layers' ``reset_parameters`` do it.

Draws come from a ``numpy.random.Generator`` that the caller seeds; they follow torch's distributions but
cannot equal torch's numbers. The bounds, standard deviations, fans and gains do equal torch's.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import DTypeLike

from reference.cells import Cell
from reference.checks import Array, Shape
from reference.linear import Linear
from reference.recurrent import Network

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity's inputs should vary more; ``param`` is leaky_relu's slope, 0.01.

    Raises:
        ValueError: unknown nonlinearity, or a slope that is not a number.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"negative_slope {slope!r} is not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity!r}, expected one of leaky_relu, {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def fan_in_and_fan_out(shape: Shape) -> tuple[int, int]:
    """Connections into and out of a unit for a weight (out, in, ...), further axes multiplying both.

    Raises:
        ValueError: fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"fan in and fan out need a shape of at least 2 axes, got {shape}")
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def xavier_normal_std(shape: Shape, gain: float = 1.0) -> float:
    """gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Raises:
        ValueError: fewer than two axes.
        ZeroDivisionError: no connections, as in torch.
    """
    fan_in, fan_out = fan_in_and_fan_out(shape)
    return gain * math.sqrt(2.0 / (fan_in + fan_out))


def xavier_uniform_bound(shape: Shape, gain: float = 1.0) -> float:
    """sqrt(3) times the normal form's standard deviation, which a uniform distribution then has as well.

    Raises:
        ValueError, ZeroDivisionError: as ``xavier_normal_std``.
    """
    return math.sqrt(3.0) * xavier_normal_std(shape, gain)


def kaiming_normal_std(shape: Shape, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> float:
    """gain / sqrt(fan) (He et al. 2015), ``a`` the slope of leaky_relu.

    Raises:
        ValueError: ``mode`` is neither ``"fan_in"`` nor ``"fan_out"``, fewer than two axes, an unknown nonlinearity, or
            leaky_relu's ``a`` is not a number.
        ZeroDivisionError: a fan of 0.
    """
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode!r} not supported, please use one of 'fan_in', 'fan_out'")
    fan_in, fan_out = fan_in_and_fan_out(shape)
    fan = fan_in if mode.lower() == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_bound(shape: Shape, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> float:
    """sqrt(3) times the normal form's standard deviation.

    Raises:
        ValueError, ZeroDivisionError: as ``kaiming_normal_std``.
    """
    return math.sqrt(3.0) * kaiming_normal_std(shape, a, mode, nonlinearity)


def uniform(
    shape: Shape, a: float = 0.0, b: float = 1.0, *, rng: np.random.Generator, dtype: DTypeLike = np.float64
) -> Array:
    """Independent draws from [a, b).

    Raises:
        RuntimeError: ``a`` is above ``b``, or NaN.
        OverflowError: a bound that is not finite, or a distance between them that is not.
    """
    if not a <= b:
        raise RuntimeError(f"the lower bound a must not be above the upper bound b, got a={a} and b={b}")
    # NumPy refuses -0.0 above 0.0
    return rng.uniform(a, b + 0.0, shape).astype(dtype)


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator, dtype: DTypeLike = np.float64
) -> Array:
    """Independent draws from a Gaussian.

    Raises:
        RuntimeError: a ``std`` that is not at least 0.
    """
    if not std >= 0:
        raise RuntimeError(f"std must be at least 0, got {std}")
    return rng.normal(mean, std + 0.0, shape).astype(dtype)  # as for uniform


def gaussian(shape: Shape, sigma: float = 0.01, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
    """A Gaussian of a fixed standard deviation around 0, whatever the shape.

    Raises:
        RuntimeError: a negative ``sigma``.
    """
    return normal(shape, 0.0, sigma, rng=rng, dtype=dtype)


def xavier_uniform(
    shape: Shape, gain: float = 1.0, *, rng: np.random.Generator, dtype: DTypeLike = np.float64
) -> Array:
    """Uniform within +-``xavier_uniform_bound``.

    Raises:
        RuntimeError: a negative ``gain``.
        ValueError, ZeroDivisionError: as ``xavier_uniform_bound``.
        OverflowError: a ``gain`` that is not finite.
    """
    if gain < 0:
        raise RuntimeError(f"gain must not be negative, got {gain}")
    bound = xavier_uniform_bound(shape, gain)
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def xavier_normal(shape: Shape, gain: float = 1.0, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
    """Gaussian with ``xavier_normal_std``.

    Raises:
        RuntimeError: a negative ``gain``.
        ValueError, ZeroDivisionError: as ``xavier_normal_std``.
    """
    return normal(shape, 0.0, xavier_normal_std(shape, gain), rng=rng, dtype=dtype)


def kaiming_uniform(
    shape: Shape,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float64,
) -> Array:
    """Uniform within +-``kaiming_uniform_bound``. A shape without elements needs none, as in torch.

    Raises:
        ValueError: as ``kaiming_normal_std``.

    Warns:
        UserWarning: there is nothing to draw.
    """
    if 0 in shape:
        return _without_elements(shape, dtype)
    bound = kaiming_uniform_bound(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def kaiming_normal(
    shape: Shape,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float64,
) -> Array:
    """Gaussian with ``kaiming_normal_std``. A shape without elements needs none, as in torch.

    Raises:
        ValueError: as ``kaiming_normal_std``.

    Warns:
        UserWarning: there is nothing to draw.
    """
    if 0 in shape:
        return _without_elements(shape, dtype)
    return normal(shape, 0.0, kaiming_normal_std(shape, a, mode, nonlinearity), rng=rng, dtype=dtype)


def _without_elements(shape: Shape, dtype: DTypeLike) -> Array:
    warnings.warn(f"there is nothing to draw for a shape without elements: {shape}", stacklevel=3)
    return np.empty(shape, dtype=dtype)


def trunc_normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float64,
) -> Array:
    """Independent draws from a Gaussian within [a, b]: what is refused is drawn again.

    Where no more than 0.3 of the Gaussian lies within (torch's limit), too much would be refused: the draws are then
    uniform, and accepted with a probability in proportion to the Gaussian's density (torch draws in both ways too).

    Raises:
        RuntimeError: a negative ``std``, or ``a`` is above ``b``.
        ZeroDivisionError: a ``std`` of 0, as in torch.

    Warns:
        UserWarning: ``mean`` is more than twice ``std`` outside of [a, b], where few expect to draw from.
    """
    if not (std >= 0 and a <= b):
        raise RuntimeError(f"std must not be negative and a not above b, got std={std}, a={a} and b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(f"mean {mean} is more than 2 std ({std}) from [{a}, {b}]", stacklevel=2)
    inside = (math.erf((b - mean) / (std * math.sqrt(2.0))) - math.erf((a - mean) / (std * math.sqrt(2.0)))) / 2
    peak = (max(a, min(mean, b)) - mean) / std  # the density is largest where [a, b] is nearest to the mean
    draws, refused = np.empty(shape), np.full(shape, True)
    while refused.any():
        count = np.count_nonzero(refused)
        if inside > 0.3:
            draws[refused] = rng.normal(mean, std, count)
            refused = (draws < a) | (draws > b)
        else:
            draws[refused] = rng.uniform(a, b, count)
            density = np.exp((peak**2 - ((draws[refused] - mean) / std) ** 2) / 2)
            refused[refused] = rng.uniform(0, 1, count) > density
    return draws.astype(dtype)


def constant(shape: Shape, val: float, *, dtype: DTypeLike = np.float64) -> Array:
    """``val`` everywhere.

    Raises:
        ValueError: ``val`` is text that is no number.
    """
    return np.full(shape, val, dtype=dtype)


def zeros(shape: Shape, *, dtype: DTypeLike = np.float64) -> Array:
    """0 everywhere."""
    return constant(shape, 0.0, dtype=dtype)


def ones(shape: Shape, *, dtype: DTypeLike = np.float64) -> Array:
    """1 everywhere."""
    return constant(shape, 1.0, dtype=dtype)


def eye(shape: Shape, *, dtype: DTypeLike = np.float64) -> Array:
    """1 on the main diagonal, 0 elsewhere: as a weight (out, in) it hands on as many inputs as there are outputs.

    Raises:
        ValueError: not 2 axes.
    """
    if len(shape) != 2:
        raise ValueError(f"eye needs a shape of 2 axes, got {shape}")
    return np.eye(*shape, dtype=dtype)


def orthogonal(shape: Shape, gain: float = 1.0, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Array:
    """``gain`` times a matrix with orthonormal columns, or rows where these are fewer; uniform among all such matrices.

    Axes behind the first are flattened into the columns. The matrix is Q of the QR factorization of a Gaussian one;
    it is uniform (Haar) only if R has a positive diagonal (Mezzadri 2007, "How to generate random matrices from the
    classical compact groups").

    Raises:
        TypeError: ``gain`` is no number.
        ValueError: fewer than two axes, or ``gain`` is text that is no number.
    """
    if len(shape) < 2:
        raise ValueError(f"orthogonal needs a shape of at least 2 axes, got {shape}")
    if 0 in shape:
        return np.empty(shape, dtype=dtype)
    rows = shape[0]
    columns = math.prod(shape) // rows
    gaussian_matrix = normal((rows, columns), rng=rng, dtype=dtype)
    if rows < columns:
        q, r_diagonal = _householder(gaussian_matrix.T)
        q = (q * np.sign(r_diagonal)).T
    else:
        q, r_diagonal = _householder(gaussian_matrix)
        q = q * np.sign(r_diagonal)
    gain = float(gain)  # one of NumPy's would lend its dtype
    return gain * q.reshape(shape)


def _householder(a: Array) -> tuple[Array, Array]:
    """Q, (m, n), and the diagonal of R, (n,), of A = QR for m >= n (Householder 1958), in any dtype.

    The reflection I - 2 v v^T / (v^T v) maps column j, from the diagonal down, to a multiple of the unit vector.
    NumPy's ``linalg.qr`` has no longdouble.
    """
    n = a.shape[1]
    r, q, reflectors = a.copy(), np.zeros_like(a), []
    for j in range(min(n, len(a) - 1)):  # as in LAPACK, a single number is left as it is
        v = r[j:, j].copy()
        v[0] += np.copysign(np.sqrt(v.dot(v)), v[0])  # away from 0: nothing cancels
        r[j:, j:] -= v[:, None] * (v.dot(r[j:, j:]) * (2 / v.dot(v)))
        reflectors.append(v)
    diagonal = np.arange(n)
    q[diagonal, diagonal] = 1
    for j in reversed(range(len(reflectors))):
        v = reflectors[j]
        q[j:, j:] -= v[:, None] * (v.dot(q[j:, j:]) * (2 / v.dot(v)))
    return q, r[diagonal, diagonal]


def rnn_bound(hidden_size: int) -> float:
    """Recurrent layers draw every parameter uniformly within +-1 / sqrt(hidden_size)."""
    return 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0


def rnn_bounds(model: Network | Cell) -> dict[str, float]:
    """The same bound for every parameter of nn.RNN, nn.LSTM, nn.GRU and of their cells, whatever it connects."""
    return {name: rnn_bound(model.hidden_size) for name in model.parameter_shapes}


def linear_bounds(model: Linear) -> dict[str, float]:
    """nn.Linear: the weight by kaiming_uniform with a = sqrt(5), the bias within +-1 / sqrt(in_features).

    ``"bias"`` is there for a layer without one, too.
    """
    if model.in_features == 0:
        return {"weight": 0.0, "bias": 0.0}
    return {
        "weight": kaiming_uniform_bound((model.out_features, model.in_features), a=math.sqrt(5)),
        "bias": 1.0 / math.sqrt(model.in_features),
    }


def rnn_parameters(
    model: Network | Cell, *, rng: np.random.Generator, dtype: DTypeLike = np.float64
) -> dict[str, Array]:
    """Parameters for ``reference.rnn``, ``lstm`` and ``gru`` as torch's layers and cells start them."""
    bounds = rnn_bounds(model)
    return {
        name: uniform(shape, -bounds[name], bounds[name], rng=rng, dtype=dtype)
        for name, shape in model.parameter_shapes.items()
    }


def linear_parameters(model: Linear, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> dict[str, Array]:
    """Parameters for ``reference.linear`` as nn.Linear starts them."""
    bounds = linear_bounds(model)
    return {
        name: uniform(shape, -bounds[name], bounds[name], rng=rng, dtype=dtype)
        for name, shape in model.parameter_shapes.items()
    }
