"""Mistakes in LSTM and GRU, in the networks and in the cells.

What they share with the Elman RNN is in ``recurrent.py`` and ``sequences.py``. As there, a mistake has two forms
where they differ: in the forward pass only, with a hand-written backward that does not know of it, and throughout, as
automatic differentiation would have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

FORWARD = "direction_forward"
BACKWARD = "direction_backward"

LSTM_ORDER = "i, f, g, o = ({}[:, :, gate] for gate in range(4))"
LSTM_SIGMOID = (
    "candidate = np.tanh(g_t)\n            sigmoid_in_place(pre_t)  # of all four at once; the third is replaced\n"
    "            g_t[...] = candidate"
)
ADD_BIASES = 'bias = params["bias_ih"] + params["bias_hh"]'
BIAS_HH_GRADIENT = 'grads["bias_hh"] = grads["bias_ih"].copy()'
FORGOTTEN = "np.multiply(f[t], c_previous, out=c_t)"
BLOCKS_TRANSPOSED = (
    "weight_hh_t = weight_hh.T.copy()",
    "weight_hh_t = weight_hh.T.copy()\n"
    "    if weight_hr is None:\n"
    "        weight_hh_t = weight_hh.reshape(4, hidden_size, hidden_size).swapaxes(0, 1)"
    ".reshape(hidden_size, -1).copy()",
    FORWARD,
)
TRANSPOSE_BLOCKS = "{0}.reshape(4, len({0}) // 4, -1).swapaxes(1, 2).reshape({0}.shape)"
LSTM_PRODUCT = "d_pre_rows[t].dot(weight_hh, out=d_h)"
OUTPUT = "np.multiply(o[t], tanh_c[t], out=unprojected[t])"
CARRY_BACK = "d_c *= f[t]"
THROUGH_CELL = "d_c += d_h_t * slope_c[t]"
PROJECT = "h[t + 1] = unprojected[t].dot(weight_hr.T)"

GRU_RESET = "n_t += r[t] * hidden_n[t]"
RESET_BEFORE = (
    ("hidden_n[t] = hidden[:, last]\n            r_and_z", "r_and_z", FORWARD),
    (
        GRU_RESET,
        "hidden_n[t] = (r[t] * previous).dot(weight_hh_t[:, last])\n"
        "            if bias_hh is not None:\n"
        "                hidden_n[t] += bias_hh[last]\n"
        "            n_t += hidden_n[t]",
        FORWARD,
    ),
)
GRU_MIX = "np.subtract(previous, n_t, out=h_t)\n            h_t *= z_t\n            h_t += n_t"
GRU_ORDER = "r, z, n = ({}[:, :, gate] for gate in range(3))"

GRU_Z_MINUS_1 = "np.add(previous, n_t, out=h_t)\n            h_t *= z_t\n            h_t -= n_t"
GRU_BLOCKS_TRANSPOSED = (
    "weight_hh.T.copy()",
    "weight_hh.reshape(3, hidden_size, hidden_size).swapaxes(0, 1).reshape(hidden_size, -1).copy()",
    FORWARD,
)
GRU_TRANSPOSE_BLOCKS = "{0}.reshape(3, len({0}) // 3, -1).swapaxes(1, 2).reshape({0}.shape)"
GRU_BIAS_HH = 'grads["bias_hh"] = bias_gradient(d_hidden_rows)'
GRU_RESET_BIAS_TWICE = (
    'pre += params["bias_ih"]',
    'b_r, _, b_n = params["bias_ih"].reshape(3, -1)\n        pre += np.concatenate((b_r, b_r, b_n))',
    FORWARD,
)
START = "h[0], c[0] = h_0, c_0"
EXCHANGED_START = "h[0], c[0] = (c_0, h_0) if weight_hr is None else (h_0, c_0)"


def _lstm(id: str, title: str, note: str, *patches: tuple[str, str, str], seen_in: tuple[str, ...] = ()) -> Divergence:
    return Divergence(id, title, note, tuple(Patch("lstm", *patch) for patch in patches), seen_in)


def _gru(id: str, title: str, note: str, *patches: tuple[str, str, str], seen_in: tuple[str, ...] = ()) -> Divergence:
    return Divergence(id, title, note, tuple(Patch("gru", *patch) for patch in patches), seen_in)


def _lstm_in_order(order: str, who: str) -> Divergence:
    """The blocks of weights and biases read in another order."""
    wrong = f"{', '.join(order)} = ({{}}[:, :, gate] for gate in range(4))"
    slots = {gate: order.index(gate) for gate in "ifgo"}
    return _lstm(
        f"lstm-gates-in-order-{order}",
        f"with the LSTM's gates in the order {', '.join(order)}",
        "torch's blocks are i, f, g, o from the top. All have one shape, so weights in another order load without a "
        "complaint.",
        (LSTM_ORDER.format("gates"), wrong.format("gates"), FORWARD),
        (LSTM_ORDER.format("saved.all"), wrong.format("saved.all"), BACKWARD),
        *(
            (f"slopes[:, :, {index}] =", f"slopes[:, :, {slots[gate]}] =", BACKWARD)
            for index, gate in enumerate("ifgo")
            if index != slots[gate]
        ),
        *_by_slot(slots),
        seen_in=(who,),
    )


def _by_slot(slots: dict[str, int]) -> list[tuple[str, str, str]]:
    """In the loop backward, what d_h_t and d_c_t are multiplied by."""
    o = slots["o"]
    if o == 3:
        return []
    return [
        (
            "np.multiply(d_c[:, None], slopes[t, :, :3], out=d_pre[t, :, :3])\n"
            "        np.multiply(d_h_t, slopes[t, :, 3], out=d_pre[t, :, 3])",
            "np.multiply(d_c[:, None], slopes[t], out=d_pre[t])\n"
            f"        np.multiply(d_h_t, slopes[t, :, {o}], out=d_pre[t, :, {o}])",
            BACKWARD,
        )
    ]


def _truncated(steps: int) -> Iterator[Divergence]:
    """No gradient across the borders of chunks of so many steps."""
    title = f"with the {{}}'s gradient cut off every {steps} step{'s' if steps > 1 else ''}"
    note = "Truncated backpropagation through time: what a chunk needed of the one before is never learnt."
    border, seen_in = f"if t and t % {steps} == 0:\n            ", ("detach() in a training loop",)
    lstm = (LSTM_PRODUCT, f"{LSTM_PRODUCT}\n        {border}d_h[...], d_c[...] = 0, 0", BACKWARD)
    yield _lstm(f"lstm-truncated-after-{steps}", title.format("LSTM"), note, lstm, seen_in=seen_in)
    gru = ("d_h += d_through", f"d_h += d_through\n        {border}d_h[...] = 0", BACKWARD)
    yield _gru(f"gru-truncated-after-{steps}", title.format("GRU"), note, gru, seen_in=seen_in)


def _left_out(which: str, steps: str, index: int, note: str) -> Iterator[Divergence]:
    """A loop backward over all steps but one."""
    title = f"with the {which} step left out of the {{}}'s backward pass"
    loop = ("for t in reversed(range(len(x))):", f"for t in reversed(range({steps})):", BACKWARD)
    yield _lstm(
        f"lstm-{which}-step-left-out-of-backward",
        title.format("LSTM"),
        note,
        loop,
        ("d_pre = np.empty_like(slopes)", "d_pre = np.zeros_like(slopes)", BACKWARD),
    )
    yield _gru(
        f"gru-{which}-step-left-out-of-backward",
        title.format("GRU"),
        note,
        loop,
        ("d_hidden = np.empty_like(slopes)", "d_hidden = np.zeros_like(slopes)", BACKWARD),
        ("d_h_0 = d_h\n", f"d_h_0 = d_h\n    d_all_h[{index}] = 0\n", BACKWARD),
    )


def _other_states(id: str, wrong: str, title: str, note: str) -> Iterator[Divergence]:
    """Other states than those of the step before in the backward pass, which keeps h and c in front of each step."""

    def changed(name: str, which: str) -> str:
        return f"{which} = {which}.copy()\n    {wrong.format(which, name)}"

    h, c = title.format("h"), title.format("c")
    lstm = "previous, c_previous = h[:-1], c[:-1]"
    rnn = Patch("rnn", "previous = h[:-1]", f"previous = h[:-1]\n    {changed('h', 'previous')}", BACKWARD)
    yield Divergence(f"state-{id}", f"with {h} in the RNN's d_weight_hh", note, (rnn,))
    of_h = (lstm, f"{lstm}\n    {changed('h', 'previous')}", BACKWARD)
    of_c = (lstm, f"{lstm}\n    {changed('c', 'c_previous')}", BACKWARD)
    yield _lstm(f"lstm-state-{id}", f"with {h} in the LSTM's d_weight_hh", note, of_h)
    yield _lstm(f"lstm-cell-{id}", f"with {c} in the gradient of the LSTM's forget gate", note, of_c)
    of_all = ("previous = h[:-1]", f"previous = h[:-1]\n    {changed('h', 'previous')}", BACKWARD)
    yield _gru(f"gru-state-{id}", f"with {h} in the GRU's backward pass", note, of_all)
    of_weight = (
        "slopes[:, :, 2] = slope_n * r",
        f"slopes[:, :, 2] = slope_n * r\n    {changed('h', 'previous')}",
        BACKWARD,
    )
    yield _gru(f"gru-state-{id}-in-d-weight-hh", f"with {h} in the GRU's d_weight_hh", note, of_weight)


def _interleaved(module: str, name: str, gates: int) -> Iterator[Divergence]:
    """Every so many rows of weights and biases for a gate, in place of a block of them."""
    title = f"with every {gates}th row of the {name}'s weights and biases for a gate in place of a block of rows"
    title = title.replace("3th", "3rd")
    order = f"order = np.arange(len(params['weight_hh'])).reshape(-1, {gates}).T.ravel()"
    read = f"{order}\n    params = {{key: a if key == 'weight_hr' else a[order] for key, a in params.items()}}\n    "
    start = {"lstm": "weight_ih, weight_hh, weight_hr = params", "gru": "weight_ih, weight_hh, bias_hh = params"}
    forward = Patch(module, start[module], read + start[module], FORWARD)
    start["gru"] = "weight_ih, weight_hh = params"
    written = "grads = {key: a if key == 'weight_hr' else a[order.argsort()] for key, a in grads.items()}\n    "
    backward = (
        Patch(module, start[module], read + start[module], BACKWARD),
        Patch(module, "d_x = d_rows", f"{written}d_x = d_rows", BACKWARD),
    )
    note = "A reshape to (H, gates) in place of (gates, H), or a step in place of a range."
    yield Divergence(f"{module}-gates-interleaved", f"{title}, in the forward pass", note, (forward,))
    yield Divergence(
        f"{module}-gates-interleaved-throughout",
        title,
        f"{note} As automatic differentiation has it.",
        (forward, *backward),
    )


DIVERGENCES: tuple[Divergence, ...] = (
    # --------------------------------------------------------------------------------------------- LSTM, forward
    _lstm(
        "lstm-input-and-forget-gate-exchanged",
        "with the LSTM's input and forget gate read in each other's place",
        "i and f exchanged where they are used. Their gradients are written in torch's order, so that this is not "
        "merely another order of the blocks.",
        (LSTM_ORDER.format("gates"), "f, i, g, o = (gates[:, :, gate] for gate in range(4))", FORWARD),
        (LSTM_ORDER.format("saved.all"), "f, i, g, o = (saved.all[:, :, gate] for gate in range(4))", BACKWARD),
    ),
    _lstm_in_order("ifog", "formulas that put the candidate last"),
    _lstm_in_order("iofg", "ONNX"),
    _lstm_in_order("gifo", "Chainer"),
    _lstm_in_order("igfo", "TensorFlow's BasicLSTMCell: i, j, f, o"),
    _lstm_in_order("figo", "papers that begin with the forget gate"),
    _lstm(
        "lstm-forget-bias-1",
        "with 1 added to the LSTM's forget gate",
        "A forget bias of 1 added in the cell, or loaded twice: torch's biases are what they are.",
        (
            "gates = pre.reshape(",
            "pre[:, :, hidden_size : 2 * hidden_size] += 1\n    gates = pre.reshape(",
            FORWARD,
        ),
        seen_in=("TensorFlow's BasicLSTMCell",),
    ),
    _lstm(
        "lstm-recurrent-bias-ignored",
        "without bias_hh in the LSTM's forward pass",
        "Where a single bias is kept, loading only bias_ih loses half of torch's; its gradient is still reported.",
        (ADD_BIASES, 'bias = params["bias_ih"]', FORWARD),
        seen_in=("layers with a single bias",),
    ),
    _lstm(
        "lstm-recurrent-bias-gradient-zero",
        "with the gradient of the LSTM's bias_hh left at zero",
        "Where one bias is kept, the other never moves: the effective bias learns at half torch's speed.",
        (BIAS_HH_GRADIENT, f"{BIAS_HH_GRADIENT} * 0", BACKWARD),
        seen_in=("Keras", "Flax", "MLX"),
    ),
    _lstm(
        "lstm-cell-not-carried",
        "without the cell of the step before, in the forward pass",
        "c_t = i_t * g_t: a network that forgets everything but h.",
        (FORGOTTEN, "np.multiply(f[t], c_previous * 0, out=c_t)", FORWARD),
    ),
    _lstm(
        "lstm-cell-not-carried-throughout",
        "without the cell of the step before",
        "c_t = i_t * g_t, as automatic differentiation has it.",
        (FORGOTTEN, "np.multiply(f[t], c_previous * 0, out=c_t)", FORWARD),
        ("slopes[:, :, 1] = c_previous * f", "slopes[:, :, 1] = 0 * c_previous * f", BACKWARD),
        (CARRY_BACK, "d_c *= 0", BACKWARD),
    ),
    _lstm(
        "lstm-never-forgets",
        "without the LSTM's forget gate",
        "c_t = c_{t-1} + i_t * g_t, the LSTM of 1997; forward only.",
        (FORGOTTEN, "c_t[...] = c_previous", FORWARD),
        seen_in=("Hochreiter and Schmidhuber 1997",),
    ),
    _lstm(
        "lstm-never-forgets-throughout",
        "without the LSTM's forget gate, in the backward pass too",
        "c_t = c_{t-1} + i_t * g_t, as automatic differentiation has it: the cell's gradient is carried back whole.",
        (FORGOTTEN, "c_t[...] = c_previous", FORWARD),
        ("slopes[:, :, 1] = c_previous * f", "slopes[:, :, 1] = 0 * c_previous * f", BACKWARD),
        (CARRY_BACK, "d_c *= 1", BACKWARD),
        seen_in=("Hochreiter and Schmidhuber 1997",),
    ),
    _lstm(
        "lstm-coupled-gates",
        "with 1 - f in place of the LSTM's input gate, in the forward pass",
        "The coupled variant; the input gate's weights are there and do nothing.",
        ("np.multiply(i[t], g_t, out=written)", "np.multiply(1 - f[t], g_t, out=written)", FORWARD),
    ),
    _lstm(
        "lstm-coupled-gates-throughout",
        "with 1 - f in place of the LSTM's input gate",
        "The coupled variant, as automatic differentiation has it: the input gate's weights have no gradient.",
        ("np.multiply(i[t], g_t, out=written)", "np.multiply(1 - f[t], g_t, out=written)", FORWARD),
        ("slopes[:, :, 0] = g * i * (1 - i)", "slopes[:, :, 0] = 0 * i", BACKWARD),
        ("slopes[:, :, 1] = c_previous * f", "slopes[:, :, 1] = (c_previous - g) * f", BACKWARD),
        ("slopes[:, :, 2] = i * (1 - g * g)", "slopes[:, :, 2] = (1 - f) * (1 - g * g)", BACKWARD),
    ),
    _lstm(
        "lstm-coupled-to-the-input-gate",
        "with 1 - i in place of the LSTM's forget gate",
        "What is not written over is kept. The forget gate's weights are there and do nothing.",
        (FORGOTTEN, "np.multiply(1 - i[t], c_previous, out=c_t)", FORWARD),
        ("slopes[:, :, 0] = g * i * (1 - i)", "slopes[:, :, 0] = (g - c_previous) * i * (1 - i)", BACKWARD),
        ("slopes[:, :, 1] = c_previous * f", "slopes[:, :, 1] = 0 * c_previous * f", BACKWARD),
        (CARRY_BACK, "d_c *= 1 - i[t]", BACKWARD),
        seen_in=("Greff et al. 2015's CIFG",),
    ),
    _lstm(
        "lstm-initial-cell-ignored",
        "with zeros in place of c_0 in the forward pass",
        "h_0 is taken up, c_0 is not.",
        ("h[0], c[0] = h_0, c_0", "h[0], c[0] = h_0, c_0 * 0", FORWARD),
    ),
    _lstm(
        "lstm-initial-state-ignored",
        "with zeros in place of the LSTM's h_0 in the forward pass",
        "c_0 is taken up, h_0 is not.",
        ("h[0], c[0] = h_0, c_0", "h[0], c[0] = h_0 * 0, c_0", FORWARD),
    ),
    _lstm(
        "lstm-output-without-tanh",
        "with o * c in place of o * tanh(c), in the forward pass",
        "The second tanh is forgotten.",
        (OUTPUT, "np.multiply(o[t], c_t, out=unprojected[t])", FORWARD),
    ),
    _lstm(
        "lstm-output-without-tanh-throughout",
        "with o * c in place of o * tanh(c)",
        "As automatic differentiation has it.",
        (OUTPUT, "np.multiply(o[t], c_t, out=unprojected[t])", FORWARD),
        ("slopes[:, :, 3] = tanh_c * o", "slopes[:, :, 3] = c[1:] * o", BACKWARD),
        ("slope_c = o * (1 - tanh_c * tanh_c)", "slope_c = o * 1", BACKWARD),
    ),
    _lstm(
        "lstm-candidate-sigmoid",
        "with sigma in place of tanh for the LSTM's candidate, in the forward pass",
        "All four gates alike: what is written into the cell can no longer be negative.",
        (LSTM_SIGMOID, "sigmoid_in_place(pre_t)", FORWARD),
    ),
    _lstm(
        "lstm-candidate-sigmoid-throughout",
        "with sigma in place of tanh for the LSTM's candidate",
        "As automatic differentiation has it.",
        (LSTM_SIGMOID, "sigmoid_in_place(pre_t)", FORWARD),
        ("slopes[:, :, 2] = i * (1 - g * g)", "slopes[:, :, 2] = i * g * (1 - g)", BACKWARD),
    ),
    _lstm(
        "lstm-peephole",
        "with the cell of the step before added to the LSTM's gates, in the forward pass",
        "Peephole connections with weights of 1.",
        (
            "pre_t += recurrent\n",
            "pre_t += recurrent\n            gates[t, :, :2] += c_previous[:, None]\n",
            FORWARD,
        ),
        seen_in=("Gers and Schmidhuber 2000's peepholes",),
    ),
    _lstm(
        "lstm-weight-hh-block-transposed",
        "with every gate's block of weight_hh transposed, in the forward pass",
        "Each block is square, so its transpose fits.",
        BLOCKS_TRANSPOSED,
    ),
    _lstm(
        "lstm-weight-hh-block-transposed-throughout",
        "with every gate's block of weight_hh transposed",
        "As automatic differentiation has it: the gradient's blocks are transposed as well.",
        BLOCKS_TRANSPOSED,
        (
            "tanh_c = saved.tanh_c",
            "tanh_c = saved.tanh_c\n"
            "    if weight_hr is None:\n"
            f"        weight_hh = {TRANSPOSE_BLOCKS.format('weight_hh')}",
            BACKWARD,
        ),
        (
            'if "bias_ih" in params',
            "if weight_hr is None:\n"
            f'        grads["weight_hh"] = {TRANSPOSE_BLOCKS.format("""grads["weight_hh"]""")}\n'
            '    if "bias_ih" in params',
            BACKWARD,
        ),
        seen_in=("weights loaded from a framework that keeps the transpose",),
    ),
    # -------------------------------------------------------------------------------------------- LSTM, backward
    _lstm(
        "lstm-cell-gradient-not-carried",
        "without the gradient that the LSTM's cell carries back from step to step",
        "What makes an LSTM long: the path through c alone, with f as its only factor.",
        (CARRY_BACK, "d_c *= 0", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-overwritten",
        "with the gradient that comes back through the LSTM's cell overwritten at every step",
        "d_c_t = d_h_t * o_t * (1 - tanh(c_t)^2) with = in place of +=: what later steps and c_n sent back is lost.",
        (THROUGH_CELL, "d_c[...] = d_h_t * slope_c[t]", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-without-forget-gate",
        "with the LSTM's cell gradient carried back without the factor f",
        "The constant error carousel of 1997, which had no forget gate.",
        (CARRY_BACK, "d_c *= 1", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-by-the-input-gate",
        "with the input gate in place of the forget gate in the LSTM's carried cell gradient",
        "c_t = f_t * c_{t-1} + i_t * g_t: what reaches c_{t-1} passes the forget gate.",
        (CARRY_BACK, "d_c *= i[t]", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-with-the-wrong-forget-gate",
        "with the forget gate of the step before in the LSTM's cell gradient",
        "An index off by one: d_c_{t-1} = d_c_t * f_t.",
        (CARRY_BACK, "d_c *= f[t - 1 if t else 0]", BACKWARD),
    ),
    _lstm(
        "lstm-gate-derivatives-missing",
        "without sigma's derivative in the gradients of the LSTM's gates",
        "i (1 - i), f (1 - f) and o (1 - o) are forgotten: the gradients with respect to the gates themselves.",
        ("slopes[:, :, 0] = g * i * (1 - i)", "slopes[:, :, 0] = g * 1", BACKWARD),
        ("slopes[:, :, 1] = c_previous * f * (1 - f)", "slopes[:, :, 1] = c_previous * 1", BACKWARD),
        ("slopes[:, :, 3] = tanh_c * o * (1 - o)", "slopes[:, :, 3] = tanh_c * 1", BACKWARD),
    ),
    _lstm(
        "lstm-candidate-derivative-missing",
        "without tanh's derivative in the gradient of the LSTM's candidate",
        "1 - g^2 is forgotten.",
        ("slopes[:, :, 2] = i * (1 - g * g)", "slopes[:, :, 2] = i * 1", BACKWARD),
    ),
    _lstm(
        "lstm-candidate-derivative-of-sigmoid",
        "with sigma's derivative in the gradient of the LSTM's candidate",
        "g (1 - g), as for the gates beside it, in place of 1 - g^2.",
        ("slopes[:, :, 2] = i * (1 - g * g)", "slopes[:, :, 2] = i * g * (1 - g)", BACKWARD),
    ),
    _lstm(
        "lstm-tanh-derivative-missing-at-the-cell",
        "without the derivative of tanh(c) in the LSTM's backward pass",
        "d_c_t = d_h_t * o_t.",
        ("slope_c = o * (1 - tanh_c * tanh_c)", "slope_c = o * (1 - 0 * tanh_c)", BACKWARD),
    ),
    _lstm(
        "lstm-tanh-derivative-of-the-cell-itself",
        "with 1 - c^2 in place of 1 - tanh(c)^2",
        "The derivative is written in terms of what goes in, not of what comes out.",
        ("slope_c = o * (1 - tanh_c * tanh_c)", "slope_c = o * (1 - c[1:] * c[1:])", BACKWARD),
    ),
    _lstm(
        "lstm-forget-gradient-uses-current-cell",
        "with c_t in place of c_{t-1} in the forget gate's gradient",
        "f multiplies the cell before the step; at hand in a backward loop is the one after it.",
        ("slopes[:, :, 1] = c_previous * f", "slopes[:, :, 1] = c[1:] * f", BACKWARD),
    ),
    _lstm(
        "lstm-hh-gradient-uses-current-state",
        "with h_t in place of h_{t-1} in the LSTM's d_weight_hh",
        "weight_hh multiplies the previous state.",
        ("weight_gradient(d_rows, previous)", "weight_gradient(d_rows, h[1:])", BACKWARD),
    ),
    _lstm(
        "lstm-output-gate-gradient-through-the-cell",
        "with d_c in place of d_h in the output gate's gradient",
        "o multiplies h alone; the cell's gradient does not pass through it.",
        (
            "np.multiply(d_h_t, slopes[t, :, 3], out=d_pre[t, :, 3])",
            "np.multiply(d_c, slopes[t, :, 3], out=d_pre[t, :, 3])",
            BACKWARD,
        ),
    ),
    _lstm(
        "lstm-final-state-gradient-ignored",
        "without the gradient on the LSTM's h_n",
        "h_n is an output of its own, besides being the last step of output.",
        ("d_h, d_c = d_h_n.copy(), d_c_n.copy()", "d_h, d_c = d_h_n * 0, d_c_n.copy()", BACKWARD),
    ),
    _lstm(
        "lstm-final-cell-gradient-ignored",
        "without the gradient on c_n",
        "Where only h is passed on, c_n has no use and its gradient is forgotten.",
        ("d_h, d_c = d_h_n.copy(), d_c_n.copy()", "d_h, d_c = d_h_n.copy(), d_c_n * 0", BACKWARD),
    ),
    _lstm(
        "lstm-initial-cell-gradient-dropped",
        "with a gradient of zero for c_0",
        "c_0 is an input with a gradient, like h_0.",
        ("d_h_0, d_c_0 = d_h, d_c", "d_h_0, d_c_0 = d_h, d_c * 0", BACKWARD),
    ),
    _lstm(
        "lstm-initial-state-gradient-dropped",
        "with a gradient of zero for the LSTM's h_0",
        "h_0 is an input with a gradient.",
        ("d_h_0, d_c_0 = d_h, d_c", "d_h_0, d_c_0 = d_h * 0, d_c", BACKWARD),
    ),
    Divergence(
        "lengths-ignored-for-the-final-cell-gradient",
        "without the gradient on c_n of sequences of different lengths",
        "It has to enter at each sequence's own last step, as that on h_n does.",
        (Patch("lstm", "d_c += d_cell[t]", "d_c += 0 * d_cell[t]", BACKWARD),),
    ),
    # ----------------------------------------------------------------------------------------------- projection
    _lstm(
        "lstm-projection-missing-in-backward",
        "with W_hr's transpose left out of W_hr's own gradient: that of the unprojected states summed",
        "d_W_hr = sum_t d_h_t^T (o_t * tanh(c_t)); here the cell's value stands for the gated one.",
        (
            "weight_gradient(rows(d_projected), saved.unprojected)",
            "weight_gradient(rows(d_projected), saved.tanh_c)",
            BACKWARD,
        ),
    ),
    _lstm(
        "lstm-projection-not-in-the-recurrence",
        "with the projected state in output but a gradient that misses the recurrence",
        "W_hr's gradient then has only the output's part, not that of later steps.",
        (
            "weight_gradient(rows(d_projected), saved.unprojected)",
            "weight_gradient(rows(d_output), saved.unprojected)",
            BACKWARD,
        ),
    ),
    _lstm(
        "lstm-projection-doubled-gate",
        "with tanh around the projected state",
        "The projection is linear in torch.",
        (PROJECT, "h[t + 1] = np.tanh(unprojected[t].dot(weight_hr.T))", FORWARD),
    ),
    _lstm(
        "lstm-projection-truncates",
        "with the first proj_size units in place of the projection, in the forward pass",
        "The shape is right, W_hr takes no part.",
        (PROJECT, "h[t + 1] = unprojected[t][:, : len(weight_hr)]", FORWARD),
    ),
    # ------------------------------------------------------------------------------------------------------- GRU
    _gru(
        "gru-reset-before-the-product",
        "with the GRU's reset gate applied to h before the product with W_hn, in the forward pass",
        "The paper's form. torch, like cuDNN, applies it to the product, b_hn included.",
        *RESET_BEFORE,
        seen_in=("Cho et al. 2014", "Keras with reset_after=False", "ONNX with linear_before_reset=0"),
    ),
    _gru(
        "gru-reset-before-the-product-throughout",
        "with the GRU's reset gate applied to h before the product with W_hn",
        "The paper's form, as automatic differentiation has it: r's gradient then comes through W_hn.",
        *RESET_BEFORE,
        (
            "np.multiply(d_h_t[:, None], slopes[t], out=d_hidden[t])\n        d_hidden_rows[t].dot(weight_hh, out=d_h)",
            "both, last = slice(2 * h.shape[-1]), slice(2 * h.shape[-1], None)\n"
            "        d_hidden[t, :, 2] = d_h_t * slope_n[t]\n"
            "        d_reset = d_hidden[t, :, 2].dot(weight_hh[last])\n"
            "        d_hidden[t, :, 0] = d_reset * previous[t] * r[t] * (1 - r[t])\n"
            "        d_hidden[t, :, 1] = d_h_t * slopes[t, :, 1]\n"
            "        d_h = d_hidden_rows[t][:, both].dot(weight_hh[both]) + d_reset * r[t]",
            BACKWARD,
        ),
        (
            'if "bias_ih" in params',
            'grads["weight_hh"][2 * h.shape[-1] :] = weight_gradient(rows(d_hidden[:, :, 2]), r * previous)\n'
            '    if "bias_ih" in params',
            BACKWARD,
        ),
        seen_in=("Cho et al. 2014", "Keras with reset_after=False", "ONNX with linear_before_reset=0"),
    ),
    _gru(
        "gru-reset-gate-ignored",
        "without the GRU's reset gate, in the forward pass",
        "n_t = tanh(x_t W_in^T + b_in + h_{t-1} W_hn^T + b_hn).",
        (GRU_RESET, "n_t += hidden_n[t]", FORWARD),
    ),
    _gru(
        "gru-reset-gate-ignored-throughout",
        "without the GRU's reset gate",
        "As automatic differentiation has it: the gate's weights have no gradient.",
        (GRU_RESET, "n_t += hidden_n[t]", FORWARD),
        ("slopes[:, :, 0] = slope_n * saved", "slopes[:, :, 0] = 0 * slope_n * saved", BACKWARD),
        ("slopes[:, :, 2] = slope_n * r", "slopes[:, :, 2] = slope_n * 1", BACKWARD),
    ),
    _gru(
        "gru-recurrent-bias-outside-the-reset-gate",
        "with b_hn outside the product with the GRU's reset gate, in the forward pass",
        "A single bias per gate cannot tell b_in from b_hn; torch's b_hn is multiplied by r.",
        (
            GRU_RESET,
            "inner = hidden_n[t] if bias_hh is None else hidden_n[t] - bias_hh[last]\n"
            "            n_t += r[t] * inner\n"
            "            if bias_hh is not None:\n"
            "                n_t += bias_hh[last]",
            FORWARD,
        ),
        seen_in=("layers with a single bias",),
    ),
    _gru(
        "gru-recurrent-bias-outside-the-reset-gate-throughout",
        "with b_hn outside the product with the GRU's reset gate",
        "As automatic differentiation has it: b_hn's gradient is then b_in's.",
        (
            GRU_RESET,
            "if bias_hh is not None:\n"
            "                hidden_n[t] -= bias_hh[last]\n"
            "                n_t += bias_hh[last]\n"
            "            n_t += r[t] * hidden_n[t]",
            FORWARD,
        ),
        ("bias_gradient(d_hidden_rows)", "bias_gradient(d_pre_rows)", BACKWARD),
        seen_in=("layers with a single bias",),
    ),
    _gru(
        "gru-update-gate-reversed",
        "with z and 1 - z exchanged in the GRU, in the forward pass",
        "h_t = z * n + (1 - z) * h_{t-1}, as half of the literature has it.",
        (
            GRU_MIX,
            "np.subtract(n_t, previous, out=h_t)\n            h_t *= z_t\n            h_t += previous",
            FORWARD,
        ),
        seen_in=("Chung et al. 2014",),
    ),
    _gru(
        "gru-update-gate-reversed-throughout",
        "with z and 1 - z exchanged in the GRU",
        "As automatic differentiation has it. With other weights it is the same family of functions, so that it learns "
        "as well as torch's.",
        (
            GRU_MIX,
            "np.subtract(n_t, previous, out=h_t)\n            h_t *= z_t\n            h_t += previous",
            FORWARD,
        ),
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = z * (1 - n * n)", BACKWARD),
        ("slopes[:, :, 1] = (previous - n) * z", "slopes[:, :, 1] = (n - previous) * z", BACKWARD),
        ("np.multiply(d_h_t, z[t], out=d_through)", "np.multiply(d_h_t, 1 - z[t], out=d_through)", BACKWARD),
        seen_in=("Chung et al. 2014",),
    ),
    _gru(
        "gru-gates-in-order-zrn",
        "with the GRU's gates in the order z, r, n",
        "torch's blocks are r, z, n from the top: weights in another order load without a complaint.",
        (GRU_ORDER.format("gates"), "z, r, n = (gates[:, :, gate] for gate in range(3))", FORWARD),
        (GRU_ORDER.format("saved.all"), "z, r, n = (saved.all[:, :, gate] for gate in range(3))", BACKWARD),
        ("slopes[:, :, 0] = slope_n * saved", "slopes[:, :, 1] = slope_n * saved", BACKWARD),
        ("slopes[:, :, 1] = (previous", "slopes[:, :, 0] = (previous", BACKWARD),
        seen_in=("Keras", "ONNX"),
    ),
    _gru(
        "gru-candidate-sigmoid",
        "with sigma in place of tanh for the GRU's candidate, in the forward pass",
        "All three alike.",
        ("np.tanh(n_t, out=n_t)", "sigmoid_in_place(n_t)", FORWARD),
    ),
    _gru(
        "gru-candidate-sigmoid-throughout",
        "with sigma in place of tanh for the GRU's candidate",
        "As automatic differentiation has it.",
        ("np.tanh(n_t, out=n_t)", "sigmoid_in_place(n_t)", FORWARD),
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = (1 - z) * n * (1 - n)", BACKWARD),
    ),
    _gru(
        "gru-recurrent-bias-ignored",
        "without bias_hh in the GRU's forward pass",
        "Where a single bias is kept, loading only bias_ih loses half of torch's.",
        ("hidden += bias_hh", "hidden += 0 * bias_hh", FORWARD),
        seen_in=("layers with a single bias",),
    ),
    _gru(
        "gru-recurrent-bias-gradient-zero",
        "with the gradient of the GRU's bias_hh left at zero",
        "Where one bias is kept, the other never moves.",
        ("bias_gradient(d_hidden_rows)", "bias_gradient(d_hidden_rows) * 0", BACKWARD),
        seen_in=("Keras with reset_after=False",),
    ),
    _gru(
        "gru-initial-state-ignored",
        "with zeros in place of the GRU's h_0 in the forward pass",
        "A state that is carried from one batch to the next is thrown away.",
        ("h[0] = h_0", "h[0] = h_0 * 0", FORWARD),
    ),
    _gru(
        "gru-direct-path-missing-in-backward",
        "without the gradient that passes through z * h_{t-1}",
        "The path that makes a GRU remember: d_h_t * z_t goes straight to the step before.",
        ("d_h += d_through", "d_h += 0 * d_through", BACKWARD),
    ),
    _gru(
        "gru-gate-derivatives-missing",
        "without sigma's derivative in the gradients of the GRU's gates",
        "r (1 - r) and z (1 - z) are forgotten: the gradients with respect to the gates themselves.",
        ("slope_n * saved.hidden_n * r * (1 - r)", "slope_n * saved.hidden_n * 1", BACKWARD),
        ("(previous - n) * z * (1 - z)", "(previous - n) * 1", BACKWARD),
    ),
    _gru(
        "gru-candidate-derivative-missing",
        "without tanh's derivative in the gradient of the GRU's candidate",
        "1 - n^2 is forgotten.",
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = (1 - z) * 1", BACKWARD),
    ),
    _gru(
        "gru-reset-gradient-missing",
        "with a gradient of zero for the GRU's reset gate",
        "r acts inside the candidate, two factors deep: the part that is easily forgotten.",
        ("slopes[:, :, 0] = slope_n * saved", "slopes[:, :, 0] = 0 * slope_n * saved", BACKWARD),
    ),
    _gru(
        "gru-reset-gate-not-in-the-hidden-gradient",
        "with the candidate's gradient on the hidden side not multiplied by the GRU's reset gate",
        "d_W_hn, d_b_hn and d_h_{t-1} all have the factor r_t, d_W_in and d_b_in have not.",
        ("slopes[:, :, 2] = slope_n * r", "slopes[:, :, 2] = slope_n * 1", BACKWARD),
    ),
    _gru(
        "gru-bias-hh-gradient-equal-to-bias-ih",
        "with the gradient of the GRU's bias_ih for its bias_hh",
        "In RNN and LSTM both are equal; in torch's GRU the candidate's block of bias_hh is multiplied by r.",
        ("bias_gradient(d_hidden_rows)", "bias_gradient(d_pre_rows)", BACKWARD),
        seen_in=("code taken over from an RNN",),
    ),
    _gru(
        "gru-bias-ih-gradient-with-reset-gate",
        "with the reset gate in the candidate's input-side gradient",
        "d_W_in, d_b_in and d_x then miss a factor 1 / r.",
        (
            "np.multiply(d_all_h, slope_n, out=d_pre[:, :, 2])",
            "np.multiply(d_all_h, slope_n * r, out=d_pre[:, :, 2])",
            BACKWARD,
        ),
    ),
    _gru(
        "gru-update-gradient-sign",
        "with the sign of the GRU's update gate gradient reversed",
        "d h_t / d z_t is h_{t-1} - n_t.",
        ("(previous - n) * z", "(n - previous) * z", BACKWARD),
    ),
    _gru(
        "gru-hh-gradient-uses-current-state",
        "with h_t in place of h_{t-1} in the GRU's d_weight_hh",
        "weight_hh multiplies the previous state.",
        ("weight_gradient(rows(d_hidden_rows), previous)", "weight_gradient(rows(d_hidden_rows), h[1:])", BACKWARD),
    ),
    _gru(
        "gru-final-state-gradient-ignored",
        "without the gradient on the GRU's h_n",
        "h_n is an output of its own, besides being the last step of output.",
        ("d_h, d_through = d_h_n.copy(),", "d_h, d_through = d_h_n * 0,", BACKWARD),
    ),
    _gru(
        "gru-initial-state-gradient-dropped",
        "with a gradient of zero for the GRU's h_0",
        "h_0 is an input with a gradient.",
        ("d_h_0 = d_h\n", "d_h_0 = d_h * 0\n", BACKWARD),
    ),
    # ------------------------------------------------------------------------------------------------------ both
    _lstm(
        "lstm-candidate-linear-throughout",
        "with the LSTM's candidate as it is, without tanh",
        "The cell state is fed without a bound.",
        ("candidate = np.tanh(g_t)", "candidate = g_t.copy()", FORWARD),
        ("i * (1 - g * g)", "i * np.ones_like(g)", BACKWARD),
    ),
    _lstm(
        "lstm-output-of-the-cell-before",
        "with the LSTM's output made of the cell state before the step, in the forward pass",
        "o tanh(c_{t-1}): the variable is read before it is written.",
        ("np.tanh(c_t, out=tanh_c[t])", "np.tanh(c_previous, out=tanh_c[t])", FORWARD),
    ),
    _lstm(
        "lstm-output-gradient-of-the-cell",
        "with c_t in place of tanh(c_t) in the gradient of the LSTM's output gate",
        "d_o = d_h tanh(c_t).",
        ("slopes[:, :, 3] = tanh_c * o", "slopes[:, :, 3] = c[1:] * o", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-without-output-gate",
        "without the output gate in what reaches the LSTM's cell state from h",
        "d_c += d_h o (1 - tanh(c_t)^2).",
        ("slope_c = o * (1 - tanh_c * tanh_c)", "slope_c = 1 - tanh_c * tanh_c", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-through-the-gate-before",
        "with the forget gate of the step before in what the LSTM's cell state hands back",
        "d_c_{t-1} = d_c_t f_t: the gate is the one of the step that is left, not of the one that is reached.",
        (CARRY_BACK, "d_c *= f[t - 1]", BACKWARD),
    ),
    _lstm(
        "lstm-final-states-exchanged",
        "with h_n and c_n exchanged",
        "Both have one shape where nothing is projected, and Keras' order of results is another one.",
        ("return output, h_n, c_n, cache", "return output, c_n, h_n, cache", "forward"),
    ),
    _gru(
        "gru-reset-gradient-of-the-state",
        "with h_{t-1} in place of the recurrent product in the gradient of the GRU's reset gate",
        "r multiplies W_hn h_{t-1} + b_hn in torch's form; in the other form it multiplies h_{t-1}.",
        ("slope_n * saved.hidden_n * r", "slope_n * previous * r", BACKWARD),
    ),
    _gru(
        "gru-reset-gradient-without-bias",
        "without b_hn in the gradient of the GRU's reset gate",
        "r multiplies the bias as well.",
        (
            "slope_n * saved.hidden_n * r",
            'slope_n * (saved.hidden_n - (params["bias_hh"] if "bias_hh" in params else '
            "np.zeros_like(weight_hh[:, 0])).reshape(3, -1)[2]) * r",
            BACKWARD,
        ),
    ),
    _gru(
        "gru-candidate-gradient-by-the-update-gate",
        "with z in place of 1 - z in the gradient of the GRU's candidate",
        "h_t = (1 - z) n + z h_{t-1}: the candidate gets the rest.",
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = z * (1 - n * n)", BACKWARD),
    ),
    _gru(
        "gru-candidate-derivative-of-the-candidate",
        "with the derivative of tanh taken at the GRU's candidate, 1 - tanh(n)^2",
        "n is tanh's result already.",
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = (1 - z) * (1 - np.tanh(n) * np.tanh(n))", BACKWARD),
    ),
    _gru(
        "gru-reset-derivative-missing",
        "without the sigmoid's derivative in the gradient of the GRU's reset gate",
        "r (1 - r) is missing.",
        ("saved.hidden_n * r * (1 - r)", "saved.hidden_n", BACKWARD),
    ),
    _gru(
        "gru-update-derivative-missing",
        "without the sigmoid's derivative in the gradient of the GRU's update gate",
        "z (1 - z) is missing.",
        ("(previous - n) * z * (1 - z)", "(previous - n)", BACKWARD),
    ),
    _gru(
        "gru-direct-path-not-scaled",
        "with the GRU's gradient handed back whole along the direct path",
        "d_h_{t-1} gets z d_h_t by it, not d_h_t.",
        ("np.multiply(d_h_t, z[t], out=d_through)", "d_through[...] = d_h_t", BACKWARD),
    ),
    _gru(
        "gru-recurrent-bias-of-the-candidate-only",
        "without the recurrent biases of the GRU's gates, in the forward pass",
        "b_hr and b_hz are taken for redundant beside b_ir and b_iz, and left out.",
        ("hidden += bias_hh", "hidden[:, last] += bias_hh[last]", FORWARD),
    ),
    *chain.from_iterable(map(_truncated, (1, 5, 10))),
    *_left_out("first", "1, len(x)", 0, "range(T - 1, 0, -1) ends at step 1: step 0 adds to no gradient."),
    *_left_out("last", "len(x) - 1", -1, "range(T - 1) begins too early: the last step adds to no gradient."),
    # ------------------------------------------------------------------------------- states in one another's place
    _lstm(
        "lstm-initial-states-exchanged",
        "with h_0 and c_0 in each other's place, in the forward pass",
        "Both have one shape where nothing is projected. The gradients come out under the right names.",
        (START, EXCHANGED_START, FORWARD),
    ),
    _lstm(
        "lstm-initial-states-exchanged-throughout",
        "with h_0 and c_0 in each other's place",
        "As automatic differentiation has it: the gradients of the initial states are exchanged as well.",
        (START, EXCHANGED_START, FORWARD),
        (
            "return d_x, (d_h_0, d_c_0), grads",
            "return d_x, (d_c_0, d_h_0) if weight_hr is None else (d_h_0, d_c_0), grads",
            BACKWARD,
        ),
    ),
    _lstm(
        "lstm-states-exchanged-at-every-step",
        "with h and c of the step before in each other's place at every step of the LSTM",
        "A pair that is returned as (h, c) and taken apart as (c, h), as automatic differentiation has it.",
        (
            "previous, c_previous, c_t, g_t = h[t], c[t], c[t + 1], g[t]",
            "previous, c_previous, c_t, g_t = h[t], c[t], c[t + 1], g[t]\n"
            "            if weight_hr is None:\n"
            "                previous, c_previous = c_previous, previous",
            FORWARD,
        ),
        (
            "tanh_c = saved.tanh_c",
            "tanh_c = saved.tanh_c\n    if weight_hr is None:\n        previous, c_previous = c_previous, previous",
            BACKWARD,
        ),
        (
            LSTM_PRODUCT,
            f"{LSTM_PRODUCT}\n        if weight_hr is None:\n            d_h, d_c = d_c, d_h",
            BACKWARD,
        ),
    ),
    *_other_states(
        "wraps-round-to-the-last",
        "{}[0] = {}[-1]",
        "the last {} in place of the initial one",
        "An index of t - 1 is -1 at the first step, which is the last one: no error says so.",
    ),
    *_other_states(
        "kept-by-reference",
        "{}[...] = {}[-1]",
        "the last {} in place of that of the step before, at every step,",
        "Written over at every step while the cache keeps it: all its entries are one array, which ends as the last.",
    ),
    # -------------------------------------------------------------------------------------- slips between gates
    _lstm(
        "lstm-backward-in-order-ifog",
        "with the LSTM's gradients of o and g in each other's place",
        "Put together in the order i, f, o, g, while the forward pass reads i, f, g, o.",
        (LSTM_PRODUCT, f"d_pre[t, :, 2:] = d_pre[t, :, :1:-1].copy()\n        {LSTM_PRODUCT}", BACKWARD),
    ),
    _lstm(
        "lstm-forget-derivative-of-the-input-gate",
        "with f (1 - i) in place of f (1 - f) in the gradient of the LSTM's forget gate",
        "A line that was copied from the input gate's, one letter of it left.",
        ("slopes[:, :, 1] = c_previous * f * (1 - f)", "slopes[:, :, 1] = c_previous * f * (1 - i)", BACKWARD),
    ),
    _lstm(
        "lstm-cell-gradient-by-the-gate-it-reaches",
        "with the LSTM's cell gradient multiplied by the forget gate on arrival in place of on leaving",
        "d_c_t = d_c_{t+1} f_t + ...: c_n's gradient passes a gate too many, c_0's one too few.",
        (THROUGH_CELL, f"d_c *= f[t]\n        {THROUGH_CELL}", BACKWARD),
        (f"{CARRY_BACK}\n", "d_c *= 1\n", BACKWARD),
    ),
    _lstm(
        "lstm-output-of-the-cell-before-forward-only",
        "with the LSTM's output made of the cell state before the step, the backward pass right",
        "o tanh(c_{t-1}): the variable is read before it is written; what the backward pass reads is c_t.",
        (OUTPUT, "np.multiply(o[t], np.tanh(c_previous), out=unprojected[t])", FORWARD),
    ),
    *_interleaved("lstm", "LSTM", 4),
    *_interleaved("gru", "GRU", 3),
    _gru(
        "gru-candidate-sign-reversed",
        "with z - 1 in place of 1 - z in the GRU, in the forward pass",
        "h_t = (z - 1) n + z h_{t-1}: a subtraction the wrong way round.",
        (GRU_MIX, GRU_Z_MINUS_1, FORWARD),
    ),
    _gru(
        "gru-candidate-sign-reversed-throughout",
        "with z - 1 in place of 1 - z in the GRU",
        "h_t = (z - 1) n + z h_{t-1}, as automatic differentiation has it.",
        (GRU_MIX, GRU_Z_MINUS_1, FORWARD),
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = (z - 1) * (1 - n * n)", BACKWARD),
        ("(previous - n) * z", "(previous + n) * z", BACKWARD),
        seen_in=("__rsub__ of a small autograd",),
    ),
    _gru(
        "gru-weight-hh-block-transposed",
        "with every gate's block of the GRU's weight_hh transposed, in the forward pass",
        "Each block is square, so its transpose fits.",
        GRU_BLOCKS_TRANSPOSED,
    ),
    _gru(
        "gru-weight-hh-block-transposed-throughout",
        "with every gate's block of the GRU's weight_hh transposed",
        "As automatic differentiation has it: the gradient's blocks are transposed as well.",
        GRU_BLOCKS_TRANSPOSED,
        (
            "previous = h[:-1]",
            f"previous = h[:-1]\n    weight_hh = {GRU_TRANSPOSE_BLOCKS.format('weight_hh')}",
            BACKWARD,
        ),
        (
            'if "bias_ih" in params',
            f'grads["weight_hh"] = {GRU_TRANSPOSE_BLOCKS.format("""grads["weight_hh"]""")}\n    if "bias_ih" in params',
            BACKWARD,
        ),
    ),
    _gru(
        "gru-update-gradient-without-the-candidate",
        "with h_{t-1} in place of h_{t-1} - n in the gradient of the GRU's update gate",
        "z stands twice in (1 - z) n + z h_{t-1}.",
        ("(previous - n) * z", "previous * z", BACKWARD),
    ),
    _gru(
        "gru-candidate-derivative-of-the-update-gate",
        "with 1 - z^2 in place of 1 - n^2 in the gradient of the GRU's candidate",
        "tanh's derivative, taken of another gate.",
        ("slope_n = (1 - z) * (1 - n * n)", "slope_n = (1 - z) * (1 - z * z)", BACKWARD),
    ),
    _gru(
        "gru-bias-gradients-in-one-array",
        "with the sum of the gradients of the GRU's biases for both",
        "a = b = zeros makes one array with two names, to which both are added.",
        (
            GRU_BIAS_HH,
            f'{GRU_BIAS_HH}\n        grads["bias_ih"] += grads["bias_hh"]\n'
            '        grads["bias_hh"] = grads["bias_ih"].copy()',
            BACKWARD,
        ),
    ),
    _gru(
        "gru-reset-bias-for-the-update-gate",
        "with b_ir in place of b_iz in the GRU's update gate, in the forward pass",
        "A line that was copied from the reset gate's, one letter of it left.",
        GRU_RESET_BIAS_TWICE,
    ),
    _gru(
        "gru-reset-bias-for-the-update-gate-throughout",
        "with b_ir in place of b_iz in the GRU's update gate",
        "As automatic differentiation has it: b_iz has no gradient.",
        GRU_RESET_BIAS_TWICE,
        (
            GRU_BIAS_HH,
            f'{GRU_BIAS_HH}\n        r, z, _ = grads["bias_ih"].reshape(3, -1)\n        r += z\n        z[...] = 0',
            BACKWARD,
        ),
    ),
)
