"""Optimizers on given gradients, so that a difference is the algorithm's own.

A parameter's gradients have rows scaled 1, 1e-2, 1e-4, 1e-8 and a row of exact zeros: where gradients are near 1,
an epsilon in the wrong place cannot be seen. Gradients vary from step to step, and another parameter starts at 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from conformance.case import Array, Case, Level, cases_of

SCALES = np.array([1.0, 1e-2, 1e-4, 1e-8, 0.0])

DEFAULTS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False},
    "Adagrad": {
        "lr": 1e-2, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10, "maximize": False,
    },
    "RMSprop": {
        "lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False, "maximize": False,
    },
    "Adam": {
        "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False,
        "decoupled_weight_decay": False,
    },
    "AdamW": {
        "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False, "maximize": False,
    },
    "ASGD": {"lr": 1e-2, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0, "maximize": False},
    "Adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0, "maximize": False},
    "Rprop": {"lr": 1e-2, "etas": [0.5, 1.2], "step_sizes": [1e-6, 50], "maximize": False},
    "Adamax": {"lr": 2e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "maximize": False},
    "NAdam": {
        "lr": 2e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3,
        "decoupled_weight_decay": False, "maximize": False,
    },
    "RAdam": {
        "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "decoupled_weight_decay": False,
        "maximize": False,
    },
    "Adafactor": {
        "lr": 1e-2, "beta2_decay": -0.8, "eps": [None, 1e-3], "d": 1.0, "weight_decay": 0.0, "maximize": False,
    },
    "Muon": {
        "lr": 1e-3, "weight_decay": 0.1, "momentum": 0.95, "nesterov": True,
        "ns_coefficients": [3.4445, -4.7750, 2.0315], "eps": 1e-7, "ns_steps": 5, "adjust_lr_fn": None,
    },
}  # fmt: skip
"""torch's arguments and defaults; execution options (foreach, fused, ...) are not arguments of an algorithm"""

