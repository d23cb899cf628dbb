"""Which functions of the reference a case goes through: only divergences that change one of them can show in it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from conformance.divergences import catalogue
from conformance.divergences.patching import source

Runnable = TypeVar("Runnable")


def executed(run: Callable[[Runnable], Any], case: Runnable) -> set[tuple[str, str]]:
    """The functions of the reference that a case goes through."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with np.errstate(all="ignore"):
            run(case)
    finally:
        sys.setprofile(before)
    return {_functions()[code] for code in codes if code in _functions()}


def _functions() -> dict[CodeType, tuple[str, str]]:
    if not _FUNCTIONS:
        for module in {patch.module for divergence in catalogue() for patch in divergence.patches}:
            for name in source(module).functions:
                _FUNCTIONS[source(module).function(name).__code__] = (module, name)
    return _FUNCTIONS


_FUNCTIONS: dict[CodeType, tuple[str, str]] = {}
