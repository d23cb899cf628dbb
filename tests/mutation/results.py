"""The result of the mutation job as it is committed, and the hashes of the sources that it is the result of."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import TypedDict

FOLDER = Path(__file__).parents[2] / "reference"
PATH = Path(__file__).with_name("results.json")
COMMAND = "tox -e mutation"


class Survivor(TypedDict):
    """A mutant that neither a case nor a test tells from the reference."""

    module: str
    place: str
    original: str
    mutated: str
    argument: str
    """why it is equivalent, written by hand"""


class Counts(TypedDict):
    """What became of the mutants of one module."""

    mutants: int
    by_cases: int
    """killed by a case"""
    by_tests: int
    """killed by a test, and by no case"""
    survived: int


class OfModule(TypedDict):
    """The result for one module."""

    sources: str
    """the hash of its source then"""
    counts: Counts


class Results(TypedDict):
    """The whole file."""

    tool: str
    modules: dict[str, OfModule]
    survivors: list[Survivor]


def module_names() -> list[str]:
    """Every module of the reference: ``optim.adam`` for optim/adam.py, nothing for the package itself."""
    paths = (path.relative_to(FOLDER).with_suffix("").parts for path in sorted(FOLDER.rglob("*.py")))
    return [".".join(parts[: -1 if parts[-1] == "__init__" else None]) for parts in paths]


def hash_of_source(module: str) -> str:
    """Of what is executed: documentation may change."""
    path = FOLDER.joinpath(*filter(None, module.split(".")))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return hashlib.sha256(_undocumented(file.read_text(encoding="utf-8")).encode()).hexdigest()


def _undocumented(text: str) -> str:
    """A source without the lines of strings that nothing uses."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or 0) - node.lineno + 1)
    return "\n".join(line for line in lines if line)


def stale(results: Results) -> list[str]:
    """The modules whose source is not the one that the result is of."""
    known = {module: of_module["sources"] for module, of_module in results["modules"].items()}
    return [module for module in module_names() if known.get(module) != hash_of_source(module)]


def key(survivor: Survivor) -> tuple[str, str, str, str]:
    """What an argument belongs to, wherever the lines move."""
    return survivor["module"], survivor["place"], survivor["original"], survivor["mutated"]


def load() -> Results:
    """The committed results, empty ones before the first run."""
    if not PATH.exists():
        return Results(tool="", modules={}, survivors=[])
    results: Results = json.loads(PATH.read_text(encoding="utf-8"))
    return results


def save(results: Results) -> None:
    PATH.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
