"""Optimizers on given gradients of a few rows: repeated rows, rows that come late, steps without any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases import optimizer

DEFAULTS: dict[str, Any] = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "maximize": False}

ROWS: tuple[tuple[int, ...], ...] = ((0, 2, 1), (4, 0), (2, 2, 0, 5, 2), (3, 1), (), (5, 0, 5), (1, 2, 3, 4))
"""of each step: out of order, repeated, none at all; row 3 comes late and row 6 never"""
SCALES = np.array([1.0, 1e-2, 1e-4, 1e-8, 1.0, 1e-4, 1.0])


def arrays_of(
    rng: np.random.Generator,
    steps: int = len(ROWS),
    *,
    rates: Mapping[int, float] | None = None,
    scale: float = 1.0,
) -> dict[str, Array]:
    """A parameter of seven rows, and the gradients of those that each step has; after seven steps from the start."""
    arrays: dict[str, Array] = {"param.embedding": rng.standard_normal((7, 3))}
    mean = rng.standard_normal((7, 3))
    for k in range(1, steps + 1):
        rows = ROWS[(k - 1) % len(ROWS)]
        chosen = np.array(rows, dtype=np.int64)
        values = mean[chosen] + rng.standard_normal((len(rows), 3))
        arrays[f"step{k}.grad.embedding.rows"] = chosen
        arrays[f"step{k}.grad.embedding.values"] = scale * values * SCALES[chosen, None]
        if k in (rates or {}):
            rate = (rates or {})[k]
        if rates:
            arrays[f"step{k}.lr"] = np.asarray(rate)
    return arrays


OPTIONS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "SparseAdam": [
        ("lr", {"lr": 0.1}),
        ("betas", {"betas": [0.8, 0.95]}),
        ("betas-small", {"betas": [0.1, 0.0]}),
        ("eps", {"eps": 1e-3}),
        ("maximize", {"maximize": True}),
    ],
    "SGD": [
        ("lr", {"lr": 0.1}),
        ("momentum", {"momentum": 0.9}),
        ("dampening", {"momentum": 0.9, "dampening": 0.3}),
        ("nesterov", {"momentum": 0.9, "nesterov": True}),
        ("maximize", {"maximize": True}),
    ],
    "Adagrad": [
        ("lr", {"lr": 0.1}),
        ("lr_decay", {"lr_decay": 0.1}),
        ("eps", {"eps": 1e-3}),
        ("initial_accumulator_value", {"initial_accumulator_value": 0.1}),
        ("maximize", {"maximize": True}),
    ],
}


def cases() -> Iterator[Case]:
    """Every option but weight decay, which torch refuses here; a changing rate, small gradients."""
    rows = "rows repeated, late, never, and a step without rows"
    for algorithm, options in OPTIONS.items():
        full = {"algorithm": algorithm} | (DEFAULTS if algorithm == "SparseAdam" else optimizer.DEFAULTS[algorithm])
        moving = {"momentum": 0.9} if algorithm == "SGD" else {}
        table: list[tuple[str, dict[str, Any], Build, str]] = [
            ("defaults", {}, arrays_of, rows),
            *((name, changed, arrays_of, rows) for name, changed in options),
            ("changing-lr", moving, partial(arrays_of, rates={1: 0.1, 4: 0.01}), "the rate changes in mid-run"),
        ]
        for name, changed, build, note in table:
            config = full | changed
            yield from cases_of("optimizer_sparse", f"{algorithm}-{name}", config, build, note, level="quick")
        small = partial(arrays_of, scale=1e-4)
        note = "all gradients 1e-4 of the usual"
        yield from cases_of("optimizer_sparse", f"{algorithm}-small-gradients", full | moving, small, note)
