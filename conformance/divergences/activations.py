"""Mistakes in tanh, relu, sigmoid and softmax, and in their derivatives."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

SOFTMAX_EXPONENT = "np.exp(x - x.max(axis=dim, keepdims=True))"

# relu's backward sees the result only: the patched forward marks negative arguments by the smallest number below 0, so
# that they can be told from an argument of 0 or -0
MARKED = Patch(
    "activations", "np.zeros_like(x), x", "np.zeros_like(x) - np.finfo(x.dtype).smallest_subnormal, x", "relu"
)
NEGATIVE_ONLY = Patch("activations", "y <= 0", "y < 0", "relu_backward")


def _upstream_ignored(function: str, correct: str, wrong: str) -> Divergence:
    return Divergence(
        f"{function}-upstream-ignored",
        f"with {function}'s derivative alone, not multiplied by the gradient from above",
        "The chain rule's other factor is missing: right only where the gradient from above is 1.",
        (Patch("activations", correct, wrong, f"{function}_backward"),),
    )


def _derivative_missing(function: str, correct: str) -> Divergence:
    return Divergence(
        f"{function}-derivative-missing",
        f"with the gradient passed through {function} unchanged",
        "The activation's derivative is missing.",
        (Patch("activations", correct, "d_y", f"{function}_backward"),),
    )


def _derivative_of_the_output(function: str, again: str) -> Divergence:
    line = 'check_like("d_y", d_y, y.shape, y.dtype)'
    return Divergence(
        f"{function}-derivative-of-the-output",
        f"with {function}'s derivative taken at its result, not at its argument",
        f"{function} is applied a second time: the derivative as a function of x, called with y.",
        (Patch("activations", line, f"{line}\n    y = {again}", f"{function}_backward"),),
    )


def _derivative_of_the_argument(function: str, argument: str, what: str) -> Divergence:
    line = 'check_like("d_y", d_y, y.shape, y.dtype)'
    return Divergence(
        f"{function}-derivative-of-the-argument",
        f"with {what} for the argument x in place of {function}'s result y as its derivative",
        "The short form of the derivative is one of the result; the layer kept the other of the two.",
        (Patch("activations", line, f"{line}\n    y = {argument}", f"{function}_backward"),),
    )


TANH: tuple[Divergence, ...] = (
    Divergence(
        "tanh-from-exp-2x",
        "with tanh computed as (e^2x - 1) / (e^2x + 1)",
        "Right on paper. Near 0 the subtraction cancels, and far above 0 it is inf / inf.",
        (Patch("activations", "np.tanh(x)", "(np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)", "tanh"),),
        seen_in=("textbook implementations of tanh",),
    ),
    Divergence(
        "tanh-from-exp-x",
        "with tanh computed as (e^x - e^-x) / (e^x + e^-x)",
        "Right on paper. Near 0 the subtraction cancels, and far from 0, on both sides, it is inf / inf.",
        (Patch("activations", "np.tanh(x)", "(np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))", "tanh"),),
        seen_in=("textbook implementations of tanh",),
    ),
    Divergence(
        "tanh-from-sigmoid",
        "with tanh computed as 2 sigmoid(2x) - 1",
        "Right on paper, and far from 0. Near 0 the subtraction cancels.",
        (Patch("activations", "np.tanh(x)", "2 / (1 + np.exp(-2 * x)) - 1", "tanh"),),
    ),
    Divergence(
        "tanh-derivative-without-square",
        "with 1 - y as tanh's derivative",
        "The square is forgotten; 1 - y is half of sigmoid's derivative.",
        (Patch("activations", "1 - y * y", "1 - y", "tanh_backward"),),
    ),
    _derivative_of_the_output("tanh", "np.tanh(y)"),
    _derivative_of_the_argument("tanh", "np.log((1 + y) / (1 - y)) / 2", "1 - x^2"),
    _derivative_missing("tanh", "d_y * (1 - y * y)"),
    _upstream_ignored("tanh", "d_y * (1 - y * y)", "1 - y * y"),
)

RELU: tuple[Divergence, ...] = (
    *(
        Divergence(
            f"relu-leaking-{slope}",
            f"with {slope} x in place of 0 for negative arguments of relu",
            "A leaky ReLU, with its derivative: another function of torch.",
            (
                Patch("activations", "np.zeros_like(x), x", f"{slope} * x, x", "relu"),
                Patch("activations", "np.zeros_like(y), d_y", f"{slope} * d_y, d_y", "relu_backward"),
            ),
        )
        for slope in ("0.01", "0.2")
    ),
    Divergence(
        "relu-derivative-1-at-zero",
        "with 1 as relu's derivative at exactly 0",
        "A mask from x >= 0. Exact zeros are rarer than they look, and common where inputs are masked or padded.",
        (MARKED, NEGATIVE_ONLY),
        seen_in=("TensorFlow's maximum", "torch.clamp"),
    ),
    Divergence(
        "relu-derivative-0.5-at-zero",
        "with 0.5 as relu's derivative at exactly 0",
        "maximum(x, 0) differentiated: the gradient is shared where both arguments are equal.",
        (
            MARKED,
            NEGATIVE_ONLY,
            Patch("activations", ", d_y)", ", np.where(y == 0, 0.5 * d_y, d_y))", "relu_backward"),
        ),
        seen_in=("autograd", "JAX", "Paddle", "tinygrad"),
    ),
    Divergence(
        "relu-gradient-multiplied",
        "with the gradient multiplied by relu's mask, not selected by it",
        "d_y * (y > 0): 0 times an infinite or missing gradient is NaN, and a NaN result lets no gradient through.",
        (
            Patch(
                "activations",
                "np.where(y <= 0, np.zeros_like(y), d_y)",
                "d_y * (y > 0)",
                "relu_backward",
            ),
        ),
        seen_in=("textbook implementations of relu",),
    ),
    Divergence(
        "relu-gradient-stopped-at-nan",
        "with no gradient where relu's result is NaN",
        "where(y > 0, d_y, 0) in place of where(y <= 0, 0, d_y): the two differ for NaN, which is neither. torch lets "
        "the gradient through.",
        (Patch("activations", "y <= 0", "(y <= 0) | np.isnan(y)", "relu_backward"),),
    ),
    Divergence(
        "relu-multiplied",
        "with relu computed as x * (x > 0)",
        "0 times an infinity is NaN: -inf becomes NaN, not 0.",
        (
            Patch(
                "activations",
                "np.where(x < 0, np.zeros_like(x), x)",
                "x * (x > 0)",
                "relu",
            ),
        ),
        seen_in=("textbook implementations of relu",),
    ),
    Divergence(
        "relu-drops-nan",
        "with relu turning NaN into 0",
        "where(x > 0, x, 0), and so every comparison written that way: a NaN is hidden by the layer that should show "
        "it.",
        (
            Patch(
                "activations",
                "np.where(x < 0, np.zeros_like(x), x)",
                "np.where(x > 0, x, np.zeros_like(x))",
                "relu",
            ),
        ),
    ),
    _derivative_missing("relu", "np.where(y <= 0, np.zeros_like(y), d_y)"),
    _upstream_ignored("relu", "np.zeros_like(y), d_y", "np.zeros_like(y), np.ones_like(y)"),
)

SIGMOID: tuple[Divergence, ...] = (
    Divergence(
        "relu-of-minus-zero",
        "with relu(-0) = +0",
        "A comparison that takes -0 for a number that is not positive; torch keeps the sign of zero.",
        (Patch("activations", "x < 0", "x <= 0", "relu"),),
    ),
    Divergence(
        "sigmoid-overflows",
        "with sigmoid computed as 1 / (1 + e^-x)",
        "The result is right, but the exponential overflows on the way to it: a RuntimeWarning for x below -709.",
        (
            Patch(
                "activations",
                "decay = np.exp(-np.abs(x))\n    y: Array = np.where(x < 0, decay, np.ones_like(x)) / (1 + decay)",
                "decay = np.exp(-x)\n    y: Array = 1 / (1 + decay)",
                "sigmoid",
            ),
        ),
        seen_in=("notebook N17",),
        shows_as="warning",
    ),
    Divergence(
        "sigmoid-from-exp-x",
        "with sigmoid computed as e^x / (1 + e^x)",
        "Right on paper; far above 0 it is inf / inf.",
        (
            Patch(
                "activations",
                "decay = np.exp(-np.abs(x))\n    y: Array = np.where(x < 0, decay, np.ones_like(x)) / (1 + decay)",
                "growth = np.exp(x)\n    y: Array = growth / (1 + growth)",
                "sigmoid",
            ),
        ),
    ),
    Divergence(
        "sigmoid-of-2x",
        "with sigmoid(2x) in place of sigmoid(x)",
        "(1 + tanh x) / 2 is sigmoid(2x): the other half, of the argument, is forgotten. The derivative y (1 - y) "
        "does not know the factor.",
        (Patch("activations", "np.abs(x)", "np.abs(2 * x)", "sigmoid"),),
    ),
    Divergence(
        "sigmoid-of-2x-throughout",
        "with sigmoid(2x) in place of sigmoid(x), its derivative too",
        "As automatic differentiation has it.",
        (
            Patch("activations", "np.abs(x)", "np.abs(2 * x)", "sigmoid"),
            Patch("activations", "d_y * (1 - y) * y", "2 * d_y * (1 - y) * y", "sigmoid_backward"),
        ),
    ),
    Divergence(
        "sigmoid-derivative-without-y",
        "with 1 - y as sigmoid's derivative",
        "One of the two factors of y (1 - y) is forgotten.",
        (Patch("activations", "d_y * (1 - y) * y", "d_y * (1 - y)", "sigmoid_backward"),),
    ),
    Divergence(
        "sigmoid-derivative-without-1-minus-y",
        "with y as sigmoid's derivative",
        "One of the two factors of y (1 - y) is forgotten.",
        (Patch("activations", "d_y * (1 - y) * y", "d_y * y", "sigmoid_backward"),),
    ),
    Divergence(
        "sigmoid-derivative-of-tanh",
        "with 1 - y^2 as sigmoid's derivative",
        "tanh's derivative, copied from there or written into the layer for every activation.",
        (Patch("activations", "d_y * (1 - y) * y", "d_y * (1 - y * y)", "sigmoid_backward"),),
        seen_in=("notebook N6",),
    ),
    _derivative_of_the_output("sigmoid", "sigmoid(y)"),
    _derivative_of_the_argument("sigmoid", "np.log(y / (1 - y))", "x (1 - x)"),
    _derivative_missing("sigmoid", "d_y * (1 - y) * y"),
    _upstream_ignored("sigmoid", "d_y * (1 - y) * y", "(1 - y) * y"),
)

SOFTMAX: tuple[Divergence, ...] = (
    Divergence(
        "softmax-maximum-of-the-whole-array",
        "with the maximum of the whole array subtracted before softmax's exponential",
        "A row far below the largest becomes 0 / 0: NaN. Every slice needs its own maximum.",
        (Patch("activations", "x.max(axis=dim, keepdims=True)", "x.max()", "softmax"),),
        seen_in=("notebook N15",),
    ),
    Divergence(
        "softmax-without-maximum",
        "without the maximum subtracted before softmax's exponential",
        "e^710 overflows, and inf / inf is NaN.",
        (Patch("activations", SOFTMAX_EXPONENT, "np.exp(x)", "softmax"),),
        seen_in=("textbook implementations of softmax",),
    ),
    *(
        Divergence(
            f"softmax-over-the-{which}-axis",
            f"with softmax over the {which} axis whatever dim says",
            note,
            (
                Patch("activations", "_check_dim(x, dim)", f"_check_dim(x, {axis})", "softmax"),
                Patch("activations", "_check_dim(y, dim)", f"_check_dim(y, {axis})", "softmax_backward"),
            ),
        )
        for which, axis, note in (
            ("first", "0", "Probabilities of the batch for each class: columns add up to 1, rows do not."),
            ("last", "-1", "The argument is accepted and ignored."),
        )
    ),
    Divergence(
        "softmax-over-the-whole-array",
        "with softmax over all elements of the array",
        "A sum without an axis: right for one vector, and for a batch all rows together add up to 1.",
        (
            Patch("activations", "x.max(axis=dim, keepdims=True)", "x.max()", "softmax"),
            Patch("activations", "exponential.sum(axis=dim, keepdims=True)", "exponential.sum()", "softmax"),
            Patch("activations", "weighted.sum(axis=dim, keepdims=True)", "weighted.sum()", "softmax_backward"),
        ),
    ),
    Divergence(
        "softmax-derivative-diagonal",
        "with y (1 - y) as softmax's derivative",
        "Sigmoid's derivative, the diagonal of the Jacobian: each result depends on all arguments, not only on its "
        "own.",
        (
            Patch(
                "activations",
                "weighted - y * weighted.sum(axis=dim, keepdims=True)",
                "weighted * (1 - y)",
                "softmax_backward",
            ),
        ),
    ),
    Divergence(
        "softmax-backward-of-cross-entropy",
        "with y - d_y from softmax's backward pass",
        "The gradient of summed cross-entropy, the argument taken for one-hot targets: not the gradient of softmax, "
        "and right under one loss only.",
        (
            Patch(
                "activations",
                "weighted - y * weighted.sum(axis=dim, keepdims=True)",
                "y - d_y",
                "softmax_backward",
            ),
        ),
        seen_in=("notebook N16",),
    ),
    _derivative_missing("softmax", "weighted - y * weighted.sum(axis=dim, keepdims=True)"),
)

LOG_SUM = "shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))"

LOG_SOFTMAX = (
    Divergence(
        "log-softmax-without-maximum",
        "without the maximum subtracted in log_softmax",
        "e^710 overflows: the logarithm, and a loss that is made of it, is infinite or NaN.",
        (Patch("activations", "x - x.max(axis=dim, keepdims=True)", "x", "log_softmax"),),
    ),
    Divergence(
        "log-softmax-maximum-of-the-whole-array",
        "with the maximum of the whole array subtracted in log_softmax",
        "A slice far below the largest has only probabilities of 0: their logarithms are infinite or NaN.",
        (Patch("activations", "x.max(axis=dim, keepdims=True)", "x.max()", "log_softmax"),),
        seen_in=("notebook N15",),
    ),
    *(
        Divergence(
            f"log-softmax-of-softmax-and-{epsilon}",
            f"with log(softmax(x) + {epsilon}) for log_softmax(x)",
            "What keeps the logarithm of 0 away moves every other logarithm.",
            (
                Patch(
                    "activations",
                    LOG_SUM,
                    f"np.log(np.exp(shifted) / np.exp(shifted).sum(axis=dim, keepdims=True) + {epsilon})",
                    "log_softmax",
                ),
            ),
        )
        for epsilon in ("1e-8", "1e-7")
    ),
    Divergence(
        "log-softmax-epsilon-in-the-sum",
        "with 1e-9 added to the sum of exponentials in log_softmax",
        "The largest score has subtracted itself: the sum is at least 1, and needs none.",
        (Patch("activations", "keepdims=True))", "keepdims=True) + 1e-9)", "log_softmax"),),
    ),
    Divergence(
        "log-softmax-of-softmax",
        "with log(softmax(x)) for log_softmax(x)",
        "Right on paper. A probability that underflows to 0 has a logarithm of -inf, where the score itself is finite.",
        (
            Patch(
                "activations",
                LOG_SUM,
                "np.log(np.exp(shifted) / np.exp(shifted).sum(axis=dim, keepdims=True))",
                "log_softmax",
            ),
        ),
    ),
    Divergence(
        "log-softmax-derivative-diagonal",
        "with only the diagonal of log_softmax's derivative",
        "d_x_i = d_y_i (1 - e^y_i): the other elements' part is missing.",
        (
            Patch(
                "activations",
                "d_y - np.exp(y) * d_y.sum(axis=dim, keepdims=True)",
                "d_y - np.exp(y) * d_y",
                "log_softmax_backward",
            ),
        ),
    ),
    Divergence(
        "log-softmax-over-the-last-axis",
        "with log_softmax taken along the last axis whatever dim says",
        "The option is accepted and does nothing.",
        (
            Patch("activations", "_check_dim(x, dim)", "_check_dim(x, -1)", "log_softmax"),
            Patch("activations", "_check_dim(y, dim)", "_check_dim(y, -1)", "log_softmax_backward"),
        ),
    ),
)

DIVERGENCES: tuple[Divergence, ...] = (*TANH, *RELU, *SIGMOID, *SOFTMAX, *LOG_SOFTMAX)
