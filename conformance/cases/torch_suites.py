"""torch's own test inputs as suites of cases, built only when asked for: importing torch.testing takes seconds."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from conformance.case import Case

SUITES: Mapping[str, str] = {
    "torch-modules": "conformance.adapters.pytorch_module_tests",
    "torch-optimizers": "conformance.adapters.pytorch_optimizer_tests",
}
"""the module whose ``cases()`` builds a suite"""


class TorchSuiteMissingError(Exception):
    """What a suite needs is not installed; the message says in one line how to install it."""


@cache
def cases_of_suite(name: str) -> tuple[Case, ...]:
    """Every case of a suite.

    Raises:
        TorchSuiteMissingError: expecttest, which torch.testing imports, is not installed.
    """
    try:
        importlib.import_module("expecttest")
    except ModuleNotFoundError:
        raise TorchSuiteMissingError(
            f"the suite {name} needs the package expecttest: in the clone, pip install -e '.[torch-suites]'"
        ) from None
    return tuple(importlib.import_module(SUITES[name]).cases())
