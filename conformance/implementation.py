"""An implementation under test: a namespace of functions named after families, built in or in a user's file."""

from __future__ import annotations

import copy
import hashlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from conformance.adapters import reference, reference_calls, switching
from conformance.case import DTYPES, FAMILIES, Case, no_function
from conformance.messages import in_words, message_of
from conformance.refusals import Outcome, outcome
from conformance.trace import NotATraceError, Trace, as_trace

REFERENCE = "numpy"


class ImplementationError(Exception):
    """The implementation that was named cannot be used; the message says why in one line."""


class Failure(NamedTuple):
    """Why an implementation gives nothing for a case."""

    verdict: Literal["skipped", "errored"]
    reason: str


Given = TypeVar("Given", Trace, Outcome)


@dataclass(frozen=True)
class Implementation:
    """What can be run on a case."""

    name: str
    functions: Mapping[str, Callable[[Case], Any]]
    precision: str | None = None
    """a coarser arithmetic that it declares for itself, ``"float32"``"""
    complete: bool = False
    """whether it claims to give every array of every case"""
    path: Path | None = None

    @property
    def source(self) -> str:
        """The name that it can be loaded by again, wherever the working folder is then."""
        return REFERENCE if self.path is None else str(self.path)

    def attempt(self, case: Case) -> Trace | Failure:
        """The implementation's trace of a case, or why there is none."""
        return self._attempted(self.run, case)

    def attempt_call(self, case: Case) -> Outcome | Failure:
        """How the implementation's call of an ``error`` case ends, or why it was not made."""
        return self._attempted(self.call, case)

    def _attempted(self, function: Callable[[Case], Given], case: Case) -> Given | Failure:
        try:
            return function(case)
        except NotImplementedError as reason:
            return Failure("skipped", f"not implemented: {message_of(reason)}".removesuffix(": "))
        except NotATraceError as error:
            return Failure("errored", str(error))
        except KeyboardInterrupt:  # whoever started the run ends it
            raise
        except BaseException as error:  # the code under test may raise anything: that is its result
            return Failure("errored", self.where(error))

    def run(self, case: Case) -> Trace:
        """The implementation's trace of a case; what it prints goes to standard error.

        Raises:
            NotImplementedError: the implementation leaves this case, or its family, out.
            BaseException: whatever else the implementation raises.
        """
        with redirect_stdout(sys.stderr):
            return as_trace(self._function(case)(case))

    def call(self, case: Case) -> Outcome:
        """How the implementation's call of an ``error`` case ends: its function makes it and lets the exception out.

        Raises:
            NotImplementedError: it has no such function.
            BaseException: what it raises that is no ``Exception``.
        """
        with redirect_stdout(sys.stderr):
            return outcome(self._function(case), case, self.where)

    def _function(self, case: Case) -> Callable[[Case], Any]:
        function = self.functions.get(case.family)
        if function is None:
            raise NotImplementedError(no_function(case.family))
        # it is given a copy: whatever it does to its case must not reach the judge or the next case
        return lambda case: function(copy.deepcopy(case))

    def where(self, error: BaseException) -> str:
        """An exception in one line: class, message, and the line of the user's file that it came through last."""
        text = in_words(error)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if self._is_own(frame.filename)]
        return f"{text} ({self.name}, line {lines[-1]})" if lines else text

    def _is_own(self, filename: str) -> bool:
        return self.path is not None and filename == str(self.path)


def load(name: str) -> Implementation:
    """The implementation called ``numpy``, or the one in a Python file.

    Raises:
        ImplementationError: no such file, it cannot be imported, or it defines no function named after a family.
    """
    if name == REFERENCE:
        functions = {family: getattr(reference, family) for family in FAMILIES}
        functions |= {"error": reference_calls.call, "optimizer_switched": switching.beside_torch}
        return Implementation(REFERENCE, functions, complete=True)
    path = Path(os.path.realpath(name))
    if not os.path.isfile(path):
        raise ImplementationError(f"no such implementation: {name} (expected {REFERENCE!r} or a Python file)")
    namespace = _import(path)
    try:
        functions = {family: getattr(namespace, family, None) for family in FAMILIES}
        precision = getattr(namespace, "precision", None)
    except Exception as error:  # a module may answer for itself what it has
        own = Implementation(path.name, {}, path=path)
        raise ImplementationError(f"{path.name} cannot be asked what it has: {own.where(error)}") from error
    functions = {family: function for family, function in functions.items() if callable(function)}
    if not functions:
        raise ImplementationError(f"{name} defines no function named after a family: {', '.join(FAMILIES)}")
    if precision is not None and not (isinstance(precision, str) and precision in DTYPES):
        raise ImplementationError(f"{name}: precision must be one of {', '.join(DTYPES)}, got {precision!r}")
    declared = None if precision is None else DTYPES[DTYPES.index(precision)]
    return Implementation(path.name, functions, precision=declared, path=path)


def _import(path: Path) -> Any:
    """Import a file under a private name, its folder behind everything else on the path.

    In front, a user's ``reference.py`` or ``reports.py`` would take the place of our packages.
    """
    module_name = f"_implementation_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_loader(
        module_name, importlib.machinery.SourceFileLoader(module_name, str(path)), origin=str(path)
    )
    if spec is None or spec.loader is None:
        raise ImplementationError(f"{path.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[module_name] = module
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's file may raise anything while it is imported
        del sys.modules[module_name]
        own = Implementation(path.name, {}, path=path)
        raise ImplementationError(f"{path.name} cannot be imported: {own.where(error)}") from error
    return module
