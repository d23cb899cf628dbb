"""Activation functions and their derivatives, as ``torch.nn.functional`` computes them.

Each ``<name>(x)`` has a ``<name>_backward(d_y, y)`` that gives the gradient with respect to ``x`` from the
gradient ``d_y`` with respect to the result and from the result ``y`` itself: none of them needs x again.
All are element-wise over arrays of any shape except the two softmax, which act along one axis. They take float32,
float64 and longdouble, and all are stable for every finite ``x``: no overflow on the way, no warning.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np

from reference.checks import FLOATS, Array, check_array, check_like


def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x).

    Raises:
        TypeError: not an array.
        NotImplementedError: not of a float dtype.
    """
    _check_float("tanh", x)
    y: Array = np.tanh(x)
    return y


def tanh_backward(d_y: Array, y: Array) -> Array:
    """tanh'(x) = 1 - tanh(x)^2.

    Raises:
        TypeError: ``d_y`` is not an array.
        RuntimeError: ``d_y`` has not the shape and dtype of ``y``.
    """
    check_like("d_y", d_y, y.shape, y.dtype)
    with np.errstate(invalid="ignore"):  # an infinite gradient times a slope of 0 is NaN, in torch too
        d_x: Array = d_y * (1 - y * y)
    return d_x


def relu(x: Array) -> Array:
    """max(x, 0); NaN stays NaN and -0 stays -0, as in torch.

    Raises:
        TypeError: not an array.
        NotImplementedError: not of a float dtype.
    """
    _check_float("relu", x)
    return np.where(x < 0, np.zeros_like(x), x)


def relu_backward(d_y: Array, y: Array) -> Array:
    """d_y where relu(x) is not 0, exactly 0 elsewhere, at x = 0 too. It selects: 0 * inf would be NaN.

    Raises:
        TypeError: ``d_y`` is not an array.
        RuntimeError: ``d_y`` has not the shape and dtype of ``y``.
    """
    check_like("d_y", d_y, y.shape, y.dtype)
    return np.where(y <= 0, np.zeros_like(y), d_y)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), from e^-|x| so that the exponential cannot overflow.

    Raises:
        TypeError: not an array.
        NotImplementedError: not of a float dtype.
    """
    _check_float("sigmoid", x)
    decay = np.exp(-np.abs(x))
    y: Array = np.where(x < 0, decay, np.ones_like(x)) / (1 + decay)
    return y


def sigmoid_backward(d_y: Array, y: Array) -> Array:
    """sigmoid'(x) = sigmoid(x) (1 - sigmoid(x)).

    Raises:
        TypeError: ``d_y`` is not an array.
        RuntimeError: ``d_y`` has not the shape and dtype of ``y``.
    """
    check_like("d_y", d_y, y.shape, y.dtype)
    with np.errstate(invalid="ignore"):
        d_x: Array = d_y * (1 - y) * y
    return d_x


def softmax(x: Array, dim: int = -1) -> Array:
    """e^x_i / sum_j e^x_j along axis ``dim``, after the maximum of each slice has been subtracted.

    Raises:
        TypeError: not an array, or ``dim`` is not an int.
        NotImplementedError: not of a float dtype.
        IndexError: x has no axis ``dim``.
    """
    _check_float("softmax", x)
    dim = _check_dim(x, dim)
    if x.size == 0:
        return x.copy()
    # a difference too large for the dtype becomes -inf, whose exponential is 0 as it should be
    with np.errstate(over="ignore", invalid="ignore"):
        exponential = np.exp(x - x.max(axis=dim, keepdims=True))
    y: Array = exponential / exponential.sum(axis=dim, keepdims=True)
    return y


def softmax_backward(d_y: Array, y: Array, dim: int = -1) -> Array:
    """d_x_i = y_i (d_y_i - sum_j d_y_j y_j) along axis ``dim``.

    Raises:
        TypeError: ``d_y`` is not an array, or ``dim`` is not an int.
        RuntimeError: ``d_y`` has not the shape and dtype of ``y``.
        IndexError: y has no axis ``dim``.
    """
    check_like("d_y", d_y, y.shape, y.dtype)
    dim = _check_dim(y, dim)
    with np.errstate(invalid="ignore"):
        weighted = d_y * y
        d_x: Array = weighted - y * weighted.sum(axis=dim, keepdims=True)
    return d_x


def log_softmax(x: Array, dim: int = -1) -> Array:
    """x_i - log sum_j e^x_j along axis ``dim``, after the maximum of each slice has been subtracted.

    Raises:
        TypeError: not an array, or ``dim`` is not an int.
        NotImplementedError: not of a float dtype.
        IndexError: x has no axis ``dim``.
    """
    _check_float("log_softmax", x)
    dim = _check_dim(x, dim)
    if x.size == 0:
        return x.copy()
    # a difference too large for the dtype becomes -inf, as in torch
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = x - x.max(axis=dim, keepdims=True)
    y: Array = shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return y


def log_softmax_backward(d_y: Array, y: Array, dim: int = -1) -> Array:
    """d_x_i = d_y_i - e^y_i sum_j d_y_j along axis ``dim``.

    Raises:
        TypeError: ``d_y`` is not an array, or ``dim`` is not an int.
        RuntimeError: ``d_y`` has not the shape and dtype of ``y``.
        IndexError: y has no axis ``dim``.
    """
    check_like("d_y", d_y, y.shape, y.dtype)
    dim = _check_dim(y, dim)
    with np.errstate(invalid="ignore"):
        d_x: Array = d_y - np.exp(y) * d_y.sum(axis=dim, keepdims=True)
    return d_x


def _check_float(name: str, x: Array) -> None:
    check_array("x", x)
    if x.dtype not in FLOATS:
        raise NotImplementedError(f"{name} is not implemented for {x.dtype}: float32, float64 or longdouble expected")


def _check_dim(x: Array, dim: int) -> int:
    if isinstance(dim, bool) or not isinstance(dim, Integral):
        raise TypeError(f"dim must be an int, got {dim!r}")
    # torch counts a 0-dimensional array as having one axis
    ndim = max(x.ndim, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"dim {dim} is out of range: x has {x.ndim} axes")
    return dim
