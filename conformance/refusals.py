"""What became of a call that may be wrong: refused with an exception of some class, or accepted.

A trace holds arrays of numbers, and cases of the family ``error`` go the way of all cases, through divergences, the
kill matrix and the diagnosis; so the outcome of a call is one number, the place of its exception's class in a table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from conformance.case import Case
from conformance.messages import in_words, message_of
from conformance.trace import Trace

KINDS: tuple[type[Exception], ...] = (
    *(TypeError, ValueError, IndexError, KeyError, AttributeError, NotImplementedError, RuntimeError),
    *(ZeroDivisionError, OverflowError, AssertionError, Exception),
)
"""classes that tell refusals apart, each before the classes that it belongs to; 0 in a trace is an accepted call"""


class Outcome(NamedTuple):
    """How a call ended, in plain data that one process can send to another."""

    kinds: tuple[type[Exception], ...] = ()
    """every class in the table that the exception belongs to; none if the call was accepted"""
    message: str = ""
    words: str = "accepted"

    @classmethod
    def of(cls, error: Exception, words: str | None = None) -> Outcome:
        """The outcome of a call that raised; ``words`` say more than its class and message, if need be."""
        kinds = tuple(kind for kind in KINDS if isinstance(error, kind))
        return cls(kinds, message_of(error), words or in_words(error))

    @property
    def kind(self) -> type[Exception] | None:
        """The first class in the table that the exception belongs to; None if the call was accepted."""
        return self.kinds[0] if self.kinds else None

    @property
    def trace(self) -> Trace:
        return {"refusal": np.asarray(0 if self.kind is None else 1 + KINDS.index(self.kind))}

    def agrees_with(self, torchs: Outcome) -> bool:
        """Whether both accept, or this is of the class that torch refuses with, or of a subclass."""
        if torchs.kind is None or self.kind is None:
            return torchs.kind is self.kind
        return torchs.kind in self.kinds

    def __str__(self) -> str:
        return self.words


def outcome(call: Callable[[Case], object], case: Case, describe: Callable[[Exception], str] = in_words) -> Outcome:
    """Make a case's call. What it returns does not matter, nor whether it warns."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            call(case)
        except Exception as error:  # whatever it is: that is what is compared
            return Outcome.of(error, describe(error))
    return Outcome()


def describe(trace: Trace) -> str:
    """The outcome in a trace, in words."""
    code = int(trace["refusal"])
    return KINDS[code - 1].__name__ if code else "accepted"


Call = Callable[[str, dict[str, Any], Case], object]
"""makes the call of a case, given its name without the package it is in, and its arguments"""


def arguments(config: Any) -> dict[str, Any]:
    """A call's arguments; JSON has no tuples, and torch's pairs are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config["arguments"].items()}


def arrays(case: Case) -> dict[str, Any]:
    """A case's arrays, in the dtypes that the case is about."""
    dtypes = case.config.get("dtypes", {})
    return {name: case[name].astype(dtypes[name]) if name in dtypes else case[name] for name in case}
