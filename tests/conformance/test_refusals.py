"""Refusals: the class of the exception is what is compared, on both sides, and messages say what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import judging, refusals
from conformance.adapters import pytorch_calls, reference_calls
from conformance.case import Case
from conformance.cases import error
from conformance.compare import Check
from conformance.implementation import Implementation
from conformance.refusals import KINDS, Outcome, outcome
from tests.conformance.fakes import case_of, run_reference, run_torch

CASES = list(error.cases())
REFUSED = "core/error/RNN-input-no-steps/float64"
"""a call that torch refuses with RuntimeError"""
ACCEPTED = "core/error/RNN-input-no-batch/float64"
NOT_IMPLEMENTED = "core/error/softmax-int/float64"
"""a call that torch refuses with NotImplementedError"""


def _raising(error: BaseException) -> Callable[[Case], Any]:
    def function(case: Case) -> Any:
        raise error

    return function


def _judge(case_id: str, function: Callable[[Case], Any], **details: Any) -> Check:
    (check,) = judging.judge(case_of(case_id), Implementation("mine.py", {"error": function}, **details)).checks
    return check


class Shorter(RuntimeError):
    """what an implementation of one's own may raise"""


@pytest.mark.parametrize(
    ("case_id", "function", "verdict"),
    [
        (REFUSED, _raising(RuntimeError("no steps")), "agrees"),
        (REFUSED, _raising(Shorter("no steps")), "agrees"),
        (REFUSED, _raising(ValueError("no steps")), "diverges"),
        (REFUSED, _raising(Exception("no steps")), "diverges"),
        (REFUSED, lambda case: {}, "diverges"),
        (REFUSED, lambda case: None, "diverges"),
        (ACCEPTED, lambda case: None, "agrees"),
        (ACCEPTED, lambda case: np.zeros(3), "agrees"),
        (ACCEPTED, _raising(RuntimeError("no batch")), "diverges"),
        (REFUSED, _raising(NotImplementedError("steps")), "agrees"),  # a subclass of what torch raises
        (ACCEPTED, _raising(NotImplementedError("batch")), "skipped"),
        (NOT_IMPLEMENTED, _raising(NotImplementedError("int")), "agrees"),
        (NOT_IMPLEMENTED, _raising(RuntimeError("int")), "diverges"),
        (REFUSED, _raising(SystemExit("bye")), "errored"),
        (REFUSED, _raising(GeneratorExit()), "errored"),
        (ACCEPTED, _raising(GeneratorExit()), "errored"),
    ],
)
def test_a_refusal_agrees_if_its_class_is_torchs_or_derived_from_it(
    case_id: str, function: Callable[[Case], Any], verdict: str
) -> None:
    assert _judge(case_id, function).verdict == verdict


def test_the_reason_names_both_classes_and_torchs_message() -> None:
    check = _judge(REFUSED, _raising(ValueError("no\nsteps")))
    torchs = "RuntimeError: Expected sequence length to be larger than 0 in RNN"
    assert (check.array, check.reason) == ("refusal", f"ValueError: no steps; torch: {torchs}")
    assert _judge(REFUSED, lambda case: None).reason == f"accepted; torch: {torchs}"
    assert _judge(ACCEPTED, _raising(KeyError("h_0"))).reason == "KeyError: 'h_0'; torch: accepted"


def test_a_file_without_the_function_is_skipped_and_an_incomplete_reference_is_not() -> None:
    (check,) = judging.judge(case_of(REFUSED), Implementation("mine.py", {"rnn": dict})).checks
    assert (check.verdict, check.reason) == ("skipped", "not implemented: no function named error")
    assert _judge(ACCEPTED, _raising(NotImplementedError("batch")), complete=True).verdict == "diverges"


def test_a_class_that_diverges_is_told_from_every_other() -> None:
    codes = {int(Outcome.of(kind("x")).trace["refusal"]) for kind in KINDS} | {int(Outcome().trace["refusal"])}
    assert codes == set(range(len(KINDS) + 1))
    for kind in KINDS:
        assert refusals.describe(Outcome.of(kind("x")).trace) == kind.__name__
    assert refusals.describe(Outcome().trace) == "accepted"
    assert Outcome.of(Shorter("x")).kind is RuntimeError


# ----------------------------------------------------------------------------------------------------- the cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_the_reference_refuses_and_accepts_what_torch_does(case: Case) -> None:
    torchs, ours = outcome(pytorch_calls.call, case), outcome(reference_calls.call, case)
    assert ours.agrees_with(torchs), f"{ours}; torch: {torchs}"


