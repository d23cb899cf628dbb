"""Divergences are patches of the reference's source, applied to the running package.

A patch replaces a fragment that occurs exactly once. Only the tokens in which the two fragments differ are
replaced, so that patches of the same lines combine unless they change the same tokens. The functions that a
patch touches are compiled anew and get their new code for as long as the patch is applied: whoever calls them,
the notebook's classes and the adapter too, runs the patched formula.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Patch:
    """A fragment of a module of ``reference`` and what replaces it."""

    module: str
    """``rnn`` for reference/rnn.py, ``optim.adam`` for reference/optim/adam.py"""
    correct: str
    wrong: str
    function: str = ""
    """where the fragment occurs once: ``forward``, ``Adam.update``, or anywhere in the module"""


class PatchError(Exception):
    """A fragment does not occur exactly once, or lies outside any function: the catalogue and the source disagree."""


class ConflictError(Exception):
    """Patches that change the same tokens differently: they cannot be combined."""


@dataclass(frozen=True, order=True)
class Edit:
    """Characters of a module's source and what replaces them; an insertion where start is end."""

    module: str
    start: int
    end: int
    text: str

    def conflicts(self, other: Edit) -> bool:
        """Whether both cannot be made, being different."""
        if self == other or self.module != other.module:
            return False
        if self.start == self.end or other.start == other.end:
            insertion, range_ = (self, other) if self.start == self.end else (other, self)
            if range_.start == range_.end:
                return insertion.start == range_.start
            return range_.start < insertion.start < range_.end
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Source:
    """A module of the reference with its text."""

    module: ModuleType
    text: str

    @cached_property
    def functions(self) -> dict[str, tuple[int, int]]:
        """The characters of every function and method, by qualified name."""
        starts = [0]
        for line in self.text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        spans: dict[str, tuple[int, int]] = {}

        def visit(node: ast.AST, prefix: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef):
                    visit(child, f"{prefix}{child.name}.")
                elif isinstance(child, ast.FunctionDef):
                    first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                    spans[prefix + child.name] = (starts[first - 1], starts[child.end_lineno or 0])

        visit(ast.parse(self.text), "")
        return spans

    def function_at(self, position: int) -> str:
        """The function or method that a character belongs to."""
        for name, (start, end) in self.functions.items():
            if start <= position < end:
                return name
        raise PatchError(f"{self.module.__name__}: a patch lies outside any function")

    def function(self, name: str) -> FunctionType:
        """The function object whose code a patch replaces."""
        owner: Any = self.module
        *classes, last = name.split(".")
        for part in classes:
            owner = vars(owner)[part]
        found = vars(owner)[last]
        for attribute in ("fget", "func", "__func__"):  # property, cached_property, staticmethod
            found = getattr(found, attribute, found) if not isinstance(found, FunctionType) else found
        assert isinstance(found, FunctionType)
        return found


@cache
def source(module: str) -> Source:
    """A module of the reference by its short name."""
    loaded = importlib.import_module(f"reference.{module}")
    return Source(loaded, Path(str(loaded.__file__)).read_text(encoding="utf-8"))


def path_of(module: str) -> str:
    """The file of a module of the reference."""
    return f"reference/{module.replace('.', '/')}.py"


@cache
def edits(patch: Patch) -> tuple[Edit, ...]:
    """The tokens that a patch changes.

    Raises:
        PatchError: the correct fragment does not occur exactly once where it should.
    """
    text = source(patch.module).text
    begin, end = 0, len(text)
    if patch.function:
        if patch.function not in source(patch.module).functions:
            raise PatchError(f"{path_of(patch.module)} has no function {patch.function}")
        begin, end = source(patch.module).functions[patch.function]
    count = text.count(patch.correct, begin, end)
    if count != 1:
        raise PatchError(f"{path_of(patch.module)} {patch.function}: {patch.correct!r} occurs {count} times, not once")
    position = text.index(patch.correct, begin, end)
    old, new = _tokens(patch.correct), _tokens(patch.wrong)
    offsets = [position]
    for token in old:
        offsets.append(offsets[-1] + len(token))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return tuple(
        Edit(patch.module, offsets[i], offsets[j], "".join(new[k:m]))
        for tag, i, j, k, m in matcher.get_opcodes()
        if tag != "equal"
    )


def _tokens(fragment: str) -> list[str]:
    return re.findall(r"\w+|\n *|\s+|[^\w\s]", fragment)


def functions_of(patches: Iterable[Patch]) -> set[tuple[str, str]]:
    """The (module, function) pairs that patches change."""
    return set(_by_function(patches))


def _by_function(patches: Iterable[Patch]) -> dict[tuple[str, str], set[Edit]]:
    found: dict[tuple[str, str], set[Edit]] = {}
    for patch in patches:
        for edit in edits(patch):
            found.setdefault((edit.module, source(edit.module).function_at(edit.start)), set()).add(edit)
    return found


def compiled(patches: Sequence[Patch]) -> dict[FunctionType, CodeType]:
    """The new code of every function that the patches change together.

    Raises:
        ConflictError: two of them change the same tokens differently.
    """
    return {
        source(module).function(name): _compile(module, name, frozenset(group))
        for (module, name), group in _by_function(patches).items()
    }


@cache
def _compile(module: str, name: str, group: frozenset[Edit]) -> CodeType:
    ordered = sorted(group)
    for index, edit in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if edit.conflicts(other):
                raise ConflictError(f"{path_of(module)} {name}: {edit.text!r} and {other.text!r}")
    text = patched_function(module, name, ordered)
    # the class around a method gives super() what it needs
    *classes, last = name.split(".")
    body = textwrap.dedent(text)
    for owner in reversed(classes):
        body = f"class {owner}:\n" + textwrap.indent(body, "    ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of patches that make nonsense when they are combined
        code = compile("from __future__ import annotations\n" + body, f"{path_of(module)}, patched", "exec")
    for part in [*classes, last]:
        code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == part)
    return code


def patched_function(module: str, name: str, ordered: Iterable[Edit]) -> str:
    """The source of a function with some edits made."""
    start, end = source(module).functions[name]
    text = source(module).text
    parts, position = [], start
    for edit in sorted(ordered):
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:end]])


@contextmanager
def applied(patches: Sequence[Patch]) -> Iterator[None]:
    """Run the reference patched.

    Raises:
        ConflictError: the patches cannot be combined.
    """
    new = compiled(patches)
    old = {function: function.__code__ for function in new}
    try:
        for function, code in new.items():
            function.__code__ = code
        yield
    finally:
        for function, code in old.items():
            function.__code__ = code


def diff(patches: Iterable[Patch]) -> str:
    """What the patches change, as a unified diff of the functions they touch."""
    parts = []
    for (module, name), group in _by_function(patches).items():
        start, end = source(module).functions[name]
        before = source(module).text[start:end].splitlines()
        after = patched_function(module, name, group).splitlines()
        lines = difflib.unified_diff(before, after, f"{path_of(module)}", f"{name}, diverging", lineterm="", n=1)
        parts.append("\n".join(lines))
    return "\n".join(parts)
