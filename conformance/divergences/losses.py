"""Mistakes in mean squared error and in cross-entropy."""

from __future__ import annotations

import math

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

MSE_BACKWARD = "mse_loss_backward"
FORWARD = "cross_entropy"
BACKWARD = "cross_entropy_backward"
TARGETS = "_targets"

SAMPLES = "samples, divisor = _sample_shape(input), q.divisor"
D_SCORES = "return d_input.reshape(input.shape)"
LOG_SOFTMAX = "log_softmax(_with_batch_axis(input), dim=1)"
SOFTMAX_FIRST = tuple(
    Patch("losses", LOG_SOFTMAX, "log_softmax(np.exp(log_softmax(_with_batch_axis(input), dim=1)), dim=1)", function)
    for function in (FORWARD, BACKWARD)
)
LN_2 = repr(math.log(2))
D_LOG_P = "d_log_p = np.where(q.skip"
LOG_SOFTMAX_OF_LOG_P = "log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))"


def _plus(epsilon: str, *seen_in: str) -> tuple[Divergence, Divergence]:
    """A guard against the logarithm of 0, in the forward pass only and in both."""
    forward = Patch("losses", SAMPLES, f"log_p = np.log(np.exp(log_p) + {epsilon})\n        {SAMPLES}", FORWARD)
    backward = Patch(
        "losses",
        D_LOG_P,
        f"slope = np.exp(log_p) / (np.exp(log_p) + {epsilon})\n"
        "        uniform = None if q.uniform is None else q.uniform * slope\n"
        f"        q = q._replace(weights=q.weights * slope, uniform=uniform)\n        {D_LOG_P}",
        BACKWARD,
    )
    name, title = f"cross-entropy-log-of-p-plus-{epsilon}", f"with log(p + {epsilon}) in place of log p"
    return (
        Divergence(
            name,
            f"{title} in the cross-entropy",
            "A guard against log 0 that moves every loss. The gradient softmax - target does not know of it.",
            (forward,),
            seen_in,
        ),
        Divergence(
            f"{name}-throughout",
            f"{title} in the cross-entropy, gradient included",
            "As automatic differentiation has it: samples that are badly wrong stop learning.",
            (forward, backward),
        ),
    )


def _clipped(id: str, epsilon: str, largest: str, *seen_in: str) -> Divergence:
    """The same by limits."""
    return Divergence(
        id,
        f"with probabilities kept within [{epsilon}, 1 - {epsilon}] in the cross-entropy, gradient included",
        f"No loss is above {largest}, and what lies outside has no gradient: what is badly wrong is not learnt.",
        (
            Patch(
                "losses",
                SAMPLES,
                f"log_p = np.log(np.minimum(np.maximum(np.exp(log_p), {epsilon}), 1 - {epsilon}))\n        {SAMPLES}",
                FORWARD,
            ),
            Patch(
                "losses",
                D_LOG_P,
                f"inside = (np.exp(log_p) >= {epsilon}) & (np.exp(log_p) <= 1 - {epsilon})\n"
                "        uniform = None if q.uniform is None else np.where(inside, q.uniform, np.zeros_like(log_p))\n"
                "        q = q._replace(weights=np.where(inside, q.weights, np.zeros_like(log_p)), uniform=uniform)\n"
                f"        {D_LOG_P}",
                BACKWARD,
            ),
        ),
        seen_in=seen_in,
    )


def _divisor(id: str, title: str, note: str, wrong: str, *seen_in: str) -> Divergence:
    """What the mean over class indices divides by, in both passes."""
    return Divergence(f"cross-entropy-{id}", title, note, (Patch("losses", "chosen.sum()", wrong, TARGETS),), seen_in)


