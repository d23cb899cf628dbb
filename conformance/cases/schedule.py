"""Learning-rate schedules over their whole course: every step's rate, and the momentum that two of them move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of

ONE_CYCLE: dict[str, Any] = {
    "schedule": "OneCycleLR", "max_lr": 0.7, "total_steps": 20, "epochs": None, "steps_per_epoch": None,
    "pct_start": 0.3, "anneal_strategy": "cos", "cycle_momentum": True, "base_momentum": 0.85, "max_momentum": 0.95,
    "div_factor": 25.0, "final_div_factor": 1e4, "three_phase": False,
}  # fmt: skip
CYCLIC: dict[str, Any] = {
    "schedule": "CyclicLR", "base_lr": 0.02, "max_lr": 0.3, "step_size_up": 4, "step_size_down": None,
    "mode": "triangular", "gamma": 1.0, "cycle_momentum": True, "base_momentum": 0.8, "max_momentum": 0.9,
}  # fmt: skip
PLATEAU: dict[str, Any] = {
    "schedule": "ReduceLROnPlateau", "mode": "min", "factor": 0.1, "patience": 2, "threshold": 1e-4,
    "threshold_mode": "rel", "cooldown": 0, "min_lr": 0, "eps": 1e-8,
}  # fmt: skip


def step_lr(step_size: int = 3, gamma: float = 0.1) -> dict[str, Any]:
    return {"schedule": "StepLR", "step_size": step_size, "gamma": gamma}


def constant(factor: float = 1.0 / 3, total_iters: int = 5) -> dict[str, Any]:
    return {"schedule": "ConstantLR", "factor": factor, "total_iters": total_iters}


def linear(start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5) -> dict[str, Any]:
    return {"schedule": "LinearLR", "start_factor": start_factor, "end_factor": end_factor, "total_iters": total_iters}


def exponential(gamma: float = 0.9) -> dict[str, Any]:
    return {"schedule": "ExponentialLR", "gamma": gamma}


def polynomial(total_iters: int = 5, power: float = 1.0) -> dict[str, Any]:
    return {"schedule": "PolynomialLR", "total_iters": total_iters, "power": power}


def cosine(T_max: int = 6, eta_min: float = 0.0) -> dict[str, Any]:
    return {"schedule": "CosineAnnealingLR", "T_max": T_max, "eta_min": eta_min}


def restarts(T_0: int = 4, T_mult: int = 1, eta_min: float = 0.0) -> dict[str, Any]:
    return {"schedule": "CosineAnnealingWarmRestarts", "T_0": T_0, "T_mult": T_mult, "eta_min": eta_min}


def swa(swa_lr: float = 0.02, anneal_epochs: int = 6, anneal_strategy: str = "cos") -> dict[str, Any]:
    return {
        "schedule": "SWALR", "swa_lr": swa_lr, "anneal_epochs": anneal_epochs, "anneal_strategy": anneal_strategy,
    }  # fmt: skip


def in_sequence(schedulers: list[dict[str, Any]], milestones: list[int], steps: int = 20) -> dict[str, Any]:
    return {"schedule": "SequentialLR", "schedulers": schedulers, "milestones": milestones, "steps": steps}


def at_once(*schedulers: dict[str, Any]) -> dict[str, Any]:
    return {"schedule": "ChainedScheduler", "schedulers": list(schedulers)}


CONFIGURATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("StepLR", step_lr(), "the rate falls at steps 3, 6, ..."),
    ("StepLR-gamma", step_lr(4, 0.5), "another factor and interval"),
    ("MultiStepLR", {"schedule": "MultiStepLR", "milestones": [7, 2, 7, 9], "gamma": 0.5}, "out of order, one twice"),
    ("ConstantLR", constant(), "torch's defaults"),
    ("ConstantLR-factor", constant(0.25, 3), "another factor, for three steps"),
    ("ConstantLR-total_iters", constant(0.25, 0), "no step that ends it: the factor stays"),
    ("LinearLR", linear(), "torch's defaults"),
    ("LinearLR-falling", linear(1.0, 0.2, 8), "downwards, and then constant"),
    ("LinearLR-total_iters", linear(0.4, 1.0, 0), "no steps to rise over: start_factor stays"),
    ("ExponentialLR", exponential(), "a power of the step"),
    ("PolynomialLR", polynomial(), "torch's defaults: a line down to 0"),
    ("PolynomialLR-power", polynomial(7, 2.5), "a power that is no whole number"),
    ("PolynomialLR-total_iters", polynomial(0, 2.0), "no steps to fall over: the rate stays"),
    ("CosineAnnealingLR", cosine() | {"steps": 11}, "past T_max the rate rises again"),
    ("CosineAnnealingLR-eta_min", cosine(5, 0.01) | {"steps": 9}, "down to a rate that is not 0"),
    ("CosineAnnealingWarmRestarts", restarts(), "restarts of equal length"),
    ("CosineAnnealingWarmRestarts-T_mult", restarts(2, 3, 0.01), "each restart three times as long"),
    ("CyclicLR", CYCLIC, "torch's defaults: triangles"),
    ("CyclicLR-down", CYCLIC | {"step_size_down": 3}, "down faster than up"),
    ("CyclicLR-triangular2", CYCLIC | {"mode": "triangular2", "step_size_up": 3}, "half as high each time"),
    ("CyclicLR-exp_range", CYCLIC | {"mode": "exp_range", "gamma": 0.9}, "lower with every step"),
    ("OneCycleLR", ONE_CYCLE, "torch's defaults"),
    ("OneCycleLR-linear", ONE_CYCLE | {"anneal_strategy": "linear", "pct_start": 0.45}, "lines"),
    ("OneCycleLR-between", ONE_CYCLE | {"pct_start": 0.33}, "the highest rate lies between two steps"),
    ("OneCycleLR-three_phase", ONE_CYCLE | {"three_phase": True}, "down as fast as up, then to the end"),
    ("OneCycleLR-epochs", ONE_CYCLE | {"total_steps": None, "epochs": 5, "steps_per_epoch": 4, "div_factor": 10.0,
                                       "final_div_factor": 100.0}, "steps as a product"),
    ("SWALR", swa(), "half a cosine down, and then constant"),
    ("SWALR-linear", swa(0.3, 7, "linear"), "a line, upwards"),
    ("SWALR-anneal_epochs", swa(0.02, 0), "no epochs to anneal over: the last rate at once"),
    ("SequentialLR", {"schedule": "SequentialLR", "schedulers": [linear(0.1, 1.0, 4), exponential(), cosine(5, 0.01)],
                      "milestones": [4, 9], "steps": 16}, "each counted from its own start"),
    ("SequentialLR-restarts", {"schedule": "SequentialLR", "schedulers": [linear(0.1, 1.0, 3), restarts(3, 2, 0.01),
                                                                         exponential(0.8)], "milestones": [3, 12]},
     "restarts counted from their own start too"),
    ("SequentialLR-SWALR", {"schedule": "SequentialLR", "schedulers": [exponential(0.8), swa(), step_lr()],
                            "milestones": [5, 14]}, "annealed from the rate that it finds"),
    ("ChainedScheduler", {"schedule": "ChainedScheduler", "schedulers": [constant(0.5, 4), exponential(), step_lr()]},
     "all factors at once"),
    ("SequentialLR-total_iters", in_sequence([exponential(), constant(0.25, 0)], [4]),
     "no steps of a factor: begun at a milestone, where torch has another formula, it leaves the rate"),
    ("SequentialLR-CyclicLR", in_sequence([exponential(), CYCLIC, cosine(12, 0.01)], [4, 13]),
     "triangles from their own milestone on; the others start from the optimizer's rate"),
    ("SequentialLR-CyclicLR-first", in_sequence([CYCLIC, exponential(), cosine(12, 0.01)], [6, 12]),
     "created first, it makes its base_lr everybody's first rate"),
    ("SequentialLR-OneCycleLR", in_sequence([linear(0.1, 1.0, 4), ONE_CYCLE | {"total_steps": 12}, exponential()],
                                            [4, 15]),
     "its first rate becomes that of the schedule before it too"),
    ("SequentialLR-OneCycleLR-late", in_sequence([cosine(3, 0.001), exponential(), ONE_CYCLE], [7, 10]),
     "a cosine from the rate that it finds, which rises by the one that it was created with"),
    ("SequentialLR-OneCycleLR-twice", in_sequence([ONE_CYCLE | {"total_steps": 9}, ONE_CYCLE | {
        "total_steps": 11, "max_lr": 0.2, "div_factor": 4.0, "final_div_factor": 50.0}], [9]),
     "the second one's rates are the first one's too"),
    ("SequentialLR-at-once", in_sequence([step_lr(), CYCLIC, exponential(0.8)], [0, 9]),
     "a milestone of 0: the first schedule has no step"),
    ("SequentialLR-ChainedScheduler", in_sequence([at_once(constant(0.5, 4), exponential(), linear(0.4, 1.0, 6)),
                                                   cosine(12, 0.01)], [10]),
     "a chain to begin with: it is a step ahead"),
    ("SequentialLR-ChainedScheduler-ratios", in_sequence([at_once(step_lr(), polynomial(8, 2.0), cosine(20, 0.01), {
        "schedule": "MultiStepLR", "milestones": [0, 3, 3], "gamma": 0.5}), exponential()], [7]),
     "the step too many, by other schedules"),
    ("ChainedScheduler-rising", at_once(linear(0.2, 0.9, 6), polynomial(7, 2.5)), "factors that follow the step"),
    ("ChainedScheduler-CosineAnnealingLR", at_once(cosine(6, 0.01), exponential()) | {"steps": 11},
     "a cosine of the rate that it finds, past its minimum"),
    ("ChainedScheduler-restarts", at_once(exponential(), restarts(4, 2, 0.01), step_lr(), constant(0.5, 6),
                                          linear(0.5, 1.0, 9)),
     "a schedule with a rate of its own: of those before it nothing is left, those after it count for a step"),
    ("ChainedScheduler-SWALR", at_once(swa(), exponential()), "annealed from the rate that it finds, step by step"),
    ("ChainedScheduler-CyclicLR", at_once(exponential(), CYCLIC, exponential(0.8)),
     "triangles in place of what is found; the very first rate is still the optimizer's"),
    ("ChainedScheduler-OneCycleLR", at_once(restarts(), ONE_CYCLE, exponential(), cosine(30, 0.01)),
     "what is created later starts from its first rate"),
    ("ChainedScheduler-SequentialLR", at_once(
        exponential(), in_sequence([linear(0.1, 1.0, 4), polynomial(9, 2.0), swa(0.02, 3)], [5, 12]), step_lr(5, 0.5)
    ), "sets the rate at step 0 and its milestones, and multiplies in between"),
    ("ChainedScheduler-ChainedScheduler", at_once(constant(0.5, 4), at_once(exponential(), cosine(30))),
     "a chain within a chain is a longer chain"),
    ("ReduceLROnPlateau", PLATEAU, "patience, and a metric that improves, stalls and improves by too little"),
    ("ReduceLROnPlateau-max", PLATEAU | {"mode": "max", "patience": 1}, "a metric that should rise"),
    ("ReduceLROnPlateau-rel", PLATEAU | {"threshold": 0.3, "patience": 1}, "three tenths of the best"),
    ("ReduceLROnPlateau-abs", PLATEAU | {"threshold_mode": "abs", "threshold": 0.25, "patience": 1}, "absolute"),
    ("ReduceLROnPlateau-max-abs", PLATEAU | {"mode": "max", "threshold_mode": "abs", "threshold": 0.25, "patience": 0},
     "absolute, rising"),
    ("ReduceLROnPlateau-max-rel", PLATEAU | {"mode": "max", "threshold": 0.3, "patience": 0},
     "rising, by three tenths of the best"),
    ("ReduceLROnPlateau-max-negative", PLATEAU | {"mode": "max", "patience": 0}, "what rises from far below 0"),
    ("ReduceLROnPlateau-tie", PLATEAU | {"threshold": 0.0, "patience": 0}, "equal to the best is no better"),
    ("ReduceLROnPlateau-min_lr-passed", PLATEAU | {"min_lr": 0.04, "patience": 0, "factor": 0.5},
     "a reduction that would go below ends there"),
    ("ReduceLROnPlateau-cooldown", PLATEAU | {"cooldown": 2, "patience": 1, "factor": 0.5}, "steps that do not count"),
    ("ReduceLROnPlateau-min_lr", PLATEAU | {"min_lr": 0.03, "patience": 0, "factor": 0.3}, "not below"),
    ("ReduceLROnPlateau-eps", PLATEAU | {"eps": 0.02, "patience": 0, "factor": 0.5}, "too small a reduction is none"),
]  # fmt: skip

RISING = {
    "ReduceLROnPlateau-max-rel": [
        *(1.0, 1.2, 1.5, 1.4, 2.1, 2.2, 1.9, 3.0, 2.9, 2.8),
        *(4.1, 4.0, 5.9, 5.0, 8.0, 7.0, 9.0, 9.5, 12.0, 13.0),
    ],
    "ReduceLROnPlateau-max-negative": [
        *(-9.0, -8.0, -8.5, -7.0, -7.0, -6.0, -5.0, -5.5, -4.0, -3.0),
        *(-3.5, -2.0, -1.0, -1.5, -0.5, -0.25, 0.5, 0.25, 1.0, 2.0),
    ],
}
METRICS = [5.0, 4.0, 4.0 - 1e-4, 4.0, 4.5, 3.0, 3.0, 3.0, 2.9, 3.5, 3.5, 3.5, 3.5, 3.5, 2.0, 2.1, 2.2, 1.9, 2.3, 2.4]


def cases() -> Iterator[Case]:
    """Rates are Python's floats whatever the parameters are: float64 only.

    torch reaches a rate from the one before it; a cosine loses digits on that way each time it passes its minimum,
    so that these cases end before the second.
    """
    for name, config, note in CONFIGURATIONS:

        def build(rng: np.random.Generator, name: str = name, config: dict[str, Any] = config) -> dict[str, Array]:
            arrays = {"lr": np.asarray(0.1)}
            metrics = {"metrics": np.array(RISING.get(name, METRICS))}
            return arrays | (metrics if config["schedule"] == "ReduceLROnPlateau" else {})

        full = {"steps": 20} | config
        yield from cases_of("schedule", name, full, build, note, level="quick", dtypes=("float64",))
    parts = [exponential(0.8), {"schedule": "MultiplicativeLR"}]
    unruly: list[tuple[str, dict[str, Any], str]] = [
        ("LambdaLR", {"schedule": "LambdaLR"}, "factors that follow no rule, one for every step"),
        ("MultiplicativeLR", {"schedule": "MultiplicativeLR"}, "factors that follow no rule, one for every step"),
        ("SequentialLR-MultiplicativeLR", {"schedule": "SequentialLR", "schedulers": parts, "milestones": [4]},
         "factors on the rate that is found, the one of step 0 too"),
        ("ChainedScheduler-LambdaLR", at_once(exponential(0.8), {"schedule": "LambdaLR"}, exponential()),
         "a rate of its own, and one factor: its powers do not add up"),
        ("ChainedScheduler-MultiplicativeLR", at_once({"schedule": "MultiplicativeLR"}, step_lr()), "factors at once"),
        ("SequentialLR-ChainedScheduler-MultiplicativeLR",
         in_sequence([at_once({"schedule": "MultiplicativeLR"}, constant(0.5, 3)), step_lr()], [7]),
         "in a chain to begin with the factor of step 0 counts"),
        ("ChainedScheduler-SequentialLR-MultiplicativeLR",
         at_once(in_sequence([exponential(0.8), {"schedule": "MultiplicativeLR"}], [4]), cosine(30)),
         "at its milestone it goes on from what the chain has made of the rate"),
    ]  # fmt: skip
    for name, config, note in unruly:
        yield from cases_of(
            "schedule",
            name,
            config | {"steps": 12},
            lambda rng: {"lr": np.asarray(0.1), "lr_lambda": rng.uniform(0.5, 1.2, 13)},
            note,
            level="quick",
            dtypes=("float64",),
        )
