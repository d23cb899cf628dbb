"""Mistakes in the clipping of gradients, and other frameworks' dialects of it."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

NORM = "clip_grad_norm"
VALUE = "clip_grad_value"
TOTAL = "total = _norm(np.stack([_norm(grad, p) for grad in present]), p)"
COEFFICIENT = "np.minimum(max_norm / (norm + 1e-6), 1.0)"


def _of(function: str, id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    return Divergence(f"clip-{id}", title, note, (Patch("clip", correct, wrong, function),), seen_in)


DIVERGENCES: tuple[Divergence, ...] = (
    _of(
        NORM,
        "norm-of-each-gradient",
        "with every gradient clipped by its own norm",
        "torch scales all gradients by one factor, so that their direction together stays.",
        "grad * coefficient.astype(grad.dtype)",
        "grad * np.minimum(max_norm / (_norm(grad, float(norm_type)) + 1e-6), 1.0).astype(grad.dtype)",
        "Keras' clipnorm",
    ),
    _of(
        NORM,
        "without-epsilon",
        "without 1e-6 in the divisor of the clipping",
        "The result has exactly the norm asked for, where torch's is a millionth shorter.",
        "(norm + 1e-6)",
        "norm",
        "optax",
        "TensorFlow",
        "zero-kara",
    ),
    *(
        _of(
            NORM,
            f"epsilon-{eps}",
            f"with {eps} in place of 1e-6 in the divisor of the clipping",
            "torch's constant is no option, and larger than others': its result is a millionth short.",
            "(norm + 1e-6)",
            f"(norm + {eps})",
        )
        for eps in ("1e-8", "1e-12")
    ),
    _of(
        NORM,
        "scales-up",
        "with short gradients lengthened to the norm asked for",
        "Clipping only ever shortens.",
        COEFFICIENT,
        "np.asanyarray(max_norm / (norm + 1e-6))",
    ),
    _of(
        NORM,
        "always-the-2-norm",
        "with the 2-norm whatever norm_type says",
        "The option is accepted and does nothing.",
        "total_norm(grads, norm_type, error_if_nonfinite)",
        "total_norm(grads, 2.0, error_if_nonfinite)",
    ),
    _of(
        NORM,
        "norm-returned-after",
        "with the norm after clipping returned",
        "torch returns the norm that it found.",
        "return clipped, norm",
        "return clipped, norm * coefficient",
    ),
    _of(
        "total_norm",
        "norm-of-sums",
        "with the gradients' norms added up",
        "The norm of all values as one vector is the norm of the norms.",
        TOTAL,
        "total = np.stack([_norm(grad, p) for grad in present]).sum()",
    ),
    _of(
        "total_norm",
        "norm-without-root",
        "with the sum of squares in place of the 2-norm, of powers in place of others",
        "The root is missing.",
        TOTAL,
        f"{TOTAL}\n    if 0 < abs(p) < np.inf:\n        total = np.asanyarray(total**p)",
    ),
    _of(
        "total_norm",
        "norm-over-the-number-of-gradients",
        "with the gradients' norm divided by their number",
        "The norm of all values as one vector is no mean.",
        TOTAL,
        f"{TOTAL}\n    total = np.asanyarray(total / len(present))",
    ),
    _of(
        "_norm",
        "norm-without-absolute-values",
        "without absolute values in the norm of the gradients",
        "An even power does not need them. A sum of first or third powers cancels, and the largest absolute value may "
        "be that of a negative number.",
        "size = np.abs(x)",
        "size = x",
    ),
    _of(
        VALUE,
        "value-from-above-only",
        "with values clipped from above only",
        "Large negative gradients pass.",
        "np.minimum(np.maximum(grad, -limit), limit)",
        "np.minimum(grad, limit)",
    ),
    _of(
        VALUE,
        "value-drops-nan",
        "with NaN replaced by a limit",
        "fmax and fmin prefer a number to NaN: the gradient that should have been noticed is lost.",
        "np.minimum(np.maximum(grad, -limit), limit)",
        "np.fmin(np.fmax(grad, -limit), limit)",
    ),
)
