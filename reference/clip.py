"""Clipping of gradients before an optimizer's step, as ``torch.nn.utils`` does it, returning in place of mutating.

    grads, total_norm = clip_grad_norm(grads, max_norm)
    grads = clip_grad_value(grads, clip_value)

Gradients are float arrays by name; None, and a name left out, mean none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from reference.checks import Array, check_array

Grads: TypeAlias = Mapping[str, Array | None]


def total_norm(grads: Grads, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Array:
    """The norm of all gradients as one vector, a 0-d array: the norm of their norms.

        (sum |x|^p)^(1/p)

    ``norm_type`` p is any number; inf stands for the largest absolute value, -inf for the smallest, 0 for the
    number of values that are not 0 (of all gradients: the number of gradients that are not 0 throughout).

    Raises:
        TypeError: a gradient that is no array, or ``norm_type`` is no number.
        ValueError: ``norm_type`` is text that is no number.
        OverflowError: ``norm_type`` is an int beyond float's range.
        RuntimeError: the norm is not finite and ``error_if_nonfinite``, or infinite or negative for a gradient without
            elements, which has no largest or smallest one.
    """
    present = [grad for grad in grads.values() if grad is not None]
    for name, grad in grads.items():
        if grad is not None:
            check_array(f"gradient {name}", grad)
    p = _number("norm_type", norm_type)
    if not present:
        return np.zeros((), dtype=np.float32)  # torch's default dtype
    total = _norm(np.stack([_norm(grad, p) for grad in present]), p)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {p} for gradients is non-finite, so it cannot be clipped. To scale the "
            "gradients by the non-finite norm anyway, set error_if_nonfinite=False"
        )
    return total


def clip_grad_norm(
    grads: Grads, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> tuple[dict[str, Array | None], Array]:
    """Gradients scaled down to a total norm of ``max_norm`` (Pascanu, Mikolov and Bengio 2013), and the norm before.

        g <- min(1, max_norm / (total_norm + 1e-6)) g

    The scale is that of all gradients together. 1e-6 makes the result a little shorter than ``max_norm``, also
    where the norm was below it by less than that.

    Raises:
        TypeError, ValueError, OverflowError, RuntimeError: as ``total_norm``, for ``max_norm`` too.
    """
    max_norm = _number("max_norm", max_norm)
    norm = total_norm(grads, norm_type, error_if_nonfinite)
    coefficient = np.minimum(max_norm / (norm + 1e-6), 1.0)
    with np.errstate(invalid="ignore"):  # an infinite gradient becomes NaN, by 0 times infinity
        clipped = {
            name: None if grad is None else grad * coefficient.astype(grad.dtype) for name, grad in grads.items()
        }
    return clipped, norm


def clip_grad_value(grads: Grads, clip_value: float) -> dict[str, Array | None]:
    """Every element of every gradient brought between -clip_value and clip_value.

    Raises:
        TypeError: a gradient that is no array, or ``clip_value`` is no number.
        ValueError: ``clip_value`` is text that is no number.
        OverflowError: ``clip_value`` is an int beyond float's range.
        RuntimeError: no gradients.
    """
    limit = _number("clip_value", clip_value)
    for name, grad in grads.items():
        if grad is not None:
            check_array(f"gradient {name}", grad)
    if all(grad is None for grad in grads.values()):
        raise RuntimeError("clip_grad_value needs at least one gradient, got none")
    return {name: None if grad is None else np.minimum(np.maximum(grad, -limit), limit) for name, grad in grads.items()}


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must be a number, got {value!r}") from None


def _norm(x: Array, p: float) -> Array:
    size = np.abs(x)
    if not x.size and (p < 0 or p == np.inf):
        raise RuntimeError(f"a gradient of shape {x.shape} has no norm of order {p}")
    if not x.size:
        return np.zeros((), dtype=x.dtype)
    if x.size == 1 and p != 0:  # its own norm, whatever p, and without a power that may overflow
        return size.reshape(())
    if p == np.inf:
        return np.asanyarray(size.max())
    if p == -np.inf:
        return np.asanyarray(size.min())
    if p == 0:
        return np.asanyarray((x != 0).sum().astype(x.dtype))
    if p == 1:
        return np.asanyarray(size.sum())
    if p == 2:
        return np.asanyarray(np.sqrt((size * size).sum()))
    return np.asanyarray((size**p).sum() ** (1 / p))
