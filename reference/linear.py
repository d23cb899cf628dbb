"""Fully connected layer, as ``torch.nn.Linear`` computes it: y = x W^T + b, over the last axis of x."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from reference.checks import FLOATS, Array, Params, Shape, check_array, check_like, check_params, check_size


@dataclass(frozen=True)
class Linear:
    """The arguments of ``torch.nn.Linear``. A size of 0 is allowed, as in torch.

    Raises:
        TypeError: ``in_features`` or ``out_features`` is not an int.
        RuntimeError: a negative size.
    """

    in_features: int
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        check_size("in_features", self.in_features)
        check_size("out_features", self.out_features)

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in the order of torch's ``state_dict``."""
        shapes: dict[str, Shape] = {"weight": (self.out_features, self.in_features)}
        return shapes | {"bias": (self.out_features,)} if self.bias else shapes


class Cache(NamedTuple):
    """What ``backward`` needs of a ``forward``."""

    x: Array


def forward(model: Linear, params: Params, x: Array) -> tuple[Array, Cache]:
    """y of shape (..., out_features) for x of shape (..., in_features), and the cache for ``backward``.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype.
    """
    dtype = check_params(params, model.parameter_shapes)
    check_array("x", x)
    if x.ndim == 0 or x.shape[-1] != model.in_features:
        raise RuntimeError(f"x must have shape (..., {model.in_features}), got {x.shape}")
    if x.dtype != dtype:
        raise RuntimeError(f"x must have dtype {dtype} like the parameters, got {x.dtype}")
    with np.errstate(invalid="ignore"):  # what is not finite spoils its row, silently as in torch
        y = x @ params["weight"].T
        if model.bias:
            y = y + params["bias"]
    return y, Cache(x)


def backward(model: Linear, params: Params, cache: Cache, d_output: Array) -> dict[str, Array]:
    """Gradients of ``"weight"``, ``"bias"`` and ``"input"``, given the gradient of the loss w.r.t. y.

    d_W = d_y^T x and d_b = d_y, summed over all leading axes; d_x = d_y W.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype, complex numbers.
    """
    dtype = check_params(params, model.parameter_shapes)
    if dtype not in FLOATS:
        raise RuntimeError(f"backward computes in float32, float64 or longdouble, got {dtype}")
    x = cache.x
    check_like("d_output", d_output, (*x.shape[:-1], model.out_features), x.dtype)
    n_rows = int(np.prod(x.shape[:-1]))
    d_rows, x_rows = d_output.reshape(n_rows, model.out_features), x.reshape(n_rows, model.in_features)
    with np.errstate(invalid="ignore"):
        grads = {"weight": d_rows.T @ x_rows}
        if model.bias:
            grads["bias"] = np.ones_like(x, shape=(n_rows,)) @ d_rows
        grads["input"] = d_output @ params["weight"]
    return grads
