"""What the cells share: one step of a network, with its arguments and gradients in torch's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from reference.checks import FLOATS, Array, Params, Shape, check_array, check_like, check_params, check_size
from reference.recurrent import DirectionBackward, DirectionForward, Steps


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


class CellCache(NamedTuple):
    """What ``cell_backward`` needs of a ``cell_forward``."""

    batched: bool
    steps: Steps
    """one step of a layer in one direction"""


def step_forward(
    model: Cell, run: DirectionForward, params: Params, x: Array, states: Mapping[str, Array | None]
) -> tuple[list[Array], CellCache]:
    """One step of a network: the new states in the order of ``states``, and the cache.

    Arguments and errors are those that ``rnn.cell_forward`` documents.
    """
    x_1, initial = _arguments(model, params, x, states)
    steps, batched = run(params, x_1, initial), x.ndim == 2
    return [state[1] if batched else state[1, 0] for state in steps.states], CellCache(batched, steps)


def step_backward(
    model: Cell, run: DirectionBackward, params: Params, cache: CellCache, d_new: Mapping[str, Array | None]
) -> tuple[dict[str, Array], list[Array]]:
    """Its backward: gradients of the parameters and ``"input"``, and those of the states that it started from.

    ``d_new`` has the gradients of the new states in their order, by the names of the arguments. Errors are those of
    ``rnn.cell_backward``.
    """
    check_params(params, model.parameter_shapes)
    batched, states = cache.batched, cache.steps.states
    d_h, *d_others = [
        _gradient(name, given, state[1], batched) for (name, given), state in zip(d_new.items(), states, strict=True)
    ]
    d_x, d_states, grads = run(params, cache.steps, [d_h[None]], [np.zeros_like(d_h), *d_others])
    grads["input"] = d_x[0] if batched else d_x[0, 0]
    return grads, [d_state if batched else d_state[0] for d_state in d_states]


def _arguments(model: Cell, params: Params, x: Array, states: Mapping[str, Array | None]) -> tuple[Array, list[Array]]:
    """A cell's arguments as a sequence of length 1: x (1, B, I), and its states (B, H), zeros for what is left out."""
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
        if batched and state.shape == shape[:1]:  # torch takes it for a wrong number of axes
            raise IndexError(f"{name} must have shape {shape}, got {state.shape}")
        check_like(name, state, shape if batched else shape[1:], dtype)
        given.append(state.reshape(shape))
    return x.reshape(1, shape[0], model.input_size), given


def _gradient(name: str, given: Array | None, like: Array, batched: bool) -> Array:
    """A gradient with respect to a cell's new state as (B, H), for ``like`` in that shape; zeros if left out."""
    if like.dtype not in FLOATS:
        raise RuntimeError(f"backward computes in float32, float64 or longdouble, got {like.dtype}")
    if given is None:
        return np.zeros_like(like)
    check_like(name, given, like.shape if batched else like.shape[1:], like.dtype)
    return given.reshape(like.shape)
