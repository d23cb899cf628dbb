"""The running reference, changed: a mutant in place of a module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Mutant:
    """A module of the reference with one change."""

    module: str
    """``optim.adam`` for reference/optim/adam.py"""
    place: str
    """``Adam.update``; ``Adam`` for what stands in the class itself, nothing for what stands in the module"""
    in_function: bool
    original: str
    """the lines that change, without indentation"""
    mutated: str
    source: str
    """of the whole module"""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by, wherever its lines move."""
        return self.module, self.place, self.original, self.mutated


def loaded(name: str) -> ModuleType:
    """A module of the reference."""
    return importlib.import_module(f"reference.{name}".removesuffix("."))


GONE = object()
"""in place of the value of an attribute that a mutant does not have"""


class Change(NamedTuple):
    """An attribute that a mutant gives another value."""

    holder: Any
    name: str
    before: Any
    after: Any


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Run the reference as the mutant has it, whoever imported what from it.

    Functions and classes remain the objects that they are. Functions get new code; constants and what stands in a
    class get new values, but only if that is where the mutant differs.
    """
    module = loaded(mutant.module)
    namespace = {name: vars(module)[name] for name in ("__name__", "__package__", "__file__")}
    exec(compile(mutant.source, str(module.__file__), "exec"), namespace)
    changes = list(_changed(module, namespace, not mutant.in_function))
    try:
        for change in changes:
            if change.after is GONE:
                delattr(change.holder, change.name)
            else:
                setattr(change.holder, change.name, change.after)
        yield
    finally:
        for change in reversed(changes):
            setattr(change.holder, change.name, change.before)


def _changed(owner: ModuleType | type, new: Mapping[str, Any], data: bool) -> Iterator[Change]:
    for name, after in new.items():
        before = vars(owner).get(name)
        if before is after:  # imported from another module
            continue
        if functions := list(zip(_functions(before), _functions(after), strict=True)):
            for old, changed in functions:
                yield from _changed_function(owner, name, old, changed)
        elif isinstance(after, type) and isinstance(before, type):
            yield from _changed(before, vars(after), data)
        elif data and (name == "__all__" or not name.startswith("__")):
            for holder in [owner] if isinstance(owner, type) else _importers():
                if vars(holder).get(name) is before:
                    yield Change(holder, name, before, after)
    if data and isinstance(owner, type):
        for name in vars(owner).keys() - new.keys():
            if not name.startswith("__"):
                yield Change(owner, name, vars(owner)[name], GONE)


def _changed_function(owner: ModuleType | type, name: str, old: FunctionType, new: FunctionType) -> Iterator[Change]:
    if old.__code__.co_freevars == new.__code__.co_freevars:
        for attribute in ("__code__", "__defaults__", "__kwdefaults__"):
            yield Change(old, attribute, getattr(old, attribute), getattr(new, attribute))
    else:  # super() is gone: code does not fit a function with another closure
        rebuilt = FunctionType(new.__code__, old.__globals__, name, new.__defaults__)
        yield Change(owner, name, old, rebuilt)


def _functions(member: object) -> list[FunctionType]:
    """The functions that a member of a class or module consists of."""
    parts = [member, *(getattr(member, name, None) for name in ("fget", "fset", "func", "__func__", "__wrapped__"))]
    return [part for part in parts if isinstance(part, FunctionType)]


def _importers() -> list[ModuleType]:
    """Everything that may have imported a constant."""
    packages = ("reference", "conformance", "tests")
    return [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in packages]
