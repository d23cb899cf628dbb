"""Learning-rate schedules against torch.optim.lr_scheduler."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import schedules
from tests.reference.against_torch import assert_refused, assert_same_refusal

LR = 0.3
SCHEDULES: dict[str, list[dict[str, Any]]] = {
    "LambdaLR": [{"lr_lambda": lambda t: 0.9**t + 0.1 * t}],
    "MultiplicativeLR": [{"lr_lambda": lambda t: 1 - 0.05 * (t % 3)}],
    "StepLR": [{"step_size": 4}, {"step_size": 1, "gamma": 0.7}],
    "MultiStepLR": [{"milestones": [3, 11, 3]}, {"milestones": [], "gamma": 0.5}],
    "ConstantLR": [{}, {"factor": 0.7, "total_iters": 9}, {"factor": 1.0}, {"total_iters": 0}],
    "LinearLR": [
        {},
        {"start_factor": 0.9, "end_factor": 0.2, "total_iters": 12},
        {"end_factor": 0.0},
        {"total_iters": 0},
    ],
    "ExponentialLR": [{"gamma": 0.8}, {"gamma": 1.1}],
    "PolynomialLR": [{}, {"total_iters": 13, "power": 0.5}, {"total_iters": 0}],
    "CosineAnnealingLR": [{"T_max": 20}, {"T_max": 7, "eta_min": 0.1}],
    "CosineAnnealingWarmRestarts": [{"T_0": 5}, {"T_0": 1, "T_mult": 2, "eta_min": 0.1}, {"T_0": 3, "T_mult": 3}],
    "SWALR": [
        {"swa_lr": 0.05, "anneal_epochs": 6},
        {"swa_lr": 0.4, "anneal_epochs": 7, "anneal_strategy": "linear"},
        {"swa_lr": 0.05},
        {"swa_lr": 0.05, "anneal_epochs": 0},
        {"swa_lr": 0.05, "anneal_epochs": 1},
    ],
    "CyclicLR": [
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "step_size_down": 5, "mode": "triangular2"},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range", "gamma": 0.95, "max_momentum": 0.99},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "scale_fn": lambda x: 1 / x, "scale_mode": "cycle"},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "scale_fn": lambda x: 0.9**x, "scale_mode": "iterations"},
    ],
    "OneCycleLR": [
        {"max_lr": 1.0, "total_steps": 21},
        {"max_lr": 1.0, "epochs": 7, "steps_per_epoch": 3, "anneal_strategy": "linear", "pct_start": 0.5},
        {"max_lr": 1.0, "total_steps": 30, "three_phase": True, "div_factor": 5.0, "base_momentum": 0.5},
        {"max_lr": 1.0, "total_steps": 25, "three_phase": True, "anneal_strategy": "linear", "pct_start": 0.2},
    ],
}
PAIRS = [(name, options) for name, variants in SCHEDULES.items() for options in variants]
STEPS = 20


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR, momentum=0.9)


def torch_rates(sgd: torch.optim.Optimizer, scheduler: Any, steps: int = STEPS) -> tuple[list[float], list[float]]:
    rates, momenta = [], []
    for _ in range(steps + 1):
        rates.append(sgd.param_groups[0]["lr"])
        momenta.append(sgd.param_groups[0]["momentum"])
        sgd.step()
        scheduler.step()
    return rates, momenta


def torchs(name: str) -> Any:
    return torch.optim.swa_utils.SWALR if name == "SWALR" else getattr(torch.optim.lr_scheduler, name)


@pytest.mark.parametrize(("name", "options"), PAIRS)
def test_rates_are_those_of_torch(name: str, options: dict[str, Any]) -> None:
    sgd = optimizer()
    rates, momenta = torch_rates(sgd, torchs(name)(sgd, **options))
    schedule = getattr(schedules, name)(**options)
    np.testing.assert_allclose([schedule.rate(LR, t) for t in range(STEPS + 1)], rates, rtol=1e-12, atol=1e-15)
    if name in ("CyclicLR", "OneCycleLR"):
        np.testing.assert_allclose([schedule.momentum(t) for t in range(STEPS + 1)], momenta, rtol=1e-12)


def both(name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    return getattr(schedules, name)(**options), lambda sgd: torchs(name)(sgd, **options)


@pytest.mark.parametrize("milestones", [[5, 12], [1, 2], [20, 21]])
def test_schedules_after_one_another(milestones: list[int]) -> None:
    rng = np.random.default_rng(milestones[0])
    for _ in range(40):
        chosen = [both(name, SCHEDULES[name][0]) for name in rng.choice([*SCHEDULES], 3)]
        sgd = optimizer()
        scheduler = torch.optim.lr_scheduler.SequentialLR(sgd, [make(sgd) for _, make in chosen], milestones)
        rates, _ = torch_rates(sgd, scheduler)
        schedule = schedules.SequentialLR([ours for ours, _ in chosen], milestones)
        ours = [schedule.rate(LR, t) for t in range(STEPS + 1)]
        np.testing.assert_allclose(ours, rates, rtol=1e-12, atol=1e-15, err_msg=str(schedule))


def test_schedules_at_once() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        chosen = [both(name, SCHEDULES[name][0]) for name in rng.choice([*SCHEDULES], 3)]
        sgd = optimizer()
        rates, _ = torch_rates(sgd, torch.optim.lr_scheduler.ChainedScheduler([make(sgd) for _, make in chosen], sgd))
        schedule = schedules.ChainedScheduler([ours for ours, _ in chosen])
        ours = [schedule.rate(LR, t) for t in range(STEPS + 1)]
        np.testing.assert_allclose(ours, rates, rtol=1e-9, atol=1e-12, err_msg=str(schedule))


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        # torch divides by PolynomialLR's total_iters there
        *(pair for pair in PAIRS if pair[0] != "OneCycleLR" and pair != ("PolynomialLR", {"total_iters": 0})),
        ("CosineAnnealingLR", {"T_max": 2, "eta_min": 0.05}),
        ("CosineAnnealingLR", {"T_max": 3}),
        ("StepLR", {"step_size": 2, "gamma": 0.0}),
        ("MultiStepLR", {"milestones": [0, 2, 2], "gamma": 0.5}),
        ("PolynomialLR", {"total_iters": 3, "power": 2.0}),
    ],
)
def test_a_schedule_behind_another_and_in_a_chain_that_begins_a_sequence(name: str, options: dict[str, Any]) -> None:
    own, theirs = both(name, options)
    before, theirs_before = both("LambdaLR", {"lr_lambda": lambda t: 1 + 0.1 * (t % 4)})
    compositions: list[tuple[Any, Any]] = [
        (
            schedules.ChainedScheduler([before, own]),
            lambda sgd: torchs("ChainedScheduler")([theirs_before(sgd), theirs(sgd)]),
        )
    ]
    if name not in ("SWALR", "CyclicLR"):
        compositions.append(
            (
                schedules.SequentialLR([schedules.ChainedScheduler([own])], []),
                lambda sgd: torchs("SequentialLR")(sgd, [torchs("ChainedScheduler")([theirs(sgd)])], []),
            )
        )
    for schedule, make in compositions:
        sgd = optimizer()
        rates, _ = torch_rates(sgd, make(sgd))
        ours = [schedule.rate(LR, t) for t in range(STEPS + 1)]
        np.testing.assert_allclose(ours, rates, rtol=1e-8, atol=1e-11, err_msg=str(schedule))


@pytest.mark.parametrize("name", ["ConstantLR", "LinearLR", "PolynomialLR"])
@pytest.mark.parametrize("total_iters", [-1, 0, 3])
@pytest.mark.parametrize("milestone", [0, 2])
@pytest.mark.parametrize("chained", [False, True])
def test_schedules_of_few_steps_begin_at_a_milestone(
    name: str, total_iters: int, milestone: int, chained: bool
) -> None:
    (before, their_before), (own, theirs) = both("StepLR", {"step_size": 3}), both(name, {"total_iters": total_iters})
    schedule: Any = schedules.SequentialLR([before, own], [milestone])
    if chained:
        schedule = schedules.ChainedScheduler([schedule])
    sgd = optimizer()
    scheduler = torchs("SequentialLR")(sgd, [their_before(sgd), theirs(sgd)], [milestone])
    for t in range(7):
        np.testing.assert_allclose(schedule.rate(LR, t), sgd.param_groups[0]["lr"], rtol=1e-12, atol=1e-15)
        sgd.step()
        if name != "ConstantLR" and total_iters == 0 and t + 1 == milestone:
            assert_same_refusal(scheduler.step, lambda: schedule.rate(LR, milestone), "zero")
            return
        scheduler.step()


Spec = tuple[str, dict[str, Any], list[Any]]
"""a schedule's name, its options, and the schedules that it is made of"""


