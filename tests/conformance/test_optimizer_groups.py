"""The cases of parameter groups: what a group is given reaches its parameters and no others, in torch itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance import cases
from conformance.case import Case
from conformance.cases.optimizer import DEFAULTS
from conformance.trace import Trace
from tests.conformance.fakes import run_torch

CASES = cases.select(families=["optimizer_groups"], dtypes=["float64"])


def _differing(one: Trace, other: Trace) -> set[str]:
    """The parameters whose values differ at any step."""
    return {
        name.split(".")[2]
        for name in one
        if ".param." in name and not np.array_equal(one[name], other[name], equal_nan=True)
    }


def _of_group(case: Case, number: int) -> set[str]:
    return {name for name in case.config["groups"][number]["params"] if case[f"param.{name}"].size}


@pytest.mark.parametrize("number", [0, 1])
def test_a_groups_options_change_its_own_parameters_and_no_others(number: int) -> None:
    for case in CASES:
        groups: list[dict[str, Any]] = [dict(group) for group in case.config["groups"]]
        assert len(groups[number]) > 1, case.id
        groups[number] = {"params": groups[number]["params"]}
        plain = replace(case, config={**case.config, "groups": groups})
        assert _differing(run_torch(case), run_torch(plain)) == _of_group(case, number), case.id


def test_the_third_group_has_the_constructors_options_which_are_not_torchs_defaults() -> None:
    for case in CASES:
        assert list(case.config["groups"][2]) == ["params"]
        constructor = {name: value for name, value in case.config.items() if name not in ("algorithm", "groups")}
        defaults = DEFAULTS[case.config["algorithm"]]
        assert constructor.keys() == defaults.keys()
        with_defaults = replace(case, config={**case.config, **defaults})
        if not any(f"step{k}.lr" in case for k in range(1, case.steps + 1)):
            assert _of_group(case, 2) <= _differing(run_torch(case), run_torch(with_defaults)), case.id


def test_rates_change_in_one_group_while_they_stay_in_another() -> None:
    for case in CASES:
        if case.description.endswith("changing-lr"):
            rates = np.array([case[f"step{k}.lr"] for k in range(1, case.steps + 1)])
            changes = np.diff(rates, axis=0) != 0
            assert changes.any(axis=0).all(), case.id
            assert not changes[changes.any(axis=1)].all(axis=1).any(), case.id


def test_a_parameter_without_a_gradient_stays_where_it_is() -> None:
    seen = 0
    for case in CASES:
        trace = run_torch(case)
        for name, param in case.params().items():
            before = param
            for k in range(1, case.steps + 1):
                after = trace[f"step{k}.param.{name}"]
                if f"step{k}.grad.{name}" not in case:
                    assert case.description.endswith("missing-gradients")
                    np.testing.assert_array_equal(after, before, f"{case.id} {name} {k}")
                    seen += 1
                before = after
    assert seen == 6 * len(DEFAULTS)


def test_a_parameter_without_elements_has_a_state_like_any_other() -> None:
    for case in CASES:
        if "param.empty" in case:
            trace = run_torch(case)
            states = {
                name: {key.split(".")[3] for key in trace if key.startswith(f"step2.state.{name}.")}
                for name in ("weight", "empty")
            }
            assert states["weight"] == states["empty"], case.id
            assert trace["step6.param.empty"].shape == (0, 3)
