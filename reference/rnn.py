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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from reference.cells import Cell, CellCache, step_backward, step_forward
from reference.checks import FLOATS, Array, Params, check_params
from reference.packing import Lengths
from reference.recurrent import Cache, Network, Steps, bias_gradient, rows, weight_gradient
from reference.recurrent import backward as network_backward
from reference.recurrent import forward as network_forward


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
class RNN(Network):
    """The arguments of ``torch.nn.RNN``, with its defaults and its refusals.

    Raises:
        TypeError: ``input_size``, ``hidden_size`` or ``num_layers`` is not an int, ``bias`` or
            ``batch_first`` is not a bool, ``dropout`` is neither a number nor text, or an unknown argument.
        ValueError: a size or ``num_layers`` is not positive, ``nonlinearity`` is neither ``"tanh"``
            nor ``"relu"``, ``dropout`` is not a number in [0, 1], or ``proj_size`` is given.

    Warns:
        UserWarning: ``dropout`` above 0 with one layer, where it has no effect.
    """

    input_size: int
    hidden_size: int
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False

    def check_own(self) -> None:
        if self.nonlinearity not in tuple(NONLINEARITIES):
            raise ValueError(f"Unknown nonlinearity {self.nonlinearity!r}. Select from 'tanh' or 'relu'.")


def forward(
    model: RNN,
    params: Params,
    x: Array,
    h_0: Array | None = None,
    *,
    lengths: Lengths | None = None,
    enforce_sorted: bool = True,
    dropout_masks: Array | None = None,
) -> tuple[Array, Array, Cache]:
    """Run the network over a sequence.

    Args:
        params: names and shapes of ``model.parameter_shapes``, one dtype.
        x: (T, B, I), or (B, T, I) if ``batch_first``, or (T, I) for a single sequence.
        h_0: (L * D, B, H), or (L * D, H) for a single sequence; zeros if left out. Layer 0 forward,
            layer 0 reverse, layer 1 forward, ... and never batch-first.
        lengths: (B,) integers, how many steps of each sequence count; all of them if left out. What ``x`` holds
            behind a sequence's end is padding and takes no part, as in torch's ``pack_padded_sequence``.
        enforce_sorted: refuse lengths that do not decrease, as ``pack_padded_sequence`` does by default.
        dropout_masks: (L - 1, T, B, D * H), each laid out like ``output``: what the states of each layer but the
            last are multiplied by in training, 0 with probability ``dropout`` and 1 / (1 - dropout) otherwise. Left
            out, dropout has no effect, as in torch's evaluation mode.

    Returns:
        output: the states of the last layer at every step, (T, B, D * H), batch and single sequences
            laid out like ``x``; a view of the cache where that saves a copy. 0 on padding, as in
            ``pad_packed_sequence`` with T for ``total_length``.
        h_n: the last state of every layer and direction, shaped like ``h_0``; that of each sequence's own end. With
            one layer and direction a view, too.
        cache: for ``backward``.

    Raises:
        TypeError: not an array, ``lengths`` neither an array nor a sequence of numbers, or with lengths an
            ``enforce_sorted`` that is no bool.
        ValueError: ``x`` is not 2-D or 3-D, or not of the parameters' dtype; lists of unequal lengths in ``lengths``.
        RuntimeError: another wrong shape or dtype, a sequence of length 0 or longer than T, lengths that are not
            sorted, masks for a network without dropout.
    """
    dtype = check_params(params, model.parameter_shapes)
    if model.nonlinearity != "tanh" and dtype not in FLOATS:
        raise RuntimeError(f"{model.nonlinearity} is not defined for {dtype}, only tanh is")
    nonlinearity = NONLINEARITIES[model.nonlinearity]
    run = partial(direction_forward, nonlinearity)
    output, (h_n,), cache = network_forward(
        model, run, params, dtype, x, {"h_0": h_0}, lengths, enforce_sorted, dropout_masks
    )
    return output, h_n, cache


