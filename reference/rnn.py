r"""Elman RNN, forward and backward through time, as ``torch.nn.RNN`` computes it.

For each layer and direction, from the first step of that direction to its last (Elman 1990, "Finding
structure in time"; torch.nn.RNN's documentation):

    h_t = tanh(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh)

and backward (Werbos 1990, "Backpropagation through time"), with ``d_a`` for the derivative of the loss
with respect to ``a`` and ``pre_t`` for the argument of tanh:

    d_h_t   = d_output_t + d_pre_{t+1} W_hh          (d_h_n in place of the second term at the last step)
    d_pre_t = d_h_t * (1 - h_t^2)
    d_W_ih  = sum_t d_pre_t^T x_t        d_b_ih = d_b_hh = sum_t d_pre_t
    d_W_hh  = sum_t d_pre_t^T h_{t-1}    d_x_t  = d_pre_t W_ih

Letters in shapes: T steps, B batch, I input_size, H hidden_size, L num_layers, D directions (1 or 2).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from reference.checks import FLOATS, Array, Params, Shape, check_array, check_like, check_params, check_type


class Nonlinearity(NamedTuple):
    """A function of the recurrence and its derivative, both written into ``out``.

    ``forward(pre, out)`` gives the state. ``slope(h)`` is what the derivative needs, for all steps at once
    and from the states alone. ``backward(d_h_t, slope_t, out)`` gives d_pre_t.
    """

    forward: Callable[[Array, Array], object]
    slope: Callable[[Array], Array]
    backward: Callable[[Array, Array, Array], object]


def _tanh_slope(h: Array) -> Array:
    slope: Array = h * h
    np.subtract(1, slope, out=slope)
    return slope


def _relu_forward(pre: Array, out: Array) -> None:
    np.maximum(pre, 0, out=out)


def _relu_slope(h: Array) -> Array:
    return h <= 0


def _relu_backward(d_h: Array, flat: Array, out: Array) -> None:
    # torch selects: the product of 0 and an infinite gradient would be NaN
    np.copyto(out, 0, where=flat)


NONLINEARITIES = {
    "tanh": Nonlinearity(np.tanh, _tanh_slope, np.multiply),
    "relu": Nonlinearity(_relu_forward, _relu_slope, _relu_backward),
}


@dataclass(frozen=True)
class RNN:
    """The arguments of ``torch.nn.RNN``, with its defaults and its refusals.

    Raises:
        TypeError: ``input_size``, ``hidden_size`` or ``num_layers`` is not an int, or ``bias``,
            ``batch_first`` or ``bidirectional`` is not a bool.
        ValueError: a size or ``num_layers`` is not positive, ``nonlinearity`` is neither ``"tanh"``
            nor ``"relu"``, or ``dropout`` is not a number in [0, 1].
        NotImplementedError: ``dropout`` is not 0.
    """

    input_size: int
    hidden_size: int
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False

    def __post_init__(self) -> None:
        if self.nonlinearity not in tuple(NONLINEARITIES):
            raise ValueError(f"Unknown nonlinearity {self.nonlinearity!r}. Select from 'tanh' or 'relu'.")
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout should be a number in range [0, 1], got {self.dropout!r}")
        for name in ("bias", "batch_first", "bidirectional"):
            check_type(name, getattr(self, name), bool)
        for name in ("input_size", "hidden_size", "num_layers"):
            check_type(name, getattr(self, name), int)
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero, got {getattr(self, name)}")
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout acts between layers: dropout={self.dropout} has no effect with num_layers=1", stacklevel=3
            )
        elif self.dropout > 0:
            raise NotImplementedError("dropout between layers is not implemented, got dropout > 0")

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    def state_index(self, layer: int, direction: int) -> int:
        """Where a layer and direction (0 forward, 1 reverse) stands in h_0 and h_n."""
        return layer * self.num_directions + direction

    @cached_property
    def suffixes(self) -> list[str]:
        """The ends of the parameter names, in torch's order: ``_l0``, ``_l0_reverse``, ``_l1``, ..."""
        directions = ["", "_reverse"][: self.num_directions]
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in the order of torch's ``state_dict``."""
        shapes: dict[str, Shape] = {}
        for index, suffix in enumerate(self.suffixes):
            first_layer = index < self.num_directions
            inputs = self.input_size if first_layer else self.num_directions * self.hidden_size
            shapes["weight_ih" + suffix] = (self.hidden_size, inputs)
            shapes["weight_hh" + suffix] = (self.hidden_size, self.hidden_size)
            if self.bias:
                shapes["bias_ih" + suffix] = (self.hidden_size,)
                shapes["bias_hh" + suffix] = (self.hidden_size,)
        return shapes