MSE: tuple[Divergence, ...] = (
    Divergence(
        "mse-halved",
        "with half the mean squared error, gradient included",
        "1/2 (input - target)^2, so that the derivative has no factor: torch's has.",
        (
            Patch("losses", "difference * difference", "0.5 * difference * difference", "mse_loss"),
            Patch("losses", "2 * difference", "difference", MSE_BACKWARD),
        ),
        seen_in=("textbook definitions of the squared error",),
    ),
    Divergence(
        "mse-of-absolute-differences",
        "with the mean absolute error in place of the mean squared error",
        "The L1 loss: every difference has the same pull, however large it is.",
        (
            Patch("losses", "difference * difference", "np.abs(difference)", "mse_loss"),
            Patch("losses", "2 * difference", "np.sign(difference)", MSE_BACKWARD),
        ),
    ),
    Divergence(
        "mse-root",
        "with the root of the mean squared error",
        "The RMSE: it has the units of the target, and a gradient that does not vanish at the minimum.",
        (
            Patch(
                "losses",
                "if target.shape != input.shape:",
                "loss = np.sqrt(loss)\n    if target.shape != input.shape:",
                "mse_loss",
            ),
            Patch(
                "losses",
                "if weight is not None:\n            d_element",
                "squares = difference * difference * (1 if weight is None else weight)\n"
                "        d_element = d_element / (2 * np.sqrt(_reduce(squares, divisor, reduction)))\n"
                "        if weight is not None:\n            d_element",
                MSE_BACKWARD,
            ),
        ),
    ),
    Divergence(
        "mse-gradient-without-2",
        "without the factor 2 in the gradient of the mean squared error",
        "The loss is torch's, its gradient that of half of it.",
        (Patch("losses", "2 * difference", "difference", MSE_BACKWARD),),
    ),
    Divergence(
        "mse-gradient-sign",
        "with target - input in the gradient of the mean squared error",
        "Training goes uphill.",
        (Patch("losses", "2 * difference", "-2 * difference", MSE_BACKWARD),),
    ),
    Divergence(
        "mse-summed",
        "with the sum of squared errors in place of their mean",
        "The gradient, and with it the effective learning rate, grows with the batch.",
        (
            Patch("losses", "difference.size", "1", "mse_loss"),
            Patch("losses", "difference.size", "1", MSE_BACKWARD),
        ),
    ),
    Divergence(
        "mse-gradient-summed",
        "with the gradient of the sum of squared errors beside their mean",
        "The loss is torch's, its gradient is too large by the number of elements.",
        (Patch("losses", "difference.size", "1", MSE_BACKWARD),),
    ),
    Divergence(
        "mse-mean-of-the-batch-only",
        "with the squared errors summed over a sample and averaged over the batch",
        "torch divides by the number of elements, not of samples.",
        (
            Patch("losses", "difference.size", "len(difference)", "mse_loss"),
            Patch("losses", "difference.size", "len(difference)", MSE_BACKWARD),
        ),
    ),
    Divergence(
        "mse-upstream-ignored",
        "with the gradient of the mean squared error not multiplied by the gradient from above",
        "Right only where the loss is not scaled afterwards.",
        (Patch("losses", "_spread(d_loss", "_spread(np.ones_like(d_loss)", MSE_BACKWARD),),
    ),
)

