"""torch's own optimizer tests as a suite: every configuration of ``optim_db``, for twelve steps.

The installed torch lists the options with which it tests each of its optimizers on a CPU. Parameters and gradients
are those of the suite's own cases, since torch's list leaves them to the test. ``foreach``, ``fused``, ``capturable``
and ``differentiable`` are ways of executing an algorithm and left out. A rate that torch's list has in a tensor is
given as the number in it: torch computes the same from both, up to products of such a rate with Python's floats,
which it rounds to the tensor's float32 (SparseAdam's and Muon's).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import optim_db

from conformance.case import Array, Build, Case, cases_of
from conformance.cases import optimizer, optimizer_closure, optimizer_sparse

SUITE = "torch-optimizers"
STEPS = 12

EXECUTION = frozenset(("foreach", "fused", "capturable", "differentiable"))


def cases() -> Iterator[Case]:
    """A case of twelve steps per configuration and dtype; one for each wrong option."""
    for info in optim_db:
        for given in info.optim_inputs_func(device="cpu"):
            family, config, build = _made(info.name, arguments_of(given.kwargs))
            name = f"{info.name}-{_slug(given.desc)}"
            yield from cases_of(family, name, config, build, _note(given), level="quick", suite=SUITE)

        for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float64):
            yield from _refusal(info.name, error.optimizer_error_input)


def _refusal(algorithm: str, given: Any) -> Iterator[Case]:
    """A case of the family ``error``, where what torch refuses is a number among the options."""
    values = [entry for value in given.kwargs.values() for entry in (value if isinstance(value, tuple) else [value])]
    if given.params is None and not any(isinstance(value, torch.Tensor) for value in values):
        config = {"call": f"optim.{algorithm}", "arguments": arguments_of(given.kwargs)}
        description, note = f"{algorithm}-{_slug(given.desc)}", f"torch's own test: {given.desc}"
        yield from cases_of(
            "error", description, config, _matrix, note, level="quick", suite=SUITE, dtypes=("float64",)
        )


def _matrix(rng: np.random.Generator) -> dict[str, Array]:
    return {"param.weight": rng.standard_normal((2, 3))}


def arguments_of(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What torch's list passes to an optimizer as a case's configuration has it: numbers, and lists of numbers."""
    return {name: _plain(value) for name, value in kwargs.items() if name not in EXECUTION}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value.item() if isinstance(value, torch.Tensor) else value


def _made(algorithm: str, options: dict[str, Any]) -> tuple[str, dict[str, Any], Build]:
    if algorithm == "SparseAdam":
        config = {"algorithm": algorithm} | optimizer_sparse.DEFAULTS | options
        return "optimizer_sparse", config, partial(optimizer_sparse.arrays_of, steps=STEPS)
    if algorithm == "LBFGS":
        # scaled so that its absolute tolerances end an iteration while rounding, float32's too, is far below them
        config = {"algorithm": algorithm, "objective": "quadratic", "steps": STEPS}
        config |= optimizer_closure.DEFAULTS | options
        return "optimizer_closure", config, partial(optimizer_closure.arrays_of, scale=1e-3)
    config = {"algorithm": algorithm} | optimizer.DEFAULTS[algorithm] | options
    return "optimizer", config, partial(optimizer.arrays_of, steps=STEPS, **optimizer.shapes_of(algorithm))


def _note(given: Any) -> str:
    tensors = [name for name, value in given.kwargs.items() if isinstance(value, torch.Tensor)]
    return f"torch's own test: {given.desc}" + "".join(f"; the number in its tensor as {name}" for name in tensors)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-")
