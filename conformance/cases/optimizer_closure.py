"""LBFGS on functions with a closure: the number of its calls counts as much as where it arrives.

With z all parameters as one vector, each flattened, in the case's order, the functions are

    quadratic     z A z / 2 - b z,   A = ``matrix``, b = ``vector``
    rosenbrock    sum of 100 (z_{i+1} - z_i^2)^2 + (1 - z_i)^2

Few iterations: what a line search decides magnifies rounding from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of

DEFAULTS: dict[str, Any] = {
    "lr": 1, "max_iter": 20, "max_eval": None, "tolerance_grad": 1e-7, "tolerance_change": 1e-9, "history_size": 100,
    "line_search_fn": None,
}  # fmt: skip


def arrays_of(rng: np.random.Generator, *, scale: float = 1.0) -> dict[str, Array]:
    """Two parameters, and a quadratic function whose values and gradients are ``scale`` times the usual."""
    arrays = {"param.weight": rng.standard_normal((2, 2)), "param.bias": rng.standard_normal(1)}
    factor = rng.standard_normal((5, 5))
    return arrays | {
        "matrix": scale * (factor @ factor.T / 5 + np.eye(5)),
        "vector": scale * rng.standard_normal(5),
    }


def cases() -> Iterator[Case]:
    """Both functions, with and without line search, every option."""
    wolfe = {"line_search_fn": "strong_wolfe", "max_eval": 25}
    table: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("quadratic", "quadratic", {"max_iter": 4, "lr": 0.2}, 2, "fixed steps"),
        ("quadratic-line_search_fn", "quadratic", wolfe | {"max_iter": 3}, 2, "strong Wolfe conditions"),
        ("quadratic-history_size", "quadratic", {"history_size": 2, "max_iter": 4, "lr": 0.2}, 2, "two pairs kept"),
        ("quadratic-max_eval", "quadratic", wolfe | {"max_eval": 3, "max_iter": 3}, 2, "a search cut short"),
        ("quadratic-max_iter", "quadratic", {"max_iter": 1, "lr": 0.2}, 4, "one iteration a step"),
        ("quadratic-tolerance_grad", "quadratic", {"tolerance_grad": 1e3}, 1, "good enough already: nothing moves"),
        ("quadratic-tolerance_change", "quadratic", {"tolerance_change": 0.3, "max_iter": 6, "lr": 0.2}, 2,
         "ends where it moves too little"),
        ("rosenbrock-line_search_fn", "rosenbrock", wolfe | {"max_iter": 2}, 2, "a valley"),
        ("rosenbrock-lr", "rosenbrock", wolfe | {"lr": 0.01, "max_iter": 2}, 2, "a bracket that has to grow first"),
        ("rosenbrock-zoom", "rosenbrock", wolfe | {"lr": 50.0, "max_iter": 2}, 2, "a bracket that has to shrink"),
        ("rosenbrock-fixed", "rosenbrock", {"lr": 0.01, "max_iter": 3}, 2, "fixed steps"),
    ]  # fmt: skip
    for name, objective, options, steps, note in table:
        config = {"algorithm": "LBFGS", "objective": objective, "steps": steps} | DEFAULTS | options
        yield from cases_of("optimizer_closure", f"LBFGS-{name}", config, arrays_of, note, level="quick")
