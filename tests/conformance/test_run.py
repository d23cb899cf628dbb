from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conformance import cases, judging, processes, run
from conformance.adapters import reference
from conformance.case import Case
from conformance.compare import Check
from conformance.implementation import Implementation
from conformance.isolated import opened
from conformance.trace import Trace
from tests.conformance.fakes import ACTIVATION, LINEAR, OPTIMIZER, RNN, case_of, run_reference
from tests.conformance.files import WRONG, write

pytestmark = pytest.mark.usefixtures("clean_imports")

SMALL = "core/rnn/small/float64"


def _judge(case_id: str, function: Callable[[Case], Any], **details: Any) -> list[Check]:
    case = case_of(case_id)
    return judging.judge(case, Implementation("mine.py", {case.family: function}, **details)).checks


def _raising(error: BaseException) -> Callable[[Case], Any]:
    def function(case: Case) -> Any:
        raise error

    return function


# ------------------------------------------------------------------------------------------- implementations


def always_wrong(case: Case) -> Trace:
    return {name: value + 1 for name, value in run_reference(case).items()}


def swaps_gradients(case: Case) -> Trace:
    trace = reference.rnn(case)
    names = ["grad.weight_hh_l0", "grad.weight_hh_l1"]
    return trace | dict(zip(names, [trace[name] for name in reversed(names)], strict=True))


def forgets_the_recurrent_gradient(case: Case) -> Trace:
    trace = reference.rnn(case)
    return trace | {"grad.weight_hh_l1": np.zeros_like(trace["grad.weight_hh_l1"])}


def rounds_to_float32(case: Case) -> Trace:
    return {name: value.astype(np.float32).astype(value.dtype) for name, value in run_reference(case).items()}


def gives_nothing(case: Case) -> Trace:
    return {}


def _wrong(checks: Sequence[Check]) -> list[str | None]:
    return [check.array for check in checks if check.verdict == "diverges"]


def test_the_reference_is_right_about_every_array() -> None:
    for case_id in (RNN, OPTIMIZER, LINEAR):
        assert {check.verdict for check in _judge(case_id, run_reference)} == {"agrees"}


@pytest.mark.parametrize("case_id", [RNN, OPTIMIZER, LINEAR, ACTIVATION])
@pytest.mark.parametrize("wrong", [always_wrong, rounds_to_float32])
def test_one_that_is_always_wrong_is_wrong_about_every_array(case_id: str, wrong: Callable[[Case], Trace]) -> None:
    checks = _judge(case_id, wrong)
    exact = [check.array for check in checks if wrong is rounds_to_float32 and (check.array or "").endswith(".step")]
    assert _wrong(checks) == [check.array for check in checks if check.array not in exact]


def test_one_mistake_is_found_where_it_is_and_nowhere_else() -> None:
    assert _wrong(_judge(RNN, swaps_gradients)) == ["grad.weight_hh_l0", "grad.weight_hh_l1"]
    assert _wrong(_judge(RNN, forgets_the_recurrent_gradient)) == ["grad.weight_hh_l1"]


def test_one_that_gives_nothing_passes_nothing() -> None:
    assert {check.verdict for check in _judge(RNN, gives_nothing)} == {"skipped"}
    assert {check.verdict for check in _judge(RNN, gives_nothing, complete=True)} == {"diverges"}


# ------------------------------------------------------------------------- exceptions are results of the case


class NoError(BaseException):
    pass


class Speechless(Exception):
    def __str__(self) -> str:
        return str(1 / 0)


@pytest.mark.parametrize(
    ("function", "verdict", "reason"),
    [
        (_raising(NotImplementedError("bidirectional")), "skipped", "not implemented: bidirectional"),
        (_raising(NotImplementedError("two\n  lines")), "skipped", "not implemented: two lines"),
        (_raising(ValueError("a\nb")), "errored", "ValueError: a b"),
        (_raising(SystemExit(0)), "errored", "SystemExit: 0"),
        (_raising(GeneratorExit("closed")), "errored", "GeneratorExit: closed"),
        (_raising(NoError("mine")), "errored", "NoError: mine"),
        (_raising(Speechless()), "errored", "Speechless: no message: its __str__ raises ZeroDivisionError"),
        (_raising(RecursionError("deep")), "errored", "RecursionError: deep"),
        (_raising(MemoryError()), "errored", "MemoryError: "),
        (_raising(AssertionError()), "errored", "AssertionError: "),
        (lambda case: None, "errored", "expected a dict of arrays by name, got NoneType"),
        (lambda case: "output", "errored", "expected a dict of arrays by name, got str"),
        (lambda case: {"output": "0.5"}, "errored", "output: expected an array of numbers, got str (<U3)"),
        (lambda case: {0: 1.0}, "errored", "expected names to be strings, got 0"),
        (lambda case, more: {}, "errored", "TypeError: <lambda>() missing 1 required positional argument: 'more'"),
    ],
)
def test_what_goes_wrong_is_one_verdict_on_the_whole_case(
    function: Callable[[Case], Any], verdict: str, reason: str
) -> None:
    (check,) = _judge(SMALL, function)
    assert (check.case, check.array, check.verdict) == (SMALL, None, verdict)
    assert check.reason is not None
    # newer versions of Python qualify a lambda's name
    assert check.reason.replace("test_run.", "") == reason


