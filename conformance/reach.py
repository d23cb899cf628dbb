"""Which functions of the reference a case goes through: only divergences that change one of them can show in it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

import reference

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
    modules = ((_module(code.co_filename), code) for code in codes)
    return {(module, code.co_qualname.partition(".<locals>")[0]) for module, code in modules if module}


@cache
def _module(filename: str) -> str:
    """``optim.adam`` for reference/optim/adam.py, nothing for a file of another package."""
    path = Path(filename)
    if _FOLDER not in path.parents:
        return ""
    return ".".join(path.relative_to(_FOLDER).with_suffix("").parts).removesuffix(".__init__")


_FOLDER = Path(reference.__file__).parent