def random_schedule(rng: np.random.Generator) -> Spec:
    options: dict[str, dict[str, Any]] = {
        "LambdaLR": {"lr_lambda": lambda t: 0.9**t + 0.1 * t},
        "MultiplicativeLR": {"lr_lambda": lambda t: 1 - 0.05 * ((t + 1) % 3)},
        "StepLR": {"step_size": int(rng.integers(1, 5)), "gamma": float(rng.choice([0.0, 0.7]))},
        "MultiStepLR": {"milestones": (0, 3, 7, 3), "gamma": 0.6},
        "ConstantLR": {"factor": 0.4, "total_iters": int(rng.integers(1, 6))},
        "LinearLR": {"end_factor": float(rng.choice([0.0, 0.6, 1.0])), "total_iters": int(rng.integers(1, 7))},
        "ExponentialLR": {"gamma": 0.9},
        "PolynomialLR": {"total_iters": int(rng.integers(1, 8)), "power": float(rng.choice([0.5, 1.0, 2.0]))},
        "CosineAnnealingLR": {"T_max": int(rng.integers(2, 30)), "eta_min": float(rng.choice([0.0, 0.05]))},
        "CosineAnnealingWarmRestarts": {"T_0": int(rng.integers(1, 6)), "T_mult": int(rng.integers(1, 3))},
        "SWALR": {
            "swa_lr": 0.05,
            "anneal_epochs": int(rng.integers(0, 8)),
            "anneal_strategy": str(rng.choice(["cos", "linear"])),
        },
        "CyclicLR": {"base_lr": float(rng.uniform(0.05, 0.1)), "max_lr": 0.5, "step_size_up": int(rng.integers(1, 5))},
        "OneCycleLR": {
            "max_lr": float(rng.uniform(0.5, 2)),
            "total_steps": int(rng.integers(25, 40)),
            "div_factor": float(rng.choice([10.0, 25.0])),
            "final_div_factor": float(rng.choice([10.0, 1e4])),
        },
    }
    name = str(rng.choice([*options]))
    return name, options[name], []


