"""Mistakes with a cell in a loop of one's own: what is handed from step to step, forward and back."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

STEP = "*states, cache = module.cell_forward(model, params, x_t, *states)"
AFTER = "after.append(states)"
UPSTREAM = "d_after = [_sum(from_above, back) for from_above, back in zip(d_states[t], carried, strict=True)]"
CARRIED = "carried = [grads.pop(name) for name in names]"
ADDED = "added = {name: added[name] + grad if added else grad for name, grad in grads.items()}"


def _forward(correct: str, wrong: str) -> Patch:
    return Patch("unrolled", correct, wrong, "forward")


def _backward(correct: str, wrong: str) -> Patch:
    return Patch("unrolled", correct, wrong, "backward")


NOT_HANDED_ON = (
    _forward(STEP, "*new, cache = module.cell_forward(model, params, x_t, *states)"),
    _forward(AFTER, "after.append(new)"),
)
NOT_HANDED_BACK = _backward(UPSTREAM, "d_after = list(d_states[t])")

DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "cell-states-not-handed-on",
        "with every step of a cell started from the first state, in the forward pass",
        "What the cell returns is kept, but not given to the next step.",
        NOT_HANDED_ON,
    ),
    Divergence(
        "cell-states-not-handed-on-throughout",
        "with every step of a cell started from the first state",
        "What the cell returns is kept, but not given to the next step; the gradient of the first state is the sum of "
        "all steps'.",
        (
            *NOT_HANDED_ON,
            NOT_HANDED_BACK,
            _backward(CARRIED, "carried = [_sum(back, grads.pop(name)) for back, name in zip(carried, names)]"),
        ),
    ),
    Divergence(
        "cell-second-state-not-handed-on",
        "with every step of a cell started from the first c, in the forward pass",
        "h is handed on, and c forgotten: an LSTM without its memory.",
        (
            _forward("caches = []", "caches, [_, *first] = [], states"),
            _forward(AFTER, f"{AFTER}\n        states = [states[0], *first]"),
        ),
    ),
    Divergence(
        "cell-gradient-not-handed-back",
        "with nothing handed back from a cell's step to the one before it",
        "Each step is trained as if its state were a constant: backpropagation, but not through time.",
        (NOT_HANDED_BACK,),
        seen_in=("detach() between the steps",),
    ),
    Divergence(
        "cell-gradient-replaced-by-the-one-from-above",
        "with the gradient from above in place of what a cell's next step hands back, where there is one",
        "Assigned where the two should be added.",
        (
            _backward(
                UPSTREAM,
                UPSTREAM.replace("_sum(from_above, back)", "back if from_above is None else from_above"),
            ),
        ),
    ),
    Divergence(
        "cell-initial-states-ignored",
        "with a cell's first states ignored",
        "Every sequence starts from zeros, whatever the caller gives.",
        (_forward("states: list[Any] = [*initial]", "states: list[Any] = [None] * len(initial)"),),
    ),
    Divergence(
        "cell-bias-gradients-overwritten",
        "with the biases' gradients of a cell's first step in place of the sum over all",
        "Assigned where they should be added; the weights' are added.",
        (
            _backward(
                ADDED,
                ADDED.replace("if added else", 'if added and "bias" not in name else'),
            ),
        ),
    ),
    Divergence(
        "cell-last-gradient-only",
        "with the gradient from above on a cell's last step only",
        "The other steps get what is handed back, and their own part of the loss is lost.",
        (_backward(UPSTREAM, f"{UPSTREAM}\n        if t < len(caches) - 1:\n            d_after = list(carried)"),),
    ),
    Divergence(
        "cell-gradients-overwritten",
        "with the parameters' gradients of a cell's first step in place of the sum over all",
        "Assigned where they should be added: the loop backward ends at the first step, whose gradients remain.",
        (_backward(ADDED, "added = dict(grads)"),),
    ),
    Divergence(
        "cell-second-state-of-the-first-step",
        "with every step of a cell started from the first c, in the forward pass, and what is kept for the backward "
        "pass right",
        "An index of 0 in place of -1 in a list of all cells.",
        (
            _forward("caches = []", "caches, [h, *first] = [], states\n    states = [h, *first]"),
            _forward(
                STEP,
                f"{STEP}\n        if first and caches:\n            cache.steps.states[1][0] = after[-1][1]",
            ),
            _forward(AFTER, f"{AFTER}\n        states = [states[0], *first]"),
        ),
    ),
    Divergence(
        "cell-input-gradient-in-the-order-of-the-loop",
        "with a cell's gradients of the inputs in the order in which the loop backward makes them",
        "The loop ends with the first step: what it appends has to be turned round.",
        (_backward("np.stack(d_x[::-1])", "np.stack(d_x)"),),
    ),
)
