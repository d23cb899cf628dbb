"""The element-wise optimizers with torch's own rounding: the same formulas, and every bit as torch has it.

Between two correct optimizers what differs is where they round. torch's ``add(alpha=)``, ``addcmul`` and ``lerp`` are
one fused multiply-add, NumPy's ``x + s * y`` rounds twice; and torch has a square root of its own. A ``Replayed``
array reads the reference's formulas as torch's calls:

    x + s * y,   x - s * y      x.add(y, alpha=s)
    x + s * y * z               x.addcmul(y, z, value=s)
    x + s * y / z               x.addcdiv(y, z, value=s)           the quotient is rounded, then the sum
    x + y * s                   x + y.mul(s)                       rounds twice: a number on the right is no alpha
    np.sqrt(x)                  x.sqrt()

A product whose right factor is an array remembers its factors, and a sum with it on the right is rounded once; on the
left, and in every other operation, a product is rounded first.

Muon, Adafactor and LBFGS add up elements, in an order that is torch's own, and SparseAdam has a form of its own: they
are not replayed. Whether torch computes like this depends on the processor: ``unlike`` asks its operations one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.case import Case
from conformance.fma import fma
from conformance.noise import ASKING, EXACT, MOVING, UnknownOperationError
from conformance.trace import Trace
from reference import optim
from reference.optim.lerp import lerp

Plain = NDArray[Any]
Operation = Callable[[Plain, Plain, Plain, float], Any]

ROUNDED_ALIKE = frozenset((np.add, np.subtract, np.multiply, np.divide))

_sqrt: ContextVar[Callable[[Plain], Plain]] = ContextVar("sqrt")


class Replayed(np.ndarray[Any, Any]):
    """A float32 or float64 array that rounds where torch does, under ``replaying``."""

    factors: tuple[Plain, Plain] | None = None
    """what it is the rounded product of, if a sum is to be rounded once with it"""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        if method != "__call__" or kwargs:
            raise UnknownOperationError(f"the replay does not know numpy.{ufunc.__name__}.{method} with {[*kwargs]}")
        if ufunc is np.sqrt:
            return replayed(_sqrt.get()(plain[0]))
        if ufunc not in ROUNDED_ALIKE and ufunc not in EXACT:
            raise UnknownOperationError(f"the replay does not know numpy.{ufunc.__name__}")
        factors = getattr(inputs[-1], "factors", None)
        if ufunc in (np.add, np.subtract) and factors is not None:
            a, b = factors
            return replayed(fma(-a if ufunc is np.subtract else a, b, np.asarray(plain[0], dtype=a.dtype)))
        value = ufunc(*plain)
        if value.dtype.kind != "f":
            return value
        result = replayed(np.asarray(value))
        if ufunc is np.multiply and isinstance(inputs[1], np.ndarray):
            a, b = (np.asarray(factor, dtype=result.dtype) for factor in plain)
            result.factors = a, b
            result.flags.writeable = False  # its factors would no longer be its own
        return result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in MOVING and func not in ASKING:
            raise UnknownOperationError(f"the replay does not know {func.__module__}.{func.__name__}")
        result = super().__array_function__(func, types, args, kwargs)
        # where, for one, gives a plain array
        return replayed(result) if isinstance(result, np.ndarray) and result.dtype.kind == "f" else result


def replayed(array: Plain) -> Replayed:
    """The array as one that rounds where torch does."""
    return array.view(Replayed)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Replayed) else value


@contextmanager
def replaying(sqrt: Callable[[Plain], Plain]) -> Iterator[None]:
    """Let replayed arrays take their roots from ``sqrt``."""
    token = _sqrt.set(sqrt)
    try:
        yield
    finally:
        _sqrt.reset(token)


def differing(actual: Plain, expected: Plain) -> int:
    """How many elements differ in any bit, NaN being NaN whatever its bits; all do in another shape or dtype."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return max(expected.size, 1)
    same = (actual == expected) & (np.signbit(actual) == np.signbit(expected))
    return int(np.count_nonzero(~(same | (np.isnan(actual) & np.isnan(expected)))))


# ----------------------------------------------------------------------------------------- one case at a time


def refusal(case: Case) -> str | None:
    """Why a case is not replayed, whatever the processor."""
    algorithm = case.config["algorithm"]
    if not getattr(optim, algorithm).elementwise:
        return f"{algorithm} adds up elements, in an order that is torch's own"
    return None


def replay(case: Case, run: Callable[[Case], Trace], sqrt: Callable[[Plain], Plain]) -> Trace:
    """A trace with torch's rounding; ``run`` is the reference's function for the case's family."""
    with replaying(sqrt), np.errstate(all="ignore"):
        trace = run(case.with_arrays(replayed))
    return {name: _plain(np.asanyarray(value)) for name, value in trace.items()}


# --------------------------------------------------------------------------------------- torch's operations

OPERATIONS: Mapping[str, Operation] = {
    "add(alpha)": lambda x, y, z, s: x + s * y,
    "add(-alpha)": lambda x, y, z, s: x - s * y,
    "mul": lambda x, y, z, s: x + y * s,
    "div": lambda x, y, z, s: x / s,
    "rdiv": lambda x, y, z, s: 1 / x * s,
    "addcmul": lambda x, y, z, s: x + s * y * z,
    "addcmul(-1)": lambda x, y, z, s: x - y * z,
    "addcdiv": lambda x, y, z, s: x + s * y / z,
    "lerp": lambda x, y, z, s: lerp(x, y, s),
    "sqrt_": lambda x, y, z, s: np.sqrt(np.abs(x)),
}
"""the reference's way to write each of torch's operations, by torch's name"""

SIZES = (*range(1, 41), 257)
"""vectors of 4 to 16 elements with what is left over, none of them, several of them"""
NUMBERS = (0.1, 0.9, 0.001, -3.0)


def unlike(operations: Mapping[str, Operation], sqrt: Callable[[Plain], Plain]) -> list[str]:
    """Which of torch's operations round otherwise here than a replayed array does.

    Args:
        operations: torch's own, on NumPy arrays, under the names of ``OPERATIONS``.
        sqrt: torch's root, which the replay uses.
    """
    rng = np.random.default_rng(0)
    found: dict[str, None] = {}
    for dtype in (np.float32, np.float64):
        for size in SIZES:
            x, y, z = rng.standard_normal((3, size)).astype(dtype)
            ours = replayed(x), replayed(y), replayed(z)
            number = NUMBERS[size % len(NUMBERS)]
            with replaying(sqrt), np.errstate(all="ignore"):
                for name, operation in OPERATIONS.items():
                    if differing(operation(*ours, number), operations[name](x, y, z, number)):
                        found[name] = None
    return list(found)
