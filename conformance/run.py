"""All cases of a run, judged on worker processes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from conformance import cache as simulations
from conformance import diagnose, replay
from conformance.adapters import reference
from conformance.case import Case
from conformance.cases import sweep
from conformance.compare import Check, Judge, check_of, check_of_call
from conformance.diagnose import Diagnosis, Search
from conformance.implementation import REFERENCE, Failure
from conformance.isolated import Subject, opened
from conformance.matching import Observation
from conformance.processes import cores, workers
from conformance.refusals import outcome
from conformance.tolerance import Precision, Simulation
from conformance.trace import Trace, as_trace

CASES_PER_PROCESS = 25
"""a second process has to import torch first, which fewer cases do not repay"""
NUMBERS_AT_A_TIME = 2**14
"""random cases that are handed to the workers at once: a pool keeps a record of all that it was given"""


Result = TypeVar("Result")


class Judged(NamedTuple):
    """What a run says of one case."""

    checks: list[Check]
    torch_seconds: float
    actual: Trace | None = None
    """what the implementation gave, if anything of it diverges"""


def judge_all(cases: Sequence[Case], implementation: Subject) -> Iterator[Judged]:
    """Verdicts on every case, in order, as they become known."""
    global _implementation
    _implementation = implementation
    yield from on_processes(_judge, cases, _start_worker, implementation.source)


def on_processes(
    function: Callable[[Case], Result], cases: Sequence[Case], start: Callable[..., None], *arguments: object
) -> Iterator[Result]:
    """A function of every case, in order, on as many worker processes as repay their start.

    ``start`` prepares a worker; where there are few cases this process does the work, and no other is started.
    """
    processes = min(cores(), max(len(cases) // CASES_PER_PROCESS, 1))
    if processes == 1:
        start_process()
        yield from map(function, cases)
        return
    with workers(processes, start, *arguments) as pool:
        yield from pool.map(function, cases, chunksize=4)


def expectation(case: Case) -> tuple[Trace, float]:
    """torch's trace of a case, and the seconds it took."""
    from conformance.adapters import pytorch  # torch takes seconds to import: only where a case is judged

    started = time.perf_counter()
    trace = as_trace(getattr(pytorch, case.family)(case))
    return trace, time.perf_counter() - started


def sweep_all(numbers: Sequence[int], seed: int, dtype: str, implementation: Subject) -> Iterator[Judged]:
    """Verdicts on random cases, by number."""
    judge_number = partial(_sweep_in_worker, seed=seed, dtype=dtype)
    with workers(cores(), _start_worker, implementation.source) as pool:
        for first in range(0, len(numbers), NUMBERS_AT_A_TIME):
            yield from pool.map(judge_number, numbers[first : first + NUMBERS_AT_A_TIME], chunksize=16)


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


def diagnose_all(cases: Sequence[Case], judged: Sequence[Judged], precision: str | None) -> list[Diagnosis]:
    """What explains the divergences of each family that has any, in float64 where there are cases in it."""
    diverging = [(case, result) for case, result in zip(cases, judged, strict=True) if result.actual is not None]
    found = []
    for family in dict.fromkeys(case.family for case, _ in diverging):
        dtype = max((case.dtype for case, _ in diverging if case.family == family), key=lambda dtype: dtype.itemsize)
        seen = [
            Seen(case, result.actual, [check.array for check in result.checks if check.verdict == "agrees"])
            for case, result in zip(cases, judged, strict=True)
            if case.family == family and case.dtype == dtype and not case.left_out
        ]
        found.append((family, seen, precision or str(dtype)))
    seconds = diagnose.SECONDS / max(-(-len(found) // cores()), 1)
    searches = [(*search, seconds) for search in found]
    if len(searches) <= 1:
        return [_diagnose(*search) for search in searches]
    with workers(min(cores(), len(searches)), start_process) as pool:
        return list(pool.map(_diagnose, *zip(*searches, strict=True)))


class Seen(NamedTuple):
    """A case as it was judged, for a diagnosis."""

    case: Case
    actual: Trace | None
    agreeing: list[str | None]


def _diagnose(family: str, seen: Sequence[Seen], precision: str, seconds: float) -> Diagnosis:
    observations = []
    for case, actual, agreeing in seen:
        with np.errstate(all="ignore"):
            right = as_trace(getattr(reference, family)(case))
        if actual is None:  # all that was given agrees: the reference stands for it
            given = {name: right[name] for name in right if name in agreeing}
        else:
            given = {
                name: np.asarray(actual[name]).astype(right[name].dtype)
                for name in right
                if name in actual and actual[name].shape == right[name].shape
            }
        if given:
            observations.append(Observation(case, given, actual is not None))
    return Search(family, observations, Precision.of(np.dtype(precision)), seconds).diagnose()


class CachedJudge(Judge):
    """A judge whose simulations are kept on disk."""

    def simulate(self) -> Simulation:
        return simulations.simulation(self.case, self.precision, super().simulate)


_implementation: Subject


def start_process() -> None:
    """Keep this process to one thread: processes share the cores, and more threads each would slow all of them."""
    from conformance.adapters import pytorch

    threadpool_limits(1)
    pytorch.use_one_thread()


def _start_worker(source: str) -> None:
    global _implementation
    start_process()
    _implementation = opened(source)


def _judge(case: Case) -> Judged:
    return judge(case, _implementation)


def _sweep_in_worker(number: int, seed: int, dtype: str) -> Judged:
    return _judge(sweep.case(seed, number, dtype))._replace(actual=None)
