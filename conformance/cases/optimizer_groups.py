"""Groups of parameters with options of their own: what a group does not give is the constructor's.

``config["groups"]`` lists for each group the names of its parameters and its own options, everything else in ``config``
is the constructor's; ``step<k>.lr`` has a rate for each group.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of
from conformance.cases.optimizer import DEFAULTS, SCALES

OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "SGD": (
        {"lr": 0.1, "momentum": 0.9},
        {"momentum": 0.5, "nesterov": True},
        {"lr": 0.02, "weight_decay": 0.1},
    ),
    "Adagrad": ({"lr": 0.1}, {"lr_decay": 0.2}, {"lr": 0.02, "weight_decay": 0.1}),
    "RMSprop": ({"alpha": 0.9}, {"centered": True, "eps": 1e-3}, {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}),
    "Adam": ({"betas": [0.8, 0.95]}, {"amsgrad": True, "lr": 0.1}, {"weight_decay": 0.1, "eps": 1e-3}),
    "AdamW": ({"lr": 0.1}, {"weight_decay": 0.0}, {"lr": 0.02, "weight_decay": 0.3}),
    "ASGD": ({"lr": 0.1, "lambd": 0.1}, {"t0": 1, "lambd": 0.5}, {"lr": 0.05, "weight_decay": 0.1, "alpha": 0.3}),
    "Adadelta": ({"rho": 0.5}, {"eps": 1e-3}, {"lr": 0.1, "weight_decay": 0.1}),
    "Rprop": ({"lr": 0.1}, {"etas": [0.3, 1.7]}, {"lr": 0.02, "step_sizes": [4e-3, 3e-2]}),
    "Adamax": ({"lr": 0.1}, {"betas": [0.8, 0.95]}, {"lr": 0.02, "weight_decay": 0.1}),
    "NAdam": (
        {"lr": 0.1},
        {"momentum_decay": 0.5},
        {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "RAdam": (
        {"lr": 0.1},
        {"betas": [0.5, 0.7]},
        {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "Adafactor": ({"lr": 0.9}, {"d": 1.2}, {"weight_decay": 0.1, "beta2_decay": -0.3}),
    "Muon": ({"lr": 0.1}, {"momentum": 0.5}, {"lr": 0.02, "nesterov": False}),
}
"""the constructor's options, the first group's and the second's; a third group has none of its own"""

STEPS = 6
RATES = {1: [0.1, 0.01, 0.2], 3: [0.1, 0.3, 0.2], 5: [0.05, 0.3, 0.02]}
"""of each group, from a step on: first one group's changes, then the two others'"""
WITHOUT = {"weight": (3,), "bias": (1, 4), "shift": (2, 5, 6)}
"""the steps in which a parameter has no gradient: in the middle, at the start, at the end"""


def _arrays(rng: np.random.Generator, algorithm: str, rates: bool = False, missing: bool = False) -> dict[str, Array]:
    """Two parameters in the first group, one in each other; one is empty where an algorithm can have that."""
    shapes: dict[str, tuple[int, ...]] = {"weight": (5, 3), "bias": (4,), "shift": (3,), "empty": (0, 3)}
    if algorithm == "Adafactor":
        del shapes["empty"]  # it divides by the number of elements
    if algorithm == "Muon":
        shapes = {"weight": (5, 3), "bias": (2, 4), "shift": (3, 2)}
    arrays: dict[str, Array] = {f"param.{name}": rng.standard_normal(shape) for name, shape in shapes.items()}
    scales = np.ones(5) if algorithm == "Muon" else SCALES
    mean = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    for k in range(1, STEPS + 1):
        for name, shape in shapes.items():
            gradient = mean[name] + rng.standard_normal(shape)
            if not missing or k not in WITHOUT.get(name, ()):
                arrays[f"step{k}.grad.{name}"] = gradient * scales[:, None] if name == "weight" else gradient
        if rates:
            arrays[f"step{k}.lr"] = np.array(RATES[max(start for start in RATES if start <= k)])
    return arrays


def cases() -> Iterator[Case]:
    """Options of each group, rates that change group by group, gradients that are missing."""
    variants: list[tuple[str, dict[str, Any], str]] = [
        ("options", {}, "each group has options of its own, the third the constructor's"),
        ("changing-lr", {"rates": True}, "rates change in mid-run, not in all groups at once"),
        ("missing-gradients", {"missing": True}, "without a gradient no option of its group reaches a parameter"),
    ]
    for algorithm, (constructor, first, second) in OPTIONS.items():
        names: list[list[str]] = [["weight"], ["bias"], ["shift"]]
        if algorithm not in ("Adafactor", "Muon"):
            names[0].append("empty")
        options: list[dict[str, Any]] = [first, second, {}]
        groups = [{"params": members} | own for members, own in zip(names, options, strict=True)]
        config = {"algorithm": algorithm} | DEFAULTS[algorithm] | constructor | {"groups": groups}
        for name, arrays, note in variants:
            yield from cases_of(
                "optimizer_groups",
                f"{algorithm}-{name}",
                config,
                partial(_arrays, algorithm=algorithm, **arrays),
                note,
                level="quick" if name == "options" or algorithm in ("SGD", "Adam") else "standard",
            )
