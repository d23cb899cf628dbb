"""The reference stands alone: a learner reads it with nothing but NumPy installed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import reference
from reference import optim, schedules

MODULES = sorted(Path(reference.__file__).parent.glob("**/*.py"))


def imported_packages(source: str) -> Iterator[str]:
    """Top-level names of all imports, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "imports are absolute"
            yield node.module.partition(".")[0]


def test_imports_are_found_wherever_they_stand() -> None:
    assert list(imported_packages("import a.b\ndef f():\n    from c.d import e")) == ["a", "c"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_numpy_and_the_standard_library_are_imported(path: Path) -> None:
    assert set(imported_packages(path.read_text())) <= {"numpy", "reference"} | sys.stdlib_module_names


def test_all_modules_are_looked_at() -> None:
    names = {path.stem for path in MODULES}
    assert names >= {"rnn", "lstm", "gru", "recurrent", "linear", "activations", "losses"}
    assert names >= {"initializers", "adam", "sgd", "notebook", "checks"}


def test_the_package_names_every_module_that_it_has() -> None:
    top = {path.relative_to(Path(reference.__file__).parent).parts[0].removesuffix(".py") for path in MODULES}
    assert reference.__doc__
    assert [name for name in sorted(top - {"__init__"}) if name not in reference.__doc__.replace(",", "").split()] == []


@pytest.mark.parametrize("package", [optim, schedules])
def test_a_package_offers_what_it_imports(package: ModuleType) -> None:
    imported = {name for name, value in vars(package).items() if not isinstance(value, ModuleType) and name[0] != "_"}
    assert set(package.__all__) == imported - {"annotations"}
