"""Learning-rate schedules, constructed and stepped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.case import Case
from conformance.cases import schedule
from conformance.cases.error.call import call_of


def cases() -> Iterator[Case]:
    one_cycle, cyclic, plateau = (
        {key: value for key, value in config.items() if key != "schedule"}
        for config in (schedule.ONE_CYCLE, schedule.CYCLIC, schedule.PLATEAU)
    )
    parts: list[Any] = [["ExponentialLR", {"gamma": 0.9}], ["ConstantLR", {"factor": 0.5, "total_iters": 2}]]
    plateau_too, chain = [*parts, ["ReduceLROnPlateau", plateau]], ["ChainedScheduler", {"schedulers": parts}]
    sequence = ["SequentialLR", {"schedulers": parts, "milestones": [2]}]
    rows: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("StepLR", "step_size-0", {"step_size": 0}, 1, "an interval of no steps"),
        ("LambdaLR", "lr_lambda-number", {"lr_lambda": 0.5}, 1, "a factor that is no function"),
        ("MultiplicativeLR", "lr_lambda-number", {"lr_lambda": 0.5}, 0, "a factor that is no function"),
        ("ConstantLR", "factor-negative", {"factor": -0.1}, 0, "a negative factor"),
        ("ConstantLR", "factor-above-1", {"factor": 1.5}, 0, "a factor above 1"),
        ("ConstantLR", "factor-0", {"factor": 0, "total_iters": 2}, 2, "no rate to come back from"),
        ("ConstantLR", "factor-0-until-then", {"factor": 0, "total_iters": 2}, 1, "accepted before its last step"),
        ("ConstantLR", "factor-0-total_iters-0", {"factor": 0, "total_iters": 0}, 2, "which never comes"),
        ("ConstantLR", "factor-1", {"factor": 1.0}, 2, "a factor of 1 is accepted"),
        ("LinearLR", "start_factor-0", {"start_factor": 0.0}, 0, "no rate to start with"),
        ("LinearLR", "start_factor-above-1", {"start_factor": 1.1}, 0, "a factor above 1"),
        ("LinearLR", "end_factor-negative", {"end_factor": -0.1}, 0, "a negative factor"),
        ("LinearLR", "end_factor-above-1", {"end_factor": 1.1}, 0, "a factor above 1"),
        ("LinearLR", "end_factor-0", {"end_factor": 0.0}, 2, "down to nothing is accepted"),
        ("CosineAnnealingLR", "T_max-0", {"T_max": 0}, 1, "a course of no steps"),
        ("CosineAnnealingWarmRestarts", "T_0-0", {"T_0": 0}, 0, "a course of no steps"),
        ("CosineAnnealingWarmRestarts", "T_0-float", {"T_0": 4.0}, 0, "steps that are no int"),
        ("CosineAnnealingWarmRestarts", "T_mult-0", {"T_0": 4, "T_mult": 0}, 0, "each restart of no steps"),
        ("CosineAnnealingWarmRestarts", "T_mult-float", {"T_0": 4, "T_mult": 1.5}, 0, "half a step"),
        ("CosineAnnealingWarmRestarts", "eta_min-string", {"T_0": 4, "eta_min": "0"}, 0, "a rate as text"),
        ("CyclicLR", "mode-unknown", cyclic | {"mode": "square"}, 0, "no such mode"),
        ("CyclicLR", "step_size_up-0", cyclic | {"step_size_up": 0}, 0, "a rise of no steps"),
        ("CyclicLR", "step_size_down-0", cyclic | {"step_size_down": 0}, 2, "a fall of no steps is accepted"),
        ("OneCycleLR", "total_steps-0", one_cycle | {"total_steps": 0}, 0, "a course of no steps"),
        ("OneCycleLR", "total_steps-float", one_cycle | {"total_steps": 20.0}, 0, "steps that are no int"),
        ("OneCycleLR", "no-steps", one_cycle | {"total_steps": None}, 0, "neither steps nor epochs"),
        ("OneCycleLR", "epochs-alone", one_cycle | {"total_steps": None, "epochs": 5}, 0, "epochs of unknown length"),
        ("OneCycleLR", "epochs-0", one_cycle | {"total_steps": None, "epochs": 0, "steps_per_epoch": 4}, 0, "no epoch"),
        (
            "OneCycleLR",
            "steps_per_epoch-negative",
            one_cycle | {"total_steps": None, "epochs": 5, "steps_per_epoch": -1},
            0,
            "epochs of less than no steps",
        ),
        ("OneCycleLR", "pct_start-negative", one_cycle | {"pct_start": -0.1}, 0, "a negative share"),
        ("OneCycleLR", "pct_start-above-1", one_cycle | {"pct_start": 1.1}, 0, "a share above 1"),
        ("OneCycleLR", "pct_start-int", one_cycle | {"pct_start": 1}, 0, "a share has to be a float"),
        ("OneCycleLR", "pct_start-one-step", one_cycle | {"total_steps": 10, "pct_start": 0.1}, 0, "it ends at step 0"),
        ("OneCycleLR", "div_factor-0", one_cycle | {"div_factor": 0}, 0, "a start that cannot be divided for"),
        ("OneCycleLR", "final_div_factor-0", one_cycle | {"final_div_factor": 0}, 0, "an end that cannot, either"),
        ("OneCycleLR", "anneal_strategy-unknown", one_cycle | {"anneal_strategy": "cosine"}, 0, "its name is cos"),
        ("OneCycleLR", "all-steps", one_cycle | {"total_steps": 5}, 4, "to the end is accepted"),
        ("OneCycleLR", "too-many-steps", one_cycle | {"total_steps": 5}, 6, "beyond the end"),
        ("ReduceLROnPlateau", "factor-1", plateau | {"factor": 1.0}, 0, "a reduction that reduces nothing"),
        ("ReduceLROnPlateau", "mode-unknown", plateau | {"mode": "auto"}, 0, "Keras' mode, not torch's"),
        ("ReduceLROnPlateau", "threshold_mode-unknown", plateau | {"threshold_mode": "relative"}, 0, "its name is rel"),
        ("SequentialLR", "no-schedulers", {"schedulers": [], "milestones": []}, 0, "nothing in sequence"),
        (
            "SequentialLR",
            "milestones-too-many",
            {"schedulers": parts, "milestones": [2, 4]},
            0,
            "as many milestones as schedules",
        ),
        ("SequentialLR", "milestones", {"schedulers": parts, "milestones": [2]}, 3, "one fewer is right"),
        (
            "SequentialLR",
            "schedulers-LinearLR-total_iters-0",
            {"schedulers": [parts[0], ["LinearLR", {"total_iters": 0}]], "milestones": [2]},
            2,
            "begun at a milestone it divides by its steps",
        ),
        (
            "SequentialLR",
            "schedulers-LinearLR-total_iters-0-first",
            {"schedulers": [["LinearLR", {"total_iters": 0}], parts[0]], "milestones": [2]},
            3,
            "at step 0 it does not",
        ),
        (
            "SequentialLR",
            "schedulers-PolynomialLR-total_iters-0",
            {"schedulers": [parts[0], ["PolynomialLR", {"total_iters": 0}]], "milestones": [2]},
            2,
            "begun at a milestone it divides by its steps",
        ),
        (
            "SequentialLR",
            "schedulers-chain-of-PolynomialLR-total_iters-0",
            {
                "schedulers": [["ChainedScheduler", {"schedulers": [["PolynomialLR", {"total_iters": 0}]]}], parts[0]],
                "milestones": [2],
            },
            1,
            "stepped once too often it divides by its steps",
        ),
        (
            "SequentialLR",
            "schedulers-plateau",
            {"schedulers": plateau_too, "milestones": [2, 4]},
            0,
            "a step without a metric",
        ),
        (
            "SequentialLR",
            "schedulers-CyclicLR",
            {"schedulers": [["CyclicLR", cyclic], *parts], "milestones": [2, 4]},
            5,
            "triangles in sequence are accepted",
        ),
        (
            "SequentialLR",
            "schedulers-chain-at-first",
            {"schedulers": [chain, *parts], "milestones": [2, 4]},
            5,
            "a chain to begin with is accepted",
        ),
        (
            "SequentialLR",
            "schedulers-chain-later",
            {"schedulers": [parts[0], chain], "milestones": [2]},
            2,
            "a chain that would begin at a milestone",
        ),
        (
            "SequentialLR",
            "schedulers-chain-later-not-reached",
            {"schedulers": [parts[0], chain], "milestones": [2]},
            1,
            "accepted as long as the milestone is not reached",
        ),
        (
            "SequentialLR",
            "schedulers-sequence-later",
            {"schedulers": [parts[0], sequence], "milestones": [2]},
            2,
            "a sequence that would begin at a milestone",
        ),
        ("ChainedScheduler", "schedulers-plateau", {"schedulers": plateau_too}, 0, "a step without a metric"),
        (
            "ChainedScheduler",
            "schedulers-sequence-with-chain-later",
            {"schedulers": [["SequentialLR", {"schedulers": [parts[0], chain], "milestones": [2]}], parts[1]]},
            2,
            "a chain that would begin at a milestone, within a chain",
        ),
        (
            "ChainedScheduler",
            "schedulers-of-all-kinds",
            {"schedulers": [*parts, chain, sequence, ["CyclicLR", cyclic]]},
            5,
            "anything else is accepted",
        ),
        ("ChainedScheduler", "no-schedulers", {"schedulers": []}, 0, "nothing to chain"),
    ]
    for name, description, arguments, steps, note in rows:
        yield from call_of(
            f"optim.lr_scheduler.{name}",
            description,
            arguments,
            lambda rng: {},
            note,
            **({"steps": steps} if steps else {}),
        )