BROADCAST: tuple[Divergence, ...] = (
    Divergence(
        "mse-flattened",
        "with a column and a vector compared element by element in the mean squared error",
        "Scores (N, 1) for targets (N,) are meant so, and reshaped by some. torch broadcasts them to N x N differences "
        "with nothing but a warning: the loss is then one that no network can learn.",
        (
            Patch(
                "losses",
                "input - target",
                "input - (target.reshape(input.shape) if target.size == input.size else target)",
                "_difference",
            ),
        ),
    ),
    Divergence(
        "mse-broadcast-gradient-not-summed",
        "with the gradient of a broadcast input in the shape of the differences",
        "Each element of the input has been used several times, and its gradients add up.",
        (
            Patch("losses", "while d_input.ndim > input.ndim", "while d_input.ndim < input.ndim", MSE_BACKWARD),
            Patch(
                "losses",
                "for axis, size in enumerate(input.shape)",
                "for axis, size in enumerate(d_input.shape)",
                MSE_BACKWARD,
            ),
        ),
        seen_in=("backward passes written without broadcasting in mind",),
    ),
    Divergence(
        "mse-broadcast-gradient-averaged",
        "with the gradients of a broadcast input averaged",
        "The mean over the axis that was broadcast in place of the sum.",
        (
            Patch("losses", "d_input.sum(axis=0)", "d_input.sum(axis=0) / len(d_input)", MSE_BACKWARD),
            Patch(
                "losses",
                "d_input.sum(axis=axis, keepdims=True)",
                "d_input.sum(axis=axis, keepdims=True) / d_input.shape[axis]",
                MSE_BACKWARD,
            ),
        ),
    ),
    Divergence(
        "mse-mean-of-the-inputs-own-size",
        "with the mean squared error divided by the size of the input where it is broadcast",
        "torch's mean is over all differences that there are after broadcasting.",
        (
            Patch("losses", "difference.size", "input.size", "mse_loss"),
            Patch("losses", "difference.size", "input.size", MSE_BACKWARD),
        ),
    ),
    Divergence(
        "mse-weights-not-in-the-divisor",
        "with the weighted mean squared error divided by the number of elements",
        "torch divides by the sum of the weights.",
        (
            Patch("losses", "difference.size if weight is None else weight.sum()", "difference.size", "mse_loss"),
            Patch("losses", "difference.size if weight is None else weight.sum()", "difference.size", MSE_BACKWARD),
        ),
    ),
    Divergence(
        "mse-weights-broadcast-in-the-divisor",
        "with the weights counted once for every difference in the mean's divisor",
        "As one would have it, and as the unweighted mean does. torch adds up the weights as they are given, so that a "
        "broadcast input has too large a mean.",
        (
            Patch("losses", "weight.sum()", "np.broadcast_to(weight, difference.shape).sum()", "mse_loss"),
            Patch("losses", "weight.sum()", "np.broadcast_to(weight, difference.shape).sum()", MSE_BACKWARD),
        ),
    ),
    Divergence(
        "mse-weights-ignored-in-gradient",
        "without weights in the gradient of the mean squared error",
        "The loss is weighted, its gradient is not.",
        (Patch("losses", "d_element * weight", "d_element", MSE_BACKWARD),),
    ),
    Divergence(
        "mse-zero-weight-skipped",
        "with elements of weight 0 left out of the mean squared error, whatever they are",
        "torch multiplies: 0 times a square that is infinite or NaN is NaN.",
        (
            Patch("losses", "squares * weight", "np.where(weight == 0, weight, squares * weight)", "mse_loss"),
            Patch(
                "losses",
                "2 * difference * d_element",
                "np.where(0 if weight is None else weight == 0, np.zeros_like(d_element), 2 * difference * d_element)",
                MSE_BACKWARD,
            ),
        ),
    ),
)

