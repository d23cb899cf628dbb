"""Mutate the reference mechanically and see what notices: ``python -m tests.mutation``, outside of the tests.

A mutant is killed by a case at the standard level, in float64, if it diverges from torch there, raises, or warns
where the reference does not; or, as cases do not see refusals, ``out=`` and the like, by a test of tests/reference.
Tried are the cases and tests that go through the function that changes, from what has killed a mutant of the same
function before to what takes longest, up to the first that kills. Each mutant runs in a process of its own, so that
none meets what another has left behind; one that takes many times the processor time that is usual is killed, too.

What survives is listed in results.json, each mutant with the argument why it is equivalent. Arguments are written
there by hand, and kept from run to run as long as neither the lines nor their change differ.
"""

from __future__ import annotations

import gc
import importlib.metadata
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import click
import hypothesis
import pytest

from conformance import cases, kill
from conformance.reach import executed
from conformance.run import start_process
from tests.mutation import mutants, results
from tests.mutation.mutants import Mutant

PROCESSES = 2
SECONDS, TIMES = 5.0, 20
"""processor time that a mutant is given for a case or test: so much, and so many times the usual"""
BYTES = 8 << 30
"""memory that a mutant is given"""


class Trial(NamedTuple):
    """A case or a test, and what it goes through."""

    kind: str
    """``cases`` or ``tests``"""
    name: str
    run: kill.Watch | pytest.Function
    reached: frozenset[tuple[str, str]]
    seconds: float

    def reaches(self, mutant: Mutant) -> bool:
        if mutant.in_function:
            return (mutant.module, mutant.place) in self.reached
        return any(module == mutant.module for module, _ in self.reached)


class Outcome(NamedTuple):
    """What became of a mutant: the kind and name of what killed it, neither if it survived."""

    mutant: Mutant
    kind: str = ""
    name: str = ""


class Job:
    """As a plugin of pytest it has the tests as pytest collected them, without collecting again for every mutant."""

    def __init__(self, chosen: Sequence[Mutant]) -> None:
        self.chosen = chosen
        self.outcomes: list[Outcome] = []
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        tests = [item for item in session.items if isinstance(item, pytest.Function)]
        selected = cases.select(dtypes=["float64"])
        with _progress(len(selected) + len(tests), "without mutants") as bar:
            trials = []
            for case in sorted(selected, key=lambda case: case.level):
                trials.append(_watched(kill.Watch.of(case)))
                bar.update(1)
            for test in tests:
                trial = self._tested(test)
                if self.failed:
                    raise click.ClickException(f"fails without any mutant: {test.nodeid}")
                trials.append(trial)
                bar.update(1)
        with _progress(len(self.chosen), "mutants") as bar:
            for outcome in self.results(trials):
                self.outcomes.append(outcome)
                bar.update(1)
        return True

    def _tested(self, test: pytest.Function) -> Trial:
        started = time.process_time()
        reached = executed(self.passes, test)
        return Trial("tests", test.nodeid, test, frozenset(reached), time.process_time() - started)

    def passes(self, test: pytest.Function) -> bool:
        """Run a test, its fixtures included."""
        self.failed = False
        test.ihook.pytest_runtest_protocol(item=test, nextitem=None)
        return not self.failed

    def results(self, trials: Sequence[Trial]) -> Iterator[Outcome]:
        """What becomes of the mutants, in the order in which it becomes known."""
        context = multiprocessing.get_context("fork")  # a child has torch imported and everything prepared
        gc.collect()
        gc.freeze()  # collecting garbage in a child would copy all of the memory that it shares
        sys.stdout.flush()
        killers: dict[tuple[str, str], dict[str, None]] = {}
        running: dict[Connection, tuple[Mutant, BaseProcess, Trial | None]] = {}
        waiting = list(reversed(self.chosen))
        while waiting or running:
            while waiting and len(running) < PROCESSES:
                mutant = waiting.pop()
                known = list(killers.get((mutant.module, mutant.place), ()))
                order = {name: -number for number, name in enumerate(known, 1)}
                fit = [trial for trial in trials if trial.reaches(mutant)]
                fit.sort(key=lambda trial: (trial.kind, order.get(trial.name, 0), trial.seconds))
                reader, writer = context.Pipe(duplex=False)
                process = context.Process(target=self._child, args=(mutant, fit, writer))
                process.start()
                writer.close()
                running[reader] = mutant, process, None
            for reader in wait(list(running)):
                assert isinstance(reader, Connection)
                mutant, process, last = running[reader]
                try:
                    last = reader.recv()