OPTIONS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "SGD": [
        ("lr", {"lr": 0.1}),
        ("momentum", {"momentum": 0.9}),
        ("dampening", {"momentum": 0.9, "dampening": 0.3}),
        ("nesterov", {"momentum": 0.9, "nesterov": True}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("weight_decay-momentum", {"weight_decay": 0.1, "momentum": 0.9}),
        ("weight_decay-nesterov", {"weight_decay": 0.1, "momentum": 0.8, "nesterov": True}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay-momentum", {"maximize": True, "weight_decay": 0.1, "momentum": 0.9}),
    ],
    "Adagrad": [
        ("lr", {"lr": 0.1}),
        ("lr_decay", {"lr_decay": 0.1}),
        ("eps", {"eps": 1e-3}),
        ("initial_accumulator_value", {"initial_accumulator_value": 0.1}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "RMSprop": [
        ("lr", {"lr": 0.1}),
        ("alpha", {"alpha": 0.9}),
        ("eps", {"eps": 1e-3}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("momentum", {"momentum": 0.9}),
        ("centered", {"centered": True}),
        ("centered-momentum", {"centered": True, "momentum": 0.9}),
        ("weight_decay-momentum", {"weight_decay": 0.1, "momentum": 0.9}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "Adam": [
        ("lr", {"lr": 0.1}),
        ("betas", {"betas": [0.8, 0.95]}),
        ("eps", {"eps": 1e-3}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("decoupled_weight_decay", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
        ("amsgrad", {"amsgrad": True}),
        ("amsgrad-lr", {"amsgrad": True, "lr": 0.1, "betas": [0.9, 0.9]}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "AdamW": [
        ("lr", {"lr": 0.1}),
        ("betas", {"betas": [0.8, 0.95]}),
        ("eps", {"eps": 1e-3}),
        ("no-weight_decay", {"weight_decay": 0.0}),
        ("weight_decay", {"weight_decay": 0.1, "lr": 0.1}),
        ("amsgrad", {"amsgrad": True, "lr": 0.1, "betas": [0.9, 0.9]}),
        ("maximize", {"maximize": True}),
    ],
    "ASGD": [
        ("lr", {"lr": 0.1}),
        ("lambd", {"lambd": 0.1}),
        ("alpha", {"lambd": 1.0, "lr": 0.1, "alpha": 0.3}),
        ("t0", {"t0": 3}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay-lambd", {"maximize": True, "weight_decay": 0.1, "lambd": 0.1, "t0": 1}),
    ],
    "Adadelta": [
        ("lr", {"lr": 0.1}),
        ("rho", {"rho": 0.5}),
        ("eps", {"eps": 1e-3}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "Rprop": [
        ("lr", {"lr": 0.1}),
        ("etas", {"etas": [0.3, 1.7]}),
        ("step_sizes", {"step_sizes": [4e-3, 3e-2]}),
        ("maximize", {"maximize": True}),
        ("maximize-etas-step_sizes", {"maximize": True, "etas": [0.3, 1.7], "step_sizes": [1e-3, 5e-2]}),
    ],
    "Adamax": [
        ("lr", {"lr": 0.1}),
        ("betas", {"betas": [0.8, 0.95]}),
        ("eps", {"eps": 1e-3}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "NAdam": [
        ("lr", {"lr": 0.1}),
        ("betas", {"betas": [0.8, 0.95]}),
        ("eps", {"eps": 1e-3}),
        ("momentum_decay", {"momentum_decay": 0.5}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("decoupled_weight_decay", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "RAdam": [
        ("lr", {"lr": 0.1}),
        ("betas", {"betas": [0.8, 0.95]}),
        ("eps", {"eps": 1e-3}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("decoupled_weight_decay", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay", {"maximize": True, "weight_decay": 0.1}),
    ],
    "Adafactor": [
        ("lr", {"lr": 0.9}),
        ("beta2_decay", {"beta2_decay": -0.3}),
        ("eps", {"eps": [1e-3, 3.0]}),
        ("d", {"d": 1.2}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("maximize", {"maximize": True}),
        ("maximize-weight_decay-lr", {"maximize": True, "weight_decay": 0.1, "lr": 0.9}),
    ],
    "Muon": [
        ("lr", {"lr": 0.1}),
        ("weight_decay", {"weight_decay": 0.5, "lr": 0.1}),
        ("momentum", {"momentum": 0.5}),
        ("nesterov", {"nesterov": False}),
        ("ns_coefficients", {"ns_coefficients": [2.0, -1.5, 0.5]}),
        ("eps", {"eps": 10.0}),
        ("ns_steps", {"ns_steps": 1}),
        ("adjust_lr_fn", {"adjust_lr_fn": "match_rms_adamw"}),
        ("adjust_lr_fn-lr", {"adjust_lr_fn": "match_rms_adamw", "lr": 0.1}),
    ],
}


STEPS = {"Adadelta": 7, "Rprop": 8, "Adamax": 7, "NAdam": 7, "Adafactor": 7, "Muon": 5}
"""of an option's case; ten where a branch comes late (RAdam's sixth step, ASGD's t0) or nothing else is said"""


def arrays_of(
    rng: np.random.Generator,
    steps: int,
    *,
    rates: Mapping[int, float] | None = None,
    without: Mapping[str, tuple[int, ...]] | None = None,
    scale: float = 1.0,
    scales: Array = SCALES,
    bias: tuple[int, ...] = (4,),
) -> dict[str, Array]:
    """Two parameters and their gradients: a matrix with a row per scale, and a vector that starts at 0.

    ``rates`` changes the learning rate from a step on; ``without`` names the steps in which a parameter has no
    gradient; ``bias`` is the shape of the second parameter where it may not be a vector.
    """
    arrays = {"param.weight": rng.standard_normal((len(scales), 3)), "param.bias": np.zeros(bias)}
    drift = {name.removeprefix("param."): rng.standard_normal(value.shape) for name, value in arrays.items()}
    rate = None
    for k in range(1, steps + 1):
        for name, mean in drift.items():
            gradient = scale * (mean + rng.standard_normal(mean.shape))
            if k not in (without or {}).get(name, ()):
                arrays[f"step{k}.grad.{name}"] = gradient * scales[:, None] if name == "weight" else gradient
        rate = (rates or {}).get(k, rate)
        if rate is not None:
            arrays[f"step{k}.lr"] = np.asarray(rate)
    return arrays


def random_config(draw: np.random.Generator, algorithm: str, probability: float) -> dict[str, Any]:
    """An algorithm with any of its options, each with a probability."""
    options: dict[str, Any] = {}
    for _, chosen in OPTIONS[algorithm]:
        if draw.random() < probability:
            options |= chosen
    if options.get("nesterov"):
        options |= {"dampening": 0, "momentum": 0.9}
    config = {"algorithm": algorithm} | DEFAULTS[algorithm] | options
    # a variance that cancels is sigma's to judge: with torch's eps a case would only be skipped
    return config | {"eps": 1e-3} if config.get("centered") else config


def shapes_of(algorithm: str) -> dict[str, Any]:
    """What ``arrays_of`` takes for an algorithm whose parameters cannot be the usual ones."""
    # matrices only; in bfloat16 rows of very different size leave nothing but rounding of the small ones
    return {"scales": np.ones(5), "bias": (2, 4)} if algorithm == "Muon" else {}


def cases() -> Iterator[Case]:
    for algorithm, defaults in DEFAULTS.items():
        full = {"algorithm": algorithm} | defaults
        yield from _case(full, "defaults", {}, "torch's defaults", steps=10, level="quick")
        steps = STEPS.get(algorithm, 10)
        for name, options in OPTIONS[algorithm]:
            # a quick run sees maximize together with what it could be confused with, where there is such a case
            again = any(other.startswith(f"{name}-") for other, _ in OPTIONS[algorithm])
            level: Level = "standard" if name == "maximize" and again else "quick"
            yield from _case(full, name, options, f"what {name} changes", steps=steps, level=level)
        largest = OPTIONS[algorithm][-1][1]
        yield from _case(
            full, "one-step", {}, "the first step alone: what the state starts from", steps=1, level="quick"
        )
        yield from _case(
            full,
            "changing-lr",
            {"momentum": 0.9} if "momentum" in defaults else {},
            "the rate changes in mid-run: a rate inside the velocity or the state differs from one outside",
            steps=8,
            level="quick",
            rates={1: 0.1, 4: 0.01, 6: 0.05},
        )
        yield from _case(
            full,
            "missing-gradients",
            {"momentum": 0.9} if "momentum" in defaults else {},
            "steps without a gradient leave a parameter and its state alone, its step count too",
            steps=6,
            level="quick",
            without={"bias": (1, 4), "weight": (3,)},
        )
        yield from _case(full, "small-gradients", {}, "all gradients 1e-4 of the usual", steps=10, scale=1e-4)
        if algorithm == "Adafactor":
            note = "squares as small as the machine epsilon, which is its epsilon, and no clipping to hide it"
            yield from _case(
                full, "tiny-gradients", {"d": 1e3}, note, steps=6, level="quick", scale=1e-9, scales=np.ones(5)
            )
        yield from _case(full, "large-gradients", {}, "all gradients 1e4 times the usual", steps=10, scale=1e4)
        yield from _case(full, "long", largest, "thirty steps: decays and corrections far from their start", steps=30)


def _case(
    full: Mapping[str, Any],
    name: str,
    options: Mapping[str, Any],
    note: str,
    *,
    steps: int,
    level: Level = "standard",
    **arrays: Any,
) -> Iterator[Case]:
    arrays |= shapes_of(full["algorithm"])
    yield from cases_of(
        "optimizer",
        f"{full['algorithm']}-{name}",
        {**full, **options},
        lambda rng: arrays_of(rng, steps, **arrays),
        note,
        level=level,
    )
