"""Losses and their gradients, as ``torch.nn.functional`` computes them.

Each ``<name>(input, target, ...)`` has a ``<name>_backward(d_loss, input, target, ...)`` that takes the same
arguments behind the gradient with respect to the loss, and gives the gradient with respect to ``input``.
``reduction`` is ``"mean"``, ``"sum"`` or ``"none"``. What is infinite or NaN is a result like any other: as in torch,
nothing warns of it.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from reference.activations import log_softmax, log_softmax_backward
from reference.checks import FLOATS, Array, check_array, check_like

CLASS_INDEX_DTYPES = frozenset((np.dtype(np.int64), np.dtype(np.uint8)))


def mse_loss(input: Array, target: Array, reduction: str = "mean", weight: Array | None = None) -> Array:
    """(input - target)^2: every element (``none``), their sum, or their mean; with ``weight`` times that.

    Shapes that differ are broadcast, with a warning: an ``input`` (N, 1) and a ``target`` (N,) make N x N differences,
    and the mean is over all of them. The weighted mean divides by the sum of the weights as they are given.

    Args:
        weight: of the shape of ``input``.

    Raises:
        TypeError: not an array.
        NotImplementedError: ``input`` is not of a float dtype.
        RuntimeError: shapes that cannot be broadcast, dtypes that differ.
        ValueError: ``weight`` of another shape, unknown reduction.
    """
    with np.errstate(all="ignore"):
        difference = _difference(input, target, weight, reduction)
        squares = difference * difference
        losses = squares if weight is None else squares * weight
        loss = _reduce(losses, difference.size if weight is None else weight.sum(), reduction)
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size {target.shape} that is different to the input size {input.shape}: they are broadcast "
            f"to {difference.shape}, which is likely a mistake",
            stacklevel=2,
        )
    return loss


def mse_loss_backward(
    d_loss: Array, input: Array, target: Array, reduction: str = "mean", weight: Array | None = None
) -> Array:
    """2 (input - target) weight d_loss, for ``mean`` divided as in the forward pass.

    Summed over the axes along which ``input`` was broadcast: each of its elements has been used that often.

    Raises:
        TypeError, NotImplementedError: as ``mse_loss``.
        ValueError: as ``mse_loss``, or ``d_loss`` is no array at all (lists of unequal lengths).
        RuntimeError: as ``mse_loss``, or ``d_loss`` has not the shape and dtype of its result.
    """
    with np.errstate(all="ignore"):
        difference = _difference(input, target, weight, reduction)
        divisor = difference.size if weight is None else weight.sum()
        d_element = _spread(d_loss, difference.shape, divisor, reduction, difference)
        if weight is not None:
            d_element = d_element * weight
        d_input: Array = 2 * difference * d_element
        while d_input.ndim > input.ndim:
            d_input = d_input.sum(axis=0)
        for axis, size in enumerate(input.shape):
            if d_input.shape[axis] != size:
                d_input = d_input.sum(axis=axis, keepdims=True)
    return d_input


def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross-entropy of the softmax of unnormalised scores.

        loss_n = - sum_c q_nc log softmax(input)_nc

    where q_n is the target's distribution over the classes, smoothed and weighted:

        q_nc = weight_c ((1 - label_smoothing) p_nc + label_smoothing / C)

    with p the given probabilities, or 1 at the given class and 0 elsewhere. ``mean`` divides the sum by the
    number of samples, but for class indices by the sum of their classes' weights, ignored samples left out.

    With class indices the given class and the uniform part are reduced each by itself: where something is infinite, or
    the weights add up to 0, that decides what is NaN.

    Args:
        input: scores (C,), (N, C) or (N, C, d_1, ...).
        target: class indices () or (1,) (with smoothing () only), (N,) or (N, d_1, ...), int64, or uint8 in all but the
            last of these shapes (but for a weighted mean with smoothing); or probabilities of the shape and dtype of
            ``input``.
        weight: (C,).
        ignore_index: a class index whose samples count neither in the sum nor in the mean.

    Raises:
        TypeError: not an array, or ``label_smoothing`` is no number.
        NotImplementedError: ``input`` is not of a float dtype.
        IndexError: ``input`` has no axes, or a class index outside [0, C) that is not ``ignore_index``.
        ValueError: batch sizes that differ, an unknown reduction.
        RuntimeError: another wrong shape or dtype, a label smoothing above 1, or an ``ignore_index`` of 0 or more
            beside probabilities.
    """
    with np.errstate(all="ignore"):
        q = _targets(input, target, weight, ignore_index, reduction, label_smoothing)
        log_p = log_softmax(_with_batch_axis(input), dim=1)
        samples, divisor = _sample_shape(input), q.divisor
        losses = -(q.weights * np.where(q.skip, np.zeros_like(log_p), log_p)).sum(axis=1)
        loss = _reduce(losses.reshape(samples), divisor, reduction)
        if q.uniform is not None:
            losses = -np.where(q.ignored, np.zeros_like(log_p), q.uniform * log_p).sum(axis=1)
            loss = (1 - q.smoothing) * loss + q.share * _reduce(losses.reshape(samples), divisor, reduction)
    return loss