def test_there_are_calls_that_torch_accepts_and_refusals_of_every_usual_class() -> None:
    kinds = [outcome(pytorch_calls.call, case).kind for case in CASES]
    assert kinds.count(None) > 100
    assert {TypeError, ValueError, RuntimeError, IndexError, NotImplementedError} < set(kinds)


def test_a_trace_is_the_same_number_on_both_sides() -> None:
    for case_id in (REFUSED, ACCEPTED, NOT_IMPLEMENTED):
        expected, actual = run_torch(case_of(case_id)), run_reference(case_of(case_id))
        assert list(expected) == list(actual) == ["refusal"]
        assert expected["refusal"] == actual["refusal"]


# -------------------------------------------------------------------------------------------------- the messages

MEANS = {
    "input": ("x", "input"),
    "lr": ("learning rate",),
    "eps": ("epsilon",),
    "betas": ("beta",),
    "etas": ("eta",),
    "grad": ("gradient",),
    "nan": ("norm",),
    "inf": ("norm",),
    "1": ("shape",),
    "0": ("shape",),
    "no": ("parameter list", "total_steps", "no scheduler", "no elements"),
    "unknown": ("argument", "nonlinearity"),
    "slope": ("slope",),
    "string": ("clip_value",),
    "upper": ("nonlinearity",),
    "parameter": ("parameter", "size mismatch"),
    "probabilities": ("probabilities", "input"),
    "bounds": ("bound",),
    "gain": ("std",),
    "vector": ("parameter",),
    "int": ("not implemented for",),
    "too": ("total steps",),
    "epochs": ("epochs",),
    "milestones": ("milestone",),
}
"""what the second word of a description stands for in a message, where it is not itself there"""

LEFT_TO_PYTHON = re.compile(
    # a division by zero, in torch too
    r"(StepLR-step_size-0|CosineAnnealingLR-T_max-0|SequentialLR-schedulers-.*-total_iters-0)$"
)
NAMES_WHAT_IS_WRONG = re.compile(
    r".*-unknown-argument|.*-nonlinearity$|.*-parameter-(missing|unknown)|.*-grad-sparse|SparseAdam-grad-.*"
    r"|.*-no-(parameters|schedulers|steps)|.*-schedulers-plateau|OneCycleLR-epochs-alone|xavier_.*-gain-negative"
)
"""the offence is that something is there, or is not: there is no value to show"""


def _received(case: Case) -> set[str]:
    """How a message may show what it was given."""
    values = list(case.config["arguments"].values())
    shown = {str(value) for value in values if value is not None} | {repr(value) for value in values}
    shown |= {type(value).__name__ for value in values}
    shown |= {str(item) for value in values if isinstance(value, list) for item in (*value, tuple(value))}
    for array in refusals.arrays(case).values():
        shown |= {str(array.shape), str(array.dtype), f"{array.ndim}-", *map(str, array.shape[-1:])}
        shown |= {str(value) for value in array.ravel()[:5].tolist()}
    return shown | {str(case.config["steps"])} if "steps" in case.config else shown


def _shows(text: str, value: str) -> bool:
    end = "" if value.endswith("-") else r"(?!\w)"
    return bool(re.search(rf"(?<![\w.]){re.escape(value)}{end}", text))


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if outcome(reference_calls.call, case).kinds and not LEFT_TO_PYTHON.match(case.description)
    ],
    ids=lambda case: case.description,
)
def test_a_message_names_the_argument_and_what_was_received(case: Case) -> None:
    message = outcome(reference_calls.call, case).message
    word = case.description.split("-")[1]
    if case.description.endswith("input-2-d-for-a-batch-of-states"):
        word = "h_0"  # which of the two is wrong is a matter of view
    names = [word, word.replace("_", " "), *MEANS.get(word, ())]
    assert any(name.lower() in message.lower() for name in names), message
    if not NAMES_WHAT_IS_WRONG.match(case.description):
        assert any(_shows(message, value) for value in _received(case) if value), message


def test_a_message_that_says_nothing_is_noticed() -> None:
    case = case_of("core/error/RNN-h_0-batch/float64")
    assert not any(_shows("wrong shape", value) for value in _received(case))
    assert any(_shows("h_0 must have shape (2, 2, 4), got (2, 3, 4)", value) for value in _received(case))