def random_composition(rng: np.random.Generator, depth: int = 2) -> Spec:
    parts = [
        random_composition(rng, depth - 1) if depth > 1 and rng.random() < 0.35 else random_schedule(rng)
        for _ in range(int(rng.integers(1, 4)))
    ]
    if rng.random() < 0.5:
        return "ChainedScheduler", {}, parts
    first = int(rng.random() < 0.8)
    milestones = sorted(int(step) for step in rng.integers(first, 14, len(parts) - 1))
    return "SequentialLR", {"milestones": milestones}, parts


def in_reference(spec: Spec) -> Any:
    name, options, parts = spec
    own: list[Any] = [[in_reference(part) for part in parts]] if parts else []
    return getattr(schedules, name)(*own, **options)


def in_torch(spec: Spec, sgd: torch.optim.Optimizer) -> Any:
    name, options, parts = spec
    if not parts:
        return torchs(name)(sgd, **options)
    made = [in_torch(part, sgd) for part in parts]
    return torchs(name)(made, sgd) if name == "ChainedScheduler" else torchs(name)(sgd, made, **options)


# torch steps a chain that begins a sequence as it is made
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("seed", range(20))
def test_compositions_of_compositions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    compared = failed = 0
    while compared < 12:
        spec = random_composition(rng)
        try:
            schedule = in_reference(spec)
        except ValueError as refusal:
            assert "not supported" in str(refusal)  # noqa: PT017 - any other is a mistake of the draw
            continue
        sgd = optimizer()
        scheduler = in_torch(spec, sgd)
        for t in range(STEPS):
            np.testing.assert_allclose(
                schedule.rate(LR, t), sgd.param_groups[0]["lr"], rtol=1e-8, atol=1e-10, err_msg=f"{t} of {schedule}"
            )
            sgd.step()
            try:
                scheduler.step()
            except NotImplementedError:
                assert_refused(lambda: schedule.rate(LR, t + 1), NotImplementedError, "milestone")  # noqa: B023
                failed += 1
                break
        compared += 1
    assert failed < compared


