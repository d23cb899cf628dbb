"""Mutants of the reference: the changes that mutmut's operators make to its source, one at a time.

Of mutmut only the operators are used. Its own generation leaves out properties, defaults and constants, and its
runner knows nothing but tests.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators

import reference

FOLDER = Path(reference.__file__).parent

NOT_MUTATED = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.Raise)
"""types, and what an error says: whether it is raised is up to the condition in front of it"""


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


def module_names() -> list[str]:
    """Every module of the reference."""
    paths = (path.relative_to(FOLDER).with_suffix("").parts for path in sorted(FOLDER.rglob("*.py")))
    return [".".join(parts[: -1 if parts[-1] == "__init__" else None]) for parts in paths]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"reference.{name}".removesuffix("."))


# ------------------------------------------------------------------------------------------------ generation


def mutants(module: str) -> list[Mutant]:
    """Every mutant of a module, equal ones once."""
    source = Path(str(_module(module).__file__)).read_bytes()
    tree = cst.parse_module(source)
    spans = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(ByteSpanPositionProvider)
    lines = source.decode().splitlines()
    found: dict[str, Mutant] = {}
    for place, in_function, node, changed in _changes(tree, "", False):
        start = spans[node].start
        end = start + spans[node].length
        if getattr(node, "lpar", None):  # a node's own parentheses are outside of its span
            changed = changed.with_changes(lpar=(), rpar=())
        mutated = (source[:start] + tree.code_for_node(changed).encode() + source[end:]).decode()
        texts = _difference(lines, mutated.splitlines())
        if texts != ("", ""):
            found.setdefault(mutated, Mutant(module, place, in_function, *texts, mutated))
    return list(found.values())


def _changes(node: cst.CSTNode, place: str, in_function: bool) -> Iterator[tuple[str, bool, cst.CSTNode, cst.CSTNode]]:
    """Where a change is made, the node, and what comes in its stead."""
    if isinstance(node, NOT_MUTATED) or (isinstance(node, cst.AnnAssign) and _is_alias(node)):
        return
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from ((place, in_function, node, changed) for changed in operator(node))
    # mutmut changes neither a condition that is no comparison nor a call for its effect
    if isinstance(node, cst.If) and not isinstance(node.test, cst.Comparison):
        operand = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield place, in_function, node.test, cst.UnaryOperation(cst.Not(), operand)
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
        yield place, in_function, node, cst.Pass()
    if isinstance(node, cst.ClassDef | cst.FunctionDef) and not in_function:
        place = f"{place}.{node.name.value}".removeprefix(".")
        in_function = isinstance(node, cst.FunctionDef)
    for child in node.children:
        yield from _changes(child, place, in_function)


def _is_alias(node: cst.AnnAssign) -> bool:
    return isinstance(node.annotation.annotation, cst.Name) and node.annotation.annotation.value == "TypeAlias"


def _difference(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    """The lines that differ, on either side."""
    same = [_equal_lines(before, after)]
    before, after = before[same[0] :], after[same[0] :]
    same.append(_equal_lines(before[::-1], after[::-1]))
    return _text(before[: len(before) - same[1]]), _text(after[: len(after) - same[1]])


def _equal_lines(before: Sequence[str], after: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))


def _text(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines)


# ------------------------------------------------------------------------------- changing the running reference


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
    module = _module(mutant.module)
    namespace = {name: vars(module)[name] for name in ("__name__", "__package__", "__file__")}
    exec(compile(mutant.source, str(module.__file__), "exec"), namespace)
    changes = list(_changed(module, namespace, not mutant.in_function))
    try:
        for change in changes:
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
        elif data and not name.startswith("__"):
            for holder in [owner] if isinstance(owner, type) else _importers():
                if vars(holder).get(name) is before:
                    yield Change(holder, name, before, after)


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
