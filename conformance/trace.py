"""A trace: what one run of a case produced, an ordered mapping from names to arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Trace = dict[str, NDArray[Any]]


class NotATraceError(TypeError):
    """An implementation returned something else than a mapping from names to arrays of numbers."""


def as_trace(result: object) -> Trace:
    """The trace in what an implementation's function returned.

    Raises:
        NotATraceError: not a mapping, a name that is not a string, or a value that is not an array of numbers.
    """
    if not isinstance(result, Mapping):
        raise NotATraceError(f"expected a dict of arrays by name, got {type(result).__name__}")
    trace: Trace = {}
    for name, value in result.items():
        if not isinstance(name, str):
            raise NotATraceError(f"expected names to be strings, got {name!r}")
        if isinstance(value, np.ma.MaskedArray):
            raise NotATraceError(f"{name}: expected an array of numbers, got one with a mask")
        try:
            array = np.asarray(value)
        except (ValueError, TypeError, RuntimeError) as error:
            raise NotATraceError(f"{name}: expected an array of numbers: {error}") from None
        if array.dtype.kind not in "fiub":
            raise NotATraceError(f"{name}: expected an array of numbers, got {type(value).__name__} ({array.dtype})")
        trace[str.__str__(name)] = array  # of a class of the user's it could not be handed over
    return trace
