"""The result of the mutation job as it is committed, and the hash of the sources that it is the result of."""

from __future__ import annotations

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


class Results(TypedDict):
    """The whole file."""

    sources: str
    tool: str
    modules: dict[str, Counts]
    survivors: list[Survivor]


def hash_of_sources() -> str:
    """Of every module of the reference, by name."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        digest.update(f"{path.relative_to(FOLDER).as_posix()} {len(text)}\n{text}".encode())
    return digest.hexdigest()


def key(survivor: Survivor) -> tuple[str, str, str, str]:
    """What an argument belongs to, wherever the lines move."""
    return survivor["module"], survivor["place"], survivor["original"], survivor["mutated"]


def load() -> Results:
    """The committed results."""
    results: Results = json.loads(PATH.read_text(encoding="utf-8"))
    return results


def save(results: Results) -> None:
    PATH.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
