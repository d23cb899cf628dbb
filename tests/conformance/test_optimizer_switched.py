"""The cases that change sides: the expectation is torch's own run, and what goes over is torch's, types included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance import cases
from conformance.adapters import pytorch_optimizers, reference_optimizers, switching
from conformance.case import Case
from conformance.cases.optimizer_switched import LOADED_OTHERWISE
from conformance.trace import Trace
from reference import optim
from tests.conformance.fakes import changed, checks_of, judge_of, run_torch

CASES = cases.select(families=["optimizer_switched"])
ALGORITHMS = {
    *("SGD", "ASGD", "Adagrad", "RMSprop", "Adadelta", "Rprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"),
    *("Adafactor", "Muon", "SparseAdam", "LBFGS"),
}


def _same(one: Trace, other: Trace) -> bool:
    return all(np.array_equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one)


def test_every_algorithm_changes_sides_in_both_directions() -> None:
    assert {(case.config["algorithm"], case.config["first"]) for case in CASES} == {
        (algorithm, first) for algorithm in ALGORITHMS for first in ("torch", "reference")
    }


def test_the_expectation_is_torchs_uninterrupted_run_but_where_torch_changes_a_dtype() -> None:
    for case in CASES:
        whole, expected = pytorch_optimizers.optimizer(case), run_torch(case)
        assert expected.keys() <= whole.keys()
        reloaded = case.config["algorithm"] in LOADED_OTHERWISE and case.dtype == np.float64
        assert _same(expected, whole) == (not reloaded), case.id
        if reloaded:
            for name, value in expected.items():
                np.testing.assert_allclose(value, whole[name], rtol=1e-5, err_msg=f"{case.id} {name}")


def test_torch_goes_on_with_what_torch_saved_bit_by_bit() -> None:
    """Tensors made arrays and tensors again: nothing is lost on the way."""
    for case in CASES:
        assert _same(
            switching.run(case, pytorch_optimizers.until_switch, pytorch_optimizers.from_switch), run_torch(case)
        ), case.id


def test_where_torch_comes_first_its_own_steps_are_not_compared() -> None:
    for case in CASES:
        steps = {int(name.partition(".")[0].removeprefix("step")) for name in run_torch(case)}
        first = case.config["switch_after"] if case.config["first"] == "torch" else 1
        assert min(steps) == first
        assert max(steps) > case.config["switch_after"]


def _kind(value: Any) -> Any:
    if isinstance(value, list):
        return [_kind(entry) for entry in value]
    return (value.shape, value.dtype) if isinstance(value, np.ndarray) else type(value)


@pytest.mark.parametrize("case", [case for case in CASES if case.config["first"] == "torch"], ids=lambda case: case.id)
def test_both_sides_save_the_same_entries_of_the_same_types_and_the_same_options(case: Case) -> None:
    _, (_, theirs) = pytorch_optimizers.until_switch(case)
    _, (_, ours) = reference_optimizers.until_switch(case)
    assert list(ours["state"]) == list(theirs["state"])
    for index, entries in theirs["state"].items():
        expected = {key: _kind(value) for key, value in entries.items() if key != "al"}
        assert {key: _kind(value) for key, value in ours["state"][index].items()} == expected
    for own, group in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        assert own == {key: group[key] for key in own}
        assert group.keys() - own.keys() <= {"foreach", "fused", "capturable", "differentiable"}


def test_parameters_are_numbered_through_the_groups_and_one_has_no_state_yet() -> None:
    for case in CASES:
        if "groups" in case.config:
            _, (params, saved) = reference_optimizers.until_switch(case)
            numbered = [name for group in case.config["groups"] for name in group["params"]]
            assert numbered != list(params)
            late = {
                index
                for index, name in enumerate(numbered)
                if f"step{case.config['switch_after']}.grad.{name}" not in case
            }
            assert late == {1}
            # Adagrad's sums are there from the start
            assert set(saved["state"]) == {0, 1, 2} - (late if case.config["algorithm"] != "Adagrad" else set())


def test_the_saved_rate_is_neither_the_constructors_nor_the_last_one() -> None:
    for case in CASES:
        k = case.config["switch_after"]
        assert f"step{k + 1}.lr" not in case
        rates = [float(np.max(case[f"step{step}.lr"])) for step in range(1, k + 3) if f"step{step}.lr" in case]
        assert len(rates) == 2
        assert rates[0] not in (rates[1], case.config["lr"], getattr(optim, case.config["algorithm"])().lr)


@pytest.mark.parametrize("first", ["torch", "reference"])
def test_another_gradient_on_one_side_diverges_on_the_other(first: str) -> None:
    """The side that goes on depends on what the first one did: a switch that handed over nothing would be noticed."""
    [case] = [c for c in CASES if c.description.startswith("Adam-") and c.config["first"] == first and c.dtype == float]
    judge = judge_of(case)
    assert {check.verdict for check in checks_of(judge, switching.beside_torch(case)).values()} == {"agrees"}
    other = changed(case, {"step2.grad.weight": case["step2.grad.weight"] * 1.001})
    checks = checks_of(judge, switching.beside_torch(other))
    k = case.config["switch_after"]
    assert checks[f"step{k + 1}.param.weight"].verdict == "diverges"
    assert checks[f"step{k + 1}.state.weight.exp_avg"].verdict == "diverges"
    assert checks[f"step{k + 1}.param.shift"].verdict == "agrees"