@pytest.mark.parametrize("seed", range(30))
def test_plateaus_are_found_as_in_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options = {
        "mode": ["min", "max"][seed % 2],
        "threshold_mode": ["rel", "abs"][seed // 2 % 2],
        "factor": 0.5,
        "patience": int(rng.integers(4)),
        "threshold": float(rng.choice([0.0, 1e-4, 0.2])),
        "cooldown": int(rng.integers(3)),
        "min_lr": float(rng.choice([0.0, 0.05])),
        "eps": float(rng.choice([1e-8, 0.05])),
    }
    sgd = optimizer()
    theirs: Any = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, **options)  # type: ignore[arg-type]
    ours = schedules.ReduceLROnPlateau(**options)  # type: ignore[arg-type]
    lr, state = LR, ours.init()
    reductions = 0
    for metric in [*rng.uniform(-1, 3, 40).round(1), np.nan]:
        theirs.step(metric)
        before, (lr, state) = lr, ours.step(lr, float(metric), state)
        reductions += lr < before
        assert lr == sgd.param_groups[0]["lr"]
        assert state == (theirs.best, theirs.num_bad_epochs, theirs.cooldown_counter)
    assert reductions


@pytest.mark.parametrize(
    ("name", "options", "mentions"),
    [
        ("ConstantLR", {"factor": 1.1}, "between 0 and 1"),
        ("ConstantLR", {"factor": -0.1}, "between 0 and 1"),
        ("LinearLR", {"start_factor": 0.0}, "start_factor"),
        ("LinearLR", {"start_factor": 1.1}, "start_factor"),
        ("LinearLR", {"end_factor": -0.1}, "end_factor"),
        ("LambdaLR", {"lr_lambda": 0.9}, "function"),
        ("MultiplicativeLR", {"lr_lambda": 0.9}, "function"),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}, "T_0"),
        ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 0}, "T_mult"),
        ("CosineAnnealingWarmRestarts", {"T_0": 5, "eta_min": "0"}, "eta_min"),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"}, "mode"),
        ("OneCycleLR", {"max_lr": 0.1}, "total_steps"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 0}, "total_steps"),
        ("OneCycleLR", {"max_lr": 0.1, "epochs": 2, "steps_per_epoch": -1}, "steps_per_epoch"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "pct_start": 2.0}, "pct_start"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "anneal_strategy": "step"}, "step"),
        ("ReduceLROnPlateau", {"factor": 1.0}, "Factor"),
        ("ReduceLROnPlateau", {"mode": "best"}, "mode best"),
        ("ReduceLROnPlateau", {"threshold_mode": "log"}, "log"),
        ("SWALR", {"swa_lr": 0.1, "anneal_strategy": "step"}, "step"),
        ("SWALR", {"swa_lr": 0.1, "anneal_epochs": -1}, "-1"),
        ("SWALR", {"swa_lr": 0.1, "anneal_epochs": 2.0}, "2.0"),
        ("SequentialLR", {"schedulers": [], "milestones": []}, "at least one"),
        ("ChainedScheduler", {"schedulers": []}, "at least one"),
    ],
)
def test_wrong_options(name: str, options: dict[str, Any], mentions: str) -> None:
    scheduler = torchs(name)

    def in_torch() -> None:
        scheduler(**options) if name == "ChainedScheduler" else scheduler(optimizer(), **options)

    assert_same_refusal(in_torch, lambda: getattr(schedules, name)(**options), mentions)


