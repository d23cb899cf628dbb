"""Simulations of committed cases, in worker processes; a module of its own because workers import it by name."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from conformance import cache, tolerance
from conformance.adapters import reference
from conformance.case import Case
from conformance.compare import Judge
from conformance.tolerance import Precision


class Admission(NamedTuple):
    """What the simulation of a case says of it."""

    case: str
    inadmissible: str | None
    without_power: list[str]
    resolution: float
    """the largest relative error that some array's tolerance lets pass; float64 only"""


def admissions(cases: Sequence[Case]) -> Iterator[Admission]:
    """Every case simulated in full, or read from the disk cache, where a run would find it too."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, threadpool_limits, (1,)) as pool:
        yield from pool.map(admission, cases, chunksize=8)


def admission(case: Case) -> Admission:
    precision = Precision.of(case.dtype)
    judge = Judge(case, {}, getattr(reference, case.family), precision)
    simulation = cache.simulation(case, precision, judge.simulate)
    sizes = {name: tolerance.norm(value) for name, value in judge.arbiter.items()}
    powerless = [
        name
        for name, value in judge.arbiter.items()
        # what is computed in bfloat16 is not asked for it: Muon's parameters, not its momentum
        if not (simulation.bfloat16 and ".param." in name)
        and not tolerance.has_power(simulation.sigma[name], value, precision)
    ]
    resolutions = [
        tolerance.NORM_LIMIT * tolerance.norm(simulation.sigma[name]) / size
        for name, size in sizes.items()
        if 0 < size < float("inf")
    ]
    return Admission(case.id, simulation.inadmissible, powerless, max(resolutions, default=0.0))
