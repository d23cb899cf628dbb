"""The way from a notebook's layer, as written, to torch: one divergence after another taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance import cases, tolerance
from conformance.divergences import applied, by_id
from conformance.divergences.notebook import SIMPLE_RNN, SIMPLE_RNN_2
from conformance.explain import attempt
from conformance.trace import Trace


@dataclass(frozen=True)
class Step:
    """A set of divergences, and how far its traces are from the right ones."""

    removed: str
    """the divergence that the step before still had; empty at the start"""
    errors: tuple[float, ...]
    """per case, the largest relative error of an array, norm over norm"""


@dataclass(frozen=True)
class Path:
    """The way from a notebook's layer to torch."""

    divergences: Sequence[str]
    """what the layer as written has, in the order in which it is taken back"""
    cases: Sequence[str]

    def steps(self) -> list[Step]:
        """Divergences removed one after another, and the error that is left after each."""
        found = []
        chosen = {case.id: case for case in cases.all_cases()}
        for count in range(len(self.divergences) + 1):
            remaining = [by_id()[name] for name in self.divergences[count:]]
            errors = []
            for case in (chosen[name] for name in self.cases):
                right = attempt(case)
                with applied(remaining):
                    wrong = attempt(case)
                errors.append(_largest_error(wrong, right))
            found.append(Step(self.divergences[count - 1] if count else "", tuple(errors)))
        return found


def _of_layer(divergences: Sequence[str], layer: str, three_steps: str) -> Path:
    names = (f"documented/notebook/{three_steps}", f"core/notebook/{layer}-SGDrnn", f"core/notebook/{layer}-ReLU")
    return Path(divergences, [f"{name}/float64" for name in names])


PATHS: Mapping[str, Path] = {
    "SimpleRNN": _of_layer(SIMPLE_RNN, "SimpleRNN", "three-step"),
    "SimpleRNN2": _of_layer(SIMPLE_RNN_2, "SimpleRNN2", "three-step-last"),
}


def _largest_error(wrong: Trace | str, right: Trace | str) -> float:
    if isinstance(wrong, str) or isinstance(right, str):
        return np.inf
    errors = [tolerance.norm(wrong[name] - right[name]) / (tolerance.norm(right[name]) or 1.0) for name in right]
    return max(errors)
