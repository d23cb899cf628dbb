"""torch's own optimizer tests as a suite, and what torch refuses in them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from conformance import judging
from conformance.adapters import pytorch
from conformance.case import Case
from conformance.cases import torch_suites
from conformance.implementation import Implementation, load
from reference import optim
from tests.reference.against_torch import as_array

pytest.importorskip("expecttest", reason="torch.testing imports it: pip install -e '.[torch-suites]'")

from torch.testing._internal.common_optimizers import optim_db

ALGORITHMS = [info.name for info in optim_db]


def _inputs(algorithm: str) -> list[Any]:
    [info] = [info for info in optim_db if info.name == algorithm]
    return list(info.optim_inputs_func(device="cpu"))


def _cases(algorithm: str) -> list[Case]:
    built = torch_suites.cases_of_suite("torch-optimizers")
    return [case for case in built if case.config.get("algorithm") == algorithm]


def _error_inputs() -> list[Any]:
    return [error for info in optim_db for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float64)]


def _is_a_wrong_number(error: Any) -> bool:
    given = error.optimizer_error_input
    return given.params is None and "tensor" not in repr(given.kwargs)


def test_what_torchs_tests_expect_to_be_refused_is_refused_by_both_sides() -> None:
    numpy = load("numpy")
    refusals = [case for case in torch_suites.cases_of_suite("torch-optimizers") if case.family == "error"]
    assert len(refusals) > 15
    for case in refusals:
        assert [check.verdict for check in judging.judge(case, numpy).checks] == ["agrees"], case.id
        accepting = Implementation("accepting", {"error": lambda case: numpy.run(_with_defaults(case))})
        assert [check.verdict for check in judging.judge(case, accepting).checks] == ["diverges"], case.id


def _with_defaults(case: Case) -> Case:
    return replace(case, config={**case.config, "arguments": {}})


def test_there_is_a_case_for_every_configuration_and_dtype() -> None:
    built = torch_suites.cases_of_suite("torch-optimizers")
    assert sum(case.family != "error" for case in built) == 2 * sum(len(_inputs(name)) for name in ALGORITHMS)
    assert sum(case.family == "error" for case in built) == sum(map(_is_a_wrong_number, _error_inputs()))
    assert len({case.id for case in built}) == len(built)
    assert all(re.fullmatch(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+)*", case.description) for case in built)
    assert all(case.note.strip() and "\n" not in case.note for case in built)
    # a case has parameters of its own, because torch's list has none
    assert all(given.params is None for name in ALGORITHMS for given in _inputs(name))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_reference_agrees_with_torch_on_everything_in_every_one_of_twelve_steps(algorithm: str) -> None:
    numpy = load("numpy")
    for case in _cases(algorithm):
        checks = judging.judge(case, numpy).checks
        assert [check for check in checks if check.verdict != "agrees"] == []
        seen = {match[1] for check in checks if (match := re.match(r"step(\d+)\.param", check.array or ""))}
        assert seen == {str(k) for k in range(1, 13)}, case.id


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_defaults_in_place_of_an_option_diverge(algorithm: str) -> None:
    """A judge that lets everything through would not notice that the options are forgotten."""
    default, *others = [case for case in _cases(algorithm) if case.dtype == np.float64]
    numpy = load("numpy")

    def forgets(case: Case) -> Any:
        return numpy.run(replace(case, config=default.config))

    told_apart = []
    for case in others:
        checks = judging.judge(case, Implementation("forgets", {case.family: forgets})).checks
        family = getattr(pytorch, case.family)
        expected, by_default = family(case), family(replace(case, config=default.config))
        # what torch's trace does not show is no divergence: ASGD's t0 of 100, Rprop's limits
        shows = by_default.keys() != expected.keys() or not all(
            np.array_equal(by_default[name], value) for name, value in expected.items()
        )
        if algorithm == "Muon":
            # nor is what moves its direction by less than bfloat16 does, which is some percent
            moved, other = (trace["step12.param.weight"] - case["param.weight"] for trace in (expected, by_default))
            shows = bool(np.linalg.norm(moved - other) > 0.04 * np.linalg.norm(moved))
        assert any(check.verdict == "diverges" for check in checks) == shows, case.id
        told_apart.append(shows)
    assert any(told_apart)


# ------------------------------------------------------------------------------------------ what torch refuses

LEFT_OUT = {
    "all optimizer params should be with/without names": "every parameter of the reference has a name",
    "all optimizer param groups should be with/without names.": "every parameter of the reference has a name",
    "dense params required": "NumPy has no sparse arrays",
    "dense params required in param_groups": "NumPy has no sparse arrays",
}
"""error inputs that the reference has no way to be given"""

ERRORS = [
    pytest.param(info, error, id=f"{info.name}-{error.optimizer_error_input.desc}")
    for info in optim_db
    for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float64)
    if error.optimizer_error_input.desc not in LEFT_OUT and "foreach" not in error.optimizer_error_input.kwargs
]


def test_what_is_left_out_is_there() -> None:
    listed = _error_inputs()
    described = [error.optimizer_error_input.desc for error in listed]
    executing = [error for error in listed if "foreach" in error.optimizer_error_input.kwargs]
    assert set(LEFT_OUT) <= set(described)
    assert len(ERRORS) == len(listed) - len(executing) - sum(described.count(name) for name in LEFT_OUT)


@pytest.mark.parametrize(("info", "error"), ERRORS)
def test_what_torch_refuses_the_reference_refuses_with_the_same_class(info: Any, error: Any) -> None:
    given = error.optimizer_error_input
    parameters = [torch.nn.Parameter(torch.zeros(2, 3))] if given.params is None else given.params
    with pytest.raises(error.error_type, match=error.error_regex) as torchs:
        info.optim_cls(parameters, **given.kwargs).step()
    with pytest.raises((TypeError, ValueError, RuntimeError), match=r"\w") as ours:
        _make_and_step(getattr(optim, info.name), given)
    # a name twice in a group: torch announces with a warning that it will be an error
    assert ours.type is (ValueError if torchs.type is UserWarning else torchs.type)


def _make_and_step(kind: Any, given: Any) -> None:
    """The reference's form of an input: names in place of tensors, arrays in place of tensor options."""
    kwargs = {name: _as_arrays(value) for name, value in given.kwargs.items()}
    algorithm = kind(**kwargs)
    if isinstance(given.params, torch.nn.Parameter):
        algorithm.init(as_array(given.params))
        return
    groups = given.params or [torch.nn.Parameter(torch.zeros(2, 3))]
    if not isinstance(groups[0], dict):
        groups = [{"params": groups}]
    tensors = [group["params"] for group in groups]
    listed = [[group] if isinstance(group, torch.Tensor) else group for group in tensors]
    named = {str(id(tensor)): tensor.detach().numpy() for group in listed for tensor in group}
    if len(listed) > 1 or len(listed[0]) > 1:
        optim.ParamGroups([(algorithm, [str(id(tensor)) for tensor in group]) for group in listed])
        return
    state = algorithm.init(named)
    algorithm.step(named, {name: np.zeros_like(array) for name, array in named.items()}, state)