class Cache(NamedTuple):
    """What ``backward`` needs of a ``forward``: views and arrays that nobody may change in between."""

    input_shape: Shape
    inputs: list[Array]
    """for every layer and direction, its input in the order in which it reads it, (T, B, inputs)"""
    states: list[Array]
    """for every layer and direction, h_0 and after it the state of every step, (T + 1, B, H)"""


def forward(model: RNN, params: Params, x: Array, h_0: Array | None = None) -> tuple[Array, Array, Cache]:
    """Run the network over a sequence.

    Args:
        params: names and shapes of ``model.parameter_shapes``, one dtype.
        x: (T, B, I), or (B, T, I) if ``batch_first``, or (T, I) for a single sequence.
        h_0: (L * D, B, H), or (L * D, H) for a single sequence; zeros if left out. Layer 0 forward,
            layer 0 reverse, layer 1 forward, ... and never batch-first.

    Returns:
        output: the states of the last layer at every step, (T, B, D * H), batch and single sequences
            laid out like ``x``; a view of the cache where that saves a copy.
        h_n: the last state of every layer and direction, shaped like ``h_0``.
        cache: for ``backward``.

    Raises:
        TypeError: not an array.
        ValueError: ``x`` is not 2-D or 3-D, or not of the parameters' dtype.
        RuntimeError: another wrong shape or dtype, or a sequence of length 0.
    """
    dtype = check_params(params, model.parameter_shapes)
    if dtype not in FLOATS and model.nonlinearity != "tanh":
        raise RuntimeError(f"{model.nonlinearity} is not defined for {dtype}, only tanh is")
    _check_input(model, x, dtype)
    batched = x.ndim == 3
    input_shape = x.shape
    if not batched:
        x = x[:, None]
    elif model.batch_first:
        x = x.swapaxes(0, 1)
    steps, batch, _ = x.shape
    if steps == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    h_0 = _initial_state(model, h_0, batch, batched, x)

    nonlinearity = NONLINEARITIES[model.nonlinearity]
    layer_input = x
    inputs, states = [], []
    h_n = np.empty_like(h_0)
    for layer in range(model.num_layers):
        outputs = []
        for direction in range(model.num_directions):
            index = model.state_index(layer, direction)
            # the reverse direction reads the sequence from its end, and its states are turned back for the output
            direction_input = layer_input[::-1] if direction else layer_input
            h = direction_forward(nonlinearity, params, model.suffixes[index], direction_input, h_0[index])
            h_n[index] = h[-1]
            outputs.append(h[:0:-1] if direction else h[1:])
            inputs.append(direction_input)
            states.append(h)
        layer_input = np.concatenate(outputs, axis=-1) if model.bidirectional else outputs[0]
    output = layer_input

    cache = Cache(input_shape, inputs, states)
    if not batched:
        return output[:, 0], h_n[:, 0], cache
    return (output.swapaxes(0, 1) if model.batch_first else output), h_n, cache


