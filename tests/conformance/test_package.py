"""Who may import torch."""

from __future__ import annotations

from pathlib import Path

import pytest

import conformance
import reports
from tests.reference.test_package import imported_packages

MODULES = [path for package in (conformance, reports) for path in Path(str(package.__file__)).parent.glob("**/*.py")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_only_the_adapter_of_torch_imports_it(path: Path) -> None:
    of_torch = path.parent.name == "adapters" and path.stem.startswith("pytorch")
    assert of_torch or "torch" not in set(imported_packages(path.read_text(encoding="utf-8")))


def test_the_adapter_is_among_what_is_looked_at() -> None:
    [adapter] = [path for path in MODULES if path.stem == "pytorch"]
    assert "torch" in set(imported_packages(adapter.read_text(encoding="utf-8")))