def _as_arrays(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_arrays(entry) for entry in value)
    return value.numpy() if isinstance(value, torch.Tensor) else value


# -------------------------------------------------------------------------------------------- rates in tensors

WITH_TENSORS = [
    (name, number)
    for name in ALGORITHMS
    for number, given in enumerate(_inputs(name))
    if any(isinstance(value, torch.Tensor) for value in given.kwargs.values())
]


@pytest.mark.parametrize(("algorithm", "number"), WITH_TENSORS)
def test_torch_computes_from_a_tensor_what_it_computes_from_the_number_in_it(algorithm: str, number: int) -> None:
    kwargs = _inputs(algorithm)[number].kwargs
    for case in _cases(algorithm)[2 * number : 2 * number + 2]:
        family = getattr(pytorch, case.family)
        from_numbers, from_tensors = family(case), family(replace(case, config={**case.config, **kwargs}))
        assert from_numbers.keys() == from_tensors.keys()
        rounds = algorithm in ("SparseAdam", "Muon") and case.dtype == np.float64
        for name, value in from_numbers.items():
            # products of the rate are rounded to the tensor's float32 in these two
            np.testing.assert_allclose(from_tensors[name], value, rtol=1e-6 if rounds else 0, atol=0, err_msg=name)
        same = all(np.array_equal(from_tensors[name], value) for name, value in from_numbers.items())
        assert same != rounds, case.id