def direction_forward(nonlinearity: Nonlinearity, params: Params, suffix: str, x: Array, h_0: Array) -> Array:
    """One layer in one direction: h_0 and the state after every step, (T + 1, B, H), for x (T, B, inputs)."""
    weight_ih, weight_hh = params["weight_ih" + suffix], params["weight_hh" + suffix]
    steps, batch, _ = x.shape
    hidden_size = len(weight_hh)

    # in C order whatever the layout of x: the product below writes through a reshaped view
    h = np.empty_like(x, order="C", shape=(steps + 1, batch, hidden_size))
    h[0] = h_0
    pre = h[1:]  # becomes the states, step by step
    _rows(x).dot(weight_ih.T, out=_rows(pre))
    if "bias_ih" + suffix in params:
        bias = params["bias_ih" + suffix] + params["bias_hh" + suffix]
        pre += bias

    weight_hh_t = weight_hh.T.copy()  # contiguous: up to twice as fast in the loop as the view
    recurrent = np.empty_like(x, order="C", shape=(batch, hidden_size))
    for t in range(steps):
        previous, h_t = h[t], pre[t]
        previous.dot(weight_hh_t, out=recurrent)
        h_t += recurrent
        nonlinearity.forward(h_t, h_t)
    return h


def backward(
    model: RNN, params: Params, cache: Cache, d_output: Array | None = None, d_h_n: Array | None = None
) -> dict[str, Array]:
    """Backpropagation through time.

    Args:
        cache: from ``forward`` with the same ``params``.
        d_output: gradient of the loss with respect to ``output``, in its shape; zeros if left out.
        d_h_n: the same for ``h_n``.

    Returns:
        the gradients of all parameters under their names, and of ``"input"`` and ``"h_0"``.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype.
    """
    dtype = check_params(params, model.parameter_shapes)
    if dtype not in FLOATS:
        raise RuntimeError(f"backward computes in float32, float64 or longdouble, got {dtype}")
    batched = len(cache.input_shape) == 3
    _, batch, hidden_size = cache.states[-1].shape
    d_layer = _upstream(model, cache, d_output)
    h_n_shape: Shape = (len(model.suffixes), batch, hidden_size)
    if d_h_n is None:
        d_h_n = np.zeros_like(d_layer, shape=h_n_shape)
    else:
        check_like("d_h_n", d_h_n, h_n_shape if batched else (h_n_shape[0], hidden_size), dtype)
        d_h_n = d_h_n.reshape(h_n_shape)

    nonlinearity = NONLINEARITIES[model.nonlinearity]
    grads: dict[str, Array] = {}
    d_h_0 = np.empty_like(d_h_n)
    for layer in reversed(range(model.num_layers)):
        d_inputs = []
        for direction in range(model.num_directions):
            index = model.state_index(layer, direction)
            d_states = d_layer[..., direction * hidden_size : (direction + 1) * hidden_size]
            d_x, d_h_0[index], direction_grads = direction_backward(
                nonlinearity,
                params,
                model.suffixes[index],
                cache.inputs[index],
                cache.states[index],
                d_states[::-1] if direction else d_states,
                d_h_n[index],
            )
            d_inputs.append(d_x[::-1] if direction else d_x)
            grads |= direction_grads
        d_layer = d_inputs[0] + d_inputs[1] if model.bidirectional else d_inputs[0]

    grads = {name: grads[name] for name in model.parameter_shapes}
    grads["input"] = d_layer.swapaxes(0, 1) if batched and model.batch_first else d_layer
    grads["h_0"] = d_h_0
    if not batched:
        grads["input"], grads["h_0"] = d_layer[:, 0], d_h_0[:, 0]
    return grads


