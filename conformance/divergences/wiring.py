"""Mistakes with layers and directions of any recurrent network: which state and which gradient goes where."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch
from conformance.divergences.recurrent import D_LAST, FINAL_STATE, FLIP_D_INPUT, RUN_BACKWARD, RUN_FORWARD

INITIAL = "[start[index] for start in starts]"
D_STATES = "d_h = d_layer[..., direction * size : (direction + 1) * size]"
D_LAYER = "d_layer = d_inputs[0] + d_inputs[1] if model.bidirectional else d_inputs[0]"
STARTS = "starts = _states(model, initial, batch, batched, x)"
UPDATE = "grads.update({names[name]: grad for name, grad in own_grads.items()})"
SAME_CELL = "model.state_index(layer, 0)"
TIME_MAJOR = "return a.swapaxes(0, 1) if model.batch_first else a"
RESHAPED = "{0}.reshape({0}.shape[1], {0}.shape[0], -1) if model.batch_first else {0}"


def _forward(id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    return Divergence(id, title, note, (Patch("recurrent", correct, wrong, "forward"),), seen_in)


def _backward(id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    return Divergence(id, title, note, (Patch("recurrent", correct, wrong, "backward"),), seen_in)


DIVERGENCES: tuple[Divergence, ...] = (
    _forward(
        "initial-states-read-in-direction-order",
        "with h_0 read as if all layers of a direction stood together, in the forward pass",
        "torch's order is layer 0 forward, layer 0 reverse, layer 1 forward, ...; h_n and the gradients have it.",
        INITIAL,
        "[start[direction * model.num_layers + layer] for start in starts]",
    ),
    _forward(
        "initial-states-of-the-first-layer-for-all",
        "with every layer started from the first layer's initial state, in the forward pass",
        "h_0[direction] in place of h_0[2 layer + direction].",
        INITIAL,
        "[start[direction] for start in starts]",
    ),
    _forward(
        "initial-states-from-the-layer-below",
        "with every layer but the first started from the final state of the layer below, in the forward pass",
        "One variable for the state of all layers: what a layer ends with is what the next one starts with.",
        INITIAL,
        "[start[index] if layer == 0 else final[index - model.num_directions] for start, final in zip(starts, finals)]",
    ),
    _forward(
        "final-state-of-the-first-step",
        "with the state after the first step as final state",
        "An index from the wrong end; in a reverse direction it would be the right one of the output.",
        FINAL_STATE,
        "final[index] = states[1]",
    ),
    _backward(
        "reverse-gets-the-forward-gradient",
        "with the forward half of the gradient on the output handed to both directions",
        "The output holds both directions side by side, and so does its gradient.",
        D_STATES,
        "d_h = d_layer[..., :size]",
    ),
    _backward(
        "only-last-upstream-in-every-layer",
        "with the gradient from above on the last step only, in every layer",
        "Many-to-one taken for granted: between layers every step's output has a gradient.",
        D_LAST,
        "last = (np.arange(steps) == steps - 1)[:, None, None]\n"
        "            d_h = np.where(last, d_h, np.zeros_like(d_h))\n"
        f"            {D_LAST}",
    ),
    _backward(
        "reverse-gradient-of-h_0-in-the-forward-place",
        "with the reverse direction's gradient of h_0 in the forward direction's place",
        "The index is the layer's alone: one direction overwrites the other, whose place stays 0.",
        "d_0[index] = d_start",
        "d_0[index], d_0[model.state_index(layer, 0)] = np.zeros_like(d_start), d_start",
    ),
    _backward(
        "input-gradient-of-the-reverse-direction-only",
        "with the reverse direction's part of the gradient of a layer's input alone",
        "Assigned where the two directions' parts should be added.",
        D_LAYER,
        D_LAYER.replace("d_inputs[0] + d_inputs[1]", "d_inputs[1]"),
    ),
    _backward(
        "input-gradient-in-the-order-of-the-loop",
        "with the gradient of the input in the order in which the loop backward makes it",
        "The loop ends with the first step: what it appends has to be turned round.",
        FLIP_D_INPUT,
        FLIP_D_INPUT.replace(
            "turned(d_x, padding) if direction else d_x", "d_x if direction else turned(d_x, padding)"
        ),
    ),
    *(
        _backward(
            f"parameter-gradients-clipped-to-{limit}",
            f"with every element of the parameters' gradients clipped to between -{limit} and {limit}",
            "Clipping belongs to the training loop: here it hides what the gradients are.",
            UPDATE,
            f"grads |= {{names[name]: np.minimum(np.maximum(a, -{limit}), {limit}) for name, a in own_grads.items()}}",
            *(("min-char-rnn",) if limit == "5.0" else ()),
        )
        for limit in ("1.0", "5.0")
    ),
    Divergence(
        "batch-first-by-reshape",
        "with batch_first by reshaping in place of exchanging the axes",
        "Shapes are right, and the numbers of one sequence are spread over others.",
        (
            Patch("recurrent", TIME_MAJOR, "return " + RESHAPED.format("a"), "time_major"),
            Patch(
                "recurrent",
                "(output.swapaxes(0, 1) if model.batch_first else output)",
                f"({RESHAPED.format('output')})",
                "forward",
            ),
            Patch(
                "recurrent",
                "d_layer.swapaxes(0, 1) if batched and model.batch_first else d_layer",
                RESHAPED.format("d_layer"),
                "backward",
            ),
        ),
        seen_in=("view() or reshape() in place of transpose()",),
    ),
    Divergence(
        "outputs-in-float32",
        "with outputs kept in float32, states in float64",
        "np.zeros(..., dtype=np.float32) for the outputs: every further layer reads what was rounded.",
        (
            Patch(
                "recurrent",
                "h = ran.states[0][1:]",
                "h = ran.states[0][1:].astype(np.float32).astype(x.dtype)",
                "forward",
            ),
        ),
        precision=True,
    ),
    *(
        Divergence(
            f"bias-gradients-{id}",
            f"with the biases' gradients {what}",
            note,
            (
                Patch(
                    "recurrent",
                    "gradient: Array = ones.dot(d_rows)",
                    f"gradient: Array = ones.dot(d_rows) {by}",
                    "bias_gradient",
                ),
            ),
        )
        for id, what, by, note in (
            ("doubled", "doubled", "* 2", "Both gradients are one array, to which each step adds twice."),
            ("halved", "halved", "/ 2", "The gradient of their sum, shared out between the two: each has all of it."),
        )
    ),
    *(
        Divergence(
            f"{what}-hard-sigmoid",
            f"with {formula} in place of the gates' sigmoid, in the forward pass",
            note,
            (
                Patch(
                    "recurrent",
                    "np.negative(a, out=a)\n    np.exp(a, out=a)\n    a += 1\n    np.reciprocal(a, out=a)",
                    f"a *= {slope}\n    a += 0.5\n    np.minimum(np.maximum(a, 0, out=a), 1, out=a)",
                    "sigmoid_in_place",
                ),
            ),
            (who,),
        )
        for what, formula, slope, note, who in (
            (
                "gates",
                "0.2 x + 0.5, kept within 0 and 1,",
                "0.2",
                "A line that resembles it.",
                "Keras 1 and 2 by default",
            ),
            ("gates-torch", "x / 6 + 0.5, kept within 0 and 1,", "(1 / 6)", "torch's hardsigmoid.", "nn.Hardsigmoid"),
        )
    ),
    _forward(
        "initial-states-read-batch-first",
        "with h_0 read as if batch_first held for it, too, in the forward pass",
        "Its shape is (layers, batch, features) all the same: read as (batch, layers, features) by a reshape, each "
        "sequence starts from other sequences' and other layers' states.",
        STARTS,
        f"{STARTS}\n"
        "    if batched and model.batch_first:\n"
        "        starts = [start.reshape(batch, -1, start.shape[-1]).swapaxes(0, 1) for start in starts]",
    ),
    _forward(
        "initial-cell-of-the-first-layer-handed-on",
        "with every layer of the LSTM started from the first layer's c_0, its reverse direction from the forward one's "
        "last cell, in the forward pass",
        "One variable, set in the loop over layers: the first direction leaves its last cell to the next.",
        INITIAL,
        "[starts[0][index], *(final[index - 1] if direction else start[0] for start, final in "
        "zip(starts[1:], finals[1:]))]",
    ),
    Divergence(
        "forward-parameters-for-both-directions",
        "with the forward direction's parameters for the reverse direction, too",
        "One cell for both, as automatic differentiation has it: its gradient is the sum of both directions', and the "
        "reverse direction's parameters have none.",
        (
            Patch("recurrent", RUN_FORWARD, RUN_FORWARD.replace("[index]", f"[{SAME_CELL}]"), "forward"),
            Patch("recurrent", RUN_BACKWARD, RUN_BACKWARD.replace("[index]", f"[{SAME_CELL}]"), "backward"),
            Patch(
                "recurrent",
                UPDATE,
                "if direction:\n"
                "                theirs = model.direction_names[index]\n"
                "                grads.update({theirs[name]: grad * 0 for name, grad in own_grads.items()})\n"
                "                own_grads = {name: grad + grads[names[name]] for name, grad in own_grads.items()}\n"
                f"            {UPDATE}",
                "backward",
            ),
        ),
    ),
    _forward(
        "forward-parameters-for-both-directions-forward-only",
        "with the forward direction's parameters for the reverse direction, too, in the forward pass",
        "A suffix forgotten.",
        RUN_FORWARD,
        RUN_FORWARD.replace("[index]", f"[{SAME_CELL}]"),
    ),
)
