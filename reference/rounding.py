"""Arithmetic in bfloat16, which NumPy does not have: values of 8 significant bits in arrays of another dtype."""

from __future__ import annotations

import numpy as np

from reference.checks import Array


def round_to_bfloat16(x: Array) -> Array:
    """The nearest bfloat16 of every element, ties to even, by way of float32 as torch converts; dtype as it was.

    Only the nearest value exists in bfloat16: a formula rounds where torch stores a bfloat16 tensor, which is
    after every operation, a matrix product with its addition (``addmm``) being one.

    An array of another class takes over by NumPy's own protocol, ``__array_function__``, as it would for a
    function of NumPy.
    """
    if type(x) is not np.ndarray and isinstance(x, np.ndarray):
        rounded: Array = x.__array_function__(round_to_bfloat16, (type(x),), (x,), {})
        return rounded
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite in bfloat16 too
        bits = np.atleast_1d(np.asarray(x, dtype=np.float32)).view(np.uint32)
    # half of the last place that is kept, less one where that place is even: the carry rounds ties to even
    kept = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(x), x, kept.reshape(np.shape(x)).astype(x.dtype))
