"""Gradients that have a few rows of a parameter only, as those of an embedding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.checks import Array, check_array, check_like


class SparseGradient(NamedTuple):
    """Some rows of a parameter's gradient, all others being 0; a row that comes twice counts with the sum."""

    rows: Array
    """int64, (n,): indices along the parameter's first axis"""
    values: Array
    """(n, ...): the gradient of each of these rows"""


def check_rows(name: str, param: Array, grad: SparseGradient, weight_decay: float = 0) -> None:
    """Raise unless the rows are some of the parameter's.

    Raises:
        TypeError: rows or values that are no arrays.
        RuntimeError: rows that are no vector of int64, or outside of the parameter; values of another shape or dtype;
            weight decay, which is of all rows.
    """
    if weight_decay != 0:
        raise RuntimeError(f"weight_decay is not compatible with sparse gradients, got one for {name}")
    check_array(f"rows of {name}", grad.rows)
    if param.ndim == 0 or grad.rows.ndim != 1 or grad.rows.dtype != np.int64:
        raise RuntimeError(f"rows of {name} must be a vector of int64, those of a parameter that has rows")
    if grad.rows.size and (grad.rows.min() < 0 or grad.rows.max() >= param.shape[0]):
        raise RuntimeError(f"rows of {name} must be in [0, {param.shape[0]}), got {grad.rows}")
    check_like(f"values of {name}", grad.values, (grad.rows.size, *param.shape[1:]), param.dtype)


def added_up(grad: SparseGradient) -> tuple[Array, Array]:
    """Every row once, in order, with the sum of its values: an update need not be linear in the gradient."""
    rows, place = np.unique(grad.rows, return_inverse=True)
    values = np.zeros_like(grad.values, shape=(rows.size, *grad.values.shape[1:]))
    for k, row in enumerate(place):
        values[row] = values[row] + grad.values[k]
    return rows, values


def with_rows(array: Array, rows: Array, values: Array) -> Array:
    """A copy of the array in which these rows have these values."""
    result = array.copy()
    result[rows] = values
    return result