def direction_forward(nonlinearity: Nonlinearity, params: Params, x: Array, initial: Sequence[Array]) -> Steps:
    """One layer in one direction, for x (T, B, inputs), its parameters under their names without suffix.

    ``states`` of the result is h: h_0 and after it the state of every step, (T + 1, B, H).
    """
    weight_ih, weight_hh = params["weight_ih"], params["weight_hh"]
    (h_0,) = initial
    steps, batch, _ = x.shape
    hidden_size = len(weight_hh)

    # in C order whatever the layout of x: the product below writes through a reshaped view
    h = np.empty_like(x, order="C", shape=(steps + 1, batch, hidden_size))
    h[0] = h_0
    pre = h[1:]  # becomes the states, step by step
    rows(x).dot(weight_ih.T, out=rows(pre))
    if "bias_ih" in params:
        bias = params["bias_ih"] + params["bias_hh"]
        pre += bias

    weight_hh_t = weight_hh.T.copy()  # contiguous: up to twice as fast in the loop as the view
    previous = h[0]
    recurrent = np.empty_like(previous)
    for h_t in pre:
        h_t += previous.dot(weight_hh_t, out=recurrent)
        nonlinearity.forward(h_t, h_t)
        previous = h_t
    return Steps(x, (h,))


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
        RuntimeError: a wrong shape or dtype, complex numbers.
    """
    nonlinearity = NONLINEARITIES[model.nonlinearity]
    run = partial(direction_backward, nonlinearity)
    grads, (d_h_0,) = network_backward(model, run, params, cache, d_output, {"d_h_n": d_h_n})
    grads["h_0"] = d_h_0
    return grads


def direction_backward(
    nonlinearity: Nonlinearity, params: Params, steps: Steps, d_states: Sequence[Array], d_last: Sequence[Array]
) -> tuple[Array, Sequence[Array], dict[str, Array]]:
    """Backward of one layer in one direction: d_x (T, B, inputs), d_h_0 (B, H), and the parameters' gradients.

    ``steps`` from ``direction_forward``; from above come ``d_states``, on h at every step, (T, B, H), and ``d_last``,
    on h_n, (B, H).
    """
    weight_ih, weight_hh = params["weight_ih"], params["weight_hh"]
    x, (h,), _ = steps
    (d_output,), (d_h_n,) = d_states, d_last
    previous = h[:-1]
    d_pre = d_output.copy()
    d_h = d_h_n.copy()
    slope = nonlinearity.slope(h[1:])
    for t in reversed(range(len(x))):
        d_pre_t = d_pre[t]  # holds d_output_t until the two lines below complete it
        d_pre_t += d_h
        nonlinearity.backward(d_pre_t, slope[t], d_pre_t)
        d_pre_t.dot(weight_hh, out=d_h)
    del slope  # as large as the states: freed before the products below allocate
    d_h_0 = d_h

    d_rows = rows(d_pre)
    grads = {
        "weight_ih": weight_gradient(d_rows, x),
        "weight_hh": weight_gradient(d_rows, previous),
    }
    if "bias_ih" in params:
        grads["bias_ih"] = bias_gradient(d_pre)
        grads["bias_hh"] = grads["bias_ih"].copy()
    d_x = d_rows.dot(weight_ih).reshape(x.shape)
    return d_x, (d_h_0,), grads


@dataclass(frozen=True)
class RNNCell(Cell):
    """The arguments of ``torch.nn.RNNCell``; like there, an unknown nonlinearity is refused when the cell runs.

    Raises:
        TypeError: a size is not an int.
        RuntimeError: a negative size.
    """

    input_size: int
    hidden_size: int
    bias: bool = True
    nonlinearity: str = "tanh"


def cell_forward(model: RNNCell, params: Params, x: Array, hx: Array | None = None) -> tuple[Array, CellCache]:
    """One step of the recurrence: h' = tanh(x W_ih^T + b_ih + hx W_hh^T + b_hh), and the cache for ``cell_backward``.

    Args:
        params: names and shapes of ``model.parameter_shapes``, one dtype.
        x: (B, I), or (I,) for a single sample.
        hx: (B, H), or (H,) for a single sample; zeros if left out. The result has its shape.

    Raises:
        TypeError: not an array.
        ValueError: ``x`` or ``hx`` is neither 1-D nor 2-D.
        IndexError: ``hx`` has one number per sample.
        RuntimeError: another wrong shape or dtype, or an unknown nonlinearity.
    """

    def run(params: Params, x: Array, initial: Sequence[Array]) -> Steps:
        # asked for here, since torch, too, looks at the arguments' shapes first
        if model.nonlinearity == "relu" and x.dtype not in FLOATS:
            raise RuntimeError(f"relu is not defined for {x.dtype}, only tanh is")
        return direction_forward(_cell_nonlinearity(model), params, x, initial)

    (h,), cache = step_forward(model, run, params, x, {"hx": hx})
    return h, cache


def cell_backward(model: RNNCell, params: Params, cache: CellCache, d_h: Array | None = None) -> dict[str, Array]:
    """Gradients of the parameters, ``"input"`` and ``"hx"``, given that of the loss with respect to the new state.

    ``d_h`` counts as zeros if left out.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype, complex numbers, or an unknown nonlinearity.
    """
    run = partial(direction_backward, _cell_nonlinearity(model))
    grads, (d_hx,) = step_backward(model, run, params, cache, {"d_h": d_h})
    return grads | {"hx": d_hx}


def _cell_nonlinearity(model: RNNCell) -> Nonlinearity:
    if model.nonlinearity not in tuple(NONLINEARITIES):
        raise RuntimeError(f"Unknown nonlinearity {model.nonlinearity!r}. Select from 'tanh' or 'relu'.")
    return NONLINEARITIES[model.nonlinearity]
