"""What the cells share: one step of a network, with its arguments and gradients in torch's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from reference.checks import FLOATS, Array, Params, Shape, check_array, check_like, check_params, check_size


class Cell:
    """The arguments that ``RNNCell``, ``LSTMCell`` and ``GRUCell`` share. A size of 0 is allowed, as in torch."""

    gates: ClassVar[int] = 1

    input_size: int
    hidden_size: int
    bias: bool

    def __post_init__(self) -> None:
        check_size("input_size", self.input_size)
        check_size("hidden_size", self.hidden_size)

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in the order of torch's ``state_dict``."""
        n_rows = self.gates * self.hidden_size
        shapes: dict[str, Shape] = {"weight_ih": (n_rows, self.input_size), "weight_hh": (n_rows, self.hidden_size)}
        return shapes | {"bias_ih": (n_rows,), "bias_hh": (n_rows,)} if self.bias else shapes


def cell_arguments(
    model: Cell, params: Params, x: Array, states: Mapping[str, Array | None]
) -> tuple[Array, list[Array]]:
    """A cell's arguments as a sequence of length 1: x (1, B, I), and its states (B, H), zeros for what is left out.

    Raises:
        TypeError: not an array.
        ValueError: ``x`` or a state is neither 1-D nor 2-D.
        IndexError: a 1-D state for a batch of as many samples, which torch takes for a wrong number of axes.
        RuntimeError: another wrong shape or dtype.
    """
    dtype = check_params(params, model.parameter_shapes)
    for name, array in {"x": x, **states}.items():
        if array is None and name != "x":
            continue
        check_array(name, array)
        assert array is not None
        if array.ndim not in (1, 2):
            raise ValueError(f"{type(model).__name__}: expected {name} to be 1-D or 2-D, got {array.ndim}-D")
    if x.shape[-1] != model.input_size:
        raise RuntimeError(f"x.shape[-1] must be input_size: expected {model.input_size}, got {x.shape[-1]}")
    if x.dtype != dtype:
        raise RuntimeError(f"x must have dtype {dtype} like the parameters, got {x.dtype}")
    batched = x.ndim == 2
    shape = (len(x) if batched else 1, model.hidden_size)
    given = []
    for name, state in states.items():
        if state is None:
            given.append(np.zeros_like(x, shape=shape))
            continue
        if batched and state.shape == shape[:1]:
            raise IndexError(f"{name} must have shape {shape}, got {state.shape}")
        check_like(name, state, shape if batched else shape[1:], dtype)
        given.append(state.reshape(shape))
    return x.reshape(1, shape[0], model.input_size), given


def cell_gradient(name: str, given: Array | None, like: Array, batched: bool) -> Array:
    """A gradient with respect to a cell's new state as (B, H), for ``like`` in that shape; zeros if left out.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype, complex numbers.
    """
    if like.dtype not in FLOATS:
        raise RuntimeError(f"backward computes in float32, float64 or longdouble, got {like.dtype}")
    if given is None:
        return np.zeros_like(like)
    check_like(name, given, like.shape if batched else like.shape[1:], like.dtype)
    return given.reshape(like.shape)
