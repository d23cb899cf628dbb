"""A call as a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, Level, cases_of

Change = Mapping[str, Any]
"""arrays in place of the right ones: a shape to draw, an array, or None to leave one out"""

QUICK = frozenset(
    (
        *("RNN-input-no-steps", "RNN-input-no-batch", "RNN-h_0-batch", "RNN-lengths-unsorted", "RNN-lengths-0"),
        *("RNN-dropout-1", "LSTM-proj_size-equal", "RNNCell-input_size-0", "Linear-in_features-0"),
        *("cross_entropy-target-negative", "cross_entropy-probabilities-ignore_index", "calculate_gain-unknown"),
        *("Adam-lr-nan", "Adam-betas-0.9-1.0", "Adam-no-parameters", "SGD-nesterov", "SGD-nesterov-dampening-0.1"),
        "clip_grad_norm-inf",
    )
)
"""the cases that known divergences show in"""


def call_of(call: str, description: str, arguments: Any, build: Build, note: str, **config: Any) -> Iterator[Case]:
    """The case of a call by torch's name, with the arguments of its constructor, or of a function by keyword."""
    name = f"{call.rpartition('.')[2].strip('_')}-{description}"
    level: Level = "quick" if name in QUICK else "standard"
    full = {"call": call, "arguments": dict(arguments), **config}
    return cases_of("error", name, full, build, note, level=level, dtypes=("float64",))


def with_changes(arrays: Mapping[str, Any], change: Change, rng: np.random.Generator) -> dict[str, Array]:
    """Some arrays replaced, or added."""
    drawn = {
        name: rng.uniform(0.1, 0.9, value) if isinstance(value, tuple) else value for name, value in change.items()
    }
    return {name: np.asarray(value) for name, value in ({**arrays, **drawn}).items() if value is not None}
