"""What every layer and optimizer asks of its arguments, refused with the exception class that torch uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Params: TypeAlias = Mapping[str, Array]
Shape: TypeAlias = tuple[int, ...]

FLOATS = frozenset(np.dtype(t) for t in (np.float32, np.float64, np.longdouble))
INEXACT = FLOATS | {np.dtype(np.complex128)}
"""complex128 in forward passes only: derivatives by complex steps"""


ARRAYS = (np.ndarray, np.generic)
"""arrays, and what NumPy's arithmetic makes of those without axes"""


def check_array(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` is a NumPy array, or one of NumPy's scalars, which count as 0-d."""
    if not isinstance(value, ARRAYS):
        raise TypeError(f"{name} must be a NumPy array, got {type(value).__name__}")


def check_like(name: str, value: object, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise unless ``value`` is an array of this shape and dtype.

    Raises:
        TypeError: not an array, nor one of NumPy's scalars.
        RuntimeError: another shape, or another dtype.
    """
    if not isinstance(value, ARRAYS):
        raise TypeError(f"{name} must be a NumPy array, got {type(value).__name__}")
    if value.shape != shape:
        raise RuntimeError(f"{name} must have shape {shape}, got {value.shape}")
    if value.dtype != dtype:
        raise RuntimeError(f"{name} must have dtype {dtype}, got {value.dtype}")


def check_params(params: Params, shapes: Mapping[str, Shape]) -> np.dtype[Any]:
    """The one dtype of a layer's parameters, after names, shapes and dtypes have been checked.

    Raises:
        TypeError: a value is not an array.
        RuntimeError: names missing or unexpected, a wrong shape, or no single dtype of ``INEXACT``
            (torch's ``load_state_dict`` and its kernels raise the same class).
    """
    if params.keys() != shapes.keys():
        missing = [name for name in shapes if name not in params]
        unexpected = [name for name in params if name not in shapes]
        raise RuntimeError(
            "; ".join(
                f"{kind} parameter(s): {', '.join(map(str, names))}"
                for kind, names in (("missing", missing), ("unexpected", unexpected))
                if names
            )
        )
    first_name = next(iter(shapes))
    check_array(f"parameter {first_name}", params[first_name])
    dtype = params[first_name].dtype
    if dtype not in INEXACT:
        raise RuntimeError(f"parameters must be float32, float64 or longdouble, got {dtype}")
    for name, shape in shapes.items():
        value = params[name]
        if not isinstance(value, np.ndarray):
            raise TypeError(f"parameter {name} must be a NumPy array, got {type(value).__name__}")
        if value.shape != shape:
            raise RuntimeError(f"size mismatch for {name}: expected shape {shape}, got {value.shape}")
        if value.dtype != dtype:
            raise RuntimeError(f"parameters must share one dtype: {name} is {value.dtype}, {first_name} is {dtype}")
    return dtype


def check_size(name: str, value: object) -> None:
    """Raise TypeError unless a size is an int, RuntimeError if it is negative."""
    check_type(name, value, int)
    if value < 0:  # type: ignore[operator]
        raise RuntimeError(f"{name} must not be negative, got {value}")


def check_type(name: str, value: object, kind: type) -> None:
    """Raise TypeError unless a constructor argument has exactly this type (a bool is not an int)."""
    if type(value) is not kind:
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
