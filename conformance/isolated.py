"""A user's file in a process of its own.

What it sets there (torch's default dtype and modes, NumPy's error handling and generator, the working folder) reaches
neither torch, which computes the expectation, nor the judge; and where it ends its process, the run can say so. To
save and restore such settings around its functions would take a list of them, which is never complete.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from conformance.case import Case
from conformance.implementation import REFERENCE, Failure, Implementation, ImplementationError, load
from conformance.processes import end_with_parent
from conformance.refusals import Outcome
from conformance.trace import Trace

SECONDS_TO_END = 5.0
"""how long a file may take to end when it is asked nothing more: its threads and exit handlers run until then"""


class Isolated:
    """An implementation in a user's file, which this process never imports."""

    complete = False

    def __init__(self, name: str) -> None:
        """Load a file.

        Raises:
            ImplementationError: as ``load`` does, or the file ended its process.
        """
        self.source = os.path.realpath(name)
        self.name = Path(self.source).name
        if self.name == REFERENCE:
            self.name = f"./{self.name}"
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, other_end))
        self._process.start()
        other_end.close()  # with both ends open here, its end would go unnoticed
        # where nobody closes it, this process would wait for it at its own end
        self.close = Finalize(self, _end, (self._process, self._connection), exitpriority=0)
        self.precision: str | None = self._answer("while it was imported")

    def attempt(self, case: Case) -> Trace | Failure:
        """As ``Implementation.attempt``."""
        trace: Trace | Failure = self._ask("attempt", case)
        return trace

    def attempt_call(self, case: Case) -> Outcome | Failure:
        """As ``Implementation.attempt_call``."""
        result: Outcome | Failure = self._ask("attempt_call", case)
        return result

    def _ask(self, method: str, case: Case) -> Any:
        with contextlib.suppress(OSError):  # it has ended: that is seen when there is no answer
            self._connection.send((method, case))
        return self._answer(f"in {case.id}")

    def _answer(self, when: str) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(SECONDS_TO_END)
            how = f"exit code {self._process.exitcode}"
            if self._process.exitcode in (-9, None):
                how += ", perhaps because memory ran out"
            raise ImplementationError(f"{self.name} ended its process {when} ({how}); nothing was written") from None
        if isinstance(answer, ImplementationError | KeyboardInterrupt):
            raise answer
        return answer


Subject = Implementation | Isolated
"""what can be judged"""


def opened(name: str) -> Subject:
    """The implementation called ``numpy``, or the one in a Python file.

    Raises:
        ImplementationError: as ``load`` does, or the file ended its process.
    """
    return load(name) if name == REFERENCE else Isolated(name)


def _serve(name: str, connection: Connection) -> None:
    """Load a file, send what it declares, and answer until nobody asks any more."""
    end_with_parent()
    # what it starts by itself is to start as it does without us, and what it writes is no output of this command
    multiprocessing.set_start_method(None, force=True)
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    threadpool_limits(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for torch, if the file imports it
    try:
        implementation = load(name)
    except ImplementationError as error:
        connection.send(error)
        return
    except KeyboardInterrupt:
        connection.send(KeyboardInterrupt())
        return
    connection.send(implementation.precision)
    # the one that asks is interrupted too, and ends: nobody is left to tell
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            method, case = connection.recv()
            try:
                answer: object = getattr(implementation, method)(case)
            except KeyboardInterrupt:
                answer = KeyboardInterrupt()
            try:
                connection.send(answer)
            except MemoryError:
                connection.send(Failure("errored", "its result is too large to be handed over"))


def _end(process: BaseProcess, connection: Connection) -> None:
    connection.close()
    process.join(SECONDS_TO_END)
    if process.is_alive():
        process.kill()
        process.join()
