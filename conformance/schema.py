"""What the lines of a results log hold, as types, and the first thing in one that is otherwise.

Reports take a log as it is declared here; so whatever they read has to be declared.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterable
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from conformance.case import Level
from conformance.compare import PRINTED, Check


class Implementation(TypedDict):
    name: str
    precision: str | None


class Versions(TypedDict):
    python: str
    numpy: str
    torch: str
    suite: str


class Processor(TypedDict):
    machine: str
    features: list[str]


class CaseEntry(TypedDict):
    config: dict[str, Any]
    note: str
    level: Level


class Header(TypedDict):
    """The first line."""

    started: str
    command: list[str]
    implementation: Implementation
    versions: Versions
    torch_pinned: str
    torch_is_pinned: bool
    platform: str
    processor: Processor
    blas: list[dict[str, str | int | None]]
    longdouble_bits: int
    cases: dict[str, CaseEntry]


class Counts(TypedDict):
    agrees: int
    diverges: int
    errored: int
    skipped: int


class Member(TypedDict):
    """A divergence of a set that explains something."""

    id: str
    title: str
    seen_in: list[str]
    diff: str


class Found(TypedDict):
    """A diagnosis of one family."""

    family: str
    sets: list[list[Member]]
    explained: int
    diverging: int
    complete: bool
    cases: list[str]
    overwritten: list[str]


class Footer(TypedDict):
    """The last line."""

    cases: int
    checks: int
    counts: Counts
    diagnoses: list[Found]
    seconds: float
    torch_seconds: float


class Network(TypedDict):
    """The options of nn.RNN that reports are arranged by."""

    nonlinearity: str
    num_layers: int
    bidirectional: bool
    bias: bool
    batch_first: bool


class Optimizer(TypedDict):
    algorithm: str


CONFIGS: dict[str, Any] = {"rnn": Network, "optimizer": Optimizer}
"""what is read of the configurations of a family's cases"""


def fault(value: object, declared: Any, name: str = "") -> str | None:
    """The first thing that is not as declared, in words; None if all is.

    ``declared`` is a class, Literal, a union, a list, a dict or a TypedDict. A dict may have keys that its TypedDict
    does not have: they are for other readers.
    """
    if type(value) in plain(declared):
        return None
    if is_typeddict(declared) and isinstance(value, dict):
        for key, inner in get_type_hints(declared).items():
            if key not in value:
                return f"{name or 'it'} has no {key}"
            if found := fault(value[key], inner, f"{name}.{key}".lstrip(".")):
                return found
        return None
    origin, arguments = get_origin(declared), get_args(declared)
    if declared is float and type(value) is int and abs(value) < sys.float_info.max:  # JSON need not write the point
        return None
    if declared is Any or (origin is Literal and isinstance(value, str) and value in arguments):
        return None
    if origin is list and isinstance(value, list):
        return next((found for entry in value if (found := fault(entry, arguments[0], name))), None)
    if origin is dict and isinstance(value, dict):
        return next((found for key in value if (found := fault(value[key], arguments[1], f"{name}.{key}"))), None)
    if origin in (Union, UnionType) and any(fault(value, inner, name) is None for inner in arguments):
        return None
    return f"{name or 'it'} is {reprlib.repr(value)}, expected {_described(declared)}"


@cache
def plain(declared: Any) -> frozenset[type]:
    """The classes whose objects are as declared without a look inside."""
    if get_origin(declared) in (Union, UnionType):
        return frozenset().union(*(plain(inner) for inner in get_args(declared)))
    return frozenset({declared}) if declared in (str, int, bool, float, NoneType) else frozenset()


def _described(declared: Any) -> str:
    if is_typeddict(declared) or get_origin(declared) is dict:
        return "an object"
    return declared.__name__ if isinstance(declared, type) and not get_args(declared) else str(declared)


def fault_of_checks(checks: Iterable[Check]) -> str | None:
    """The first check that is not as declared, or whose values cannot stand in one table."""
    sizes: dict[tuple[str, str], int] = {}
    for check in checks:
        if found := fault_of_check(check):
            return found
        if check.values is None:
            continue
        array = str(check.array)
        if check.values.keys() != {"actual", "printed" if array.endswith(PRINTED) else "expected"}:
            return f"values are {', '.join(check.values)} of {array}"
        for value in check.values.values():
            size = _size(value)
            if size is None or size != sizes.setdefault((check.case, array.removesuffix(PRINTED)), size):
                return f"values of {array} are {reprlib.repr(value)}, expected as many numbers on either side"
    return None


def _size(value: Any) -> int | None:
    """How many numbers there are in nested lists; None if there is anything else, or they are no array."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    return array.size if array.dtype.kind in "fiu" else None


_CHECK = [(name, declared, plain(declared)) for name, declared in get_type_hints(Check).items()]


def fault_of_check(check: Check) -> str | None:
    """The first field of a check that is not as declared; a log has a hundred thousand checks."""
    for name, declared, classes in _CHECK:
        value = getattr(check, name)
        if type(value) not in classes and (found := fault(value, declared, name)):
            return found
    return None