def test_more_steps_than_a_cycle_has() -> None:
    sgd = optimizer()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(sgd, 1.0, total_steps=5)
    schedule = schedules.OneCycleLR(1.0, total_steps=5)
    assert_same_refusal(lambda: torch_rates(sgd, scheduler), lambda: schedule.rate(LR, 6), "6")


def test_compositions_that_torch_steps_out_of_turn_are_refused() -> None:
    step, swa = schedules.StepLR(3), schedules.SWALR(0.1)
    chained, sequential = schedules.ChainedScheduler, schedules.SequentialLR
    inner = sequential([step, step], [3])
    refusals: list[tuple[Any, str]] = [
        (lambda: sequential([inner, step], [5]), "starts with SequentialLR"),
        (lambda: sequential([inner, step], [1]), "starts with SequentialLR"),
        (lambda: sequential([step, inner, step], [0, 5]), "starts with SequentialLR"),
        (lambda: sequential([chained([step, swa]), step], [5]), "ChainedScheduler of SWALR"),
        (lambda: sequential([chained([step, chained([swa])])], []), "ChainedScheduler of SWALR"),
        (lambda: sequential([chained([inner])], []), "SequentialLR of ChainedScheduler of SequentialLR"),
        (
            lambda: chained([chained([schedules.CyclicLR(0.1, 0.2)])]),
            "ChainedScheduler of ChainedScheduler of CyclicLR",
        ),
        (
            lambda: chained([sequential([schedules.OneCycleLR(0.1, 9)], [])]),
            "ChainedScheduler of SequentialLR of OneCycleLR",
        ),
        (lambda: sequential([step, step], [3, 4]), "2"),
    ]
    for call, mentions in refusals:
        assert_refused(call, ValueError, mentions)
    # at a later place a chain of SWALR is no worse than any other: torch fails when its milestone comes
    assert sequential([step, chained([swa])], [5]).rate(LR, 4) == LR * step.gamma


@pytest.mark.parametrize("name", ["SequentialLR", "ChainedScheduler"])
def test_what_is_no_part_of_a_composition(name: str) -> None:
    own = {"milestones": [2]} if name == "SequentialLR" else {}
    for made, theirs, mentions in (
        (schedules.ReduceLROnPlateau(), torchs("ReduceLROnPlateau"), f"{name} does not support ReduceLROnPlateau"),
        (0.5, lambda sgd: 0.5, f"{name} expects schedulers, but got float"),
    ):

        def theirs_call(theirs: Any = theirs) -> None:
            sgd = optimizer()
            parts = [torchs("StepLR")(sgd, 3), theirs(sgd)]
            torchs(name)(parts, sgd) if name == "ChainedScheduler" else torchs(name)(sgd, parts, **own)

        assert_same_refusal(
            theirs_call,
            lambda made=made: getattr(schedules, name)([schedules.StepLR(3), made], **own),  # type: ignore[misc]
            mentions,
        )


@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("ConstantLR", {"factor": 0.0, "total_iters": 4}, 4),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 1}, 1),
        ("OneCycleLR", {"max_lr": 1.0, "epochs": 1, "steps_per_epoch": 7}, 7),
        ("OneCycleLR", {"max_lr": 1.0, "epochs": 7, "steps_per_epoch": 1}, 7),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "pct_start": 0.0}, 9),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "pct_start": 1.0}, 9),
    ],
)
def test_options_at_the_edge_of_what_torch_accepts(name: str, options: dict[str, Any], steps: int) -> None:
    schedule, make = both(name, options)
    sgd = optimizer()
    scheduler = make(sgd)
    for t in range(steps):
        np.testing.assert_allclose(schedule.rate(LR, t), sgd.param_groups[0]["lr"], rtol=1e-12, atol=1e-15)
        sgd.step()
        if t < steps - 1:
            scheduler.step()