def cross_entropy_backward(
    d_loss: Array,
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """(softmax(input)_nc sum_k q_nk - q_nc) d_loss_n, divided as in the forward pass for ``mean``.

    Computed as the gradient of ``log_softmax``, given - q_nc d_loss_n with respect to its result: where something is
    infinite the order of the operations decides what is NaN.

    Raises:
        TypeError, NotImplementedError, IndexError: as ``cross_entropy``.
        ValueError: as ``cross_entropy``, or ``d_loss`` is no array at all (lists of unequal lengths).
        RuntimeError: as ``cross_entropy``, ``d_loss`` has not the shape and dtype of its result, or a target (1,).
    """
    with np.errstate(all="ignore"):
        q = _targets(input, target, weight, ignore_index, reduction, label_smoothing)
        _check_backward(input, target)
        log_p = log_softmax(_with_batch_axis(input), dim=1)
        d_sample = _spread(d_loss, _sample_shape(input), q.divisor, reduction, log_p)
        d_sample = d_sample.reshape(log_p.shape[:1] + log_p.shape[2:])[:, None]
        # selected, not multiplied by 0: where all samples are ignored the mean's factor is infinite
        d_log_p = np.where(q.skip, np.zeros_like(log_p), -q.weights * d_sample)
        if q.uniform is not None:
            # multiplied, not selected: an infinite weight makes the gradient of an ignored sample NaN, in torch too
            d_uniform = q.share * np.where(q.ignored, np.zeros_like(d_sample), d_sample)
            d_log_p = (1 - q.smoothing) * d_log_p - q.uniform * d_uniform
        d_input = log_softmax_backward(d_log_p, log_p, dim=1)
    return d_input.reshape(input.shape)


def nll_loss(
    input: Array, target: Array, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    """- weight_y input_ny for the class y of each sample n, of logarithms of probabilities.

    Arguments, reductions and errors are those of ``cross_entropy`` with class indices, which is ``nll_loss`` after
    ``log_softmax``; only that a 0-dimensional ``input`` raises ValueError.
    """
    with np.errstate(all="ignore"):
        log_p, q = _log_probabilities(input, target, weight, ignore_index, reduction)
        # selected, not multiplied by 0: a probability of 0, whose logarithm is -inf, belongs to its own class alone
        losses = -(q.weights * np.where(q.skip, np.zeros_like(log_p), log_p)).sum(axis=1)
        return _reduce(losses.reshape(_sample_shape(input)), q.divisor, reduction)


def nll_loss_backward(
    d_loss: Array,
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """- weight_y d_loss_n at each sample's class y, 0 elsewhere, divided as in the forward pass for ``mean``.

    Raises:
        TypeError, NotImplementedError, IndexError: as ``nll_loss``.
        ValueError: as ``nll_loss``, or ``d_loss`` is no array at all (lists of unequal lengths).
        RuntimeError: as ``nll_loss``, ``d_loss`` has not the shape and dtype of its result, or a target (1,).
    """
    with np.errstate(all="ignore"):
        log_p, q = _log_probabilities(input, target, weight, ignore_index, reduction)
        _check_backward(input, target)
        d_sample = _spread(d_loss, _sample_shape(input), q.divisor, reduction, log_p)
        d_sample = d_sample.reshape(log_p.shape[:1] + log_p.shape[2:])[:, None]
        d_input: Array = np.where(q.skip, np.zeros_like(log_p), -q.weights * d_sample)
    return d_input.reshape(input.shape)


def _log_probabilities(
    input: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str
) -> tuple[Array, _Targets]:
    """The input as (N, C, ...), and the target's q without smoothing."""
    _check_reduction(reduction)
    check_array("input", input)
    if input.ndim == 0:
        raise ValueError("input must have a class axis, got a 0-dimensional array")
    q = _targets(input, target, weight, ignore_index, reduction, probabilities=False)
    return _with_batch_axis(input), q


class _Targets(NamedTuple):
    weights: Array
    """q, in the shape of the scores; of class indices without smoothing"""
    skip: Array
    """True where a score takes no part in its sample's loss, whatever it is"""
    ignored: Array
    """True for a sample that counts for nothing, (N, 1, ...)"""
    uniform: Array | None
    """the weights of the uniform part, where class indices are smoothed"""
    smoothing: float
    """the uniform part's share of the loss"""
    share: float
    """of each class in the uniform part"""
    divisor: float | Array
    """what the mean divides by"""


def _targets(
    input: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
    probabilities: bool = True,
) -> _Targets:
    """The target's q; ``probabilities`` where they may be the target."""
    _check_reduction(reduction)
    check_array("input", input)
    check_array("target", target)
    if input.dtype not in FLOATS:
        raise NotImplementedError(f"the loss is not implemented for {input.dtype}: a float dtype is expected")
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0 and 1, got {label_smoothing}")
    # torch takes what is below 0, and NaN, for no smoothing; one of NumPy's numbers would lend its dtype to the loss
    smoothing = float(label_smoothing) if label_smoothing > 0 else 0.0
    probabilities = probabilities and target.shape == input.shape
    if probabilities:
        if target.dtype != input.dtype:
            raise RuntimeError(
                f"target must have dtype {input.dtype} like input to hold class probabilities, got {target.dtype}"
            )
        if ignore_index >= 0:
            raise RuntimeError(f"ignore_index is for class indices, not for probabilities: got {ignore_index}")
    if input.ndim == 0:
        raise IndexError("input must have a class axis, got a 0-dimensional array")
    scores = _with_batch_axis(input)
    n_classes = scores.shape[1]
    per_class = (1, n_classes) + (1,) * (scores.ndim - 2)
    if weight is None:
        class_weight = np.ones_like(scores, shape=per_class)
    else:
        check_like("weight", weight, (n_classes,), input.dtype)
        class_weight = weight.reshape(per_class)

    if probabilities:
        p = _with_batch_axis(target)
        q = class_weight * ((1 - smoothing) * p + smoothing / max(n_classes, 1))
        nothing = np.zeros_like(q, dtype=bool)
        return _Targets(q, nothing, nothing, None, 0.0, 0.0, scores.size // max(n_classes, 1))

    if smoothing > 0 and input.ndim == 1 == target.ndim:
        raise RuntimeError(f"with label_smoothing target must have shape () for this input, got {target.shape}")
    if smoothing > 0 and weight is not None and reduction == "mean" and target.dtype == np.uint8:
        raise RuntimeError(
            f"target must hold class indices in int64 for a weighted mean with label_smoothing, got {target.dtype}"
        )
    indices = _class_indices(input, target, n_classes, ignore_index)
    ignored = (indices == ignore_index)[:, None]
    one_hot = indices[:, None] == np.arange(n_classes).reshape(per_class)
    skip = ignored | ~one_hot
    chosen = np.where(skip, np.zeros_like(scores), class_weight)
    uniform = class_weight if smoothing > 0 else None
    share = float(np.divide(smoothing, n_classes))  # infinite without classes: their sum is NaN
    return _Targets(chosen, skip, ignored, uniform, smoothing, share, chosen.sum())


def _with_batch_axis(array: Array) -> Array:
    return array[None] if array.ndim == 1 else array


def _class_indices(input: Array, target: Array, n_classes: int, ignore_index: int) -> Array:
    if target.shape != _sample_shape(input) and (input.ndim > 1 or target.shape != (1,)):
        if input.ndim == 1 == target.ndim or (input.ndim > 1 and target.shape[:1] != input.shape[:1]):
            raise ValueError(f"target must have shape {_sample_shape(input)} for this input, got {target.shape}")
        accepted = f"{_sample_shape(input)} (class indices)"
        if target.shape != input.shape:
            accepted = f"{accepted} or {input.shape} (probabilities)"
        raise RuntimeError(f"target must have shape {accepted}, got {target.shape}")
    if target.dtype not in CLASS_INDEX_DTYPES or (target.dtype == np.uint8 and input.ndim > 2):
        raise RuntimeError(f"target must hold class indices in int64 (or uint8 for one a sample), got {target.dtype}")
    indices = target.reshape(1) if input.ndim == 1 else target
    wrong = (indices != ignore_index) & ((indices < 0) | (indices >= n_classes))
    if wrong.any():
        raise IndexError(f"target {indices[wrong][0]} is out of bounds: there are {n_classes} classes")
    return indices


def _sample_shape(input: Array) -> tuple[int, ...]:
    return () if input.ndim == 1 else input.shape[:1] + input.shape[2:]


def _difference(input: Array, target: Array, weight: Array | None, reduction: str) -> Array:
    check_array("input", input)
    check_array("target", target)
    try:
        np.broadcast_shapes(input.shape, target.shape)
    except ValueError as error:
        raise RuntimeError(f"input {input.shape} and target {target.shape} cannot be broadcast together") from error
    if weight is not None:
        check_array("weight", weight)
        if weight.shape != input.shape:
            raise ValueError(f"weight must have the shape of input {input.shape}, got {weight.shape}")
    _check_reduction(reduction)
    if input.dtype not in FLOATS:
        raise NotImplementedError(f"mse_loss is not implemented for {input.dtype}: a float dtype is expected")
    for name, array in (("target", target), ("weight", weight)):
        if array is not None and array.dtype != input.dtype:
            raise RuntimeError(f"{name} must have dtype {input.dtype} like input, got {array.dtype}")
    difference: Array = input - target
    return difference


def _check_reduction(reduction: str) -> None:
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"{reduction!r} is not a valid value for reduction: 'none', 'mean' or 'sum' expected")


def _reduce(losses: Array, divisor: float | Array, reduction: str) -> Array:
    if reduction == "none":
        return losses
    total: Array = losses.sum()
    if reduction == "mean":
        total = total / divisor
    return total


def _check_backward(input: Array, target: Array) -> None:
    """Raise RuntimeError for what torch takes in the forward pass only: (1,) for a target of scores (C,)."""
    if input.ndim == 1 == target.ndim and target.shape != input.shape:
        raise RuntimeError(f"size mismatch: the gradient needs a target of shape (), got {target.shape}")


def _spread(d_loss: Array, shape: tuple[int, ...], divisor: float | Array, reduction: str, like: Array) -> Array:
    """The gradient with respect to each element's or sample's own loss."""
    check_like("d_loss", np.asanyarray(d_loss), shape if reduction == "none" else (), like.dtype)
    d_element = np.broadcast_to(d_loss, shape, subok=True)
    if reduction != "mean":
        return d_element
    return d_element / divisor
