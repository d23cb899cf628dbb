"""All cases of a run, judged and diagnosed on worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from conformance import diagnose
from conformance.adapters import reference
from conformance.case import Case
from conformance.cases import sweep
from conformance.diagnose import Diagnosis, Search
from conformance.isolated import Subject, opened
from conformance.judging import Judged, judge
from conformance.matching import Observation
from conformance.processes import cores, on_processes, start_process, workers
from conformance.tolerance import Precision
from conformance.trace import Trace, as_trace

NUMBERS_AT_A_TIME = 2**14
"""random cases that are handed to the workers at once: a pool keeps a record of all that it was given"""


def judge_all(cases: Sequence[Case], implementation: Subject) -> Iterator[Judged]:
    """Verdicts on every case, in order, as they become known."""
    global _implementation
    _implementation = implementation
    yield from on_processes(_judge, cases, _start_worker, implementation.source)


def sweep_all(numbers: Sequence[int], seed: int, dtype: str, implementation: Subject) -> Iterator[Judged]:
    """Verdicts on random cases, by number."""
    judge_number = partial(_sweep_in_worker, seed=seed, dtype=dtype)
    with workers(cores(), _start_worker, implementation.source) as pool:
        for first in range(0, len(numbers), NUMBERS_AT_A_TIME):
            yield from pool.map(judge_number, numbers[first : first + NUMBERS_AT_A_TIME], chunksize=16)


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
            given = {name: np.asarray(actual[name]).astype(right[name].dtype) for name in right if name in actual}
            fitting = {name: value for name, value in given.items() if value.shape == right[name].shape}
            # wrong shapes are evidence where nothing else is wrong; beside wrong values they hide what explains these
            if any(name not in agreeing for name in fitting):
                given = fitting
        if given:
            observations.append(Observation(case, given, actual is not None))
    return Search(family, observations, Precision.of(np.dtype(precision)), seconds).diagnose()


_implementation: Subject


def _start_worker(source: str) -> None:
    global _implementation
    start_process()
    _implementation = opened(source)


def _judge(case: Case) -> Judged:
    return judge(case, _implementation)


def _sweep_in_worker(number: int, seed: int, dtype: str) -> Judged:
    return _judge(sweep.case(seed, number, dtype))._replace(actual=None)
