"""Mutate the reference mechanically and see what notices: ``python -m tests.mutation``, outside of the tests.

A mutant is killed by a case at the standard level, in float64, if it diverges from torch there, raises, or warns
where the reference does not; or, as cases do not see refusals, ``out=`` and the like, by a test of tests/reference.
Tried are the cases and tests that go through the function that changes, and tests that call no function at all: first
what has killed a mutant of the same function before, then the quickest, up to the first that kills, and of tests for
no more than some seconds. Each mutant runs in a process of its own, so that none meets what another has left behind;
one that takes many times the usual processor time is killed, too.

What survives is listed in results.json, each mutant with the argument why it is equivalent. Arguments are written
there by hand, and kept from run to run as long as neither the lines nor their change differ. A module whose source
has not changed is not mutated again, unless asked for.
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
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import click
import pytest
from tabulate import tabulate

from conformance import cases, kill
from conformance.processes import start_process
from conformance.reach import executed
from tests.mutation import mutants, results
from tests.mutation.running import Mutant, applied

PROCESSES = 2
SECONDS, TIMES = 5.0, 20.0
"""processor time that a mutant is given for a case or test: so much, and so many times the usual"""
SECONDS_OF_TESTS = 10.0
"""what a mutant is given of tests, with one example of each test before the second of any"""
BYTES = 4 << 30
"""memory that a mutant is given"""


class Trial(NamedTuple):
    """A case or a test, and what it goes through."""

    kind: str
    """``case`` or ``test``"""
    name: str
    run: kill.Watch | pytest.Function
    reached: frozenset[tuple[str, str]]
    seconds: float
    """processor time, without any mutant"""
    example: int = 0
    """number among those that differ in the test's parameters only"""

    def reaches(self, mutant: Mutant) -> bool:
        if not self.reached:  # looks at signatures, or at a package's list of names
            return True
        if mutant.in_function:
            return (mutant.module, mutant.place) in self.reached
        # a constant
        return any(f"{module}.".startswith(f"{mutant.module}.") for module, _ in self.reached)


class Outcome(NamedTuple):
    """What became of a mutant: the kind and name of what killed it, neither if it survived."""

    mutant: Mutant
    kind: str
    name: str


