"""Mistakes in the Elman RNN, forward and backward.

A mistake has two forms where they differ: in the forward pass only, with a hand-written backward that does not
know of it, and throughout, as automatic differentiation would have it.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

FORWARD = "direction_forward"
BACKWARD = "direction_backward"

ADD_BIASES = 'bias = params["bias_ih"] + params["bias_hh"]'
BIAS_HH_GRADIENT = 'grads["bias_hh"] = grads["bias_ih"].copy()'
FLIP_INPUT = "direction_input = turned(layer_input, padding) if direction else layer_input"
FLIP_OUTPUT = "outputs.append(turned(h, padding) if direction else h)"
FLIP_D_STATES = "d_h = turned(d_h, padding)"
FLIP_D_INPUT = "d_inputs.append(turned(d_x, padding) if direction else d_x)"
NONLINEARITY = "nonlinearity.forward(h_t, h_t)"
PRODUCT = "previous.dot(weight_hh_t, out=recurrent)"
BACKWARD_LOOP = "for t in reversed(range(len(x))):"
LOOP_BODY = """d_pre_t = d_pre[t]  # holds d_output_t until the two lines below complete it
        d_pre_t += d_h
        nonlinearity.backward(d_pre_t, slope[t], d_pre_t)
        d_pre_t.dot(weight_hh, out=d_h)"""
SLOPE_STEP = "nonlinearity.backward(d_pre_t, slope[t], d_pre_t)"
FINAL_STATE = "final[index] = states[-1] if padding is None else last_state(states, padding)"
WRONG_END = Patch(
    "recurrent",
    FINAL_STATE,
    f"final[index] = states[1] if direction else {FINAL_STATE.partition(' = ')[2]}",
    "forward",
)
D_LAST = "d_last = [d_n[index] for d_n in d_finals]"
RUN_FORWARD = "own = {name: params[full] for name, full in model.direction_names[index].items()}"
RUN_BACKWARD = "names = model.direction_names[index]"
ENDS = "d_states, d_last = at_the_ends(d_h, d_last, padding)"
STATES_BEFORE = Patch("recurrent", "h = ran.states[0][1:]", "h = ran.states[0][:-1].copy()", "forward")
WEIGHT_SUM = "d_rows.T.dot(rows(inputs))"
BIAS_SUM = "gradient: Array = ones.dot(d_rows)"
RECURRENT_PRODUCT = "d_pre_t.dot(weight_hh, out=d_h)"


def _always(nonlinearity: str) -> Divergence:
    """The argument is accepted and ignored."""
    asked, given = "NONLINEARITIES[model.nonlinearity]", f'NONLINEARITIES["{nonlinearity}"]'
    return Divergence(
        f"nonlinearity-always-{nonlinearity}",
        f"with {nonlinearity} whatever nonlinearity was asked for",
        "The argument is accepted and ignored.",
        (
            Patch("rnn", f"nonlinearity = {asked}", f"nonlinearity = {given}", "forward"),
            Patch("rnn", f"nonlinearity = {asked}", f"nonlinearity = {given}", "backward"),
            Patch("rnn", f"return {asked}", f"return {given}", "_cell_nonlinearity"),
        ),
    )


def _mean(id: str, title: str, note: str, of_weights: str, of_biases: str) -> Divergence:
    """Gradients of the parameters divided by a count."""
    patches = (
        Patch("recurrent", WEIGHT_SUM, f"{WEIGHT_SUM} / {of_weights}", "weight_gradient"),
        Patch("recurrent", BIAS_SUM, f"{BIAS_SUM} / {of_biases}", "bias_gradient"),
    )
    return Divergence(id, title, note, patches)


def _truncated(steps: int) -> Divergence:
    return Divergence(
        f"truncated-after-{steps}",
        f"with the gradient cut off every {steps} step{'s' if steps > 1 else ''}",
        "Truncated backpropagation through time: no gradient crosses the border between two chunks of the sequence. "
        "Long dependencies are never learnt, and nothing in the loss shows why.",
        (
            Patch(
                "rnn",
                RECURRENT_PRODUCT,
                f"{RECURRENT_PRODUCT}\n        if t and t % {steps} == 0:\n            d_h[...] = 0",
                BACKWARD,
            ),
        ),
        seen_in=("detach() in a training loop",),
    )


def _windowed(steps: int) -> Divergence:
    return Divergence(
        f"truncated-to-a-window-of-{steps}",
        f"with the gradient of each step carried {steps} step{'s' if steps > 1 else ''} back and no further",
        "Truncated backpropagation through time in its other form: a window slides along, so that no two neighbouring "
        "steps are ever cut apart, but whatever lies further back counts as a constant.",
        (
            Patch(
                "rnn",
                "d_h = d_h_n.copy()",
                "d_h, upstream = np.zeros_like(d_h_n), d_output.copy()\n    upstream[-1] += d_h_n\n    d_pre[...] = 0",
                BACKWARD,
            ),
            Patch(
                "rnn",
                LOOP_BODY,
                "d_back = upstream[t].copy()\n"
                f"        for s in range(t, max(t - {steps}, 0) - 1, -1):\n"
                "            nonlinearity.backward(d_back, slope[s], d_back)\n"
                "            d_pre[s] += d_back\n"
                "            d_back = d_back.dot(weight_hh)\n"
                f"        if t < {steps}:\n"
                "            d_h += d_back",
                BACKWARD,
            ),
        ),
        seen_in=("bptt_truncate = 4 in WildML's tutorial",) if steps == 4 else (),
    )


def _left_out(which: str, steps: str, index: int, note: str) -> Divergence:
    return Divergence(
        f"{which}-step-left-out-of-backward",
        f"with the {which} step left out of the backward pass",
        note,
        (
            Patch("rnn", BACKWARD_LOOP, f"for t in reversed(range({steps})):", BACKWARD),
            Patch("rnn", "del slope ", f"d_pre[{index}] = 0\n    del slope ", BACKWARD),
        ),
    )


DIVERGENCES = (
    # ------------------------------------------------------------------------------------------- forward pass
    Divergence(
        "weight-hh-transposed",
        "with weight_hh transposed in the forward pass",
        "weight_hh is square, so its transpose fits: no shape error says that h W is not h W^T. The backward pass "
        "uses it the right way round.",
        (Patch("rnn", "weight_hh.T.copy()", "weight_hh.copy()", FORWARD),),
        seen_in=("weights loaded from a framework that keeps the transpose",),
    ),
    Divergence(
        "weight-hh-transposed-throughout",
        "with weight_hh transposed in the forward and the backward pass",
        "The network is another one, and its gradients are right for it: only the comparison with torch under equal "
        "weights shows it.",
        (
            Patch("rnn", "weight_hh.T.copy()", "weight_hh.copy()", FORWARD),
            Patch("rnn", "d_pre_t.dot(weight_hh, ", "d_pre_t.dot(weight_hh.T, ", BACKWARD),
            Patch("rnn", "weight_gradient(d_rows, previous)", "weight_gradient(rows(previous), d_pre)", BACKWARD),
        ),
        seen_in=("weights loaded from a framework that keeps the transpose",),
    ),
    Divergence(
        "recurrent-bias-ignored",
        "without bias_hh in the forward pass",
        "Where a single bias is kept, loading only bias_ih loses half of torch's; its gradient is still reported.",
        (Patch("rnn", ADD_BIASES, 'bias = params["bias_ih"]', FORWARD),),
        seen_in=("layers with a single bias",),
    ),
    Divergence(
        "recurrent-bias-ignored-throughout",
        "without bias_hh, its gradient zero",
        "As automatic differentiation has it when bias_hh takes no part.",
        (
            Patch("rnn", ADD_BIASES, 'bias = params["bias_ih"]', FORWARD),
            Patch("rnn", BIAS_HH_GRADIENT, f"{BIAS_HH_GRADIENT} * 0", BACKWARD),
        ),
        seen_in=("layers with a single bias",),
    ),
    Divergence(
        "input-bias-ignored",
        "without bias_ih in the forward pass",
        "The recurrent bias alone.",
        (Patch("rnn", ADD_BIASES, 'bias = params["bias_hh"]', FORWARD),),
    ),
    Divergence(
        "input-bias-twice",
        "with bias_ih twice in place of bias_ih + bias_hh, in the forward pass",
        "A slip of the pen that no shape tells: b_ih + b_ih.",
        (Patch("rnn", ADD_BIASES, 'bias = params["bias_ih"] + params["bias_ih"]', FORWARD),),
    ),
    Divergence(
        "bias-after-the-nonlinearity",
        "with the biases added after the nonlinearity, in the forward pass",
        "tanh(W x + W h) + b: states leave the range of tanh.",
        (
            Patch("rnn", 'if "bias_ih" in params:', 'bias = 0\n    if "bias_ih" in params:', FORWARD),
            Patch("rnn", "        pre += bias\n", "", FORWARD),
            Patch("rnn", NONLINEARITY, f"{NONLINEARITY}\n        h_t += bias", FORWARD),
        ),
    ),
    Divergence(
        "recurrent-bias-doubled",
        "with bias_hh counted twice in the forward pass",
        "Added once with the bias of the input and once more with the recurrent product.",
        (Patch("rnn", ADD_BIASES, ADD_BIASES + ' + params["bias_hh"]', FORWARD),),
    ),
    Divergence(
        "recurrent-bias-doubled-throughout",
        "with bias_hh counted twice, in its gradient too",
        "As automatic differentiation has it.",
        (
            Patch("rnn", ADD_BIASES, ADD_BIASES + ' + params["bias_hh"]', FORWARD),
            Patch("rnn", BIAS_HH_GRADIENT, f"{BIAS_HH_GRADIENT} * 2", BACKWARD),
        ),
    ),
    Divergence(
        "recurrent-bias-gradient-doubled",
        "with the gradient of bias_hh counted twice",
        "The forward pass is right.",
        (Patch("rnn", BIAS_HH_GRADIENT, f"{BIAS_HH_GRADIENT} * 2", BACKWARD),),
    ),
    Divergence(
        "bias-left-out",
        "without any bias in the forward pass",
        "Both biases forgotten.",
        (Patch("rnn", "pre += bias", "pre += bias * 0", FORWARD),),
    ),
    Divergence(
        "initial-state-ignored",
        "with zeros in place of h_0 in the forward pass",
        "A state that is carried from one batch to the next is thrown away.",
        (Patch("rnn", "h[0] = h_0", "h[0] = h_0 * 0", FORWARD),),
        seen_in=("layers that always start from zeros",),
    ),
    _always("tanh"),
    _always("relu"),
    Divergence(
        "nonlinearity-missing",
        "without the nonlinearity, in the forward pass",
        "A product of matrices, however many steps: nothing bounds the states, and nothing bends.",
        (Patch("rnn", NONLINEARITY, "h_t += 0", FORWARD),),
    ),
    Divergence(
        "nonlinearity-missing-throughout",
        "without the nonlinearity",
        "As automatic differentiation has it: a linear network.",
        (Patch("rnn", NONLINEARITY, "h_t += 0", FORWARD), Patch("rnn", f"{SLOPE_STEP}\n", "\n", BACKWARD)),
    ),
    Divergence(
        "nonlinearity-sigmoid",
        "with sigma in place of the nonlinearity",
        "The states are between 0 and 1, as in Elman's own network.",
        (
            Patch("rnn", NONLINEARITY, "h_t[...] = 1 / (1 + np.exp(-h_t))", FORWARD),
            Patch("rnn", "nonlinearity.slope(h[1:])", "h[1:] * (1 - h[1:])", BACKWARD),
            Patch("rnn", SLOPE_STEP, "d_pre_t *= slope[t]", BACKWARD),
        ),
        seen_in=("Elman 1990",),
    ),
    Divergence(
        "nonlinearity-of-the-input-side-only",
        "with the nonlinearity applied before the recurrent product is added",
        "h_t = tanh(W x_t + b) + W h_{t-1}: states leave [-1, 1].",
        (
            Patch(
                "rnn",
                f"h_t += {PRODUCT}\n        nonlinearity.forward(h_t, h_t)",
                f"nonlinearity.forward(h_t, h_t)\n        h_t += {PRODUCT}",
                FORWARD,
            ),
        ),
    ),
    Divergence(
        "tanh-by-exponentials",
        "with tanh computed as (e^2a - 1) / (e^2a + 1)",
        "Right on paper. Near 0 the subtraction cancels and loses all relative accuracy; far from 0 the "
        "exponential overflows and the quotient is NaN.",
        (
            Patch(
                "rnn",
                "nonlinearity.forward(h_t, h_t)",
                "if nonlinearity.forward is np.tanh:\n"
                "            h_t[...] = (np.exp(2 * h_t) - 1) / (np.exp(2 * h_t) + 1)\n"
                "        else:\n"
                "            nonlinearity.forward(h_t, h_t)",
                FORWARD,
            ),
        ),
        seen_in=("textbook implementations of tanh",),
    ),
    # ------------------------------------------------------------------------------------ layers and directions
    Divergence(
        "reverse-reads-forward",
        "with the reverse direction reading the sequence forwards, its output still turned round",
        "The flip of the input is missing.",
        (Patch("recurrent", FLIP_INPUT, "direction_input = layer_input", "forward"),),
    ),
    Divergence(
        "reverse-is-forward",
        "with the reverse direction running forwards like the other",
        "Neither flip is there: two forward layers side by side, as automatic differentiation has them.",
        (
            Patch("recurrent", FLIP_INPUT, "direction_input = layer_input", "forward"),
            Patch("recurrent", FLIP_OUTPUT, "outputs.append(h)", "forward"),
            Patch("recurrent", FLIP_D_STATES, "d_h = d_h", "backward"),
            Patch("recurrent", FLIP_D_INPUT, "d_inputs.append(d_x)", "backward"),
        ),
    ),
    Divergence(
        "reverse-output-not-flipped-back",
        "with the reverse direction's output left in the order in which it was computed",
        "output[t] then joins the forward state of step t with the reverse state of step T - 1 - t.",
        (Patch("recurrent", FLIP_OUTPUT, "outputs.append(h)", "forward"),),
        seen_in=("ONNX' node tests do not notice it",),
    ),
    Divergence(
        "reverse-output-not-flipped-back-throughout",
        "with the reverse direction's output left in the order of computation, in the backward pass too",
        "As automatic differentiation has it.",
        (
            Patch("recurrent", FLIP_OUTPUT, "outputs.append(h)", "forward"),
            Patch("recurrent", FLIP_D_STATES, "d_h = d_h", "backward"),
        ),
    ),
    Divergence(
        "output-before-the-step",
        "with h_{t-1} in place of h_t in output, in the forward pass",
        "The list of states begins with h_0: without its first element left out, output is one step late.",
        (STATES_BEFORE,),
    ),
    Divergence(
        "output-before-the-step-throughout",
        "with h_{t-1} in place of h_t in output",
        "As automatic differentiation has it: the gradient on the first output is h_0's.",
        (
            STATES_BEFORE,
            Patch(
                "recurrent",
                D_LAST,
                f"d_first, d_h = d_h[0], np.concatenate((d_h[1:], d_h[:1] * 0))\n            {D_LAST}",
                "backward",
            ),
            Patch(
                "recurrent",
                FLIP_D_INPUT,
                f"d_initials[0][index] = d_initials[0][index] + d_first\n            {FLIP_D_INPUT}",
                "backward",
            ),
        ),
    ),
    Divergence(
        "reverse-final-state-from-the-wrong-end",
        "with h_n of the reverse direction taken from the last step of the sequence",
        "The reverse direction ends at step 0: output[-1] holds its first state, not its last.",
        (WRONG_END,),
        seen_in=("output[-1] used as the summary of a bidirectional layer",),
    ),
    Divergence(
        "reverse-final-state-from-the-wrong-end-throughout",
        "with h_n of the reverse direction, and its gradient, at the last step of the sequence",
        "As automatic differentiation has it: the gradient on h_n reaches one step of the reverse direction only.",
        (
            WRONG_END,
            Patch(
                "recurrent",
                f"if padding is not None:\n                {ENDS}",
                "if direction:\n"
                "                first = Padding(d_h, (np.zeros(batch, int), np.arange(batch)), (d_h, d_h))\n"
                "                d_states, d_last = at_the_ends(d_h, d_last, first)\n"
                f"            elif padding is not None:\n                {ENDS}",
                "backward",
            ),
        ),
        seen_in=("output[-1] used as the summary of a bidirectional layer",),
    ),
    Divergence(
        "reverse-upstream-not-flipped",
        "with d_output of the reverse direction not turned round in the backward pass",
        "The gradient of step t reaches the state of step T - 1 - t.",
        (Patch("recurrent", FLIP_D_STATES, "d_h = d_h", "backward"),),
    ),
    Divergence(
        "reverse-input-gradient-not-flipped",
        "with the reverse direction's d_x added in the order of computation",
        "d_x of step t receives the reverse part of step T - 1 - t.",
        (Patch("recurrent", FLIP_D_INPUT, "d_inputs.append(d_x)", "backward"),),
    ),
    Divergence(
        "reverse-input-gradient-missing",
        "without the reverse direction's part of d_x",
        "Each layer's input feeds both directions; its gradient is the sum of both.",
        (
            Patch(
                "recurrent",
                "d_inputs[0] + d_inputs[1] if model.bidirectional",
                "d_inputs[0] if model.bidirectional",
                "backward",
            ),
        ),
    ),
    Divergence(
        "directions-swapped",
        "with the parameters of the two directions swapped",
        "weight_ih_l0_reverse taken for weight_ih_l0 and so on; the gradients are swapped alike.",
        (
            Patch(
                "recurrent",
                RUN_FORWARD,
                RUN_FORWARD.replace("[index]", "[index ^ 1 if model.bidirectional else index]"),
                "forward",
            ),
            Patch(
                "recurrent",
                RUN_BACKWARD,
                RUN_BACKWARD.replace("[index]", "[index ^ 1 if model.bidirectional else index]"),
                "backward",
            ),
        ),
    ),
    Divergence(
        "initial-states-in-direction-order",
        "with h_0 and h_n ordered by direction first, then by layer",
        "torch's order is layer 0 forward, layer 0 reverse, layer 1 forward, ...",
        (
            Patch(
                "recurrent",
                "return layer * self.num_directions + direction",
                "return direction * self.num_layers + layer",
                "Network.state_index",
            ),
            Patch(
                "recurrent",
                RUN_FORWARD,
                RUN_FORWARD.replace("[index]", "[layer * model.num_directions + direction]"),
                "forward",
            ),
            Patch(
                "recurrent",
                RUN_BACKWARD,
                RUN_BACKWARD.replace("[index]", "[layer * model.num_directions + direction]"),
                "backward",
            ),
            Patch(
                "recurrent",
                "cache.steps[index]",
                "cache.steps[layer * model.num_directions + direction]",
                "backward",
            ),
        ),
    ),
    Divergence(
        "directions-concatenated-in-reverse-order",
        "with the reverse direction's features in front of the forward ones",
        "output[..., :hidden_size] is the forward direction in torch.",
        (
            Patch("recurrent", "np.concatenate(outputs, axis=-1)", "np.concatenate(outputs[::-1], axis=-1)", "forward"),
            Patch(
                "recurrent",
                "direction * size : (direction + 1) * size",
                "(model.num_directions - 1 - direction) * size : (model.num_directions - direction) * size",
                "backward",
            ),
        ),
    ),
    Divergence(
        "directions-concatenated-in-reverse-order-forward-only",
        "with the reverse direction's features in front in the forward pass, but not in the backward pass",
        "The gradient of each direction's states goes to the other one.",
        (Patch("recurrent", "np.concatenate(outputs, axis=-1)", "np.concatenate(outputs[::-1], axis=-1)", "forward"),),
    ),
    Divergence(
        "layers-detached",
        "with no gradient from a layer to the one below",
        "Only the top layer's own gradients are right where d_h_n does not reach the lower ones.",
        (
            Patch(
                "recurrent",
                "d_layer = d_inputs[0] + d_inputs[1] if model.bidirectional else d_inputs[0]",
                "d_layer = d_inputs[0] + d_inputs[1] if model.bidirectional else d_inputs[0]\n"
                "        if layer:\n"
                "            d_layer = np.zeros_like(d_layer)",
                "backward",
            ),
        ),
    ),
    # ------------------------------------------------------------------------------------------- backward pass
    Divergence(
        "hh-gradient-uses-current-state",
        "with h_t in place of h_{t-1} in d_weight_hh",
        "weight_hh multiplies the previous state, so its gradient is d_pre_t^T h_{t-1}. At hand in a backward loop "
        "is the current one.",
        (Patch("rnn", "previous = h[:-1]", "previous = h[1:]", BACKWARD),),
        seen_in=("notebook N1",),
    ),
    Divergence(
        "hh-gradient-without-initial-state",
        "with zeros in place of h_0 in d_weight_hh",
        "The first step's previous state is h_0; a loop that starts at the second step leaves its part out.",
        (
            Patch(
                "rnn",
                "previous = h[:-1]",
                "previous = h[:-1].copy()\n    previous[0] = 0",
                BACKWARD,
            ),
        ),
    ),
    Divergence(
        "derivative-missing",
        "without the nonlinearity's derivative",
        "d_pre_t = d_h_t: gradients are too large, and more so the further back they go.",
        (Patch("rnn", f"{SLOPE_STEP}\n", "\n", BACKWARD),),
    ),
    Divergence(
        "derivative-from-the-previous-step",
        "with the derivative taken at h_{t-1} in place of h_t",
        "An index off by one: the state before the step in place of the one after it.",
        (Patch("rnn", "nonlinearity.slope(h[1:])", "nonlinearity.slope(h[:-1])", BACKWARD),),
    ),
    Divergence(
        "derivative-left-out-of-what-is-carried",
        "with d_h_t in place of d_pre_t carried back through W_hh",
        "The weights' gradients have the derivative, the step before does not get it.",
        (
            Patch(
                "rnn",
                f"{SLOPE_STEP}\n        {RECURRENT_PRODUCT}",
                f"carried = d_pre_t.copy()\n        {SLOPE_STEP}\n"
                f"        {RECURRENT_PRODUCT.replace('d_pre_t', 'carried')}",
                BACKWARD,
            ),
        ),
    ),
    Divergence(
        "gradient-clipped-in-the-backward-pass",
        "with the gradient clipped to 1 at every step of the backward pass",
        "Clipping belongs behind the whole backward pass, where the gradients are known.",
        (
            Patch(
                "rnn",
                RECURRENT_PRODUCT,
                f"d_pre_t[...] = np.minimum(np.maximum(d_pre_t, -1), 1)\n        {RECURRENT_PRODUCT}",
                BACKWARD,
            ),
        ),
    ),
    Divergence(
        "derivative-without-square",
        "with 1 - h in place of 1 - h^2 as tanh's derivative",
        "The square is forgotten.",
        (Patch("rnn", "slope: Array = h * h", "slope: Array = h * 1", "_tanh_slope"),),
    ),
    Divergence(
        "derivative-of-tanh-for-relu",
        "with tanh's derivative 1 - h^2 for a ReLU network",
        "The derivative is written into the layer instead of belonging to the activation.",
        (
            Patch("rnn", "return h <= 0", "slope: Array = h * h\n    return 1 - slope", "_relu_slope"),
            Patch("rnn", "np.copyto(out, 0, where=flat)", "np.multiply(d_h, flat, out=out)", "_relu_backward"),
            Patch(
                "notebook",
                "out[...] = activation.backward(d_h)",
                "out[...] = d_h * (1 - h_t * h_t)",
                "_nonlinearity",
            ),
        ),
        seen_in=("notebook N6",),
    ),
    Divergence(
        "relu-passes-gradient-at-zero",
        "with 1 as ReLU's derivative at exactly 0",
        "A mask from h >= 0, or the derivative of clamp: also every unit that is switched off passes its gradient, "
        "since its state is exactly 0.",
        (Patch("rnn", "return h <= 0", "return h < 0", "_relu_slope"),),
        seen_in=("TensorFlow's maximum",),
    ),
    Divergence(
        "truncated-at-the-first-step",
        "without the first step's part of the gradient of h_0",
        "The loop ends one step early: what the first step hands to h_0 never arrives.",
        (Patch("rnn", "d_h_0 = d_h\n", "d_h_0 = d_h * 0 + d_pre[0]\n", BACKWARD),),
    ),
    *map(_truncated, (1, 5, 10)),
    *map(_windowed, (1, 2, 3, 4, 5)),
    Divergence(
        "carried-back-without-weight-hh",
        "with d_pre_t itself handed to the step before, in place of d_pre_t W_hh",
        "The chain rule's last factor is missing: sizes fit, as W_hh is square.",
        (Patch("rnn", RECURRENT_PRODUCT, "d_h[...] = d_pre_t", BACKWARD),),
    ),
    Divergence(
        "nothing-carried-back",
        "with nothing carried from step to step backward",
        "What the step after hands back is dropped, the gradient on h_n with it: that is what h_0 gets.",
        (Patch("rnn", LOOP_BODY, f"d_pre_t = d_pre[t]\n        {SLOPE_STEP}", BACKWARD),),
    ),
    Divergence(
        "derivative-twice-on-the-way-back",
        "with the derivative applied twice to what is carried back",
        "Once where d_h leaves a step, and once more where the step before takes it.",
        (
            Patch(
                "rnn",
                RECURRENT_PRODUCT,
                f"{RECURRENT_PRODUCT}\n        nonlinearity.backward(d_h, nonlinearity.slope(h[t : t + 1])[0], d_h)",
                BACKWARD,
            ),
        ),
    ),
    Divergence(
        "derivative-of-the-state",
        "with the derivative of tanh taken at its result, 1 - tanh(h)^2",
        "tanh is applied a second time: the derivative as a function of the argument, called with the state.",
        (Patch("rnn", "slope: Array = h * h", "slope: Array = np.tanh(h) * np.tanh(h)", "_tanh_slope"),),
    ),
    Divergence(
        "final-state-in-place-of-all",
        "with the final state in place of every step's in the backward pass",
        "The states are kept as one array that every step writes to: a list of references, not of copies.",
        (
            Patch("rnn", "previous = h[:-1]", "previous = np.broadcast_to(h[-1], h[1:].shape, subok=True)", BACKWARD),
            Patch(
                "rnn",
                "slope = nonlinearity.slope(h[1:])",
                "slope = nonlinearity.slope(np.broadcast_to(h[-1], h[1:].shape, subok=True).copy())",
                BACKWARD,
            ),
        ),
        seen_in=("append(h) of an array that is changed in place",),
    ),
    Divergence(
        "memory-read-from-the-front",
        "with the first step's input and states used for the last step's gradients, and so on",
        "A queue where it should be a stack: what was put in first comes out first.",
        (
            Patch("rnn", "previous = h[:-1]", "previous = h[:-1][::-1]", BACKWARD),
            Patch("rnn", "nonlinearity.slope(h[1:])", "nonlinearity.slope(h[1:])[::-1]", BACKWARD),
            Patch("rnn", "weight_gradient(d_rows, x)", "weight_gradient(d_rows, x[::-1])", BACKWARD),
        ),
    ),
    *(
        Divergence(
            f"weight-{which}-gradient-{id}",
            f"with the gradient of weight_{which} {what}",
            note,
            (Patch("rnn", f"weight_gradient(d_rows, {inputs})", wrong.format(inputs), BACKWARD),),
        )
        for which, inputs in (("ih", "x"), ("hh", "previous"))
        for id, what, note, wrong in (
            (
                "of-the-first-step",
                "of the first step alone",
                "Assigned where it should be added: the loop backward ends with the first step.",
                "weight_gradient(rows(d_pre[:1]), {}[:1])",
            ),
            (
                "batch-mean",
                "divided by the batch size",
                "The others are not: the weights of one matrix learn more slowly than the rest.",
                "weight_gradient(d_rows, {0}) / {0}.shape[1]",
            ),
        )
    ),
    _left_out("first", "1, len(x)", 0, "range(T - 1, 0, -1) ends at step 1: step 0 adds to no gradient."),
    _left_out("last", "len(x) - 1", -1, "range(T - 1) begins too early: the last step adds to no gradient."),
    Divergence(
        "weight-hh-transposed-in-backward",
        "with weight_hh transposed in the backward pass",
        "d_h_{t-1} = d_pre_t W_hh; the transpose fits as well.",
        (Patch("rnn", "d_pre_t.dot(weight_hh, ", "d_pre_t.dot(weight_hh.T, ", BACKWARD),),
    ),
    Divergence(
        "hh-gradient-transposed",
        "with d_weight_hh transposed",
        "h_{t-1}^T d_pre_t in place of d_pre_t^T h_{t-1}: square, so nothing complains.",
        (Patch("rnn", "weight_gradient(d_rows, previous)", "weight_gradient(rows(previous), d_pre)", BACKWARD),),
    ),
    Divergence(
        "recurrent-bias-gradient-zero",
        "with the gradient of bias_hh left at zero",
        "Where one bias is kept, the other never moves: the effective bias learns at half torch's speed.",
        (Patch("rnn", BIAS_HH_GRADIENT, f"{BIAS_HH_GRADIENT} * 0", BACKWARD),),
        seen_in=("notebook N7", "Keras", "Flax", "MLX"),
    ),
    Divergence(
        "bias-gradient-of-one-step",
        "with the bias gradient of the first step only",
        "Assigned inside the loop instead of added up: the last value written wins.",
        (Patch("recurrent", "d_rows = rows(d_pre)", "d_rows = rows(d_pre[:1])", "bias_gradient"),),
    ),
    _mean(
        "batch-mean",
        "with the parameters' gradients divided by the batch size",
        "Whether gradients are sums or means over the batch is the loss' reduction to decide. A layer that divides "
        "as well changes the learning rate with the batch.",
        "inputs.shape[-2]",
        "d_pre.shape[-2]",
    ),
    _mean(
        "sequence-mean",
        "with the parameters' gradients divided by the number of steps",
        "A step's gradients are added up, as the same parameters act at every step; the mean learns less from longer "
        "sequences.",
        "inputs.shape[0]",
        "d_pre.shape[0]",
    ),
    _mean(
        "batch-and-sequence-mean",
        "with the parameters' gradients averaged over batch and steps",
        "All rows of the flattened sequence taken for samples: mean() where sum() belongs.",
        "len(d_rows)",
        "len(d_rows)",
    ),
    Divergence(
        "bias-gradient-batch-mean",
        "with the bias gradient divided by the batch size",
        "mean(axis=0) beside the weights' products, which sum over the batch: two scales in one layer.",
        (Patch("recurrent", BIAS_SUM, f"{BIAS_SUM} / d_pre.shape[-2]", "bias_gradient"),),
    ),
    Divergence(
        "initial-state-gradient-dropped",
        "with a gradient of zero for h_0",
        "h_0 is an input with a gradient: stateful training and learnt initial states need it.",
        (Patch("rnn", "d_h_0 = d_h\n", "d_h_0 = d_h * 0\n", BACKWARD),),
    ),
    Divergence(
        "initial-state-missing",
        "with h_0 always zero and no gradient for it",
        "The layer has no initial state at all.",
        (
            Patch("rnn", "h[0] = h_0", "h[0] = h_0 * 0", FORWARD),
            Patch("rnn", "d_h_0 = d_h\n", "d_h_0 = d_h * 0\n", BACKWARD),
        ),
        seen_in=("notebook N8",),
    ),
    Divergence(
        "first-upstream-dropped",
        "without the gradient on the first step's output",
        "A backward loop that stops one step early.",
        (Patch("rnn", "d_pre = d_output.copy()", "d_pre = d_output.copy()\n    d_pre[0] = 0", BACKWARD),),
    ),
    Divergence(
        "last-upstream-dropped",
        "without the gradient on the last step's output",
        "A backward loop that starts one step late.",
        (Patch("rnn", "d_pre = d_output.copy()", "d_pre = d_output.copy()\n    d_pre[-1] = 0", BACKWARD),),
    ),
    Divergence(
        "only-last-upstream",
        "with the gradient on the last step's output only",
        "As if only the last step had left the layer.",
        (Patch("rnn", "d_pre = d_output.copy()", "d_pre = d_output.copy()\n    d_pre[:-1] = 0", BACKWARD),),
    ),
    Divergence(
        "final-state-gradient-ignored",
        "without the gradient on h_n",
        "h_n is an output of its own, besides being the last step of output.",
        (Patch("rnn", "d_h = d_h_n.copy()", "d_h = d_h_n * 0", BACKWARD),),
    ),
    Divergence(
        "final-state-gradient-ignored-forward",
        "without the gradient on h_n of the forward direction",
        "Only the reverse direction takes it up.",
        (
            Patch(
                "recurrent",
                D_LAST,
                "d_last = [d_n[index] if direction else d_n[index] * 0 for d_n in d_finals]",
                "backward",
            ),
        ),
    ),
    Divergence(
        "final-state-gradient-ignored-reverse",
        "without the gradient on h_n of the reverse direction",
        "Only the forward direction takes it up.",
        (
            Patch(
                "recurrent",
                D_LAST,
                "d_last = [d_n[index] * 0 if direction else d_n[index] for d_n in d_finals]",
                "backward",
            ),
        ),
    ),
    Divergence(
        "final-state-gradient-of-the-top-layer-only",
        "without the gradient on h_n of the lower layers",
        "Every layer has its own h_n.",
        (
            Patch(
                "recurrent",
                D_LAST,
                "top = layer == model.num_layers - 1\n"
                "            d_last = [d_n[index] if top else d_n[index] * 0 for d_n in d_finals]",
                "backward",
            ),
        ),
    ),
    # ----------------------------------------------------------------------------------------------- precision
    Divergence(
        "states-in-float32",
        "with the states rounded to float32",
        "A buffer allocated in float32, or an operation that silently computes there: 1e-7, a billion times the "
        "rounding error of float64.",
        (
            Patch(
                "rnn",
                "nonlinearity.forward(h_t, h_t)",
                "nonlinearity.forward(h_t, h_t)\n        h_t[...] = h_t.astype(np.float32)",
                FORWARD,
            ),
        ),
        seen_in=("notebook N20", "Keras on the torch backend"),
        precision=True,
    ),
    Divergence(
        "gradients-accumulated-in-float32",
        "with the weights' gradients accumulated in float32",
        "Only the sums are narrow: states and input gradients are right to the last bit.",
        (
            Patch(
                "recurrent",
                WEIGHT_SUM,
                "d_rows.astype(np.float32).T.dot(rows(inputs).astype(np.float32)).astype(d_rows.dtype)",
                "weight_gradient",
            ),
        ),
        precision=True,
    ),
    Divergence(
        "biases-swapped",
        "with bias_ih and bias_hh swapped",
        "The two biases enter as their sum.",
        (Patch("rnn", ADD_BIASES, 'bias = params["bias_hh"] + params["bias_ih"]', FORWARD),),
        equivalent="The biases occur only in their sum, and floating-point addition is commutative: outputs are equal "
        "to the last bit, and both gradients are the same sum.",
    ),
)