def test_an_interruption_is_not_a_result() -> None:
    with pytest.raises(KeyboardInterrupt):
        _judge(SMALL, _raising(KeyboardInterrupt()))


# ---------------------------------------------------------------------------------------- declared precision


def _in_float32(case: Case) -> Trace:
    return run_reference(case.astype(np.dtype(np.float32)))


def test_float32_arithmetic_agrees_only_if_it_is_declared() -> None:
    declared = _judge(RNN, _in_float32, precision="float32")
    assert {check.verdict for check in declared} == {"agrees"}
    assert max(check.error or 0 for check in declared) > 1e-9
    assert set(_wrong(_judge(RNN, _in_float32))) == set(run_reference(case_of(RNN)))


def test_what_is_printed_is_met_within_the_declared_precision() -> None:
    """Float32 rounds the documented states by more than half a unit of their last digit."""
    documented = "documented/rnn/three-step/float64"
    states = run_reference(case_of(documented).astype(np.dtype(np.float32)))["h_n"]
    assert np.any(np.abs(states - case_of(documented).printed["h_n"]) > 0.5e-8)
    assert {check.verdict for check in _judge(documented, _in_float32, precision="float32")} == {"agrees"}
    assert "h_n (printed)" in _wrong(_judge(documented, _in_float32))

    def slightly_off(case: Case) -> Trace:
        trace = _in_float32(case)
        return trace | {"h_n": trace["h_n"] * np.float32(1 + 1e-5)}

    wrong = _wrong(_judge(documented, slightly_off, precision="float32"))
    assert set(wrong) == {"h_n", "h_n (printed)"}


def test_a_declared_precision_excuses_no_mistake() -> None:
    def wrong(case: Case) -> Trace:
        trace = _in_float32(case)
        return trace | {"output": trace["output"] * np.float32(1.0001)}

    assert _wrong(_judge(RNN, wrong, precision="float32")) == ["output"]


def test_a_declared_float64_does_not_ask_float64_of_a_float32_case() -> None:
    narrow = RNN.replace("float64", "float32")

    def in_float64(case: Case) -> Trace:
        return run_reference(case.astype(np.dtype(np.float64)))

    assert {check.verdict for check in _judge(narrow, in_float64, precision="float64")} == {"agrees"}
    assert {check.verdict for check in _judge(RNN, in_float64, precision="float64")} == {"agrees"}


# ------------------------------------------------------------------------------------------- many processes


def _some_cases() -> list[Case]:
    return cases.select(globs=["core/rnn/small*", "core/rnn/tanh-1-layer", "core/linear/batch"], dtypes=["float64"])


def _all_checks(count: int, name: str, monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    monkeypatch.setattr(processes, "cores", lambda: count)
    monkeypatch.setattr(processes, "CASES_PER_PROCESS", 1)
    return [check for judged in run.judge_all(_some_cases(), opened(name)) for check in judged.checks]


def test_one_process_and_two_give_the_same_results_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write(tmp_path / "reference.py", WRONG)  # a name that must not take the place of ours in a worker either
    one, two = (_all_checks(count, name, monkeypatch) for count in (1, 2))
    assert [dataclasses.asdict(check) for check in one] == [dataclasses.asdict(check) for check in two]
    assert list(dict.fromkeys(check.case for check in one)) == [case.id for case in _some_cases()]
    assert {check.verdict for check in one} == {"diverges", "skipped"}


def test_few_cases_stay_in_this_process_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pool(*_: object) -> None:
        raise AssertionError("a pool for a handful of cases")

    monkeypatch.setattr(processes, "workers", no_pool)
    judged = list(run.judge_all(_some_cases(), opened("numpy")))
    assert len(judged) == len(_some_cases())
    assert all(one.torch_seconds > 0 for one in judged)
    assert torch.get_num_threads() == 1
    assert threading.active_count() < 10


def test_simulations_are_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path))
    first = _judge(RNN, always_wrong)
    files = list(tmp_path.rglob("*.npz"))
    assert len(files) == 1
    # whoever is judged next, a right one or a wrong one, is judged by the same sigma
    assert [check.tolerance for check in _judge(RNN, lambda case: always_wrong(case))] == [
        check.tolerance for check in first
    ]
    _judge(RNN, swaps_gradients)
    assert list(tmp_path.rglob("*.npz")) == files
