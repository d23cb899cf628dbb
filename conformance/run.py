"""All cases of a run, judged on worker processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from conformance import cache
from conformance.adapters import reference
from conformance.case import Case
from conformance.compare import Check, Judge
from conformance.implementation import Implementation, load
from conformance.tolerance import Precision, Simulation
from conformance.trace import NotATraceError, as_trace

CASES_PER_PROCESS = 25
"""a second process has to import torch first, which fewer cases do not repay"""


class Judged(NamedTuple):
    """What a run says of one case."""

    checks: list[Check]
    torch_seconds: float


def judge_all(cases: Sequence[Case], implementation: str) -> Iterator[Judged]:
    """Verdicts on every case, in order, as they become known.

    ``implementation`` is a name that ``implementation.load`` takes: every process loads it for itself.
    """
    processes = min(_cores(), max(len(cases) // CASES_PER_PROCESS, 1))
    if processes == 1:
        _start_worker(implementation)
        yield from map(_judge_in_worker, cases)
        return
    # a fresh interpreter each: torch does not survive a fork once it has started threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (implementation,)) as pool:
        yield from pool.map(_judge_in_worker, cases, chunksize=4)


def judge(case: Case, implementation: Implementation) -> Judged:
    """Verdicts on one case."""
    from conformance.adapters import pytorch  # torch takes seconds to import: only where a case is judged

    started = time.perf_counter()
    expected = as_trace(getattr(pytorch, case.family)(case))
    torch_seconds = time.perf_counter() - started

    declared = implementation.precision
    # the coarser one: arithmetic in float64 does not make a float32 case finer
    precision = Precision.of(np.dtype(np.float32) if declared == "float32" else case.dtype)
    verdicts = _CachedJudge(case, expected, getattr(reference, case.family), precision, implementation.complete)
    try:
        actual = implementation.run(case)
    except NotImplementedError as reason:
        return Judged([verdicts.whole("skipped", f"not implemented: {' '.join(str(reason).split())}")], torch_seconds)
    except NotATraceError as error:
        return Judged([verdicts.whole("errored", str(error))], torch_seconds)
    except (Exception, SystemExit) as error:  # the code under test may raise anything: that is its result
        return Judged([verdicts.whole("errored", implementation.where(error))], torch_seconds)
    if declared:
        actual = {
            name: value.astype(expected[name].dtype) if name in expected and value.dtype == declared else value
            for name, value in actual.items()
        }
    return Judged(list(verdicts.checks(actual)), torch_seconds)


class _CachedJudge(Judge):
    def simulate(self) -> Simulation:
        return cache.simulation(self.case, self.precision, super().simulate)


_implementation: Implementation


def _start_worker(name: str) -> None:
    global _implementation
    from conformance.adapters import pytorch

    # processes share the cores; more threads each would slow all of them
    threadpool_limits(1)
    pytorch.use_one_thread()
    _implementation = load(name)


def _judge_in_worker(case: Case) -> Judged:
    return judge(case, _implementation)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1