class Job:
    """A plugin of pytest: it has the tests as collected once, and runs them for every mutant."""

    def __init__(self, chosen: Sequence[Mutant]) -> None:
        self.chosen = chosen
        self.outcomes: list[Outcome] = []
        self.failed = False

    def pytest_sessionstart(self) -> None:
        import hypothesis  # not before pytest has prepared its import

        hypothesis.settings.register_profile(
            "mutation",
            derandomize=True,
            database=None,
            deadline=None,
            # a failure need not be made small, and a slow machine is no failure
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise click.ClickException("the tests cannot be collected: pytest tests/reference says why")
        trials = self.trials([item for item in session.items if isinstance(item, pytest.Function)])
        with _progress(len(self.chosen), "mutants") as bar:
            for outcome in self.results(trials):
                self.outcomes.append(outcome)
                bar.update(1)
        return True

    def trials(self, tests: Sequence[pytest.Function]) -> list[Trial]:
        """Cases and tests, after a run without any mutant."""
        selected = cases.select(dtypes=["float64"])
        examples: Counter[object] = Counter()
        found = []
        with _progress(len(selected) + len(tests), "cases and tests") as bar:
            for case in selected:
                watch = kill.Watch.of(case)
                started = time.process_time()
                kill.run_reference(case)
                found.append(Trial("case", case.id, watch, watch.reached, time.process_time() - started))
                bar.update(1)
            for test in tests:
                started = time.process_time()
                reached = frozenset(executed(self.run_test, test))
                if self.failed:  # tells nothing of a mutant
                    click.echo(f"left out, as it fails without any mutant: {test.nodeid}", err=True)
                else:
                    taken = time.process_time() - started
                    found.append(Trial("test", test.nodeid, test, reached, taken, examples[test.function]))
                    examples[test.function] += 1
                bar.update(1)
        return found

    def run_test(self, test: pytest.Function) -> None:
        """Run a test, its fixtures included."""
        self.failed = False
        test.ihook.pytest_runtest_protocol(item=test, nextitem=None)

    def results(self, trials: Sequence[Trial]) -> Iterator[Outcome]:
        """What becomes of the mutants, in the order in which it becomes known."""
        context = multiprocessing.get_context("fork")  # a child has everything imported and prepared
        gc.collect()
        gc.freeze()  # a collection in a child would copy the memory that it shares
        killers: dict[tuple[str, str], dict[str, None]] = {}
        running: dict[Any, tuple[Mutant, Any, tuple[str, str]]] = {}
        waiting = list(reversed(self.chosen))
        while waiting or running:
            while waiting and len(running) < PROCESSES:
                mutant = waiting.pop()
                fit = _fit(trials, mutant, list(killers.get((mutant.module, mutant.place), ())))
                reader, writer = context.Pipe(duplex=False)
                process = context.Process(target=self._child, args=(mutant, fit, writer))
                process.start()
                writer.close()
                running[reader] = mutant, process, ("", "")
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                mutant, process, last = running[ready]
                try:
                    running[ready] = mutant, process, ready.recv()
                except EOFError:
                    del running[ready]
                    process.join()
                    if process.exitcode == 1:
                        text = f"the job itself fails with {mutant.original} -> {mutant.mutated}"
                        raise click.ClickException(text) from None
                    if last[0]:
                        by_name = killers.setdefault((mutant.module, mutant.place), {})
                        by_name.pop(last[1], None)
                        by_name[last[1]] = None
                    yield Outcome(mutant, *last)

    def _child(self, mutant: Mutant, trials: Sequence[Trial], writer: Connection) -> None:
        """Say each trial before it begins: the last one said has killed the mutant, or the process."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        if not _can_be_imported(mutant):
            writer.send(("case", "import"))
            os._exit(0)
        for trial in trials:
            writer.send((trial.kind, trial.name))
            signal.setitimer(signal.ITIMER_PROF, SECONDS + TIMES * trial.seconds)  # ends the process
            if self._kills(trial, mutant):
                os._exit(0)
        writer.send(("", ""))
        os._exit(0)

    def _kills(self, trial: Trial, mutant: Mutant) -> bool:
        if isinstance(trial.run, kill.Watch):
            return trial.run.kill("", applied(mutant)) is not None
        with applied(mutant):
            self.run_test(trial.run)
        return self.failed


def _fit(trials: Sequence[Trial], mutant: Mutant, killers: Sequence[str]) -> list[Trial]:
    """What to try on a mutant, in order."""

    def order(trial: Trial) -> tuple[str, int, int, float]:
        killed = -killers.index(trial.name) - 1 if trial.name in killers else 0  # the latest first
        return trial.kind, killed, trial.example, trial.seconds

    found: list[Trial] = []
    left = SECONDS_OF_TESTS
    for trial in sorted((trial for trial in trials if trial.reaches(mutant)), key=order):
        if trial.kind == "test":
            left -= trial.seconds
        if left > 0:
            found.append(trial)
    return found


def _can_be_imported(mutant: Mutant) -> bool:
    try:
        with applied(mutant):
            return True
    except Exception:  # a mutant may fail in any way
        return False


def _progress(length: int, label: str) -> Any:
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


def _run(chosen: Sequence[Mutant]) -> list[Outcome]:
    start_process()
    job = Job(chosen)
    # neither a terminal nor a cache, and none of the options meant for a terminal
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts=", "--import-mode=importlib"]
    code = pytest.main([*options, "tests/reference"], plugins=[job])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):  # what fails by itself was left out
        raise click.ClickException(f"pytest ends with {code!r}")
    return job.outcomes


def _counted(outcomes: Sequence[Outcome], before: results.Counts | None) -> results.Counts:
    """What became of a module's mutants; ``before`` is what became of all, if only its survivors were run again."""
    kinds = Counter(outcome.kind for outcome in outcomes)
    return results.Counts(
        mutants=before["mutants"] if before else kinds.total(),
        by_cases=kinds["case"] + (before["by_cases"] if before else 0),
        by_tests=kinds["test"] + (before["by_tests"] if before else 0),
        survived=kinds[""],
    )


@click.command()
@click.option("--module", "chosen", multiple=True, help="Only this one, like optim.adam, even if it has not changed.")
@click.option("--all", "every", is_flag=True, help="Every module, even if it has not changed.")
@click.option("--survivors", is_flag=True, help="Of modules that have not changed, only what survived before.")
def main(chosen: Sequence[str], every: bool, survivors: bool) -> None:
    """Mutate each module of the reference that has changed, and write what survives to results.json."""
    started = time.monotonic()
    before = results.load()
    stale = results.stale(before)
    if survivors:
        modules = [module for module in chosen or before["modules"] if module not in stale]
    else:
        modules = [*chosen] or (results.module_names() if every else stale)
    wanted = [mutant for module in modules for mutant in mutants.mutants(module)]
    if survivors:
        survivors_before = {results.key(survivor) for survivor in before["survivors"]}
        wanted = [mutant for mutant in wanted if mutant.key in survivors_before]
    outcomes = _run(wanted)

    before = results.load()  # once more: arguments may have been written in the meantime
    arguments = {results.key(survivor): survivor["argument"] for survivor in before["survivors"]}
    order = {mutant: number for number, mutant in enumerate(wanted)}
    outcomes.sort(key=lambda outcome: order[outcome.mutant])
    for module in modules:
        counts = _counted(
            [outcome for outcome in outcomes if outcome.mutant.module == module],
            before["modules"][module]["counts"] if survivors else None,
        )
        before["modules"][module] = results.OfModule(sources=results.hash_of_source(module), counts=counts)
    survived = [
        results.Survivor(module=m.module, place=m.place, original=m.original, mutated=m.mutated, argument=argument)
        for m, argument in ((o.mutant, arguments.get(o.mutant.key, "")) for o in outcomes if not o.kind)
    ]
    others = [survivor for survivor in before["survivors"] if survivor["module"] not in modules]
    tool = f"mutmut {importlib.metadata.version('mutmut')}"
    results.save(results.Results(tool=tool, modules=before["modules"], survivors=[*others, *survived]))

    rows = [(module or "__init__", *before["modules"][module]["counts"].values()) for module in modules]
    total = ("", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))
    click.echo(tabulate([*rows, total], ["module", "mutants", "killed by cases", "killed by tests", "survived"]))
    new = [survivor for survivor in survived if not survivor["argument"]]
    for survivor in new:
        click.echo("\n{module}.{place}\n- {original}\n+ {mutated}".format(**survivor))
    click.echo(f"\n{len(new)} of {len(survived)} survivors without an argument; {time.monotonic() - started:.0f} s")
    sys.exit(bool(new))


if __name__ == "__main__":
    main()