CROSS_ENTROPY: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------------------ reduction
    Divergence(
        "cross-entropy-summed",
        "with the sum of the samples' cross-entropies in place of their mean",
        "The gradient, and with it the effective learning rate, grows with the batch.",
        (
            Patch("losses", "q.divisor", "1", FORWARD),
            Patch("losses", "q.divisor", "1", BACKWARD),
        ),
    ),
    Divergence(
        "cross-entropy-gradient-summed",
        "with the gradient of the summed cross-entropy beside its mean",
        "softmax - target, not divided by the number of samples: the loss is torch's, its gradient too large by that "
        "factor.",
        (Patch("losses", "q.divisor", "1", BACKWARD),),
        seen_in=("notebook N16",),
    ),
    Divergence(
        "cross-entropy-reported-as-a-sum",
        "with the sum of the samples' cross-entropies reported beside the gradient of their mean",
        "What is trained on is torch's loss, what is printed is larger by the number of samples.",
        (Patch("losses", "q.divisor", "1", FORWARD),),
    ),
    Divergence(
        "cross-entropy-mean-of-classes-too",
        "with cross-entropy averaged over the classes as well",
        "mean() over the matrix of target times log probability: too small by the number of classes.",
        (
            Patch("losses", "q.divisor", "(q.divisor * log_p.shape[1])", FORWARD),
            Patch("losses", "q.divisor", "(q.divisor * log_p.shape[1])", BACKWARD),
        ),
    ),
    Divergence(
        "cross-entropy-gradient-mean-of-classes-too",
        "with the gradient of cross-entropy divided by the number of classes as well",
        "softmax - target divided by its size in place of its number of rows: the loss is torch's.",
        (Patch("losses", "q.divisor", "(q.divisor * log_p.shape[1])", BACKWARD),),
    ),
    _divisor(
        "mean-of-the-batch-only",
        "with cross-entropy divided by the batch size alone where a sample has several places",
        "torch's mean is over all places of all samples.",
        "chosen.sum() / int(np.prod(scores.shape[2:]))",
    ),
    _divisor(
        "weights-not-in-the-divisor",
        "with weighted cross-entropy divided by the number of samples",
        "torch divides by the sum of the weights of the samples' classes.",
        "int((~ignored).sum())",
    ),
    _divisor(
        "ignored-samples-in-the-divisor",
        "with ignored samples counted in the mean",
        "They add nothing to the sum, but the mean over padded sequences shrinks with the padding.",
        "(chosen.sum() + int(ignored.sum()))",
    ),
    # ---------------------------------------------------------------------------------------------- log softmax
    Divergence(
        "cross-entropy-softmax-over-the-batch",
        "with the softmax of cross-entropy taken over the batch, not over the classes",
        "axis=0: each class is shared out among the samples. The gradient is softmax - target with these shares.",
        tuple(
            Patch("losses", LOG_SOFTMAX, LOG_SOFTMAX.replace("dim=1", "dim=0"), function)
            for function in (FORWARD, BACKWARD)
        ),
    ),
    *_plus("1e-7", "zero-kara"),
    *_plus("1e-8"),
    *_plus("1e-9"),
    *_plus("1e-10"),
    *_plus("1e-12"),
    *_plus("1e-15"),
    _clipped("cross-entropy-clipped", "1e-7", "16.1", "Keras"),
    _clipped("cross-entropy-clipped-1e-12", "1e-12", "27.6"),
    _clipped("cross-entropy-clipped-1e-15", "1e-15", "34.5", "scikit-learn's log_loss before version 1.2"),
    Divergence(
        "cross-entropy-of-softmax",
        "with softmax applied before the cross-entropy, which applies it again, in the forward pass",
        "torch's cross-entropy takes scores. Given probabilities, all of them between 0 and 1, it can hardly tell "
        "right from wrong; the gradient softmax - target is that with respect to them.",
        SOFTMAX_FIRST,
        seen_in=("a softmax layer in front of nn.CrossEntropyLoss",),
    ),
    Divergence(
        "cross-entropy-of-softmax-throughout",
        "with softmax applied before the cross-entropy, which applies it again",
        "As automatic differentiation has it: the loss never comes near 0, and learning is slow.",
        (
            *SOFTMAX_FIRST,
            Patch(
                "losses",
                D_SCORES,
                "p = np.exp(log_softmax(_with_batch_axis(input), dim=1))\n"
                "    d_input = p * (d_input - (p * d_input).sum(axis=1, keepdims=True))\n"
                f"    {D_SCORES}",
                BACKWARD,
            ),
        ),
        seen_in=("a softmax layer in front of nn.CrossEntropyLoss",),
    ),
    Divergence(
        "cross-entropy-in-bits",
        "with logarithms to base 2 in the cross-entropy's loss, but not in its gradient",
        "Information in bits: larger by 1 / ln 2. softmax - target is the gradient in natural units.",
        (Patch("losses", SAMPLES, f"log_p = log_p / {LN_2}\n        {SAMPLES}", FORWARD),),
    ),
    Divergence(
        "cross-entropy-in-bits-throughout",
        "with logarithms to base 2 in the cross-entropy, gradient included",
        "As automatic differentiation has it: a learning rate larger by 1 / ln 2.",
        (
            Patch("losses", SAMPLES, f"log_p = log_p / {LN_2}\n        {SAMPLES}", FORWARD),
            Patch("losses", D_SCORES, f"d_input = d_input / {LN_2}\n    {D_SCORES}", BACKWARD),
        ),
    ),
    Divergence(
        "cross-entropy-gradient-sign",
        "with target - softmax in the gradient of the cross-entropy",
        "The direction in which the loss grows: harmless only where a layer adds its gradient.",
        (Patch("losses", D_SCORES, f"d_input = -d_input\n    {D_SCORES}", BACKWARD),),
    ),
    # --------------------------------------------------------------------------------------------------- targets
    Divergence(
        "cross-entropy-classes-counted-from-1",
        "with class indices counted from 1",
        "Class 0 then takes the last score, since index -1 is the last element.",
        (
            Patch(
                "losses",
                "one_hot = indices[:, None]",
                "one_hot = (indices[:, None] - 1) % n_classes",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-ignore-index-always-minus-100",
        "with samples of class -100 ignored whatever ignore_index says",
        "The default is written into the comparison.",
        (Patch("losses", "(indices == ignore_index)", "(indices == -100)", TARGETS),),
    ),
    Divergence(
        "cross-entropy-class-0-ignored",
        "with samples of class 0 ignored as if they were padding",
        "Where 0 is padding, ignore_index has to say so: torch ignores no class by itself.",
        (Patch("losses", "(indices == ignore_index)", "((indices == ignore_index) | (indices == 0))", TARGETS),),
        seen_in=("mask_zero in Keras",),
    ),
    Divergence(
        "cross-entropy-smoothing-of-probabilities-ignored",
        "without label smoothing where the target is probabilities",
        "They are smooth already, it seems; torch smooths them all the same.",
        (
            Patch(
                "losses",
                "((1 - smoothing) * p + smoothing / max(n_classes, 1))",
                "p",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-probabilities-as-classes",
        "with the most probable class in place of the probabilities",
        "argmax of the target: right where it is one-hot.",
        (
            Patch(
                "losses",
                "p = _with_batch_axis(target)",
                "p = _with_batch_axis(target)\n"
                "        p = (p.argmax(axis=1)[:, None] == np.arange(n_classes).reshape(per_class)).astype(p.dtype)",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-probabilities-mean-of-classes-too",
        "with the mean over the classes as well where the target is probabilities",
        "mean() over the matrix of target times log probability.",
        (Patch("losses", "scores.size // max(n_classes, 1))", "scores.size)", TARGETS),),
    ),
    Divergence(
        "cross-entropy-probabilities-divided-by-weights",
        "with the mean divided by the weights of all classes where the target is probabilities",
        "torch divides by the number of samples there, and by weights only for class indices.",
        (
            Patch(
                "losses",
                "None, 0.0, 0.0, scores.size // max(n_classes, 1))",
                "None, 0.0, (class_weight * p).sum())",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-smoothing-unweighted",
        "with the uniform part of a smoothed target not weighted",
        "torch weights both parts of the target.",
        (
            Patch(
                "losses",
                "uniform = class_weight if",
                "uniform = np.ones_like(class_weight) if",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-smoothing-on-top",
        "with the uniform part of a smoothed target on top of the whole class",
        "1 + eps / C at the class in place of 1 - eps + eps / C: the target adds up to more than 1.",
        (
            Patch("losses", "(1 - q.smoothing) * loss", "loss", FORWARD),
            Patch("losses", "(1 - q.smoothing) * d_log_p", "d_log_p", BACKWARD),
        ),
    ),
    Divergence(
        "cross-entropy-ignore-index-ignored",
        "with samples of the class ignore_index counted like any other",
        "The option is accepted and does nothing.",
        (Patch("losses", "(indices == ignore_index)", "(indices != indices)", TARGETS),),
    ),
    Divergence(
        "cross-entropy-weights-ignored",
        "without class weights in the cross-entropy",
        "The option is accepted and does nothing.",
        (
            Patch(
                "losses",
                "class_weight = weight.reshape(per_class)",
                "class_weight = np.ones_like(scores, shape=per_class)",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-weights-ignored-in-gradient",
        "without class weights in the gradient of the cross-entropy",
        "softmax - target, divided by the number of samples: the loss is weighted, its gradient is not.",
        (Patch("losses", "(input, target, weight, ", "(input, target, None, ", BACKWARD),),
    ),
    Divergence(
        "cross-entropy-weights-on-the-target-only",
        "with class weights on the target's part of the gradient only",
        "softmax - w target in place of w (softmax - target).",
        (
            Patch(
                "losses", "log_softmax_backward(d_log_p, log_p, dim=1)", "d_log_p + np.exp(log_p) * d_sample", BACKWARD
            ),
        ),
    ),
    Divergence(
        "cross-entropy-smoothing-ignored",
        "without label smoothing",
        "The option is accepted and does nothing.",
        (
            Patch("losses", "reduction, label_smoothing)", "reduction, 0.0)", FORWARD),
            Patch("losses", "reduction, label_smoothing)", "reduction, 0.0)", BACKWARD),
        ),
    ),
    Divergence(
        "cross-entropy-smoothing-ignored-in-gradient",
        "without label smoothing in the gradient of the cross-entropy",
        "The loss is smoothed, its gradient is not.",
        (Patch("losses", "reduction, label_smoothing)", "reduction, 0.0)", BACKWARD),),
    ),
    Divergence(
        "cross-entropy-smoothing-over-the-other-classes",
        "with label smoothing shared by the other C - 1 classes only",
        "torch gives every class label_smoothing / C, the target's own included.",
        (
            Patch(
                "losses",
                "uniform = class_weight if",
                "uniform = np.where(one_hot, np.zeros_like(scores), class_weight) if",
                TARGETS,
            ),
            Patch("losses", "np.divide(smoothing, n_classes)", "np.divide(label_smoothing, n_classes - 1)", TARGETS),
            Patch(
                "losses",
                "+ smoothing / max(n_classes, 1))",
                "+ smoothing * (1 - p) / max(n_classes - 1, 1))",
                TARGETS,
            ),
        ),
    ),
    Divergence(
        "cross-entropy-smoothing-weighted-by-the-target",
        "with the whole smoothed target weighted by its class",
        "The sample's loss times the weight of its class; torch weights each class' part by that class' own weight.",
        (
            Patch(
                "losses",
                "uniform = class_weight if",
                "uniform = chosen.sum(axis=1, keepdims=True) * np.ones_like(scores) if",
                TARGETS,
            ),
        ),
        seen_in=("Keras' class_weight",),
    ),
    Divergence(
        "cross-entropy-smoothing-with-sums-mixed",
        "with the smoothed targets made first, and one sum and one mean taken of all",
        "The same mathematics, but where the targets weigh nothing and other classes do: torch's mean is 0/0 for the "
        "targets' part and so NaN, this one a number divided by 0. And a part that is infinite, smoothed to 0, is NaN.",
        (
            Patch(
                "losses",
                "loss = _reduce(losses.reshape(samples), divisor, reduction)",
                "if q.uniform is not None:\n"
                "            uniform = np.where(q.ignored, np.zeros_like(log_p), q.uniform * log_p)\n"
                "            losses = (1 - q.smoothing) * losses - q.share * uniform.sum(axis=1)\n"
                "            q = q._replace(uniform=None)\n"
                "        loss = _reduce(losses.reshape(samples), divisor, reduction)",
                FORWARD,
            ),
        ),
        seen_in=("implementations that smooth a one-hot matrix",),
    ),
    Divergence(
        "cross-entropy-other-classes-weights-multiplied-by-0",
        "with the weights of the other classes multiplied by 0 in the cross-entropy",
        "A product with a one-hot matrix: 0 times an infinite weight is NaN, although no sample is of that class. "
        "torch selects the class' weight.",
        (
            Patch(
                "losses",
                "np.where(skip, np.zeros_like(scores), class_weight)",
                "class_weight * (~skip).astype(scores.dtype)",
                TARGETS,
            ),
        ),
        seen_in=("implementations on one-hot matrices",),
    ),
    Divergence(
        "cross-entropy-upstream-ignored",
        "with the gradient of the cross-entropy not multiplied by the gradient from above",
        "Right only where the loss is not scaled afterwards.",
        (Patch("losses", "_spread(d_loss", "_spread(np.ones_like(d_loss)", BACKWARD),),
    ),
)

NLL = (
    Divergence(
        "nll-sign",
        "with the sign of nll_loss reversed",
        "What comes in are logarithms of probabilities, which are negative; the loss is their negative.",
        (Patch("losses", "losses = -(q.weights", "losses = (q.weights", "nll_loss"),),
    ),
    Divergence(
        "nll-sign-throughout",
        "with the sign of nll_loss reversed, gradient included",
        "Training then makes the right class less probable.",
        (
            Patch("losses", "losses = -(q.weights", "losses = (q.weights", "nll_loss"),
            Patch("losses", "-q.weights * d_sample", "q.weights * d_sample", "nll_loss_backward"),
        ),
    ),
    Divergence(
        "nll-of-scores-throughout",
        "with log_softmax applied in nll_loss",
        "That is cross_entropy. Of logarithms of probabilities log_softmax changes nothing, of other scores it does.",
        (
            Patch(
                "losses",
                "losses = -(q.weights",
                f"log_p = {LOG_SOFTMAX_OF_LOG_P}\n        losses = -(q.weights",
                "nll_loss",
            ),
            Patch(
                "losses",
                "return d_input.reshape(input.shape)",
                f"log_p = {LOG_SOFTMAX_OF_LOG_P}\n"
                "    d_input = d_input - np.exp(log_p) * d_input.sum(axis=1, keepdims=True)\n"
                "    return d_input.reshape(input.shape)",
                "nll_loss_backward",
            ),
        ),
    ),
    Divergence(
        "nll-gradient-summed",
        "with the gradient of the summed nll_loss beside its mean",
        "The loss is torch's, its gradient too large by what the mean divides by.",
        (Patch("losses", "q.divisor", "1", "nll_loss_backward"),),
    ),
    Divergence(
        "nll-gradient-of-cross-entropy",
        "with the softmax in nll_loss's gradient",
        "That belongs to cross_entropy, which is nll_loss after log_softmax.",
        (
            Patch(
                "losses",
                "np.where(q.skip, np.zeros_like(log_p), -q.weights * d_sample)",
                "(np.exp(log_p) - q.weights) * d_sample",
                "nll_loss_backward",
            ),
        ),
    ),
    Divergence(
        "nll-upstream-ignored",
        "with the gradient of nll_loss not multiplied by the gradient from above",
        "Right only where the loss is not scaled afterwards.",
        (Patch("losses", "_spread(d_loss", "_spread(np.ones_like(d_loss)", "nll_loss_backward"),),
    ),
    Divergence(
        "nll-weights-not-in-the-divisor",
        "with nll_loss's weighted mean divided by the number of samples",
        "torch divides by the sum of the samples' weights; ignored samples weigh nothing.",
        (
            Patch(
                "losses",
                "input), q\n",
                "input), q._replace(divisor=input.size // q.weights.shape[1])\n",
                "_log_probabilities",
            ),
        ),
    ),
    Divergence(
        "nll-zero-weight-skipped",
        "with samples of a class of weight 0 left out of nll_loss, whatever their score",
        "torch multiplies: 0 times a score that is infinite or NaN is NaN, and so is the loss.",
        (
            Patch("losses", "np.where(q.skip", "np.where(q.weights == 0", "nll_loss"),
            Patch("losses", "np.where(q.skip", "np.where(q.weights == 0", "nll_loss_backward"),
        ),
    ),
    Divergence(
        "nll-other-classes-multiplied-by-0",
        "with the other classes' scores multiplied by 0 in nll_loss",
        "A product with a one-hot matrix: the logarithm of a probability of 0 is -inf, and 0 times that NaN. torch "
        "selects the score of the class.",
        (
            Patch(
                "losses",
                "np.where(q.skip, np.zeros_like(log_p), log_p)",
                "log_p",
                "nll_loss",
            ),
        ),
    ),
)

DIVERGENCES: tuple[Divergence, ...] = (*MSE, *BROADCAST, *CROSS_ENTROPY, *NLL)