def direction_backward(
    nonlinearity: Nonlinearity, params: Params, suffix: str, x: Array, h: Array, d_states: Array, d_h_n: Array
) -> tuple[Array, Array, dict[str, Array]]:
    """Backward of one layer in one direction: d_x (T, B, inputs), d_h_0 (B, H), and the parameters' gradients.

    ``x`` and ``h`` as in ``direction_forward``, ``d_states`` (T, B, H) and ``d_h_n`` (B, H) from above.
    """
    weight_ih, weight_hh = params["weight_ih" + suffix], params["weight_hh" + suffix]
    previous = h[:-1]
    d_pre = d_states.copy()
    d_h = d_h_n.copy()
    slope = nonlinearity.slope(h[1:])
    for t in reversed(range(len(x))):
        d_pre_t = d_pre[t]  # holds d_output_t until the two lines below complete it
        d_pre_t += d_h
        nonlinearity.backward(d_pre_t, slope[t], d_pre_t)
        d_pre_t.dot(weight_hh, out=d_h)
    del slope  # as large as the states: freed before the products below allocate
    d_h_0 = d_h

    grads = {
        "weight_ih" + suffix: weight_gradient(d_pre, x),
        "weight_hh" + suffix: weight_gradient(d_pre, previous),
    }
    if "bias_ih" + suffix in params:
        grads["bias_ih" + suffix] = bias_gradient(d_pre)
        grads["bias_hh" + suffix] = grads["bias_ih" + suffix].copy()
    d_x = input_gradient(d_pre, weight_ih)
    return d_x, d_h_0, grads


def weight_gradient(d_pre: Array, inputs: Array) -> Array:
    """d_W = sum_t d_pre_t^T inputs_t, over the batch too: one product of (H, T * B) and (T * B, inputs)."""
    d_rows, rows = _rows(d_pre), _rows(inputs)
    gradient: Array = d_rows.T.dot(rows)
    return gradient


def bias_gradient(d_pre: Array) -> Array:
    """d_b = sum_t d_pre_t, over the batch too; a product with ones is faster than sum() and rounds less."""
    d_rows = _rows(d_pre)
    gradient: Array = np.ones_like(d_rows, shape=(len(d_rows),)).dot(d_rows)
    return gradient


def input_gradient(d_pre: Array, weight_ih: Array) -> Array:
    """d_x_t = d_pre_t W_ih, for all steps in one product."""
    d_x: Array = _rows(d_pre).dot(weight_ih)
    return d_x.reshape(*d_pre.shape[:-1], weight_ih.shape[-1])


def _rows(array: Array) -> Array:
    """(T, B, n) as (T * B, n)."""
    steps, batch, size = array.shape
    return array.reshape(steps * batch, size)


def _check_input(model: RNN, x: Array, dtype: np.dtype[Any]) -> None:
    check_array("x", x)
    if x.ndim not in (2, 3):
        raise ValueError(f"RNN: expected x to be 2-D or 3-D, got {x.ndim}-D")
    if x.dtype != dtype:
        raise ValueError(f"RNN input dtype ({x.dtype}) does not match the parameters' dtype ({dtype})")
    if x.shape[-1] != model.input_size:
        raise RuntimeError(f"x.shape[-1] must be input_size: expected {model.input_size}, got {x.shape[-1]}")


def _initial_state(model: RNN, h_0: Array | None, batch: int, batched: bool, x: Array) -> Array:
    shape: Shape = (len(model.suffixes), batch, model.hidden_size)
    if h_0 is None:
        return np.zeros_like(x, shape=shape)
    check_like("h_0", h_0, shape if batched else (shape[0], shape[2]), x.dtype)
    return h_0.reshape(shape)


def _upstream(model: RNN, cache: Cache, d_output: Array | None) -> Array:
    """d_output in time-major order, (T, B, D * H)."""
    states = cache.states[-1]
    steps, batch, features = states.shape[0] - 1, states.shape[1], model.num_directions * states.shape[2]
    if d_output is None:
        return np.zeros_like(states, shape=(steps, batch, features))
    check_like("d_output", d_output, (*cache.input_shape[:-1], features), states.dtype)
    if len(cache.input_shape) == 2:
        return d_output[:, None]
    return d_output.swapaxes(0, 1) if model.batch_first else d_output
