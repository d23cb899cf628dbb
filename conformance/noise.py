"""Arrays whose every operation rounds at random: Monte Carlo arithmetic without a hook in the code that runs.

Under ``with Rounding(...)``, each operation on a ``NoisyArray`` adds to its result

    (u * magnitude + eta) * xi,        xi standard normal

where u is the unit roundoff that is simulated, eta the smallest subnormal, and the magnitude is the result's
absolute value, for a matrix product |A| @ |B|, for a sum the sum of absolute values. Operations that never
round (maximum, selection, copies) add nothing, and exact zeros stay exact. Rounding to bfloat16, which a formula
asks for itself (``reference.rounding``), has the u of bfloat16 whatever is simulated.

Fresh rounding draws every xi anew. Coherent rounding has one xi per operation, place in the code and unit
(last axis), reused over time and batch, because real rounding repeats itself on stationary sequences; it takes
the error of a sum of n terms to be sqrt(n) times larger.

An operation that this module does not know raises: noise must not be lost in silence.
(Parker 1997, "Monte Carlo arithmetic"; Higham 2002, "Accuracy and Stability of Numerical Algorithms", ch. 3.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.rounding import round_to_bfloat16

Plain = NDArray[Any]

EXACT = frozenset(
    (
        np.maximum,
        np.minimum,
        np.fmax,
        np.fmin,
        np.negative,
        np.positive,
        np.absolute,
        np.fabs,
        np.sign,
        np.copysign,
        np.signbit,
        np.less,
        np.less_equal,
        np.greater,
        np.greater_equal,
        np.equal,
        np.not_equal,
        np.isnan,
        np.isinf,
        np.isfinite,
        np.logical_and,
        np.logical_or,
        np.logical_not,
    )
)
ROUNDED = frozenset(
    (
        np.add,
        np.subtract,
        np.multiply,
        np.divide,
        np.sqrt,
        np.square,
        np.power,
        np.reciprocal,
        np.exp,
        np.expm1,
        np.log,
        np.log1p,
        np.tanh,
    )
)
KINKED = frozenset((np.maximum, np.minimum, np.less, np.less_equal, np.greater, np.greater_equal))

# functions that only move, select or allocate
MOVING = frozenset(
    (
        np.where,
        np.concatenate,
        np.stack,
        np.broadcast_to,
        np.copyto,
        np.empty_like,
        np.zeros_like,
        np.ones_like,
        np.full_like,
        np.swapaxes,
        np.transpose,
        np.reshape,
        np.ravel,
        np.expand_dims,
        np.flip,
        np.copy,
    )
)
ASKING = frozenset((np.shape, np.ndim, np.size, np.result_type, np.array_equal))

BFLOAT16_UNIT = 2.0**-9

NUMPY_FOLDER = os.path.dirname(np.__file__) + os.sep

_active: ContextVar[Rounding] = ContextVar("rounding")


class UnknownOperationError(TypeError):
    """An operation whose rounding this module does not know."""


class Rounding:
    """One replicate of simulated rounding; a context manager."""

    def __init__(self, unit: float, eta: float, rng: np.random.Generator, *, coherent: bool) -> None:
        self.unit = unit
        self.eta = eta
        self.rng = rng
        self.coherent = coherent
        self.kinks: list[Plain] = []
        """the arguments of every maximum, minimum or comparison with a constant, in order"""
        self.bfloat16 = False
        """whether anything was rounded to bfloat16"""
        self._xi: dict[Any, Plain] = {}

    def __enter__(self) -> Rounding:
        self._token = _active.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.reset(self._token)

    def __call__(
        self, value: Plain, magnitude: Plain, terms: int, operation: object, unit: float | None = None
    ) -> Plain:
        """``value``, after rounding at random; ``unit`` where it is not the one that is simulated."""
        if self.unit == 0:
            return value
        unit = self.unit if unit is None else unit
        if self.coherent:
            xi = self._repeated(value.shape[-1:], operation)
            unit = unit * max(terms, 1) ** 0.5
        else:
            xi = self.rng.standard_normal(value.shape)
        with np.errstate(all="ignore"):
            error = (unit * magnitude + self.eta) * xi
        # an exact zero and what is not finite have no rounding error
        return value + np.where((magnitude > 0) & np.isfinite(magnitude) & np.isfinite(value), error, 0)

    def to_bfloat16(self, value: Plain) -> Plain:
        """``value``, after rounding to bfloat16 at random."""
        self.bfloat16 = True
        return self(value, np.abs(value), 1, round_to_bfloat16, BFLOAT16_UNIT)

    def _repeated(self, shape: tuple[int, ...], operation: object) -> Plain:
        frame = sys._getframe(2)
        while frame.f_code.co_filename == __file__ or frame.f_code.co_filename.startswith(NUMPY_FOLDER):
            if frame.f_back is None:
                break
            frame = frame.f_back
        key = (operation, frame.f_code, frame.f_lasti, shape)
        if key not in self._xi:
            self._xi[key] = self.rng.standard_normal(shape)
        return self._xi[key]


class NoisyArray(np.ndarray[Any, Any]):
    """A float64 array whose operations round under the active ``Rounding``."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        if out is not None:
            kwargs["out"] = tuple(_plain(target) for target in out)
        if ufunc is np.matmul and method == "__call__":
            return self._rounded_into(out, _product(np.matmul, plain[0], plain[1]))
        if ufunc in EXACT:
            if ufunc in KINKED and method == "__call__" and any(np.ndim(value) == 0 for value in plain):
                _active.get().kinks.extend(np.array(value) for value in plain if np.ndim(value))
            value = getattr(ufunc, method)(*plain, **kwargs)
            return _noisy(value) if out is None else out[0]
        masked = kwargs.get("where", True) is not True
        if method == "reduce" and ufunc is np.add and not masked:
            sizes = {key: kwargs[key] for key in ("axis", "keepdims") if key in kwargs}
            magnitude = np.add.reduce(np.abs(plain[0]), **sizes)
            kwargs.pop("out", None)
            value = np.asarray(ufunc.reduce(*plain, **kwargs))
            terms = plain[0].size // max(value.size, 1)
            return self._rounded_into(out, _active.get()(value, np.asarray(magnitude), terms, ufunc))
        if method != "__call__" or ufunc not in ROUNDED or masked:
            raise UnknownOperationError(f"the noise model does not know numpy.{ufunc.__name__}.{method}")
        kwargs.pop("out", None)
        value = np.asarray(ufunc(*plain, **kwargs))
        return self._rounded_into(out, _active.get()(value, np.abs(value), 1, ufunc))

    @staticmethod
    def _rounded_into(out: tuple[Any, ...] | None, value: Plain) -> Any:
        if out is None:
            return _noisy(value)
        _plain(out[0])[...] = value
        return out[0]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in MOVING:
            return _noisy(func(*_plain_all(args), **{key: _plain_all(value) for key, value in kwargs.items()}))
        if func in ASKING:
            return func(*_plain_all(args), **kwargs)
        if func in (np.sum, np.max, np.amax, np.min, np.amin):
            return getattr(args[0].view(NoisyArray), func.__name__.removeprefix("a"))(*args[1:], **kwargs)
        if func is np.dot:
            return args[0].view(NoisyArray).dot(*args[1:], **kwargs)
        if func is round_to_bfloat16:
            return _noisy(_active.get().to_bfloat16(_plain(args[0])))
        if func is np.linalg.norm and len(args) == 1 and not kwargs:
            return np.sqrt((args[0] * args[0]).sum())
        raise UnknownOperationError(f"the noise model does not know {func.__module__}.{func.__name__}")

    def dot(self, b: Any, out: Any = None) -> Any:
        """A product, rounded; ``ndarray.dot`` is no ufunc and would lose the noise."""
        return self._rounded_into(None if out is None else (out,), _product(np.dot, _plain(self), _plain(b)))

    def cumsum(self, *args: Any, **kwargs: Any) -> Any:
        raise UnknownOperationError("the noise model does not know ndarray.cumsum")

    def cumprod(self, *args: Any, **kwargs: Any) -> Any:
        raise UnknownOperationError("the noise model does not know ndarray.cumprod")

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        raise UnknownOperationError("the noise model does not know ndarray.trace")


def noisy(array: Plain) -> Plain:
    """The array as one whose operations round under the active ``Rounding``."""
    return array.view(NoisyArray)


def _product(function: Callable[[Plain, Plain], Any], a: Plain, b: Plain) -> Plain:
    with np.errstate(all="ignore"):  # the magnitudes of infinities are of no interest
        magnitude = np.asarray(function(np.abs(a), np.abs(b)))
    value = np.asarray(function(a, b))
    return _active.get()(value, magnitude, a.shape[-1], function)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, NoisyArray) else value


def _plain_all(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_plain_all(entry) for entry in value)
    return _plain(value)


def _noisy(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
        return np.asarray(value).view(NoisyArray)
    return value
