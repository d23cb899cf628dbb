r"""Gated recurrent unit, forward and backward through time, as ``torch.nn.GRU`` computes it.

For each layer and direction, from the first step of that direction to its last (Cho et al. 2014, "Learning phrase
representations using RNN encoder-decoder"; torch.nn.GRU's documentation), sigma the logistic function and *
element-wise:

    r_t = sigma(x_t W_ir^T + b_ir + h_{t-1} W_hr^T + b_hr)              reset gate
    z_t = sigma(x_t W_iz^T + b_iz + h_{t-1} W_hz^T + b_hz)              update gate
    n_t =  tanh(x_t W_in^T + b_in + r_t * (h_{t-1} W_hn^T + b_hn))      candidate
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

The paper's reset gate acts on h_{t-1} before the product with W_hn; torch's, like cuDNN's, on its result, b_hn
included. weight_ih holds W_ir, W_iz, W_in above one another, and weight_hh and the biases likewise. Backward, with
``d_a`` for the derivative of the loss with respect to ``a`` and ``pre`` for the arguments of sigma and tanh:

    d_h_t = d_output_t + d_h_{t+1} * z_{t+1} + d_hidden_{t+1} W_hh      (d_h_n in place of both at the last step)
    d_pre_n = d_h_t * (1 - z_t) * (1 - n_t^2)
    d_pre_z = d_h_t * (h_{t-1} - n_t) * z_t (1 - z_t)
    d_pre_r = d_pre_n * (h_{t-1} W_hn^T + b_hn) * r_t (1 - r_t)

where the hidden side, d_hidden, has d_pre_n * r_t in the place of d_pre_n. Parameters and input as in ``rnn``, W_hh
and b_hh from the hidden side.

Letters in shapes: T steps, B batch, I input_size, H hidden_size, L num_layers, D directions (1 or 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from reference.cells import Cell, CellCache, step_backward, step_forward
from reference.checks import Array, Params, check_params
from reference.packing import Lengths
from reference.recurrent import Cache, Network, Steps, bias_gradient, rows, sigmoid_in_place, weight_gradient
from reference.recurrent import backward as network_backward
from reference.recurrent import forward as network_forward


@dataclass(frozen=True)
class GRU(Network):
    """The arguments of ``torch.nn.GRU``, with its defaults and its refusals.

    Raises:
        TypeError: ``input_size``, ``hidden_size`` or ``num_layers`` is not an int, ``bias`` or
            ``batch_first`` is not a bool, ``dropout`` is neither a number nor text, or an unknown argument.
        ValueError: a size or ``num_layers`` is not positive, ``dropout`` is not a number in [0, 1], or ``proj_size``
            is given.

    Warns:
        UserWarning: ``dropout`` above 0 with one layer, where it has no effect.
    """

    gates: ClassVar[int] = 3

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False


class Gates(NamedTuple):
    """What the backward pass needs of a forward pass besides the states."""

    all: Array
    """r, z and n beside one another, (T, B, 3, H)"""
    hidden_n: Array
    """h_{t-1} W_hn^T + b_hn, (T, B, H)"""


def forward(
    model: GRU,
    params: Params,
    x: Array,
    h_0: Array | None = None,
    *,
    lengths: Lengths | None = None,
    enforce_sorted: bool = True,
    dropout_masks: Array | None = None,
) -> tuple[Array, Array, Cache]:
    """Run the network over a sequence: output, h_n, cache. Arguments, results and errors as in ``rnn.forward``."""
    dtype = check_params(params, model.parameter_shapes)
    output, (h_n,), cache = network_forward(
        model, direction_forward, params, dtype, x, {"h_0": h_0}, lengths, enforce_sorted, dropout_masks
    )
    return output, h_n, cache


def direction_forward(params: Params, x: Array, initial: Sequence[Array]) -> Steps:
    """One layer in one direction, for x (T, B, inputs), its parameters under their names without suffix.

    ``states`` of the result is h: h_0 and after it the state of every step, (T + 1, B, H); ``saved`` are the gates.
    """
    weight_ih, weight_hh, bias_hh = params["weight_ih"], params["weight_hh"], params.get("bias_hh")
    (h_0,) = initial
    steps, batch, _ = x.shape
    hidden_size = len(weight_hh) // 3
    both, last = slice(2 * hidden_size), slice(2 * hidden_size, None)  # r and z, n

    h = np.empty_like(x, order="C", shape=(steps + 1, batch, hidden_size))
    h[0] = h_0
    pre = np.empty_like(x, order="C", shape=(steps, batch, 3 * hidden_size))  # the arguments become the gates
    rows(x).dot(weight_ih.T, out=rows(pre))
    if bias_hh is not None:
        pre += params["bias_ih"]

    gates = pre.reshape(steps, batch, 3, hidden_size)
    r, z, n = (gates[:, :, gate] for gate in range(3))
    hidden_n = np.empty_like(h, shape=h[1:].shape)
    weight_hh_t = weight_hh.T.copy()  # contiguous: up to twice as fast in the loop as the view
    hidden = np.empty_like(x, order="C", shape=(batch, 3 * hidden_size))
    with np.errstate(over="ignore"):
        for t in range(steps):
            previous, h_t, z_t, n_t = h[t], h[t + 1], z[t], n[t]
            previous.dot(weight_hh_t, out=hidden)
            if bias_hh is not None:
                hidden += bias_hh
            hidden_n[t] = hidden[:, last]
            r_and_z = pre[t, :, both]
            r_and_z += hidden[:, both]
            sigmoid_in_place(r_and_z)
            n_t += r[t] * hidden_n[t]
            np.tanh(n_t, out=n_t)
            # (1 - z) n + z h_{t-1}, with one product
            np.subtract(previous, n_t, out=h_t)
            h_t *= z_t
            h_t += n_t
    return Steps(x, (h,), Gates(gates, hidden_n))


def backward(
    model: GRU, params: Params, cache: Cache, d_output: Array | None = None, d_h_n: Array | None = None
) -> dict[str, Array]:
    """Backpropagation through time. Arguments, results and errors as in ``rnn.backward``."""
    grads, (d_h_0,) = network_backward(model, direction_backward, params, cache, d_output, {"d_h_n": d_h_n})
    return grads | {"h_0": d_h_0}


def direction_backward(
    params: Params, steps: Steps, d_states: Sequence[Array], d_last: Sequence[Array]
) -> tuple[Array, Sequence[Array], dict[str, Array]]:
    """Backward of one layer in one direction: d_x (T, B, inputs), d_h_0 (B, H), and the parameters' gradients.

    ``steps`` from ``direction_forward``; from above come ``d_states``, on h at every step, (T, B, H), and ``d_last``,
    on h_n, (B, H).
    """
    weight_ih, weight_hh = params["weight_ih"], params["weight_hh"]
    x, (h,), saved = steps
    (d_output,), (d_h_n,) = d_states, d_last
    previous = h[:-1]
    r, z, n = (saved.all[:, :, gate] for gate in range(3))
    # what d_h_t is multiplied by on the hidden side, for all steps at once
    slope_n = (1 - z) * (1 - n * n)
    slopes = np.empty_like(saved.all)
    slopes[:, :, 0] = slope_n * saved.hidden_n * r * (1 - r)
    slopes[:, :, 1] = (previous - n) * z * (1 - z)
    slopes[:, :, 2] = slope_n * r

    d_hidden = np.empty_like(slopes)
    d_hidden_rows = d_hidden.reshape(*d_hidden.shape[:2], weight_hh.shape[0])
    d_all_h = d_output.copy()
    d_h, d_through = d_h_n.copy(), np.empty_like(d_h_n)
    for t in reversed(range(len(x))):
        d_h_t = d_all_h[t]  # holds d_output_t until the line below completes it
        d_h_t += d_h
        np.multiply(d_h_t[:, None], slopes[t], out=d_hidden[t])
        d_hidden_rows[t].dot(weight_hh, out=d_h)
        np.multiply(d_h_t, z[t], out=d_through)
        d_h += d_through
    d_h_0 = d_h

    # the input side differs from the hidden one in n only, whose gradient the reset gate does not multiply
    d_pre = d_hidden.copy()
    np.multiply(d_all_h, slope_n, out=d_pre[:, :, 2])
    d_pre_rows = d_pre.reshape(d_hidden_rows.shape)
    d_rows = rows(d_pre_rows)
    grads = {
        "weight_ih": weight_gradient(d_rows, x),
        "weight_hh": weight_gradient(rows(d_hidden_rows), previous),
    }
    if "bias_ih" in params:
        grads["bias_ih"] = bias_gradient(d_pre_rows)
        grads["bias_hh"] = bias_gradient(d_hidden_rows)
    d_x = d_rows.dot(weight_ih).reshape(x.shape)
    return d_x, (d_h_0,), grads


@dataclass(frozen=True)
class GRUCell(Cell):
    """The arguments of ``torch.nn.GRUCell``.

    Raises:
        TypeError: a size is not an int.
        RuntimeError: a negative size.
    """

    gates: ClassVar[int] = 3

    input_size: int
    hidden_size: int
    bias: bool = True


def cell_forward(model: GRUCell, params: Params, x: Array, hx: Array | None = None) -> tuple[Array, CellCache]:
    """One step: the new state, and the cache for ``cell_backward``. Arguments and errors as in ``rnn.cell_forward``."""
    (h,), cache = step_forward(model, direction_forward, params, x, {"hx": hx})
    return h, cache


def cell_backward(model: GRUCell, params: Params, cache: CellCache, d_h: Array | None = None) -> dict[str, Array]:
    """Gradients of the parameters, ``"input"`` and ``"hx"``, given that of the loss with respect to the new state.

    ``d_h`` counts as zeros if left out.

    Raises:
        TypeError: not an array.
        RuntimeError: a wrong shape or dtype, complex numbers.
    """
    grads, (d_hx,) = step_backward(model, direction_backward, params, cache, {"d_h": d_h})
    return grads | {"hx": d_hx}
