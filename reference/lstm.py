r"""Long short-term memory, forward and backward through time, as ``torch.nn.LSTM`` computes it.

For each layer and direction, from the first step of that direction to its last (Hochreiter and Schmidhuber 1997,
"Long short-term memory", with the forget gate of Gers et al. 2000; torch.nn.LSTM's documentation), sigma the
logistic function and * element-wise:

    i_t = sigma(x_t W_ii^T + b_ii + h_{t-1} W_hi^T + b_hi)      input gate
    f_t = sigma(x_t W_if^T + b_if + h_{t-1} W_hf^T + b_hf)      forget gate
    g_t =  tanh(x_t W_ig^T + b_ig + h_{t-1} W_hg^T + b_hg)      candidate
    o_t = sigma(x_t W_io^T + b_io + h_{t-1} W_ho^T + b_ho)      output gate
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)                                       times W_hr^T with a projection (Sak et al. 2014)

weight_ih holds W_ii, W_if, W_ig, W_io above one another, and weight_hh and the biases likewise. Backward, with
``d_a`` for the derivative of the loss with respect to ``a`` and ``pre`` for the arguments of sigma and tanh:

    d_h_t = d_output_t + d_pre_{t+1} W_hh                       (d_h_n in place of the second term at the last step)
    d_c_t = d_h_t * o_t * (1 - tanh(c_t)^2) + d_c_{t+1} * f_{t+1}           (d_c_n likewise)
    d_pre_i = d_c_t * g_t * i_t (1 - i_t)        d_pre_f = d_c_t * c_{t-1} * f_t (1 - f_t)
    d_pre_g = d_c_t * i_t * (1 - g_t^2)          d_pre_o = d_h_t * tanh(c_t) * o_t (1 - o_t)

With a projection, d_h_t is first multiplied by W_hr. Parameters and input as in ``rnn``.

Letters in shapes: T steps, B batch, I input_size, H hidden_size, P proj_size or else H, L num_layers, D directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from reference.cells import Cell, CellCache, step_backward, step_forward
from reference.checks import Array, Params, Shape, check_params, check_type
from reference.packing import Lengths
from reference.recurrent import Cache, Network, Steps, bias_gradient, rows, sigmoid_in_place, weight_gradient
from reference.recurrent import backward as network_backward
from reference.recurrent import forward as network_forward


@dataclass(frozen=True)
class LSTM(Network):
    """The arguments of ``torch.nn.LSTM``, with its defaults and its refusals.

    Raises:
        TypeError: ``input_size``, ``hidden_size``, ``num_layers`` or ``proj_size`` is not an int, ``bias`` or
            ``batch_first`` is not a bool, ``dropout`` is neither a number nor text, or an unknown argument.
        ValueError: a size or ``num_layers`` is not positive, ``dropout`` is not a number in [0, 1], or ``proj_size``
            is negative or not smaller than ``hidden_size``.

    Warns:
        UserWarning: ``dropout`` above 0 with one layer, where it has no effect.
    """

    gates: ClassVar[int] = 4

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    proj_size: int = 0

    def check_own_sizes(self) -> None:
        check_type("proj_size", self.proj_size, int)
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(
                f"proj_size must be smaller than hidden_size, or 0 for no projection: expected less than "
                f"{self.hidden_size}, got {self.proj_size}"
            )

    @cached_property
    def output_size(self) -> int:
        return self.proj_size or self.hidden_size

    @cached_property
    def state_sizes(self) -> tuple[int, ...]:
        return self.output_size, self.hidden_size

    def direction_shapes(self, inputs: int) -> dict[str, Shape]:
        shapes = super().direction_shapes(inputs)
        return shapes | {"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else shapes


class Gates(NamedTuple):
    """What the backward pass needs of a forward pass besides the states, each (T, B, H) but the first."""

    all: Array
    """i, f, g and o beside one another, (T, B, 4, H)"""
    tanh_c: Array
    unprojected: Array
    """o_t * tanh(c_t): h_t, unless a projection follows"""


def forward(
    model: LSTM,
    params: Params,
    x: Array,
    h_0: Array | None = None,
    c_0: Array | None = None,
    *,
    lengths: Lengths | None = None,
    enforce_sorted: bool = True,
    dropout_masks: Array | None = None,
) -> tuple[Array, Array, Array, Cache]:
    """Run the network over a sequence: output, h_n, c_n, cache.

    Arguments, results and errors are those of ``rnn.forward``; ``output``, ``h_0`` and ``h_n`` have P features in
    each direction, ``c_0`` and ``c_n`` H. A state that is left out starts as zeros.
    """
    dtype = check_params(params, model.parameter_shapes)
    output, (h_n, c_n), cache = network_forward(
        model, direction_forward, params, dtype, x, {"h_0": h_0, "c_0": c_0}, lengths, enforce_sorted, dropout_masks
    )
    return output, h_n, c_n, cache


def direction_forward(params: Params, x: Array, initial: Sequence[Array]) -> Steps:
    """One layer in one direction, for x (T, B, inputs), its parameters under their names without suffix.

    ``states`` of the result are h and c, each the initial state and after it that of every step, (T + 1, B, P) and
    (T + 1, B, H); ``saved`` are the gates.
    """
    weight_ih, weight_hh, weight_hr = params["weight_ih"], params["weight_hh"], params.get("weight_hr")
    h_0, c_0 = initial
    steps, batch, _ = x.shape
    hidden_size = len(weight_hh) // 4

    h = np.empty_like(x, order="C", shape=(steps + 1, *h_0.shape))
    c = np.empty_like(x, order="C", shape=(steps + 1, batch, hidden_size))
    h[0], c[0] = h_0, c_0
    pre = np.empty_like(x, order="C", shape=(steps, batch, 4 * hidden_size))
    rows(x).dot(weight_ih.T, out=rows(pre))
    if "bias_ih" in params:
        bias = params["bias_ih"] + params["bias_hh"]
        pre += bias

    gates = pre.reshape(steps, batch, 4, hidden_size)  # the same memory: the arguments become the gates, step by step
    i, f, g, o = (gates[:, :, gate] for gate in range(4))
    tanh_c = np.empty_like(c, shape=c[1:].shape)
    unprojected = h[1:] if weight_hr is None else np.empty_like(tanh_c)
    weight_hh_t = weight_hh.T.copy()  # contiguous: up to twice as fast in the loop as the view
    recurrent = np.empty_like(x, order="C", shape=(batch, 4 * hidden_size))
    written = np.empty_like(x, order="C", shape=(batch, hidden_size))
    with np.errstate(over="ignore"):
        for t in range(steps):
            previous, c_previous, c_t, g_t = h[t], c[t], c[t + 1], g[t]
            previous.dot(weight_hh_t, out=recurrent)
            pre_t = pre[t]
            pre_t += recurrent
            candidate = np.tanh(g_t)
            sigmoid_in_place(pre_t)  # of all four at once; the third is replaced
            g_t[...] = candidate
            np.multiply(f[t], c_previous, out=c_t)
            np.multiply(i[t], g_t, out=written)
            c_t += written
            np.tanh(c_t, out=tanh_c[t])
            np.multiply(o[t], tanh_c[t], out=unprojected[t])
            if weight_hr is not None:
                h[t + 1] = unprojected[t].dot(weight_hr.T)
    return Steps(x, (h, c), Gates(gates, tanh_c, unprojected))


def backward(
    model: LSTM,
    params: Params,
    cache: Cache,
    d_output: Array | None = None,
    d_h_n: Array | None = None,
    d_c_n: Array | None = None,
) -> dict[str, Array]:
    """Backpropagation through time: gradients of all parameters, of ``"input"``, ``"h_0"`` and ``"c_0"``.

    Arguments and errors are those of ``rnn.backward``; ``d_c_n`` is the gradient with respect to ``c_n``.
    """
    d_final = {"d_h_n": d_h_n, "d_c_n": d_c_n}
    grads, (d_h_0, d_c_0) = network_backward(model, direction_backward, params, cache, d_output, d_final)
    return grads | {"h_0": d_h_0, "c_0": d_c_0}


def direction_backward(
    params: Params, steps: Steps, d_states: Sequence[Array], d_last: Sequence[Array]
) -> tuple[Array, Sequence[Array], dict[str, Array]]:
    """Backward of one layer in one direction: d_x (T, B, inputs), d_h_0 and d_c_0, and the parameters' gradients.

    ``steps`` from ``direction_forward``; from above come ``d_states``, on h at every step, (T, B, P), and where
    sequences end before the last step on c, (T, B, H), and ``d_last``, on h_n and c_n, (B, P) and (B, H).
    """
    weight_ih, weight_hh, weight_hr = params["weight_ih"], params["weight_hh"], params.get("weight_hr")
    x, (h, c), saved = steps
    (d_output, *d_cells), (d_h_n, d_c_n) = d_states, d_last
    previous, c_previous = h[:-1], c[:-1]
    tanh_c = saved.tanh_c
    i, f, g, o = (saved.all[:, :, gate] for gate in range(4))
    # what d_c_t (for i, f and g) and d_h_t (for o, and to reach c_t) are multiplied by, for all steps at once
    slopes = np.empty_like(saved.all)
    slopes[:, :, 0] = g * i * (1 - i)
    slopes[:, :, 1] = c_previous * f * (1 - f)
    slopes[:, :, 2] = i * (1 - g * g)
    slopes[:, :, 3] = tanh_c * o * (1 - o)
    slope_c = o * (1 - tanh_c * tanh_c)

    d_pre = np.empty_like(slopes)
    d_pre_rows = d_pre.reshape(*d_pre.shape[:2], weight_hh.shape[0])
    d_projected = d_output.copy()
    d_h, d_c = d_h_n.copy(), d_c_n.copy()
    for t in reversed(range(len(x))):
        d_h_t = d_projected[t]  # holds d_output_t until the line below completes it
        d_h_t += d_h
        if weight_hr is not None:
            d_h_t = d_h_t.dot(weight_hr)
        for d_cell in d_cells:
            d_c += d_cell[t]
        d_c += d_h_t * slope_c[t]
        np.multiply(d_c[:, None], slopes[t, :, :3], out=d_pre[t, :, :3])
        np.multiply(d_h_t, slopes[t, :, 3], out=d_pre[t, :, 3])
        d_c *= f[t]
        d_pre_rows[t].dot(weight_hh, out=d_h)
    del slopes, slope_c  # larger than the states: freed before the products below allocate
    d_h_0, d_c_0 = d_h, d_c

    d_rows = rows(d_pre_rows)
    grads = {
        "weight_ih": weight_gradient(d_rows, x),
        "weight_hh": weight_gradient(d_rows, previous),
    }
    if "bias_ih" in params:
        grads["bias_ih"] = bias_gradient(d_pre_rows)
        grads["bias_hh"] = grads["bias_ih"].copy()
    if weight_hr is not None:
        grads["weight_hr"] = weight_gradient(rows(d_projected), saved.unprojected)
    d_x = d_rows.dot(weight_ih).reshape(x.shape)
    return d_x, (d_h_0, d_c_0), grads


@dataclass(frozen=True)
class LSTMCell(Cell):
    """The arguments of ``torch.nn.LSTMCell``.

    Raises:
        TypeError: a size is not an int.
        RuntimeError: a negative size.
    """

    gates: ClassVar[int] = 4

    input_size: int
    hidden_size: int
    bias: bool = True


def cell_forward(
    model: LSTMCell, params: Params, x: Array, hx: Array | None = None, cx: Array | None = None
) -> tuple[Array, Array, CellCache]:
    """One step: the new states h and c, and the cache for ``cell_backward``.

    Arguments and errors as in ``rnn.cell_forward``.
    """
    (h, c), cache = step_forward(model, direction_forward, params, x, {"hx": hx, "cx": cx})
    return h, c, cache


def cell_backward(
    model: LSTMCell, params: Params, cache: CellCache, d_h: Array | None = None, d_c: Array | None = None
) -> dict[str, Array]:
    """Gradients of the parameters, ``"input"``, ``"hx"`` and ``"cx"``, given those with respect to the new states.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype, complex numbers.
    """
    grads, (d_hx, d_cx) = step_backward(model, direction_backward, params, cache, {"d_h": d_h, "d_c": d_c})
    return grads | {"hx": d_hx, "cx": d_cx}
