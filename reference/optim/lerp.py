"""Linear interpolation, which is how torch writes an exponential average."""

from __future__ import annotations

from reference.checks import Array


def lerp(start: Array, end: Array, weight: float) -> Array:
    """``start + weight * (end - start)``, as ``torch.lerp``: with the weight 1 - beta, beta m + (1 - beta) g.

    A weight of a half or more counts from the other side, so that a weight of 1 gives ``end`` itself. Shapes and
    dtypes as those of the arrays; torch rounds the weight to their dtype before it takes it from 1.
    """
    rounded = float(start.dtype.type(weight))
    if abs(rounded) < 0.5:
        return start + rounded * (end - start)
    return end - (1 - rounded) * (end - start)
