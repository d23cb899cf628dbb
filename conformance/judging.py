"""The verdict on one case: both sides run, their traces compared, the rest of the difference replayed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from conformance import cache as simulations
from conformance import replay
from conformance.adapters import reference
from conformance.case import Case
from conformance.compare import Check, Judge, check_of, check_of_call
from conformance.implementation import REFERENCE, Failure
from conformance.isolated import Subject
from conformance.refusals import outcome
from conformance.tolerance import Precision, Simulation
from conformance.trace import Trace, as_trace


class Judged(NamedTuple):
    """What a run says of one case."""

    checks: list[Check]
    torch_seconds: float
    actual: Trace | None = None
    """what the implementation gave, if anything of it diverges"""


def judge(case: Case, implementation: Subject) -> Judged:
    """Verdicts on one case."""
    if case.left_out:
        return Judged([check_of(case, None, "skipped", reason=case.left_out)], 0.0)
    if case.family == "error":
        return _judge_call(case, implementation)
    expected, torch_seconds = expectation(case)
    declared = implementation.precision
    # the coarser one: arithmetic in float64 does not make a float32 case finer
    precision = Precision.of(np.dtype(np.float32) if declared == "float32" else case.dtype)
    verdicts = CachedJudge(case, expected, getattr(reference, case.family), precision, implementation.complete)
    actual = implementation.attempt(case)
    if isinstance(actual, Failure):
        return Judged([check_of(case, None, actual.verdict, reason=actual.reason)], torch_seconds)
    if declared:
        actual = {
            name: value.astype(expected[name].dtype) if name in expected and value.dtype == declared else value
            for name, value in actual.items()
        }
    checks = list(verdicts.checks(actual))
    if implementation.source == REFERENCE and case.family == "optimizer":
        checks = _replayed(checks, case, expected)
    diverges = any(check.verdict == "diverges" for check in checks)
    return Judged(checks, torch_seconds, actual if diverges else None)


def _judge_call(case: Case, implementation: Subject) -> Judged:
    """The verdict on a call that may be wrong: the class of the exception is compared, both messages are kept."""
    from conformance.adapters import pytorch_calls

    started = time.perf_counter()
    expected = outcome(pytorch_calls.call, case)
    torch_seconds = time.perf_counter() - started
    actual = implementation.attempt_call(case)
    if isinstance(actual, Failure):
        return Judged([check_of(case, None, actual.verdict, reason=actual.reason)], torch_seconds)
    agrees = actual.agrees_with(expected)
    if not agrees and NotImplementedError in actual.kinds and not implementation.complete:
        skipped = check_of(case, None, "skipped", reason=f"not implemented: {actual.message}")
        return Judged([skipped], torch_seconds)
    verdict = check_of_call(case, agrees, actual, expected)
    return Judged([verdict], torch_seconds, None if agrees else actual.trace)


def _replayed(checks: Sequence[Check], case: Case, expected: Trace) -> list[Check]:
    """The checks, with what is left of every difference when the reference rounds as torch does."""
    from conformance.adapters import pytorch_arithmetic  # torch

    reason = replay.refusal(case) or _refusal_of_this_processor()
    if reason:
        return [dataclasses.replace(check, replay_skipped=reason) for check in checks]
    trace = replay.replay(case, getattr(reference, case.family), pytorch_arithmetic.sqrt)
    differs = {name: replay.differing(trace[name], value) for name, value in expected.items() if name in trace}
    return [dataclasses.replace(check, replay_differs=differs.get(check.array or "")) for check in checks]


@cache
def _refusal_of_this_processor() -> str | None:
    from conformance.adapters import pytorch_arithmetic

    unlike = replay.unlike(pytorch_arithmetic.OPERATIONS, pytorch_arithmetic.sqrt)
    return f"arithmetic of this CPU: torch rounds otherwise in {', '.join(unlike)}" if unlike else None


def expectation(case: Case) -> tuple[Trace, float]:
    """torch's trace of a case, and the seconds it took."""
    from conformance.adapters import pytorch  # torch takes seconds to import: only where a case is judged

    started = time.perf_counter()
    trace = as_trace(getattr(pytorch, case.family)(case))
    return trace, time.perf_counter() - started


class CachedJudge(Judge):
    """A judge whose simulations are kept on disk."""

    def simulate(self) -> Simulation:
        return simulations.simulation(self.case, self.precision, super().simulate)