@pytest.mark.parametrize("options", [{"epochs": 0, "steps_per_epoch": 3}, {"epochs": 3, "steps_per_epoch": 0}])
def test_the_count_that_is_wrong_is_named(options: dict[str, Any]) -> None:
    wrong = next(name for name, value in options.items() if value == 0)
    assert_same_refusal(
        lambda: torch.optim.lr_scheduler.OneCycleLR(optimizer(), 1.0, **options),
        lambda: schedules.OneCycleLR(1.0, **options),
        f"integer {wrong}",
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": -3, "step_size_down": 3}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0, "step_size_down": 3}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "pct_start": 0.1}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "div_factor": 0}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "final_div_factor": 0.0}),
    ],
)
def test_what_cannot_be_divided_by_is_refused_at_once(name: str, options: dict[str, Any]) -> None:
    assert_same_refusal(
        lambda: getattr(torch.optim.lr_scheduler, name)(optimizer(), **options),
        lambda: getattr(schedules, name)(**options),
        "step_size_up" if name == "CyclicLR" else "div_factor",
    )


@pytest.mark.parametrize("options", [{"epochs": 3}, {"steps_per_epoch": 3}])
def test_half_a_number_of_steps(options: dict[str, Any]) -> None:
    assert_same_refusal(
        lambda: torch.optim.lr_scheduler.OneCycleLR(optimizer(), 1.0, **options),
        lambda: schedules.OneCycleLR(1.0, **options),
        "total_steps",
    )


@pytest.mark.parametrize(("mode", "better"), [("min", -1), ("max", 1)])
def test_a_plateau_at_the_limits(mode: str, better: int) -> None:
    """To be better by just the threshold is not to be better; a reduction by just eps is none."""
    options: dict[str, Any] = {"mode": mode, "threshold_mode": "abs", "threshold": 0.5, "patience": 0, "factor": 0.5}
    for eps in (0.25, 0.125):
        sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        theirs: Any = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, **options, eps=eps)
        ours = schedules.ReduceLROnPlateau(**options, eps=eps)
        lr, state = 0.5, ours.init()
        for metric in (1.0, 1.0 + 0.5 * better):
            theirs.step(metric)
            lr, state = ours.step(lr, metric, state)
        assert lr == sgd.param_groups[0]["lr"] == (0.5 if eps == 0.25 else 0.25)
    assert schedules.Plateau(1.0) == (1.0, 0, 0)


def test_a_plateau_keeps_numbers_not_the_callers_array() -> None:
    schedule, loss = schedules.ReduceLROnPlateau(patience=0), np.array(1.0)
    lr, state = 1.0, schedule.init()
    rates = []
    for value in (1.0, 0.5, 0.75):
        loss[...] = value
        lr, state = schedule.step(lr, loss, state)  # type: ignore[arg-type]
        rates.append(lr)
    assert (rates, state.best) == ([1.0, 1.0, 0.1], 0.5)


def test_a_plateau_compares_in_double() -> None:
    """1 - 1e-4 in float32 is not below (1 - 1e-4) in float32: in double it is, as for torch."""
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, patience=0)
    ours = schedules.ReduceLROnPlateau(patience=0)
    lr, state = 1.0, ours.init()
    for metric in (np.float32(1.0), np.float32(0.9999)):
        theirs.step(float(metric))
        lr, state = ours.step(lr, metric, state)  # type: ignore[arg-type]
    assert lr == sgd.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": -2, "gamma": 0.5}),
        ("StepLR", {"step_size": -2, "gamma": 0.0}),
        ("MultiStepLR", {"milestones": [-1, 2, 0], "gamma": 0.5}),
        ("ConstantLR", {"factor": np.nan, "total_iters": 3}),
    ],
)
def test_options_that_torch_lets_pass(name: str, options: dict[str, Any]) -> None:
    sgd = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    theirs, ours = torchs(name)(sgd, **options), getattr(schedules, name)(**options)
    for step in range(6):
        np.testing.assert_equal(ours.rate(0.5, step), theirs.get_last_lr()[0])
        sgd.step()
        theirs.step()
