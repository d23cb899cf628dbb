"""What the harness's tests share: committed cases with torch's trace and a judge, and wrong versions of a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from conformance import cases, tolerance
from conformance.adapters import pytorch, reference
from conformance.case import Array, Case
from conformance.compare import Check, Judge
from conformance.tolerance import Precision
from conformance.trace import Trace, as_trace

pytorch.use_one_thread()

RNN = "core/rnn/tanh-2-layer-bidirectional-batch_first/float64"
OPTIMIZER = "core/optimizer/Adam-weight_decay/float64"
LOSS = "core/loss/cross_entropy-indices-weight-none/float64"
TRAINING = "core/training/tanh-Adam/float64"
NOTEBOOK = "core/notebook/SimpleRNN-Momentum/float64"
LINEAR = "core/linear/square/float64"
ACTIVATION = "core/activation/softmax-rows/float64"
OF_EVERY_KIND = (RNN, OPTIMIZER, LOSS, TRAINING, NOTEBOOK, LINEAR, ACTIVATION)


@cache
def _by_id() -> dict[str, Case]:
    return {case.id: case for case in cases.all_cases()}


def case_of(case_id: str) -> Case:
    return _by_id()[case_id]


def changed(case: Case, arrays: Mapping[str, Array]) -> Case:
    """The case with some of its arrays replaced, or others added."""
    return replace(case, arrays={**case.arrays, **arrays})


def run_torch(case: Case) -> Trace:
    return as_trace(getattr(pytorch, case.family)(case))


def run_reference(case: Case) -> Trace:
    return as_trace(getattr(reference, case.family)(case))


def judge_of(case: Case, *, complete: bool = True, precision: Precision | None = None) -> Judge:
    function = getattr(reference, case.family)
    return Judge(case, run_torch(case), function, precision or Precision.of(case.dtype), complete)


@cache
def committed_judge(case_id: str, complete: bool = True) -> Judge:
    """One judge per case, because a judge keeps its simulation."""
    return judge_of(case_of(case_id), complete=complete)


def checks_of(judge: Judge, actual: Trace) -> dict[str | None, Check]:
    return {check.array: check for check in judge.checks(actual)}


def one_wrong(judge: Judge, name: str, wrong: Array) -> Check:
    """The check of one array that is not torch's; all the others are, and have to agree."""
    checks = checks_of(judge, judge.expected | {name: wrong})
    others = [check for check in checks.values() if check.array not in (name, f"{name} (printed)")]
    assert all(check.verdict == "agrees" for check in others), others
    return checks[name]


def largest(array: Array) -> tuple[int, ...]:
    """The place of the largest element, where a relative error is not lost in its neighbours' rounding."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(array)), array.shape))


def with_element(array: Array, index: tuple[int, ...], change: Callable[[float], float]) -> Array:
    wrong = array.copy()
    wrong[index] = change(float(wrong[index]))
    return wrong


def judged_by_simulation(judge: Judge) -> bool:
    """Whether the power of an agreement suffices for every array of the case, with the simulated sigma."""
    return all(
        tolerance.has_power(judge.simulation.sigma[name], value, judge.precision)
        for name, value in judge.arbiter.items()
    )
