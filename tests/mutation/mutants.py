"""Mutants of the reference: the changes that mutmut's operators make to its source, one at a time.

Of mutmut only the operators are used. Its own generation leaves out properties, defaults and constants, and its
runner knows nothing but tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators

from tests.mutation.results import FOLDER
from tests.mutation.running import Mutant, loaded

NOT_MUTATED = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.Raise)
"""types, and what an error says: whether it is raised is up to the condition in front of it"""


def mutants(module: str) -> list[Mutant]:
    """Every mutant of a module, equal ones once."""
    source = Path(str(loaded(module).__file__)).read_bytes()
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
    named = node.args[0] if isinstance(node, cst.Call) and _called(node) in _naming() else None
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from (
                (place, in_function, node, changed)
                for changed in operator(node)
                if named is None or named in changed.children or len(changed.children) < len(node.children)
            )
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
        if child is not named:
            yield from _changes(child, place, in_function)


@cache
def _naming() -> set[str]:
    """Functions whose first argument says in an error's message what is wrong."""
    texts = (path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py"))
    return {found for text in texts for found in re.findall(r"def (\w+)\((?:self, )?name: str", text)}


def _called(node: cst.Call) -> str:
    function = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    return str(function.value) if isinstance(function, cst.Name) else ""


def _is_alias(node: cst.AnnAssign) -> bool:
    annotation = node.annotation.annotation
    return isinstance(annotation, cst.Name) and str(annotation.value) == "TypeAlias"


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
