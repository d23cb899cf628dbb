"""Clipping of several gradients together: by norm, of every kind, and by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Case, Level, cases_of

NORM = {"function": "clip_grad_norm", "max_norm": 1.0, "norm_type": 2.0, "error_if_nonfinite": False}
VALUE = {"function": "clip_grad_value", "clip_value": 0.5}


def _arrays(rng: np.random.Generator, scale: float = 1.0) -> dict[str, Array]:
    shapes: dict[str, tuple[int, ...]] = {"weight": (4, 3), "bias": (5,), "scalar": ()}
    return {f"grad.{name}": scale * np.asarray(rng.standard_normal(shape)) for name, shape in shapes.items()}


def _with(name: str, *values: float) -> Any:
    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = _arrays(rng)
        arrays[f"grad.{name}"].flat[: len(values)] = values
        return arrays

    return build


def cases() -> Iterator[Case]:
    """Norms of every order, gradients already short, zeros, what is not finite."""

    def clip(
        name: str, config: dict[str, Any], note: str, build: Any = _arrays, level: Level = "quick"
    ) -> Iterator[Case]:
        yield from cases_of("clip", name, config, build, note, level=level)

    for p in (2.0, 1.0, 3.0, 0.5, float("inf"), float("-inf"), 0.0, -1.0):
        config = NORM | {"norm_type": str(p) if np.isinf(p) else p, "max_norm": 0.5 if p != -np.inf else 1e-3}
        yield from clip(
            f"norm-{p:g}".replace("--", "-minus-"),
            config,
            f"the norm of order {p:g} over all gradients together",
            _with("bias", 0.0, 0.0) if p == 0 else _arrays,  # what is 0 is not counted
        )
    yield from clip("norm-below", NORM | {"max_norm": 100.0}, "already shorter: nothing is scaled, and never up")
    yield from clip(
        "norm-small", NORM, "tiny gradients stay as they are, whatever 1e-6 is to them", lambda rng: _arrays(rng, 1e-8)
    )
    yield from clip(
        "norm-next-to-epsilon",
        NORM | {"max_norm": 1e-7},
        "a norm as small as the 1e-6 in the divisor",
        lambda rng: _arrays(rng, 1e-6),
    )
    yield from clip("norm-zero", NORM, "zeros: 1e-6 keeps the divisor from 0", lambda rng: _arrays(rng, 0.0))
    yield from clip(
        "norm-infinite", NORM, "an infinite gradient makes all others 0 and itself NaN", _with("bias", np.inf)
    )
    yield from clip("norm-nan", NORM, "one NaN makes every gradient NaN", _with("weight", np.nan))
    yield from clip("value", VALUE, "every element on its own")
    yield from clip("value-below", VALUE | {"clip_value": 100.0}, "nothing reaches the limit")
    yield from clip(
        "value-special", VALUE, "infinities are clipped, NaN stays", _with("weight", np.inf, -np.inf, np.nan)
    )
