"""Runs that change sides: torch makes the first steps and the reference goes on, or the other way round.

What goes over are the parameters and torch's ``state_dict``, nothing else: the side that goes on starts with an
optimizer of torch's defaults, so that options and rates have to come from what was saved. The expectation is torch's
own run. ``config["first"]`` names the side that makes the steps up to ``config["switch_after"]``; where it is torch,
the trace begins with what has arrived.

Numbered through the groups, the parameters come in another order than in the case, and one of them has its first
gradient, with that its first state, after the switch. Rates change before it and once more after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases import optimizer_closure, optimizer_groups, optimizer_sparse
from conformance.cases.optimizer import DEFAULTS, SCALES

DIRECTIONS = {
    "reference": ("torch", "the reference goes on with what torch has saved"),
    "torch": ("reference", "torch goes on with what the reference has saved"),
}
"""who goes on, after whom, in words"""

STEPS, SWITCH_AFTER = 6, 3
SHAPE = (5, 3)
"""of all parameters: a state that goes to the wrong one fits"""
NAMES = ("shift", "weight", "bias")
GROUPS = (["weight"], ["bias", "shift"])
RATES = {2: [0.05, 0.02], 5: [0.01, 0.1]}
WITHOUT = {"shift": (1,), "bias": (1, 2, 3, 4)}
"""the steps in which a parameter has no gradient"""

QUICK = ("Adam", "NAdam", "SparseAdam", "LBFGS")
"""a state with an entry that only an option asks for, scalars that change their dtype, Python's numbers, lists"""

LOADED_OTHERWISE = ("ASGD", "NAdam")
"""their float32 scalars have the parameters' dtype once they were saved and loaded: that is what the others go on with,
and the expectation too"""
RELOADED = "; torch's own run is loaded there too, which makes scalars of float32 the parameters' dtype"


def _arrays(rng: np.random.Generator, scales: Array) -> dict[str, Array]:
    arrays: dict[str, Array] = {f"param.{name}": rng.standard_normal(SHAPE) for name in NAMES}
    mean = {name: rng.standard_normal(SHAPE) for name in NAMES}
    for k in range(1, STEPS + 1):
        for name in NAMES:
            gradient = mean[name] + rng.standard_normal(SHAPE)
            if k not in WITHOUT.get(name, ()):
                arrays[f"step{k}.grad.{name}"] = gradient * scales[:, None] if name == "weight" else gradient
        if k in RATES:
            arrays[f"step{k}.lr"] = np.array(RATES[k])
    return arrays


def _sparse_arrays(rng: np.random.Generator) -> dict[str, Array]:
    rates = {f"step{k}.lr": np.array(rate) for k, rate in ((2, 0.05), (5, 0.2))}
    return optimizer_sparse.arrays_of(rng, STEPS) | rates


def _closure_arrays(rng: np.random.Generator) -> dict[str, Array]:
    return optimizer_closure.arrays_of(rng) | {"step2.lr": np.array(0.3), "step4.lr": np.array(0.1)}


def cases() -> Iterator[Case]:
    """Every algorithm in both directions."""
    for name, config, build in _table():
        for then, (first, note) in DIRECTIONS.items():
            reloaded = RELOADED if config["algorithm"] in LOADED_OTHERWISE else ""
            yield from cases_of(
                "optimizer_switched",
                f"{name}-to-{then}",
                config | {"first": first},
                build,
                note + reloaded,
                level="quick" if config["algorithm"] in QUICK else "standard",
            )


def _table() -> Iterator[tuple[str, dict[str, Any], Build]]:
    for algorithm, (constructor, *own) in optimizer_groups.OPTIONS.items():
        groups = [{"params": names} | options for names, options in zip(GROUPS, own, strict=True)]
        config = {"algorithm": algorithm} | DEFAULTS[algorithm] | constructor
        scales = SCALES
        if algorithm == "Muon":
            # rows of very different size leave nothing but rounding of the small ones in bfloat16
            config["ns_steps"], scales = 2, np.ones(5)
        yield algorithm, config | {"groups": groups, "switch_after": SWITCH_AFTER}, partial(_arrays, scales=scales)

    options = {"lr": 0.1, "betas": [0.8, 0.95], "eps": 1e-3, "maximize": True}
    yield "SparseAdam", {"algorithm": "SparseAdam"} | options | {"switch_after": SWITCH_AFTER}, _sparse_arrays

    searches: list[tuple[str, dict[str, Any]]] = [
        ("LBFGS", {"lr": 0.2, "max_iter": 2, "history_size": 3}),
        ("LBFGS-line_search_fn", {"lr": 0.2, "max_iter": 2, "line_search_fn": "strong_wolfe"}),
    ]
    for name, changed in searches:
        config = {"algorithm": "LBFGS", "objective": "quadratic", "steps": 4} | optimizer_closure.DEFAULTS | changed
        yield name, config | {"switch_after": 2}, _closure_arrays
